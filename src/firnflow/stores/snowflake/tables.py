"""Named tables in Snowflake: each version is a table of its own, which nobody changes and which shares what it can.

Version 3 of `orders` is the table `FIRNFLOW_V$ORDERS$3`; its comment has what the version says of itself. Its name is
the commit: a table is made under another name and renamed, which fails where somebody else was faster. The view
`ORDERS` shows the newest version to whoever asks by SQL. See decision 34.
"""

# ruff: noqa: S608 - every name and text in SQL went through `identifier` or `literal`
from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow import _sql
from firnflow.stores.snowflake.names import literal
from firnflow.stores.snowflake.places import Place
from firnflow.stores.tables.base import TableLike, TablesLike
from firnflow.stores.tables.versions import Version
from firnflow.values.ref import Ref

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from firnflow.stores import Stores
    from firnflow.stores.snowflake.warehouse import SnowflakeWarehouse
    from firnflow.stores.state import State
    from firnflow.stores.tables.publish import Publication, Wish

PREFIX = "FIRNFLOW_V$"
STAGED = "FIRNFLOW_STAGED$"
MARK = "firnflow: the newest version of a named table"
_NAME = re.compile(rf"{re.escape(PREFIX)}[A-Z0-9_]+\$([1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class Kept:
    """A version, and what else its comment says.

    Attributes:
        version: it.
        place: its table.
        columns: column → type, as SQL of DuckDB.
        key: the columns of the table's key.
        partition: those of its partitions.
        owner: the id of the state whose run has published it.
        bytes: how many it takes; what versions share is counted for one of them.
    """

    version: Version
    place: Place
    columns: dict[str, str]
    key: tuple[str, ...]
    partition: tuple[str, ...]
    owner: str
    bytes: int


class SnowflakeTable(TableLike):
    """A named table as it is at one moment.

    Args:
        tables: to which it belongs.
        kept: its versions, the oldest first; at least one.
    """

    def __init__(self, tables: SnowflakeTables, kept: list[Kept]) -> None:
        self._tables = tables
        self.kept = kept

    @property
    def last(self) -> Kept:
        """The newest version."""
        return self.kept[-1]

    @property
    def title(self) -> str:
        """Its name."""
        return self.last.version.table

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that no two rows may have in common."""
        return self.last.key

    @property
    def partition(self) -> tuple[str, ...]:
        """The columns of its partitions."""
        return self.last.partition

    @property
    def columns(self) -> dict[str, str]:
        """Column → type, as SQL of DuckDB."""
        return self.last.columns

    @property
    def is_scattered(self) -> bool:
        """Snowflake looks after its files itself."""
        return False

    def versions(self) -> list[Version]:
        """Return the versions that are kept, the oldest first."""
        return [each.version for each in self.kept]

    def of_number(self, number: int) -> Kept | None:
        """Return a version by its number, or None where it is not kept."""
        return next((each for each in self.kept if each.version.number == number), None)

    def ref_of(self, version: Version) -> Ref:
        """Return the ref of a version; `meta` says which one it is, and what columns it has."""
        kept = next(each for each in self.kept if each.version.number == version.number)
        said = {"rows": version.rows, "table": version.table, "version": version.number}
        meta = {**said, "columns": kept.columns, "types": kept.columns}
        return Ref("table", "ibis", version.digest, where=kept.place.where, size=kept.bytes, meta=meta)

    def restore(self, old: Version, version: Version) -> bool:
        """Make the rows of an older version the newest one, which says `version` of itself; False: too late."""
        from firnflow.stores.snowflake.publish import restore

        return restore(self._tables, self, old, version)


class SnowflakeTables(TablesLike):
    """The named tables of a schema.

    Args:
        state: whose runs publish.
        stores: with a warehouse in Snowflake, whose schema it is.
        warehouse: that warehouse.
    """

    def __init__(self, state: State, stores: Stores, warehouse: SnowflakeWarehouse) -> None:
        self.state = state
        self.stores = stores
        self.warehouse = warehouse

    @property
    def exists(self) -> bool:
        """Whether there are any."""
        return bool(self.names())

    def make(self) -> None:
        """Do nothing: the schema is there."""

    def names(self) -> list[str]:
        """Return the names of all tables."""
        return sorted({kept.version.table for kept in self._kept(PREFIX)})

    def find(self, name: str) -> SnowflakeTable | None:
        """Return a table as it is now, or None."""
        kept = [each for each in self._kept(beginning(name)) if each.version.table == name]
        return SnowflakeTable(self, sorted(kept, key=lambda each: each.version.number)) if kept else None

    def place(self, name: str, number: int) -> Place:
        """Return where a version of a table is, or would be."""
        return self.warehouse.place(f"{beginning(name)}{number}")

    def publication(self, load: Ref, wish: Wish) -> Publication:
        """Return what publishes a stored table."""
        from firnflow.stores.snowflake.publish import SnowflakePublication

        return SnowflakePublication(self, load, wish)

    def places(self, without: Collection[Version] = ()) -> Collection[str]:  # noqa: ARG002 - the protocol's
        """Return nothing: no version is made of files of the artifact store."""
        return ()

    def expire(self, old: Collection[Version]) -> list[Version]:
        """Drop versions that this state has published, but for the newest of each table; return those dropped."""
        gone = []
        owner = self.state.identity()
        for name in sorted({version.table for version in old}):
            table = self.find(name)
            going = {version.number for version in old if version.table == name}
            for kept in table.kept[:-1] if table is not None else ():
                if kept.version.number in going and kept.owner == owner:
                    self.warehouse.run(f"DROP TABLE IF EXISTS {kept.place.sql}")
                    gone.append(kept.version)
        return gone

    def compact(self, names: Collection[str]) -> list[str]:  # noqa: ARG002 - the protocol's
        """Return nothing: Snowflake looks after its files itself."""
        return []

    def sweep(self, older_than: float) -> int:
        """Drop what publishers that have died had made so many seconds ago, and return how much that was."""
        now = self.warehouse.now()
        dead = [
            row
            for row in self.warehouse.show("TABLES", f"{STAGED}{self.state.identity()[:12].upper()}_")
            if row["created_on"].timestamp() < now - older_than
        ]
        for row in dead:
            self.warehouse.run(f"DROP TABLE IF EXISTS {self.warehouse.place(row['name']).sql}")
        return len(dead)

    def show_newest(self, name: str) -> None:
        """Have the view of a table show its newest version, whatever others publish meanwhile."""
        shown = None
        while (table := self.find(name)) is not None and table.last.place != shown:
            shown = table.last.place
            columns = ", ".join(map(_sql.identifier, table.columns))
            self.warehouse.run(
                f"CREATE OR REPLACE VIEW {self.view(name).sql} ({columns}) COPY GRANTS COMMENT = {literal(MARK)} "
                f"AS SELECT {columns} FROM {shown.sql}"
            )

    def view(self, name: str) -> Place:
        """Return where the view of a table is."""
        return self.warehouse.place(name.upper())

    def in_the_way(self, name: str) -> str | None:
        """Return what is there under the name of a table's view, and is none of ours, or None."""
        place = self.view(name)
        for row in self.warehouse.show("OBJECTS", place.name):
            if row["name"] == place.name and not (row["kind"] == "VIEW" and row["comment"] == MARK):
                return f"{str(row['kind']).lower()} {place.sql}"
        return None

    def close(self) -> None:
        """Do nothing: the connection is the warehouse's."""

    def _kept(self, start: str) -> Iterator[Kept]:
        for row in self.warehouse.show("TABLES", start):
            match = _NAME.fullmatch(row["name"])
            found = _read(row, int(match[1])) if match is not None else None
            if found is not None:
                yield found


def beginning(name: str) -> str:
    """Return how the names of the tables begin that are the versions of a named table."""
    return f"{PREFIX}{name.upper()}$"


def comment(version: Version, kept: Kept) -> str:
    """Return what stands in the comment of a version's table; of `kept` the version itself does not count."""
    said = {name: getattr(version, name) for name in Version.__slots__ if name != "snapshot"}
    about = {name: getattr(kept, name) for name in ("columns", "key", "partition", "owner")}
    return json.dumps({"firnflow": 1, **said, "columns_of": about.pop("columns"), **about})


def _read(row: dict[str, Any], number: int) -> Kept | None:
    """Return the version that a table is, by what SHOW says of it; None: somebody else has made it."""
    try:
        said = json.loads(row["comment"])
        partitions = said["partitions"]
        version = Version(
            **{name: said[name] for name in Version.__slots__ if name not in {"snapshot", "partitions"}},
            partitions=None if partitions is None else tuple(partitions),
            snapshot=0,
        )
        columns = {str(name): str(kind) for name, kind in said["columns_of"].items()}
        key, partition, owner = tuple(said["key"]), tuple(said["partition"]), str(said["owner"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    place = Place(row["database_name"], row["schema_name"], row["name"])
    fine = version.number == number and said["firnflow"] == 1
    return Kept(version, place, columns, key, partition, owner, int(row["bytes"] or 0)) if fine else None
