"""How rows become the next version of a named table in Snowflake.

The whole version is made under a name that nobody else knows: a clone, which copies nothing, of the version before it
or of the published table itself, to which rows are added. Then it is renamed to the version's name. That is the commit,
and a compare and swap: there is one such name, and whoever comes second is told that it is taken.
"""

# ruff: noqa: S608 - every name and text in SQL went through `identifier` or `literal`
from __future__ import annotations

import contextlib
import hashlib
import json
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from firnflow import _sql
from firnflow._crash import crash_point
from firnflow._text import counted, listing
from firnflow.errors import DataError, TableConflictError, UsageError
from firnflow.stores.snowflake import places, transport
from firnflow.stores.snowflake.names import literal
from firnflow.stores.snowflake.tables import STAGED, Kept, comment
from firnflow.stores.tables import files, keys
from firnflow.stores.tables.publish import Publication
from firnflow.stores.tables.schema import evolved, narrower
from firnflow.stores.tables.types import columns_of
from firnflow.stores.tables.versions import Version, of_task

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firnflow.stores.snowflake.places import Place
    from firnflow.stores.snowflake.tables import SnowflakeTable, SnowflakeTables
    from firnflow.stores.snowflake.warehouse import SnowflakeWarehouse
    from firnflow.stores.tables.publish import Wish
    from firnflow.values.ref import Ref

_EXISTS = 2002  # Snowflake's number of "already exists"


