"""Parquet files: read where they are, since they have types already."""

# ruff: noqa: S608 - every name and text in SQL went through `identifier` or `literal`
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow._sql import identifier, parquet_rows
from firnflow._text import listing, nearest
from firnflow.errors import DataError
from firnflow.stores.sources.raw import Part, Raw, columns_of

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.project.catalog import Source


def read(connection: Any, spec: Source, files: list[tuple[str, Path]], _scratch: Path) -> Raw:
    """Read Parquet files, given as (how to show it, path).

    Raises:
        DataError: a file is no Parquet, or its columns are not those of the others.
    """
    schemas = {shown: _schema(connection, shown, path) for shown, path in files}
    first, *others = schemas
    for other in others:
        _check_same(schemas[other], schemas[first], other, first, spec)
    for shown, path in files:
        _read_through(connection, shown, path, schemas[shown])
    names = list(schemas[first])
    parts = tuple(Part(shown, path, tuple(identifier(name) for name in names)) for shown, path in files)
    return Raw(parts, columns_of(connection, parts, names))


def _schema(connection: Any, shown: str, path: Path) -> dict[str, str]:
    """Return the columns of a file: name → type."""
    import duckdb

    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        raise DataError(f"{shown} is empty")
    try:
        described = connection.con.execute(f"DESCRIBE SELECT * FROM {parquet_rows(path)}").fetchall()
    except duckdb.Error as error:
        if start == b"PAR1":
            reason = "it begins as one, but is cut short or damaged"
        elif start == b"PARE":
            reason = "it is encrypted"
        else:
            reason = f"it begins with {start!r}, a Parquet file with b'PAR1'"
        raise DataError(f"{shown} is no Parquet file: {reason} ({str(error).partition(chr(10))[0][:200]})") from error
    return {row[0]: row[1] for row in described}


def _read_through(connection: Any, shown: str, path: Path, schema: dict[str, str]) -> None:
    """Decode every page, so that a damaged one is found here and not halfway through a task."""
    import duckdb

    hashes = ", ".join(f"bit_xor(hash({identifier(name)}))" for name in schema)
    try:
        connection.con.execute(f"SELECT {hashes} FROM {parquet_rows(path)}").fetchall()
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        raise DataError(f"{shown} is damaged: {str(error).partition(chr(10))[0][:200]}") from error


def _check_same(schema: dict[str, str], expected: dict[str, str], shown: str, first: str, spec: Source) -> None:
    for name, kind in expected.items():
        if name not in schema:
            raise DataError(f"{shown} has no column {name!r}, which {first} has.{nearest(name, schema)}")
        declared = spec.columns.get(name)
        if schema[name] != kind and (declared is None or declared.type is None):
            raise DataError(
                f"{shown}: column {name!r} is {schema[name]}, in {first} it is {kind}. "
                f"Mend: declare its type under [{spec.name}.columns] in catalog.toml"
            )
    for name in schema:
        if name not in expected:
            raise DataError(f"{shown} has a column {name!r}, which {first} has not. That has: {listing(expected)}")
