"""JSON lines: one object a line. A key that a line lacks is null there; types are told from all lines."""

# ruff: noqa: S608 - every name and text in SQL went through `identifier` or `literal`
from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from firnflow._sql import identifier, literal, path_literal
from firnflow._text import counted
from firnflow.errors import BadRowsError, DataError
from firnflow.stores.sources import jsonl_numbers as numbers
from firnflow.stores.sources.raw import Part, Raw, columns_of
from firnflow.stores.sources.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from firnflow.project.catalog import Source

_LONGEST_LINE = 16_000_000
_SHOWN = 10
_MOST_DIGITS = 400  # that a message shows; Python refuses to read several thousand
_OPTIONS = (
    f"format = 'newline_delimited', records = true, sample_size = -1, maximum_object_size = {_LONGEST_LINE}, "
    "union_by_name = true, hive_partitioning = false"
)


def read(connection: Any, spec: Source, files: list[tuple[str, Path]], scratch: Path) -> Raw:
    """Read files of JSON lines, given as (how to show it, path).

    Raises:
        BadRowsError: lines are no JSON objects, or hold numbers that would be rounded; says how many, shows the first.
        DataError: a file cannot be read.
    """
    import duckdb

    texts = [(shown, plain_text(path, shown, spec.encoding, scratch)) for shown, path in files]
    try:
        kinds = _describe(connection, texts)
        types = {name: numbers.read_as(kind, spec.columns.get(name)) for name, kind in kinds.items()}
        parts = _copy(connection, texts, types, scratch)
        doubtful = numbers.doubtful(connection, parts, kinds, types)
        if doubtful:
            exact = _exact(connection, spec, {name: kinds[name] for name in doubtful}, texts)
            types = {**types, **exact}
            _refuse_rounded(spec, {name: kinds[name] for name in doubtful if name not in exact}, texts)
            parts = _copy(connection, texts, types, scratch) if exact else parts
    except duckdb.OutOfMemoryException:
        raise
    except (duckdb.Error, RecursionError) as error:
        _explain(spec, texts)
        raise DataError(f"{spec.name} cannot be read as JSON lines: {str(error).partition(chr(10))[0]}") from error
    return Raw(parts, columns_of(connection, parts, list(types)))


def _exact(connection: Any, spec: Source, kinds: dict[str, Any], texts: list[tuple[str, Path]]) -> dict[str, str]:
    """Return how columns can be read without rounding: as text where a type is declared, else as whole numbers."""
    found = {}
    for name in (name for name, kind in kinds.items() if kind.id == "double"):
        declared = spec.columns.get(name)
        if declared is not None and declared.type is not None:
            found[name] = "VARCHAR"
        elif numbers.is_whole(connection, name, _source([text for _, text in texts], {name: "VARCHAR"})):
            found[name] = numbers.EXACT
    return found


def _refuse_rounded(spec: Source, kinds: dict[str, Any], texts: list[tuple[str, Path]]) -> None:
    """Raise BadRowsError where these columns hold whole numbers that would be rounded."""
    count, shown_numbers, bad = 0, [], set()
    for shown, text in texts:
        for number, line in _lines(text) if kinds else ():
            values = json.loads(line, parse_int=lambda digits: int(digits[:_MOST_DIGITS]))
            for column, kind in kinds.items():
                for place, value in numbers.rounded(values.get(column), kind, column):
                    count += 1
                    bad.add(column)
                    shown_numbers += [f"  {shown}, line {number}: {place} = {value}"] if count <= _SHOWN else []
    if count:
        mends = [f"columns.{c} = {'string' if kinds[c].id == 'double' else 'json'!r}" for c in sorted(bad)]
        head = (
            f"{spec.name}: {counted(count, 'whole number')} would be rounded as floats: beside fractions, or with more "
            f"than 38 digits; nothing was loaded. Mend: {', '.join(mends)} in catalog.toml"
        )
        raise BadRowsError("\n".join([head, *shown_numbers]))


def _describe(connection: Any, texts: list[tuple[str, Path]]) -> dict[str, Any]:
    """Return each column's type, told from all lines."""
    relation = connection.con.sql(f"SELECT * FROM {_source([text for _, text in texts])}")
    return dict(zip(relation.columns, relation.types, strict=True))


def _source(texts: list[Path], types: dict[str, str] | None = None) -> str:
    """Return the SQL of a table of the lines of files, with types that are told or given."""
    columns = ""
    if types is not None:
        each = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in types.items())
        columns = f", columns = {{{each}}}"
    return f"read_json([{', '.join(map(path_literal, texts))}], {_OPTIONS}{columns})"


def _copy(connection: Any, texts: list[tuple[str, Path]], types: dict[str, str], scratch: Path) -> tuple[Part, ...]:
    """Write each file as Parquet."""
    fields = ", ".join(f"{identifier(name)} AS c{i}" for i, name in enumerate(types))
    names = tuple(f"c{i}" for i in range(len(types)))
    parts = []
    for number, (shown, text) in enumerate(texts):
        target = scratch / f"jsonl-{number}.parquet"
        rows = f"SELECT {fields} FROM {_source([text], types)}"
        connection.con.execute(f"COPY ({rows}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)")
        parts.append(Part(shown, target, names, _line_finder(text)))
    return tuple(parts)


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