class SnowflakePublication(Publication):
    """Publishing to a named table in Snowflake."""

    def __init__(self, tables: SnowflakeTables, load: Ref, wish: Wish) -> None:
        super().__init__(tables, load, wish)
        self._named = tables
        self._warehouse = tables.warehouse
        kinds = self._warehouse.embedded.sql_types(dict(self._rows.schema().items()))
        empty = self._warehouse.embedded.empty(kinds)
        self._columns = columns_of(empty, self._warehouse.embedded.connection)
        self._check_exact(kinds)
        self._in_rows: list[str] | None = None

    def partitions(self) -> list[str] | None:
        """Return the names of the partitions that are in the rows; None: the table has none, or it is not known yet."""
        return self._in_rows

    def commit(self, table: Any) -> bool:
        """Make the rows a version, in one commit; return False where somebody else was faster."""
        wish = self._wish
        if table is None:
            files.check_partition(wish.partition, self._columns)
            if not self._is_free():
                return False
            keys.check(wish.table, wish.key, self._rows)
            columns, key, partition, last = self._columns, wish.key, wish.partition, None
        else:
            narrower(wish.table, table.last.version.number, table.columns, self._columns)
            columns, last = evolved(table.columns, self._columns), table.last
            key, partition = table.key, table.partition
            keys.check(wish.table, key, self._rows)
        self._look_at_partitions(partition)
        if table is not None and wish.mode == "partition":
            self._check_conflict(table)
        base = self._base(table)
        with staged(self._named) as place:
            self._fill(place, base, columns, partition)
            if base is not None:
                self._check_key(place, key)
            about = Kept(self._version(last, columns), place, columns, key, partition, "", 0)
            return settle(self._named, place, about)

    def _base(self, table: SnowflakeTable | None) -> Kept | None:
        """Return the version whose rows stay; what this task of this run has appended before, from others, goes."""
        if table is None or self._wish.mode == "replace":
            return None
        mine = of_task(table, self._wish.run, self._wish.task) if self._wish.mode == "append" else None
        if mine is None:
            return table.last
        before = table.of_number(mine.number - 1)
        if mine.number != table.last.version.number or (before is None and mine.number > 1):
            raise TableConflictError(
                f"table {self._wish.table!r}: this task has appended other rows as version {mine.number}, others have "
                "published since, and in Snowflake the two cannot be told apart; nothing was changed. "
                "Mend: restore the version before it, and run again"
            )
        return before

    def _fill(self, place: Place, base: Kept | None, columns: Mapping[str, str], partition: tuple[str, ...]) -> None:
        """Make a table with all rows of the version."""
        chosen = self._chosen(columns)
        rows = self._warehouse.compiled(self._rows)
        if base is None:
            source = self._as_it_is(columns)
            made = f"CLONE {source.sql}" if source is not None else f"AS SELECT {chosen} FROM ({rows})"
            self._warehouse.run(f"CREATE TRANSIENT TABLE {place.sql} {made}")
            return
        clone(self._warehouse, place, base, columns)
        if self._wish.mode == "partition" and partition:
            named = [(_sql.identifier(name), f"P{at}") for at, name in enumerate(partition)]
            wanted = ", ".join(f"{name} AS {short}" for name, short in named)
            same = " AND ".join(f"EQUAL_NULL({place.sql}.{name}, N.{short})" for name, short in named)
            self._warehouse.run(
                f"DELETE FROM {place.sql} USING (SELECT DISTINCT {wanted} FROM ({rows})) AS N WHERE {same}"
            )
        into = ", ".join(map(_sql.identifier, columns))
        self._warehouse.run(f"INSERT INTO {place.sql} ({into}) SELECT {chosen} FROM ({rows})")

    def _chosen(self, columns: Mapping[str, str]) -> str:
        """Return the columns of the rows as those of the version, as SQL."""
        kinds = self._warehouse.embedded.ibis_types(columns)
        return ", ".join(
            f"CAST({_sql.identifier(name)} AS {transport.column(name, kind).kind}) AS {_sql.identifier(name)}"
            for name, kind in kinds.items()
        )

    def _as_it_is(self, columns: Mapping[str, str]) -> Place | None:
        """Return the published table, where a clone of it is the version."""
        meta = self._load.meta or {}
        same = self._load.is_kept and not meta.get("ordered") and list(meta["types"].items()) == list(columns.items())
        return places.Place.of(self._load.where or "") if same else None

    def _look_at_partitions(self, partition: tuple[str, ...]) -> None:
        """Note which partitions are in the rows. Raises UsageError where there are too many."""
        if not partition:
            return
        found = self._rows.select(*partition).distinct().limit(files.PARTITIONS + 1).to_pyarrow().to_pylist()
        if len(found) > files.PARTITIONS:
            raise UsageError(
                f"{listing(partition)} would make more than {counted(files.PARTITIONS, 'partition')} at once. "
                "Mend: partition by something coarser, such as the month"
            )
        self._in_rows = [files.partition_name(tuple(row.values())) for row in found]

    def _check_key(self, place: Place, key: tuple[str, ...]) -> None:
        """Check that a key is unique in a whole version, of which the new rows are."""
        if not key:
            return
        named = ", ".join(map(_sql.identifier, key))
        bad = self._warehouse.connection.sql(
            f"SELECT {named} FROM {place.sql} GROUP BY {named} HAVING COUNT(*) > 1 ORDER BY {named}"
        )
        keys.refuse(self._wish.table, key, bad, "is in the table already")

    def _is_free(self) -> bool:
        """Return whether there is still no table of the name. Raises UsageError where something else is there."""
        wish, way = self._wish, self._named.in_the_way(self._wish.table)
        there = [name for name in self._named.names() if name.upper() == wish.table.upper()]
        if wish.table in there:  # since we have looked; its view is what is in the way
            return False
        found = f"table {there[0]!r}, which differs in capital letters only" if there else way
        if found is not None:
            raise UsageError(
                f"table {wish.table!r} cannot be made: there is the {found}, and names without quotes are in capital "
                "letters in Snowflake. Mend: publish under another name, or set another schema in firnflow.toml"
            )
        return True

    def _check_exact(self, kinds: Mapping[str, str]) -> None:
        """Raise DataError where a cast to microseconds would lose something."""
        fine = [name for name, kind in kinds.items() if kind == "TIMESTAMP_NS"]
        if not fine:
            return
        lost = ", ".join(
            f"COUNT_IF(MOD(DATE_PART(EPOCH_NANOSECOND, {_sql.identifier(name)}), 1000) <> 0)" for name in fine
        )
        found = self._warehouse.run(f"SELECT {lost} FROM ({self._warehouse.compiled(self._rows)})")[0]
        rounded = [name for name, count in zip(fine, found, strict=True) if count]
        if rounded:
            raise DataError(
                f"The columns {listing(rounded)} have nanoseconds, of which a named table keeps microseconds. "
                "Mend: truncate them, or keep them as a whole number"
            )

    def _version(self, last: Kept | None, columns: Mapping[str, str]) -> Version:
        """Return what the version says of itself, but for its rows and moment."""
        wish, whole = self._wish, self._wish.mode == "replace"
        return Version(
            table=wish.table,
            number=1 if last is None else last.version.number + 1,
            at=0.0,
            rows=0,
            loaded=int((self._load.meta or {}).get("rows") or 0),
            **{name: getattr(wish, name) for name in ("mode", "run", "task", "pipeline", "by")},
            load=self._identity,
            digest=self._digest(last, columns),
            partitions=None if whole else self._partitions(),
            restored=None,
            snapshot=0,
        )

    def _digest(self, last: Kept | None, columns: Mapping[str, str]) -> str:
        """Return the digest of the version: of what is published where that is all, else of how it came about."""
        if self._wish.mode == "replace" and self._as_it_is(columns) is not None:
            return self._load.digest
        before = None if last is None or self._wish.mode == "replace" else last.version.digest
        said = [before, self._wish.mode, self._load.digest, list(columns.items())]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def restore(tables: SnowflakeTables, table: SnowflakeTable, old: Version, version: Version) -> bool:
    """Make the rows of an older version the newest one; columns that came later stay, without values.

    Args:
        tables: where it is.
        table: the table.
        old: the older version.
        version: what the new one says of itself.

    Returns:
        False where somebody else was faster.
    """
    kept = table.of_number(old.number)
    if kept is None:
        return False
    columns = {**table.columns}
    same = columns == kept.columns
    said = json.dumps([old.digest, list(columns.items())])
    digest = old.digest if same else hashlib.sha256(said.encode()).hexdigest()
    with staged(tables) as place:
        clone(tables.warehouse, place, kept, columns)
        about = Kept(replace(version, digest=digest), place, columns, table.key, table.partition, "", 0)
        return settle(tables, place, about)


