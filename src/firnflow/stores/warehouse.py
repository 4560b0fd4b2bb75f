"""The embedded warehouse: DuckDB in memory, over Parquet files, spoken to through Ibis.

There is no database file, hence no lock: every process has a warehouse of its own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
import weakref
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from firnflow._disk import writing
from firnflow._sql import identifier, literal, parquet_rows, path_literal, without_end
from firnflow._text import listing
from firnflow.errors import StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    import ibis
    import pyarrow as pa

    from firnflow.stores import Stores
    from firnflow.stores.artifacts import StoredObject
    from firnflow.stores.state import State
    from firnflow.stores.tables.base import TablesLike
    from firnflow.values.ref import Ref


_PARQUET = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, DICTIONARY_SIZE_LIMIT 4096"
"""By default DuckDB compresses more (level 3) and looks longer for a dictionary in columns whose values hardly repeat,
which takes half as much time again and saves a tenth of the bytes."""


_MOMENTS: dict[int | None, str] = {0: "TIMESTAMP_S", 3: "TIMESTAMP_MS", 9: "TIMESTAMP_NS"}


class DuckDBWarehouse:
    """A DuckDB of this process.

    Attributes:
        memory: how many bytes DuckDB may hold before it spills to disk; None: DuckDB's own default.
        threads: how many threads a query may use; None: one per processor.
        temp: the folder in which each warehouse makes one of its own to spill to, removed when it is closed.
        fetch: writes a table that another warehouse keeps to a Parquet file; None: there is no other one.
    """

    libraries: ClassVar[frozenset[str]] = frozenset()
    """What takes long to load of those that speak to it, besides Ibis and DuckDB."""

    def __init__(self, memory: int | None, threads: int | None, temp: Path) -> None:
        self.memory = memory
        self.threads = threads
        self.temp = temp
        self.fetch: Callable[[Ref, Path], None] | None = None

    @property
    def embedded(self) -> DuckDBWarehouse:
        """The DuckDB of this process: this one."""
        return self

    @cached_property
    def connection(self) -> Any:
        """The Ibis backend, connected at first use."""
        import ibis

        # Spill files have the same names in every process: each needs a folder of its own. DuckDB makes one level only.
        self.temp.mkdir(parents=True, exist_ok=True)
        spill = self.temp / f"duckdb-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        config: dict[str, Any] = {
            "temp_directory": str(spill),
            "autoinstall_known_extensions": False,  # nothing is fetched from the network unasked
            "allow_community_extensions": False,
        }
        if self.memory is not None:
            config["memory_limit"] = f"{self.memory}B"
        if self.threads is not None:
            config["threads"] = self.threads
        backend = ibis.duckdb.connect(**config)
        backend.con.execute("SET enable_progress_bar = false")  # it would write between the lines of --json
        weakref.finalize(backend.con, shutil.rmtree, spill, ignore_errors=True)
        return backend

    def close(self) -> None:
        """Close the connection, where there is one, and remove what it spilled."""
        backend = self.__dict__.pop("connection", None)
        if backend is not None:
            backend.disconnect()

    def keep(self, table: ibis.Table) -> Ref | None:  # noqa: ARG002 - the protocol's
        """Return None: what is computed here becomes a file."""
        return None

    def kept(self, ref: Ref) -> ibis.Table:
        """Return a table that another warehouse keeps: its rows are fetched into a file.

        Raises:
            DamagedArtifactError: it is not what it was.
            StoreError: the environment has no other warehouse.
        """
        path = self.passing()
        self._fetching(ref)(ref, path)
        return self.read_parquet(path)

    def passing(self) -> Path:
        """Return a path for a Parquet file that goes with the connection."""
        path = self.temp / f"{os.getpid()}-{uuid.uuid4().hex}.parquet"
        self.temp.mkdir(parents=True, exist_ok=True)
        weakref.finalize(self.connection.con, path.unlink, missing_ok=True)
        return path

    def verify(self, ref: Ref) -> None:
        """Raise StoreError: what another warehouse keeps is known to that one only."""
        self._fetching(ref)

    def tables(self, state: State, stores: Stores) -> TablesLike:
        """Return the named tables beside this warehouse: those of Iceberg."""
        from firnflow.stores.tables.catalog import Tables

        return Tables(state, stores)

    def bring(self, table: ibis.Table) -> ibis.Table:
        """Return a table as one of this process's DuckDB, which it is."""
        return table

    def exists(self, where: str) -> bool:  # noqa: ARG002 - the protocol's
        """Return False: there are no tables here that are no files."""
        return False

    def modified(self, where: str) -> float | None:  # noqa: ARG002 - likewise
        """Return None, as there is none."""
        return None

    def delete(self, where: str) -> None:
        """Do nothing, as there is none."""

    def objects(self) -> Iterable[StoredObject]:
        """Return nothing, as there is none."""
        return ()

    def copies(self, used: Collection[str]) -> Iterable[str]:  # noqa: ARG002 - likewise
        """Return nothing: files are read where they are."""
        return ()

    def _fetching(self, ref: Ref) -> Callable[[Ref, Path], None]:
        if self.fetch is None:
            raise StoreError(
                f"The table {ref.where} is in Snowflake, and this environment's warehouse is DuckDB. "
                'Mend: warehouse = "snowflake" in firnflow.toml, or `firnflow run` with --no-cache'
            )
        return self.fetch

    def read_parquet(self, path: Path) -> ibis.Table:
        """Return a Parquet file as a table; its rows are read when the table is used."""
        name = f"parquet_{hashlib.sha256(os.fsencode(path)).hexdigest()[:24]}"
        self.connection.con.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS FROM {parquet_rows(path)}")
        table: ibis.Table = self.connection.table(name)
        return table

    def read_parts(self, paths: Sequence[Path], columns: Mapping[str, str]) -> ibis.Table:
        """Return the rows of several Parquet files as one table; they are read when it is used.

        Args:
            paths: of the files; none: the table has no rows.
            columns: column → type, as SQL. Files are matched by name; one that lacks a column has no values of it.
        """
        con = self.connection.con
        source = (
            f"read_parquet([{', '.join(map(path_literal, paths))}], union_by_name = true, hive_partitioning = false)"
        )
        there = [name for name, *_ in con.execute(f"DESCRIBE FROM {source}").fetchall()] if paths else []
        chosen = ", ".join(
            f"CAST({identifier(name) if name in there else 'NULL'} AS {con.sqltype(kind)}) AS {identifier(name)}"
            for name, kind in columns.items()
        )
        query = f"SELECT {chosen} FROM {source}" if paths else f"SELECT {chosen} LIMIT 0"  # noqa: S608 - quoted
        name = f"parts_{hashlib.sha256(query.encode(errors='surrogateescape')).hexdigest()[:24]}"
        con.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {query}")
        table: ibis.Table = self.connection.table(name)
        return table

    def write_parquet(self, table: ibis.Table, path: Path, *options: str) -> None:
        """Compute `table` and write its rows to `path`, in their order; no rows enter Python.

        Args:
            table: what is computed.
            path: of the file.
            options: more of DuckDB's options of COPY.

        Raises:
            StoreError: the disk is full; what was written is removed.
            duckdb.Error: the table cannot be computed.
        """
        import duckdb

        backend = self._backend(table)
        sql = _compiled(backend, table)
        with writing(path):
            try:
                said = ", ".join([_PARQUET, *options])
                backend.con.execute(f"COPY ({sql}) TO {literal(str(path))} ({said})")
            except duckdb.OutOfMemoryException as error:
                error.add_note("Mend: raise `memory` (or lower `workers`) in firnflow.toml")
                raise

    def write_stream(self, rows: pa.RecordBatchReader, columns: str, path: Path, *options: str) -> None:
        """Write what comes from a reader of batches to `path`, in its order.

        Args:
            rows: the reader; it is read once.
            columns: what is chosen of it, as SQL.
            path: of the file.
            options: more of DuckDB's options of COPY.
        """
        con = self.connection.con
        name = f"stream_{uuid.uuid4().hex}"
        said = ", ".join([_PARQUET, *options])
        con.register(name, rows)
        try:
            with writing(path):
                con.execute(f"COPY (SELECT {columns} FROM {name}) TO {literal(str(path))} ({said})")  # noqa: S608 - quoted
        finally:
            con.unregister(name)

    def sql_types(self, schema: Mapping[str, Any]) -> dict[str, str]:
        """Return column → type as SQL of columns whose types Ibis says."""
        mapper = self.connection.compiler.type_mapper

        def said(kind: Any) -> str:
            exact = kind.is_timestamp() and kind.timezone is None  # Ibis leaves out of which units a moment is
            return _MOMENTS.get(kind.scale if exact else None) or str(mapper.to_string(kind))

        return {name: said(kind) for name, kind in schema.items()}

    def ibis_types(self, columns: Mapping[str, str]) -> dict[str, Any]:
        """Return column → type of Ibis of columns whose types are said as SQL."""
        mapper = self.connection.compiler.type_mapper
        return {name: mapper.from_string(kind) for name, kind in columns.items()}

    def as_stored(self, table: ibis.Table) -> tuple[dict[str, str], dict[str, str]]:
        """Return column → type, as SQL and as Arrow has it, that the file of a table has; the table is without rows."""
        import pyarrow.parquet as pq

        path = self.passing()
        try:
            self.write_parquet(table, path)
            columns = {field.name: str(field.type) for field in pq.read_metadata(path).schema.to_arrow_schema()}
            return self.sql_types(dict(self.read_parquet(path).schema().items())), columns
        finally:
            path.unlink(missing_ok=True)

    def empty(self, columns: Mapping[str, str]) -> ibis.Table:
        """Return a table without rows, whose columns have these types, as SQL."""
        chosen = ", ".join(f"CAST(NULL AS {kind}) AS {identifier(name)}" for name, kind in columns.items())
        table: ibis.Table = self.connection.sql(f"SELECT {chosen} LIMIT 0")
        return table

    def sql(self, query: str, tables: Mapping[str, ibis.Table]) -> ibis.Table:
        """Return the answer of a SELECT in DuckDB's SQL over the named tables.

        Raises:
            UsageError: the query is wrong, or names what is not there.
        """
        return select(self.connection, query, tables)

    def _backend(self, table: ibis.Table) -> Any:
        """Return the DuckDB that can compute `table`: this one, or the one that the user's function connected to."""
        found, _ = table._find_backends()  # noqa: SLF001 - get_backend() would connect a default for in-memory tables
        backend = found[0] if len(found) == 1 else self.connection
        if backend.name != "duckdb":
            raise UsageError(
                f"A table of Ibis's {backend.name} backend cannot be kept as it is. Mend: return `table.to_pyarrow()`"
            )
        return backend


