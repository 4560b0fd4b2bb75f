"""The warehouse in Snowflake: what is computed of its tables becomes a table there, and no rows leave it.

A table expression is computed where its tables are. One of tables in Snowflake becomes a transient table by one CREATE
TABLE … AS SELECT, which is there whole or not at all, under a name that nobody else has; its digest is computed there
too. What Python made is a Parquet file in the artifact store, as everywhere, and is loaded, once, when an expression
needs it. What Python needs of a table in Snowflake comes as Arrow.
"""

# ruff: noqa: S608 - every name and text in SQL went through `identifier` or `literal`
from __future__ import annotations

import contextlib
import hashlib
import json
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from firnflow import _sql
from firnflow._crash import crash_point
from firnflow._text import listing
from firnflow.errors import ConfigError, DamagedArtifactError, StoreError, UsageError
from firnflow.stores.artifacts import StoredObject
from firnflow.stores.snowflake import loading, ordered, places, transport
from firnflow.stores.snowflake.names import literal
from firnflow.stores.snowflake.session import said
from firnflow.values.ref import Ref
from firnflow.values.tables import columns as rules
from firnflow.values.tables import digest as table_digest
from firnflow.values.tables.warehouse import exact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import ibis

    from firnflow.graph.rules import Checks
    from firnflow.stores import Stores
    from firnflow.stores.checks.judge import Circumstances, Judgement
    from firnflow.stores.state import State
    from firnflow.stores.tables.base import TablesLike
    from firnflow.stores.warehouse import DuckDBWarehouse

_MISSING = 2003  # Snowflake's number of "does not exist or not authorized"
_FORBIDDEN = 3001  # of "insufficient privileges"
_OF_DUCKDB = ("sql", "execute", "query", "register", "table", "read_parquet", "read_csv")
_PAGE = 10_000  # rows that SHOW answers at once
IDLE = 600.0
"""Seconds without a statement after which is asked whether the session is there: it ends after hours of silence."""


