"""JSON lines: one object a line. A key that a line lacks is null there; types are told from all lines."""

# ruff: noqa: S608 - every name and text in SQL went through `identifier` or `literal`
from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from firnflow._sql import identifier, literal, path_literal
from firnflow._text import counted
from firnflow.errors import BadRowsError, DataError
from firnflow.stores.sources.raw import Part, Raw, columns_of
from firnflow.stores.sources.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from firnflow.project.catalog import Source

_LONGEST_LINE = 16_000_000
_SHOWN = 10


def read(connection: Any, spec: Source, files: list[tuple[str, Path]], scratch: Path) -> Raw:
    """Read files of JSON lines, given as (how to show it, path).

    Raises:
        BadRowsError: lines are no JSON objects; says how many, and shows the first.
        DataError: a file cannot be read.
    """
    import duckdb

    texts = [(shown, plain_text(path, shown, spec.encoding, scratch)) for shown, path in files]
    paths = ", ".join(path_literal(text) for _, text in texts)
    options = (
        f"format = 'newline_delimited', records = true, sample_size = -1, maximum_object_size = {_LONGEST_LINE}, "
        "union_by_name = true, hive_partitioning = false"
    )
    try:
        described = connection.con.execute(f"DESCRIBE SELECT * FROM read_json([{paths}], {options})").fetchall()
        names, types = [row[0] for row in described], [row[1] for row in described]
        columns = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in zip(names, types, strict=True))
        parts = []
        for number, (shown, text) in enumerate(texts):
            target = scratch / f"jsonl-{number}.parquet"
            fields = ", ".join(f"{identifier(name)} AS c{i}" for i, name in enumerate(names))
            source = f"read_json({path_literal(text)}, {options}, columns = {{{columns}}})"
            copy = f"COPY (SELECT {fields} FROM {source}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)"
            connection.con.execute(copy)
            parts.append(Part(shown, target, tuple(f"c{i}" for i in range(len(names))), _line_finder(text)))
    except duckdb.Error as error:
        if isinstance(error, duckdb.OutOfMemoryException):
            raise
        _explain(spec, texts)
        raise DataError(f"{spec.name} cannot be read as JSON lines: {str(error).partition(chr(10))[0]}") from error
    return Raw(tuple(parts), columns_of(connection, tuple(parts), names))


def _explain(spec: Source, texts: list[tuple[str, Path]]) -> None:
    """Raise BadRowsError where lines are no JSON objects, DataError where there are none."""
    count = total = 0
    shown_lines: list[str] = []
    for shown, text in texts:
        for number, line in _lines(text):
            problem = _problem(line)
            total += 1
            if problem is not None:
                count += 1
                if len(shown_lines) < _SHOWN:
                    shown_lines.append(f"  {shown}, line {number}: {problem}: {line[:60].rstrip()!r}")
    if not total:
        raise DataError(f"{spec.name} ({texts[0][0]}) has no lines with anything in them")
    if count:
        what = "is no JSON object" if count == 1 else "are no JSON objects"
        head = f"{spec.name}: {counted(count, 'line')} {what}; nothing was loaded"
        raise BadRowsError("\n".join([head, *shown_lines]))


def _problem(line: str) -> str | None:
    if len(line) > _LONGEST_LINE:
        return f"longer than {_LONGEST_LINE:,} characters"
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        return f"{error.msg} at column {error.colno}"
    except (RecursionError, ValueError):
        return "nested too deeply, or a number with too many digits"
    return None if isinstance(found, dict) else "no object"


def _lines(text: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, numbered from 1."""
    with text.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, line


def _line_finder(text: Path) -> Any:
    def find(rows: Iterable[int]) -> dict[int, int]:
        waiting = set(rows)
        found: dict[int, int] = {}
        for row, (number, _) in enumerate(_lines(text)):
            if len(found) == len(waiting):
                break
            if row in waiting:
                found[row] = number
        return found

    return find
