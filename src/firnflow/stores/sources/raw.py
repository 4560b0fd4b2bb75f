"""Outside rows as they were read, before types and checks: Parquet files whose columns are named by position."""

# ruff: noqa: S608 - every name and text in SQL went through `identifier` or `literal`
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from firnflow._sql import parquet_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

FILE, ROW = "firnflow_file", "firnflow_row"
"""Columns of `Raw.relation`: the position of the file in `Raw.parts`, and the row in it, from 0."""


@dataclass(frozen=True)
class Part:
    """One file of a source.

    Attributes:
        shown: the file as its owner knows it.
        path: a Parquet file with its rows, in order.
        names: for each column of the source, what it is called in that Parquet file.
        lines: row → line of the file, for the given rows; None: rows are all that can be told.
    """

    shown: str
    path: Path
    names: tuple[str, ...]
    lines: Callable[[Iterable[int]], dict[int, int]] | None = None


@dataclass(frozen=True)
class RawColumn:
    """One column as it was read.

    Attributes:
        name: the user's name for it.
        sql: the column in `Raw.relation`.
        type: the type that DuckDB gives it.
        wanted: the type that it should have where nothing is declared, if it is another; else None.
        certain: whether all of its texts are known to be of the wanted type.
    """

    name: str
    sql: str
    type: str
    wanted: str | None = None
    certain: bool = False


@dataclass(frozen=True)
class Raw:
    """All files of a source, read."""

    parts: tuple[Part, ...]
    columns: tuple[RawColumn, ...]
    inferred: bool = field(default=False)
    """Whether the types of texts are to be told from the texts."""
    has_places: bool = field(default=True)
    """Whether the order of the rows means something, so that a row can be found again by its number."""

    @property
    def relation(self) -> str:
        """The SELECT that gives all rows in order, with their place."""
        return " UNION ALL ".join(_select(number, part) for number, part in enumerate(self.parts))


def columns_of(connection: Any, parts: tuple[Part, ...], names: Iterable[str]) -> tuple[RawColumn, ...]:
    """Return the columns of the parts together, with the types in which all of them fit."""
    raw = Raw(parts, ())
    described = connection.con.execute(f"DESCRIBE {raw.relation}").fetchall()
    types = {row[0]: row[1] for row in described}
    return tuple(RawColumn(name, f"c{i}", types[f"c{i}"]) for i, name in enumerate(names))


def _select(number: int, part: Part) -> str:
    columns = "".join(f", {name} AS c{i}" for i, name in enumerate(part.names))
    source, row = parquet_rows(part.path, "file_row_number = true"), "file_row_number"
    if any(name.lower() == '"file_row_number"' for name in part.names):  # the user's own column of that name
        source, row = source.replace(", file_row_number = true", ""), "row_number() OVER () - 1"
    return f"SELECT {number} AS {FILE}, {row} AS {ROW}{columns} FROM {source}"
