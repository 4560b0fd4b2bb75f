"""Declared schema and checks against what was read: every wrong row is counted, the first few are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.graph.rules import duckdb_type
from firnflow.stores.checks.subject import Field, Subject, no_places
from firnflow.stores.sources.raw import FILE, ROW
from firnflow.stores.sources.types import present, value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.graph.rules import Column
    from firnflow.project.catalog import Source
    from firnflow.stores.sources.raw import Raw, RawColumn

_FILE_BITS = 40
"""A row's place is its file's number, shifted by so many bits, plus its number in the file."""


def subject_of(spec: Source, raw: Raw) -> Subject:
    """Return what was read as what is checked: typed values, and where each row stands."""
    files = ", ".join(part.shown for part in raw.parts[:3]) + (", …" if len(raw.parts) > 3 else "")
    return Subject(
        name=spec.name,
        relation=raw.relation,
        fields=tuple(_field(column, spec.columns.get(column.name), spec) for column in raw.columns),
        declared_by="catalog.toml declares",
        done="nothing was loaded",
        called=f"{spec.name} ({files})",
        mend=f"correct the data, or change the rules of [{spec.name}] in catalog.toml",
        place=f"(({FILE}::BIGINT << {_FILE_BITS}) + {ROW})" if raw.has_places else None,
        places=(lambda places: _places(raw, places)) if raw.has_places else no_places,
    )


def _field(column: RawColumn, declared: Column | None, spec: Source) -> Field:
    typed = value(column, declared, spec.decimal)
    read = present(column, declared)
    mistyped = ""
    if typed != read and not column.certain:
        form = f" written as {declared.format}" if declared and declared.format else ""
        mistyped = f"is no {(declared.type if declared else None) or column.wanted}{form}"
    kind = duckdb_type(declared.type) if declared and declared.type else column.wanted or column.type
    return Field(column.name, typed, read, column.sql, kind, mistyped)


def _places(raw: Raw, places: Sequence[int]) -> list[str]:
    """Return what people call rows: file and line, or where lines cannot be told file and row."""
    pairs = [(place >> _FILE_BITS, place & ((1 << _FILE_BITS) - 1)) for place in places]
    lines = {
        number: part.lines({row for file, row in pairs if file == number})
        for number, part in enumerate(raw.parts)
        if part.lines is not None and any(file == number for file, _ in pairs)
    }
    return [f"{raw.parts[file].shown}, {_line(lines.get(file, {}).get(row), row)}" for file, row in pairs]


def _line(line: int | None, row: int) -> str:
    return f"line {line}" if line is not None else f"row {row + 1}"