@contextlib.contextmanager
def staged(tables: SnowflakeTables) -> Iterator[Place]:
    """Give a place for a table that is to become a version; one that did not is dropped."""
    place = tables.warehouse.place(f"{STAGED}{tables.state.identity()[:12].upper()}_{uuid.uuid4().hex.upper()}")
    try:
        yield place
    finally:
        with contextlib.suppress(Exception):  # `firnflow clean` drops it
            tables.warehouse.run(f"DROP TABLE IF EXISTS {place.sql}")


def clone(warehouse: SnowflakeWarehouse, place: Place, kept: Kept, columns: Mapping[str, str]) -> None:
    """Make a table with the rows of a version, which may have fewer columns or narrower ones."""
    warehouse.run(f"CREATE TRANSIENT TABLE {place.sql} CLONE {kept.place.sql}")
    was, now = (warehouse.embedded.ibis_types(each) for each in (kept.columns, columns))
    for name, kind in now.items():
        sql = transport.column(name, kind).kind
        if name not in was:
            warehouse.run(f"ALTER TABLE {place.sql} ADD COLUMN {_sql.identifier(name)} {sql}")
        elif transport.column(name, was[name]).kind != sql:
            warehouse.run(f"ALTER TABLE {place.sql} ALTER COLUMN {_sql.identifier(name)} SET DATA TYPE {sql}")


def settle(tables: SnowflakeTables, place: Place, about: Kept) -> bool:
    """Make a table the version that it says it is; return False where there is one of this number.

    Args:
        tables: where it is.
        place: the table, which has all rows.
        about: what the version is to be; its rows and moment are added here.
    """
    from snowflake.connector.errors import ProgrammingError

    warehouse, name = tables.warehouse, about.version.table
    rows = int(warehouse.run(f"SELECT COUNT(*) FROM {place.sql}")[0][0])
    before = tables.find(name)
    last = before.last.version if before is not None else None
    if (last.number if last is not None else 0) != about.version.number - 1:
        return False
    at = max(warehouse.now(), last.at if last is not None else 0.0)
    version = replace(about.version, rows=rows, at=at)
    owned = replace(about, owner=tables.state.identity())
    warehouse.run(f"ALTER TABLE {place.sql} SET COMMENT = {literal(comment(version, owned))}")
    crash_point("table.staged")
    try:
        warehouse.run(f"ALTER TABLE {place.sql} RENAME TO {tables.place(name, version.number).sql}")
    except ProgrammingError as error:
        if error.errno != _EXISTS:
            raise
        return False
    tables.show_newest(name)
    return True
