"""What has changed between two versions of a named table: columns, rows, and how the values are distributed.

A distribution has moved by its population stability index, the sum over bins of (p - q) ln(p / q) with p and q the
shares of the two versions (N. Siddiqi, "Credit Risk Scorecards", 2006, where below 0.1 is small and above 0.25 large).
The bins are the tenths of the earlier version; of texts the ten commonest; values that are missing, NaN and texts that
are not among the ten have bins of their own.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import ibis

from firnflow import values
from firnflow._sql import identifier, literal
from firnflow.stores.tables.read import ref_of

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from firnflow.stores import Stores
    from firnflow.stores.tables.versions import Version

SMALL, LARGE = 0.1, 0.25
_BINS, _COMMON = 10, 10
_DAY = 86_400.0  # seconds
_LEAST = 1e-4  # the share that an empty bin is given: its logarithm must be finite
_NUMBERS = ("INTEGER", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL")
_TIMES = ("DATE", "TIMESTAMP")
_TEXTS = ("VARCHAR", "BOOLEAN")


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


def diff(stores: Stores, table: Table, before: Version, after: Version) -> Difference:
    """Return what has changed from one version of a table to another.

    Raises:
        DamagedArtifactError: a data file is missing, or is not what was published.
    """
    refs = [ref_of(table, version) for version in (before, after)]
    one, two = ((ref.meta or {})["columns"] for ref in refs)
    names = [f"firnflow_diff_{side}" for side in ("before", "after")]
    con = stores.warehouse.connection.con
    for name, ref in zip(names, refs, strict=True):
        rows: ibis.Table = values.load(ref, ibis.Table, stores)
        con.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {stores.warehouse.connection.compile(rows)}")
    both = [column for column in one if column in two]
    moved = [_moved(con, names, column, two[column]) for column in both if _kind(two[column])]
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


def _kind(kind: str) -> str | None:
    """Return whether a type is of `numbers`, `times` or `texts`, or None."""
    kinds = {"numbers": _NUMBERS, "times": _TIMES, "texts": _TEXTS}
    plain = not kind.endswith("]")
    return next((name for name, some in kinds.items() if plain and kind.startswith(some)), None)


def _moved(con: Any, names: list[str], column: str, kind: str) -> Moved:
    what = _kind(kind)
    value = identifier(column)
    if what == "texts":
        labels, expression = _categories(con, names[0], value)
    else:
        labels, expression = _tenths(con, names[0], value, times=what == "times")
    counts = []
    for name in names:
        query = f"SELECT {expression} AS bin, count(*) FROM {name} GROUP BY 1"  # noqa: S608 - quoted
        counts.append(dict(con.execute(query).fetchall()))
    used = [at for at in range(len(labels)) if any(count.get(at) for count in counts)]
    shares = [[count.get(at, 0) / (sum(count.values()) or 1) for at in used] for count in counts]
    return Moved(
        column=column,
        psi=_stability(*shares) if all(map(sum, counts)) else 0.0,
        bins=tuple(labels[at] for at in used),
        before=tuple(shares[0]),
        after=tuple(shares[1]),
        figures=_figures(con, names, value, what),
    )


def _stability(before: list[float], after: list[float]) -> float:
    pairs = [(max(p, _LEAST), max(q, _LEAST)) for p, q in zip(before, after, strict=True)]
    return sum((q - p) * math.log(q / p) for p, q in pairs)


def _categories(con: Any, name: str, value: str) -> tuple[list[str], str]:
    """Return the labels of the bins, and the expression of a value's bin."""
    query = f"SELECT {value}::VARCHAR FROM {name} WHERE {value} IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1"  # noqa: S608 - quoted
    common = [row[0] for row in con.execute(f"{query} LIMIT {_COMMON}").fetchall()]
    cases = "".join(f" WHEN {value}::VARCHAR = {literal(text)} THEN {at}" for at, text in enumerate(common))
    return [
        *common,
        "others",
        "missing",
    ], f"CASE WHEN {value} IS NULL THEN {len(common) + 1}{cases} ELSE {len(common)} END"


def _tenths(con: Any, name: str, value: str, *, times: bool) -> tuple[list[str], str]:
    """Likewise for numbers and moments, which are seconds."""
    number = f"epoch({value})" if times else f"{value}::DOUBLE"
    real = f"{value} IS NOT NULL AND isfinite({number})"
    parts = ", ".join(str(at / _BINS) for at in range(1, _BINS))
    query = f"SELECT quantile_disc({number}, [{parts}]) FROM {name} WHERE {real}"  # noqa: S608 - quoted
    edges = sorted(set(con.execute(query).fetchone()[0] or []))
    cases = "".join(f" WHEN {number} <= {edge!r} THEN {at}" for at, edge in enumerate(edges))
    last = len(edges)
    days = times and bool(edges) and edges[-1] - edges[0] > len(edges) * _DAY
    shown = [_shown(edge, times=times, days=days) for edge in edges]
    labels = [f"≤ {shown[0]}", *(f"≤ {edge}" for edge in shown[1:]), f"> {shown[-1]}"] if edges else ["any"]
    infinite = f" WHEN NOT isfinite({number}) THEN {last + 1}"
    expression = f"CASE WHEN {value} IS NULL THEN {last + 2}{infinite}{cases} ELSE {last} END"
    return [*labels, "NaN, infinite", "missing"], expression


def _shown(edge: float, *, times: bool, days: bool) -> str:
    if not times:
        return f"{edge:.6g}"
    import datetime as dt

    moment = dt.datetime.fromtimestamp(edge, dt.UTC)
    return moment.date().isoformat() if days or moment.time() == dt.time() else moment.isoformat(" ", "minutes")[:16]


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