class SnowflakeWarehouse:
    """A schema of a Snowflake account.

    Attributes:
        embedded: the DuckDB of this process, for what is not in Snowflake.

    Args:
        embedded: likewise.
        connect: returns a connection of Snowflake's connector; called at first use.
        owner: returns the id of the state that refers to the tables; likewise.
    """

    libraries: ClassVar[frozenset[str]] = frozenset({"snowflake.connector", "ibis.backends.snowflake"})

    def __init__(self, embedded: DuckDBWarehouse, connect: Callable[[], Any], owner: Callable[[], str]) -> None:
        self.embedded = embedded
        self._connect = connect
        self._owner_of = owner
        self._backend: Any = None
        self._used_at = 0.0
        embedded.fetch = self.fetch

    @property
    def connection(self) -> Any:
        """The Ibis backend, connected at first use, and anew where the session has ended while nothing was done.

        Raises:
            ConfigError: the session has no schema.
        """
        if self._backend is None:
            self._backend = self._opened()
        elif time.time() > self._used_at + IDLE and not _is_there(self._backend.con):
            self._backend.con = self._opened().con  # expressions know the backend
            self._backend._memtables.clear()  # noqa: SLF001 - what Ibis has loaded was the session's
        self._used_at = time.time()
        return self._backend

    def _opened(self) -> Any:
        from firnflow.stores.snowflake.dialect import SnowflakeBackend

        backend = SnowflakeBackend.on(self._connect())
        if backend.con.database is None or backend.con.schema is None:
            raise ConfigError(
                'warehouse = "snowflake": nothing says which database and schema. '
                "Mend: database = … and schema = … in the environment's section snowflake"
            )
        backend.bring, backend.lend = self.bring, self.lend
        for name in _OF_DUCKDB:
            setattr(backend.con, name, _not_here(name))
        backend.raw_sql("ALTER SESSION SET MULTI_STATEMENT_COUNT = 1").close()  # Ibis lets one text be many statements
        return backend

    @cached_property
    def _owner(self) -> str:
        return self._owner_of()

    def close(self) -> None:
        """Disconnect, where there is a connection."""
        backend, self._backend = self._backend, None
        if backend is not None:
            with contextlib.suppress(Exception):  # whatever the network makes of it, nothing is lost
                backend.con.close()
        self.embedded.close()

    # -- tables -------------------------------------------------------------------------------------------------------

    def keep(self, table: ibis.Table) -> Ref | None:
        """Compute a table, and return the ref of what it is in Snowflake; None: its tables are not there.

        Raises:
            DataError: a column has a type for which Snowflake has none.
            UsageError: the table reads tables of several warehouses.
        """
        if not self._is_ours(table):
            return None
        rules.check({name: str(kind) for name, kind in table.schema().items()})
        types, columns = self._as_stored(table)
        made = ordered.numbered(table) if table_digest.is_ordered(table) else None
        place = self._create(table if made is None else made, types)
        rows, content = self._digest(place, types, in_order=made is not None)
        meta: dict[str, Any] = {"rows": rows, "columns": columns, "types": types}
        if made is not None:
            meta["ordered"] = True
        crash_point("warehouse.computed")
        return Ref("table", "ibis", content, where=place.where, meta=meta)

    def keep_rows(self, rows: str, types: Mapping[str, str]) -> Ref:
        """Compute a SELECT in Snowflake's SQL into a new table, and return the ref of that.

        Args:
            rows: the SELECT.
            types: column → type, as SQL of DuckDB.
        """
        types, columns = self.embedded.as_stored(self.embedded.empty(types))
        place = self._made(rows, list(types), types)
        count, content = self._digest(place, types, in_order=False)
        crash_point("warehouse.computed")
        return Ref(
            "table", "ibis", content, where=place.where, meta={"rows": count, "columns": columns, "types": types}
        )

    def kept(self, ref: Ref) -> ibis.Table:
        """Return the table of a ref; nothing is read. Raises DamagedArtifactError as `verify`."""
        import ibis
        from ibis.expr import operations as ops

        self.verify(ref)
        place, meta = places.Place.of(ref.where or ""), ref.meta or {}
        kinds = self.embedded.ibis_types(meta["types"])
        if meta.get("ordered"):
            kinds[ordered.NUMBER] = ibis.dtype("int64")
        space = ops.Namespace(catalog=place.database, database=place.schema)
        node = ops.DatabaseTable(place.name, schema=ibis.schema(kinds), source=self.connection, namespace=space)
        table: ibis.Table = node.to_expr()
        return table.order_by(ordered.NUMBER).drop(ordered.NUMBER) if meta.get("ordered") else table

    def verify(self, ref: Ref) -> None:
        """Raise DamagedArtifactError where the table of a ref is gone, or has not as many rows as it had."""
        found = self._shown(places.Place.of(ref.where or ""))
        rows = (ref.meta or {}).get("rows")
        if found is None or found["rows"] not in (None, rows):
            said = "is not there" if found is None else f"has {found['rows']} rows instead of {rows}"
            raise DamagedArtifactError(
                f"The table {ref.where} {said}: somebody has changed it. Mend: `firnflow run` with --no-cache makes it "
                "anew"
            )

    def _as_stored(self, table: ibis.Table) -> tuple[dict[str, str], dict[str, str]]:
        """Return column → type, as SQL of DuckDB and as Arrow has it, that a table would have if DuckDB computed it.

        Ibis says too little of it: what it takes for a double may be a decimal. So DuckDB computes the expression over
        empty tables; where it cannot, what Ibis says holds.
        """
        import duckdb
        from ibis.common.exceptions import IbisError
        from ibis.expr import operations as ops

        try:
            empty = {
                node: self.embedded.empty(self.embedded.sql_types(dict(node.schema.items()))).op()
                for node in table.op().find(ops.DatabaseTable)
            }
            return self.embedded.as_stored(exact(table.op().replace(empty).to_expr(), self.embedded.connection))
        except (duckdb.Error, IbisError):
            types = self.embedded.sql_types(dict(table.schema().items()))
            return self.embedded.as_stored(self.embedded.empty(types))

    def _create(self, table: ibis.Table, types: Mapping[str, str]) -> places.Place:
        """Compute a table of tables in Snowflake into a new one, and return where that is."""
        return self._made(self.compiled(table), table.columns, types)

    def _made(self, rows: str, names: Sequence[str], types: Mapping[str, str]) -> places.Place:
        place = self.place(places.fresh(self._owner))
        kinds = self.embedded.ibis_types({ordered.NUMBER: "BIGINT", **types})
        columns = ", ".join(
            f"CAST({_sql.identifier(name)} AS {transport.column(name, kinds[name]).kind}) AS {_sql.identifier(name)}"
            for name in names
        )
        self.run(
            f"CREATE TRANSIENT TABLE {place.sql} DATA_RETENTION_TIME_IN_DAYS = 0 COMMENT = {literal(loading.COMMENT)} "
            f"AS SELECT {columns} FROM ({rows})"
        )
        return place

    def place(self, name: str) -> places.Place:
        """Return where a table of this name is, or would be."""
        return places.Place(self.connection.con.database, self.connection.con.schema, name)

    def _digest(self, place: places.Place, types: Mapping[str, str], *, in_order: bool) -> tuple[int, str]:
        """Return how many rows a table has, and the digest of its types and rows: see decision 33."""
        names = [*types, *([ordered.NUMBER] if in_order else [])]
        row = ", ".join(map(_sql.identifier, names))
        rows, *hashes = self.run(f"SELECT COUNT(*), HASH_AGG(1, {row}), HASH_AGG(2, {row}) FROM {place.sql}")[0]
        content = ["snowflake", list(types.items()), rows, [str(each) for each in hashes], in_order]
        return int(rows), hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def _is_ours(self, table: ibis.Table) -> bool:
        """Return whether a table is computed in Snowflake: whether its tables are there."""
        found, _ = table._find_backends()  # noqa: SLF001 - get_backend() would connect a default for in-memory tables
        if len(found) > 1:
            raise UsageError(
                f"The table reads tables of {listing(each.name for each in found)} at once, which nothing can compute. "
                "Mend: give the task all of them as ibis.Table"
            )
        if not found or found[0].name == "duckdb":
            return False
        if found[0] is not self.connection:
            raise UsageError(
                f"The table is of another connection of Ibis's {found[0].name} backend than the environment's. "
                "Mend: take tables as arguments, or return `table.to_pyarrow()`"
            )
        return True

    # -- files and SQL ------------------------------------------------------------------------------------------------

    def read_parquet(self, path: Path) -> ibis.Table:
        """Return a Parquet file as a table in Snowflake, into which it is loaded where it was not yet."""
        import ibis
        from ibis.expr import operations as ops

        kinds = dict(self.embedded.read_parquet(path).schema().items())
        place = self.place(places.loaded(self._owner, loading.digest_of(path)))
        if self._shown(place) is None:
            loading.load(self, path, kinds, place)
        space = ops.Namespace(catalog=place.database, database=place.schema)
        node = ops.DatabaseTable(place.name, schema=ibis.schema(kinds), source=self.connection, namespace=space)
        table: ibis.Table = node.to_expr()
        return table

    def read_parts(self, paths: Sequence[Path], columns: Mapping[str, str]) -> ibis.Table:
        """Return the rows of several Parquet files as one table in Snowflake."""
        whole = self.embedded.temp / f"{places.fresh(self._owner)}.parquet"
        self.embedded.temp.mkdir(parents=True, exist_ok=True)
        try:
            self.embedded.write_parquet(self.embedded.read_parts(paths, columns), whole)
            return self.read_parquet(whole)
        finally:
            whole.unlink(missing_ok=True)

    def write_parquet(self, table: ibis.Table, path: Path, *options: str) -> None:
        """Compute `table` and write its rows to `path`, in their order; of tables in Snowflake they come as Arrow."""
        if not self._is_ours(table):
            self.embedded.write_parquet(table, path, *options)
            return
        made = ordered.numbered(table) if table_digest.is_ordered(table) else None
        sql = self.compiled(table if made is None else made)
        order = "" if made is None else f" ORDER BY {_sql.identifier(ordered.NUMBER)}"
        loading.fetch(self, f"FROM ({sql}){order}", dict(table.schema().items()), path, *options)

    def bring(self, table: ibis.Table) -> ibis.Table:
        """Return a table as one of this process's DuckDB: of Snowflake's the rows are fetched."""
        if not self._is_ours(table):
            return table
        path = self.embedded.passing()
        self.write_parquet(table, path)
        return self.embedded.read_parquet(path)

    def is_elsewhere(self, *tables: ibis.Table) -> bool:
        """Return whether all of these tables are computed in Snowflake."""
        return all(map(self._is_ours, tables))

    def without_rows(self, table: ibis.Table) -> ibis.Table:
        """Return a table of this process's DuckDB with the same columns and no rows."""
        empty = self.embedded.empty(self._as_stored(table)[0])
        return empty.select(*table.columns)

    def judge(self, rows: ibis.Table, name: str, done: str, checks: Checks, about: Circumstances) -> Judgement | None:
        """Check a table without fetching its rows. Arguments and result as of `judged.judge`."""
        from firnflow.stores.snowflake import judged

        return judged.judge(self, rows, name, done, checks, about)

    def count(self, table: ibis.Table) -> int:
        """Return how many rows a table has; none is fetched."""
        return int(self.run(f"SELECT COUNT(*) FROM ({self.compiled(table)})")[0][0])

    def lend(self, rows: Any, name: str) -> None:
        """Load rows of this process, as Arrow, into a table that ends with the session."""
        import ibis

        table, path = ibis.memtable(rows), self.embedded.passing()
        self.embedded.write_parquet(table, path)
        loading.lend(self, path, dict(table.schema().items()), name)

    def fetch(self, ref: Ref, path: Path) -> None:
        """Write the rows of a kept table to a Parquet file, as DuckDB would have written them."""
        self.write_parquet(self.kept(ref), path)

    def sql(self, query: str, tables: Mapping[str, ibis.Table]) -> ibis.Table:
        """Return the answer of a SELECT in Snowflake's SQL over the named tables, also without quotes in the query.

        Raises:
            UsageError: the query is wrong, or names what is not there.
        """
        known = {name if _sql.identifier(name) in query else name.upper(): table for name, table in tables.items()}
        named = (f"{_sql.identifier(name)} AS ({self.compiled(table)})" for name, table in known.items())
        ctes = f"WITH {', '.join(named)} " if tables else ""
        try:
            answer: ibis.Table = self.connection.sql(f"{ctes}SELECT * FROM (\n{_sql.without_end(query)}\n)")
        except Exception as error:
            raise UsageError(f"The query cannot be run: {said(error)}\nTables: {listing(tables)}") from error
        return answer

    def compiled(self, table: ibis.Table) -> str:
        """Return the table's SQL, its in-memory tables loaded, as ibis does before it executes."""
        self.connection._run_pre_execute_hooks(table)  # noqa: SLF001 - nothing public does this without executing
        return str(self.connection.compile(table))

    def run(self, statement: str) -> list[Any]:
        """Run a statement, and return its rows.

        Raises:
            DamagedArtifactError: a table that it names is not there.
            StoreError: Snowflake cannot be reached, or the role may not do it.
        """
        from snowflake.connector import errors

        try:
            with contextlib.closing(self.connection.con.cursor()) as cursor:
                found: list[Any] = cursor.execute(statement).fetchall()
                return found
        except errors.ProgrammingError as error:
            if error.errno == _MISSING:
                raise DamagedArtifactError(f"{said(error)}. Mend: run again, with --no-cache if it stays so") from error
            if error.errno == _FORBIDDEN:
                raise StoreError(
                    f"{said(error)}. Mend: a role with CREATE TABLE, CREATE VIEW and CREATE STAGE on the schema, and "
                    "with USAGE of a warehouse"
                ) from error
            raise
        except errors.OperationalError as error:
            raise StoreError(
                f"Snowflake cannot be reached: {said(error)}. Mend: run again, `firnflow resume`"
            ) from error

    def now(self) -> float:
        """Return the time of Snowflake's clock, in seconds since 1970."""
        return float(self.run("SELECT DATE_PART(EPOCH_MICROSECOND, CURRENT_TIMESTAMP())")[0][0]) / 1e6

    def tables(self, state: State, stores: Stores) -> TablesLike:
        """Return the named tables of this schema."""
        from firnflow.stores.snowflake.tables import SnowflakeTables

        return SnowflakeTables(state, stores, self)

    # -- what is there ------------------------------------------------------------------------------------------------

    def exists(self, where: str) -> bool:
        """Return whether a table that stands in a ref is there."""
        return self._shown(places.Place.of(where)) is not None

    def modified(self, where: str) -> float | None:
        """Return when a table was made, in seconds since 1970; None: it is not there."""
        found = self._shown(places.Place.of(where))
        return None if found is None else found["created_on"].timestamp()

    def objects(self) -> Iterator[StoredObject]:
        """Yield the tables of this environment's state: of runs, and loaded files."""
        for row in self.show("TABLES", places.prefix(self._owner)):
            place = places.Place(row["database_name"], row["schema_name"], row["name"])
            yield StoredObject(place.where, int(row["bytes"] or 0), row["created_on"].timestamp())

    def delete(self, where: str) -> None:
        """Drop a table of ours; one that is not there is no error."""
        place = places.Place.of(where)
        if not place.name.startswith(places.prefix(self._owner)):
            raise StoreError(f"{where} is not a table of this state, and is not dropped")
        self.run(f"DROP TABLE IF EXISTS {place.sql}")

    def copies(self, used: Iterable[str]) -> Iterator[str]:
        """Yield where the files of the artifact store that are in use would be, if they are loaded."""
        for where in used:
            if not places.is_table(where):
                yield self.place(places.loaded(self._owner, places.digest_in(where))).where

    def show(self, what: str, beginning: str, within: places.Place | None = None) -> Iterator[dict[str, Any]]:
        """Yield what SHOW says of the objects whose names begin so.

        Args:
            what: `TABLES`, `VIEWS` or `OBJECTS`.
            beginning: of the names.
            within: a place in another schema than the session's.
        """
        here = within or self.place("")
        schema = f"{_sql.identifier(here.database)}.{_sql.identifier(here.schema)}"
        last = ""
        while True:
            after = f" FROM {literal(last)}" if last else ""
            statement = f"SHOW {what} IN SCHEMA {schema} STARTS WITH {literal(beginning)} LIMIT {_PAGE}{after}"
            with contextlib.closing(self.connection.con.cursor()) as cursor:
                rows = cursor.execute(statement).fetchall()
                names = [column.name for column in cursor.description]
            found = [dict(zip(names, row, strict=True)) for row in rows]
            yield from found
            if len(found) < _PAGE:
                return
            last = found[-1]["name"]

    def _shown(self, place: places.Place) -> dict[str, Any] | None:
        """Return what SHOW says of a table, or None."""
        return next((row for row in self.show("TABLES", place.name, place) if row["name"] == place.name), None)


def _is_there(connection: Any) -> bool:
    """Return whether a session has not ended; that of a procedure is there as long as the procedure."""
    return bool(getattr(connection, "is_valid", lambda: True)())


def _not_here(name: str) -> Callable[..., None]:
    """Return a method that stands for one of DuckDB's connection, which tasks may know, and says what to do instead."""

    def refuse(*_: Any, **__: Any) -> None:
        raise UsageError(
            f"con.{name} is DuckDB's, and this table is in Snowflake. Mend: say it by Ibis, or by "
            "`table.alias('t').sql('SELECT … FROM t')` in Snowflake's SQL"
        )

    return refuse