def select(backend: Any, query: str, tables: Mapping[str, ibis.Table]) -> ibis.Table:
    """Return the answer of a SELECT over the named tables, in the DuckDB that an Ibis backend speaks to.

    Raises:
        UsageError: the query is wrong, or names what is not there.
    """
    import duckdb

    named = (f"{identifier(name)} AS ({_compiled(backend, table)})" for name, table in tables.items())
    ctes = f"WITH {', '.join(named)} " if tables else ""
    statement = f"{ctes}SELECT * FROM (\n{without_end(query)}\n)"  # noqa: S608 - the user's own query
    try:
        _check_select(backend, query)
        answer: ibis.Table = backend.sql(statement)
    except duckdb.Error as error:
        raise UsageError(f"The query cannot be run: {error}\nTables: {listing(tables)}") from error
    return answer


def _check_select(connection: Any, query: str) -> None:
    """Raise duckdb.ProgrammingError unless a text is one statement that reads."""
    from duckdb import ProgrammingError, StatementType

    found = connection.con.extract_statements(query)
    written = [each.type for each in found if each.query or each.type == StatementType.SELECT]  # a PIVOT has more parts
    if written != [StatementType.SELECT]:
        raise ProgrammingError("it is not one SELECT")


def _compiled(backend: Any, table: ibis.Table) -> str:
    """Return the table's SQL, its in-memory tables registered, as ibis does before it executes."""
    backend._run_pre_execute_hooks(table)  # noqa: SLF001 - nothing public does this without executing
    return str(backend.compile(table))
