"""Rows into Snowflake, by a stage and COPY, and out of it, as Arrow.

https://docs.snowflake.com/en/user-guide/data-load-transform: a SELECT in COPY reads named stages, not those of tables,
and knows some functions only. So COPY fills a temporary table with the values as they travel.
"""

# ruff: noqa: S608 - every name and text in SQL went through `identifier` or `literal`
from __future__ import annotations

import contextlib
import re
import uuid
from typing import TYPE_CHECKING, Any

from firnflow import _sql
from firnflow.errors import DataError
from firnflow.stores.snowflake import transport
from firnflow.stores.snowflake.names import literal
from firnflow.stores.snowflake.places import Place, digest_in
from firnflow.stores.snowflake.session import said
from firnflow.values import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa

    from firnflow.stores.snowflake.warehouse import SnowflakeWarehouse
    from firnflow.stores.warehouse import DuckDBWarehouse

COMMENT = "firnflow: a table of a run; `firnflow clean` drops it"
_EXISTS = 2002  # Snowflake's number of "already exists"
_FORMAT = "(TYPE = PARQUET, USE_LOGICAL_TYPE = TRUE, BINARY_AS_TEXT = FALSE)"
_DIGEST = re.compile(r"[0-9a-f]{64}")


def digest_of(path: Path) -> str:
    """Return the digest of a file; an object of the artifact store has it for a name."""
    name = digest_in(path.name)
    return name if _DIGEST.fullmatch(name) else digest.of_file(path)


def load(warehouse: SnowflakeWarehouse, path: Path, kinds: Mapping[str, Any], place: Place) -> None:
    """Load a Parquet file into a new table, which is there whole or not at all.

    Args:
        warehouse: where to.
        path: of the file.
        kinds: column → type, as Ibis says it.
        place: of the table; if somebody else has loaded the same file meanwhile, that stays.
    """
    from snowflake.connector.errors import ProgrammingError

    columns = {name: transport.column(name, kind) for name, kind in kinds.items()}
    options = f"DATA_RETENTION_TIME_IN_DAYS = 0 COMMENT = {literal(COMMENT)}"
    try:
        with _staged(warehouse, path, columns) as rows:
            warehouse.run(f"CREATE TRANSIENT TABLE {place.sql} {options} AS {rows}")
    except ProgrammingError as error:
        if error.errno != _EXISTS:
            raise DataError(f"The table cannot be loaded into Snowflake: {said(error)}") from error


def lend(warehouse: SnowflakeWarehouse, path: Path, kinds: Mapping[str, Any], name: str) -> None:
    """Load a Parquet file into a table that ends with the session, under just this name.

    Args:
        warehouse: where to.
        path: of the file.
        kinds: column → type, as Ibis says it.
        name: of the table.
    """
    columns = {column: transport.column(column, kind) for column, kind in kinds.items()}
    with _staged(warehouse, path, columns) as rows:
        warehouse.run(f"CREATE OR REPLACE TEMPORARY TABLE {_sql.identifier(name)} AS {rows}")


@contextlib.contextmanager
def _staged(warehouse: SnowflakeWarehouse, path: Path, columns: Mapping[str, transport.Column]) -> Iterator[str]:
    """Give the SELECT of a file's rows, which are in a temporary table meanwhile."""
    number = uuid.uuid4().hex.upper()
    stage, raw = (warehouse.place(f"FIRNFLOW${what}_{number}").sql for what in ("LOAD", "RAW"))
    file = warehouse.embedded.temp / f"{number}.parquet"
    kinds = [column.staged for column in columns.values()]
    made = ", ".join(f"C{at} {kind}" for at, kind in enumerate(kinds))
    chosen = ", ".join(f"$1:c{at}::{kind}" for at, kind in enumerate(kinds))
    try:
        _pack(warehouse, path, columns, file)
        warehouse.run(f"CREATE TEMPORARY STAGE {stage}")
        warehouse.run(f"PUT {literal(f'file://{file}')} {literal(f'@{stage}')} AUTO_COMPRESS = FALSE")
        warehouse.run(f"CREATE TEMPORARY TABLE {raw} ({made})")
        source = literal(f"@{stage}/{file.name}")
        warehouse.run(f"COPY INTO {raw} FROM (SELECT {chosen} FROM {source}) FILE_FORMAT = {_FORMAT}")
        yield f"SELECT {_values(columns)} FROM {raw}"
    finally:
        file.unlink(missing_ok=True)
        with contextlib.suppress(Exception):  # they go with the session
            warehouse.run(f"DROP STAGE IF EXISTS {stage}")
            warehouse.run(f"DROP TABLE IF EXISTS {raw}")


