"""The answer of a query on PostgreSQL, by COPY: in constant memory, in a transaction that can only read.

COPY sends texts, which then become what the query's columns are: numbers keep all their digits until a type is chosen.
"""

# ruff: noqa: S608 - every name and text in SQL went through `identifier` or `literal`
from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

from firnflow._disk import writing
from firnflow._sql import identifier, without_end
from firnflow.errors import ConfigError, DataError, MissingExtraError, StoreError
from firnflow.project.secrets import redact
from firnflow.stores.sources.csv import Dialect, copy_fields
from firnflow.stores.sources.raw import Part, Raw, RawColumn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from firnflow.project.catalog import Source

_SCHEME = re.compile(r"postgres(ql)?(\+psycopg)?://")
_COPIED = Dialect(delimiter=",", header=False, quoted_nulls=False)

_TYPES = {
    16: "BOOLEAN",
    20: "BIGINT",
    21: "SMALLINT",
    23: "INTEGER",
    700: "FLOAT",
    701: "DOUBLE",
    1082: "DATE",
    1083: "TIME",
    1114: "TIMESTAMP",
    1184: "TIMESTAMPTZ",
    114: "JSON",
    3802: "JSON",
}
"""PostgreSQL's types by number → the warehouse's; texts stay texts, and so does what is not listed."""

_NUMERIC = 1700
_ARRAYS = {
    1000: "BOOLEAN[]",
    1005: "SMALLINT[]",
    1007: "INTEGER[]",
    1009: "VARCHAR[]",
    1015: "VARCHAR[]",
    1016: "BIGINT[]",
    1021: "FLOAT[]",
    1022: "DOUBLE[]",
}


def read(connection: Any, spec: Source, scratch: Path) -> Raw:
    """Read the answer of `spec.query`.

    Raises:
        StoreError: the database cannot be reached.
        DataError: the query fails, or two of its columns have one name.
        MissingExtraError: psycopg is not installed.
    """
    text, target, shown = scratch / "query.csv", scratch / "query.parquet", f"the answer of {spec.name}"
    with writing(text), _transaction(spec) as session:
        described = _describe(session, spec)
        _copy(session, spec, described, text)
    copy_fields(connection, text, shown, target, len(described) + 1, spec, _COPIED)
    text.unlink()
    columns = tuple(RawColumn(name, f"c{i}", "VARCHAR", wanted) for i, (name, wanted) in enumerate(described.items()))
    return Raw((Part(shown, target, tuple(column.sql for column in columns)),), columns)


def version(spec: Source) -> str | None:
    """Return the answer of `spec.version` as a text, or None where the source has no such query."""
    if spec.version is None:
        return None
    with _transaction(spec) as session:
        return repr(session.execute(spec.version).fetchall())


def check(spec: Source) -> None:
    """Let the database prepare the query, which does not run it. Raises as `read`."""
    with _transaction(spec) as session:
        _describe(session, spec)


@contextlib.contextmanager
def _transaction(spec: Source) -> Iterator[Any]:
    """Give a connection in a transaction that can only read; name what goes wrong in it."""
    try:
        import psycopg
    except ImportError as error:
        raise MissingExtraError("psycopg", "postgres") from error
    url = spec.connection.reveal() if spec.connection is not None else ""
    if not _SCHEME.match(url):
        raise ConfigError(f"{spec.name}: the connection is no URL of a PostgreSQL: postgresql://user@host/database")
    try:
        session = psycopg.connect(_SCHEME.sub("postgresql://", url), connect_timeout=10)
    except (psycopg.Error, UnicodeError) as error:
        raise StoreError(f"{spec.name}: the database cannot be reached: {redact(str(error).strip())}") from None
    try:
        with session:
            session.read_only = True
            session.execute("SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; SET LOCAL bytea_output = 'hex'")
            yield session
    except psycopg.Error as error:
        raise DataError(f"{spec.name}: the query fails: {redact(str(error).strip())}") from error


def _describe(session: Any, spec: Source) -> dict[str, str]:
    """Return the columns of the answer, name → type of the warehouse, without running the query.

    A prepared statement is exactly one statement, so a query cannot end the COPY around it and begin another.
    """
    from psycopg import pq

    query = (spec.query or "").encode()
    for result in (session.pgconn.prepare(b"", query), session.pgconn.describe_prepared(b"")):
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise DataError(
                f"{spec.name}: the query fails: {redact(result.error_message.decode(errors='replace').strip())}"
            )
    columns: dict[str, str] = {}
    for i in range(result.nfields):
        name = (result.fname(i) or b"").decode()
        if name.lower() in map(str.lower, columns):
            raise DataError(f"{spec.name}: two columns of the query are named {name!r}. Mend: rename one with AS")
        columns[name] = _type(result.ftype(i), result.fmod(i))
    if not columns:
        raise DataError(f"{spec.name}: the query gives no columns: write a SELECT")
    return columns


def _type(number: int, modifier: int) -> str:
    if number == _NUMERIC:
        precision, scale = (modifier - 4) >> 16, (modifier - 4) & 0x7FF
        return f"DECIMAL({precision}, {scale})" if modifier >= 4 and scale <= precision <= 38 else "DOUBLE"
    return _TYPES.get(number) or _ARRAYS.get(number, "VARCHAR")


def _copy(session: Any, spec: Source, columns: dict[str, str], path: Path) -> None:
    """Write the answer to a CSV file; its last column says that a row of nulls is one."""
    fields = ", ".join(
        f"to_json({identifier(name)})" if wanted.endswith("[]") else identifier(name)
        for name, wanted in columns.items()
    )
    query = without_end(spec.query or "")
    copy = f"COPY (SELECT {fields}, 1 FROM (\n{query}\n) AS answer) TO STDOUT (FORMAT csv)"
    with path.open("wb") as file, session.cursor() as cursor, cursor.copy(copy) as rows:
        for row in rows:
            file.write(row)
