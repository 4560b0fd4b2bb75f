"""What has changed between two versions of a named table: columns, rows, and how the values are distributed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import ibis

from firnflow import values
from firnflow._sql import identifier
from firnflow.stores.tables.distribution import LARGE, SMALL, shift
from firnflow.stores.tables.read import ref_of

if TYPE_CHECKING:
    from firnflow.stores import Stores
    from firnflow.stores.tables.base import TableLike
    from firnflow.stores.tables.distribution import Shift
    from firnflow.stores.tables.versions import Version


@dataclass(frozen=True, slots=True)
class Moved:
    """How the values of a column are distributed in two versions.

    Attributes:
        column: its name.
        psi: the population stability index.
        bins: what each bin holds, as people read it.
        before: the share of each bin in the earlier version.
        after: likewise in the later one.
        figures: `mean`, `min`, `max` and `missing` → both values, as far as the type has them.
    """

    column: str
    psi: float
    bins: tuple[str, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    figures: dict[str, tuple[Any, Any]]

    @property
    def how_much(self) -> str:
        """`same`, `a little` or `much`."""
        return "same" if self.psi < SMALL else "a little" if self.psi < LARGE else "much"


@dataclass(frozen=True, slots=True)
class Difference:
    """What has changed from one version to another.

    Attributes:
        table: its name.
        before: the number of the earlier version.
        after: of the later one.
        rows: how many each has.
        added: how many rows, in the columns of both, only the later has, counted as often as they stand there.
        removed: how many only the earlier has.
        columns: column → its type in both; None: it is not there. Only those that differ.
        moved: the columns of both, the one that has moved most first; nested ones and bytes are left out.
    """

    table: str
    before: int
    after: int
    rows: tuple[int, int]
    added: int
    removed: int
    columns: dict[str, tuple[str | None, str | None]]
    moved: tuple[Moved, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the difference as plain data."""
        plain = asdict(self)
        for row, each in zip(plain["moved"], self.moved, strict=True):
            row["how_much"] = each.how_much
        return plain


def diff(stores: Stores, table: TableLike, before: Version, after: Version) -> Difference:
    """Return what has changed from one version of a table to another.

    Raises:
        DamagedArtifactError: a data file is missing, or is not what was published.
    """
    refs = [ref_of(table, version) for version in (before, after)]
    one, two = ((ref.meta or {})["columns"] for ref in refs)
    names = [f"firnflow_diff_{side}" for side in ("before", "after")]
    connection = stores.warehouse.embedded.connection
    con = connection.con
    for name, ref in zip(names, refs, strict=True):
        rows: ibis.Table = values.load(ref, ibis.Table, stores.embedded)
        con.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {connection.compile(rows)}")
    both = [column for column in one if column in two]
    shifts = ((column, shift(con, names, column, two[column])) for column in both)
    moved = [_moved(con, names, column, found) for column, found in shifts if found is not None]
    return Difference(
        table=after.table,
        before=before.number,
        after=after.number,
        rows=(before.rows, after.rows),
        added=_only(con, names[1], names[0], both),
        removed=_only(con, names[0], names[1], both),
        columns={name: (one.get(name), two.get(name)) for name in {**one, **two} if one.get(name) != two.get(name)},
        moved=tuple(sorted(moved, key=lambda each: (-each.psi, both.index(each.column)))),
    )


def _only(con: Any, here: str, there: str, columns: list[str]) -> int:
    chosen = ", ".join(map(identifier, columns)) or "1"
    query = f"SELECT count(*) FROM (SELECT {chosen} FROM {here} EXCEPT ALL SELECT {chosen} FROM {there})"  # noqa: S608 - quoted
    return int(con.execute(query).fetchone()[0])


def _moved(con: Any, names: list[str], column: str, found: Shift) -> Moved:
    return Moved(
        column=column,
        psi=found.psi,
        bins=found.bins,
        before=found.before,
        after=found.after,
        figures=_figures(con, names, identifier(column), found.kind),
    )


def _figures(con: Any, names: list[str], value: str, what: str | None) -> dict[str, tuple[Any, Any]]:
    chosen = {"missing": f"count(*) - count({value})"}
    if what == "numbers":
        chosen |= {"mean": f"avg({value})::DOUBLE", "min": f"min({value})::DOUBLE", "max": f"max({value})::DOUBLE"}
    elif what == "times":
        chosen |= {"min": f"min({value})::VARCHAR", "max": f"max({value})::VARCHAR"}
    else:
        chosen |= {"distinct": f"count(DISTINCT {value})"}
    found = [con.execute(f"SELECT {', '.join(chosen.values())} FROM {name}").fetchone() for name in names]  # noqa: S608 - quoted
    return {figure: (found[0][at], found[1][at]) for at, figure in enumerate(chosen)}