def _values(columns: Mapping[str, transport.Column]) -> str:
    """Return the columns of a table whose C0, C1, … hold their values as they travel."""
    return ", ".join(
        f"CAST({column.load.format(f'C{at}')} AS {column.kind}) AS {_sql.identifier(name)}"
        for at, (name, column) in enumerate(columns.items())
    )


def _pack(warehouse: SnowflakeWarehouse, path: Path, columns: Mapping[str, transport.Column], file: Path) -> None:
    """Write a Parquet file anew, its values as they travel."""
    file.parent.mkdir(parents=True, exist_ok=True)
    packed = ", ".join(
        f"{column.pack.format(_sql.identifier(name))} AS c{at}" for at, (name, column) in enumerate(columns.items())
    )
    rows = f"SELECT {packed} FROM {_sql.parquet_rows(path)}"
    warehouse.embedded.write_parquet(warehouse.embedded.connection.sql(rows), file)


def fetch(warehouse: SnowflakeWarehouse, source: str, kinds: Mapping[str, Any], path: Path, *options: str) -> None:
    """Write rows of Snowflake to a Parquet file; see `fetch_by`."""
    fetch_by(warehouse.connection.con, warehouse.embedded, source, kinds, path, *options)


def fetch_by(
    connection: Any, embedded: DuckDBWarehouse, source: str, kinds: Mapping[str, Any], path: Path, *options: str
) -> None:
    """Write rows of Snowflake to a Parquet file, in the order in which they come, some of them at a time.

    Args:
        connection: where from, the connector's.
        embedded: writes the file.
        source: what follows the SELECT list, as SQL.
        kinds: column → type, as Ibis says it.
        path: of the file.
        options: more of DuckDB's options of COPY.
    """
    import pyarrow as pa

    columns = {name: transport.column(name, kind) for name, kind in kinds.items()}
    chosen = ", ".join(
        f"{column.fetch.format(_sql.identifier(name))} AS C{at}" for at, (name, column) in enumerate(columns.items())
    )
    failed: list[Exception] = []
    schema = pa.schema([(f"c{at}", column.arrow_type()) for at, column in enumerate(columns.values())])
    types = embedded.sql_types(kinds)
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute(f"SELECT {chosen} {source}")
        reader = pa.RecordBatchReader.from_batches(schema, _batches(cursor, schema, failed))
        back = ", ".join(
            f"CAST({(column.unpack or '{}').format(f'c{at}')} AS {types[name]}) AS {_sql.identifier(name)}"
            for at, (name, column) in enumerate(columns.items())
        )
        try:
            embedded.write_stream(reader, back, path, *options)
        except Exception:
            if failed:  # of which DuckDB tells the traceback only
                raise failed[0] from None
            raise


def _batches(cursor: Any, schema: pa.Schema, failed: list[Exception]) -> Iterator[pa.RecordBatch]:
    """Yield what comes, with the types that were asked for: the connector makes numbers as narrow as they can be."""
    try:
        for table in cursor.fetch_arrow_batches() or ():
            columns = [column.cast(field.type) for column, field in zip(table.columns, schema, strict=True)]
            yield from table.from_arrays(columns, schema=schema).to_batches()
    except Exception as error:
        failed.append(error)
        raise
