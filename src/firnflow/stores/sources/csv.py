"""CSV files. Every field is read as a text; types and checks come later, when each wrong field can be named."""

# ruff: noqa: S608 - every name and text in SQL went through `identifier` or `literal`
from __future__ import annotations

import contextlib
import csv
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow._sql import literal, path_literal
from firnflow._text import counted, listing, nearest
from firnflow.errors import BadRowsError, DataError
from firnflow.stores.sources.raw import Part, Raw, RawColumn
from firnflow.stores.sources.text import line_at, plain_text

if TYPE_CHECKING:
    import io
    from collections.abc import Iterable
    from pathlib import Path

    from firnflow.project.catalog import Source


@dataclass(frozen=True)
class Dialect:
    """How fields are written. `quoted_nulls`: whether a null text in quotes is null too."""

    delimiter: str = ","
    quote: str = '"'
    header: bool = True
    null_values: tuple[str, ...] = ("",)
    quoted_nulls: bool = True


_SEPARATORS = ",;\t|"
_LONGEST_LINE = 2_000_000
_REASONS = {
    "MISSING COLUMNS": "too few fields",
    "TOO MANY COLUMNS": "too many fields",
    "UNQUOTED VALUE": "a quote that does not end, or that is not doubled inside a quoted field",
    "LINE SIZE OVER MAXIMUM": f"longer than {_LONGEST_LINE:,} bytes",
    "INVALID STATE": "no CSV",
}


def read(connection: Any, spec: Source, files: list[tuple[str, Path]], scratch: Path) -> Raw:
    """Read CSV files, given as (how to show it, path).

    Raises:
        DataError: a file is no such text, or its header is not that of the others or of the declaration.
        BadRowsError: rows do not have as many fields as the header, or their quotes do not match.
    """
    parts: list[Part] = []
    names: list[str] = []
    for number, (shown, path) in enumerate(files):
        text = plain_text(path, shown, spec.encoding, scratch)
        delimiter = spec.delimiter or ("\t" if ".tsv" in shown.lower() else ",")
        dialect = Dialect(delimiter, spec.quote, spec.header, spec.null_values)
        header = _header(text, shown, spec, dialect)
        names = names or header
        _check_same(header, names, shown, files[0][0])
        target = scratch / f"csv-{number}.parquet"
        copy_fields(connection, text, shown, target, len(header), spec, dialect)
        stored = tuple(f"c{header.index(name)}" for name in names)
        parts.append(Part(shown, target, stored, _line_finder(text, dialect, len(header))))
    columns = tuple(RawColumn(name, f"c{i}", "VARCHAR") for i, name in enumerate(names))
    return Raw(tuple(parts), columns, inferred=True)


def copy_fields(
    connection: Any, text: Path, shown: str, target: Path, fields: int, spec: Source, dialect: Dialect
) -> None:
    """Write the fields of a CSV file, as texts in columns c0, c1, …, to a Parquet file.

    Raises:
        BadRowsError: rows are no CSV; says how many, and shows the first.
    """
    import duckdb

    rejects, scans = (f"{kind}_{uuid.uuid4().hex[:12]}" for kind in ("rejects", "scans"))
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(fields))
    options = {
        "auto_detect": "false",
        "hive_partitioning": "false",
        "columns": f"{{{columns}}}",
        "delim": literal(dialect.delimiter),
        "quote": literal(dialect.quote),
        "escape": literal(dialect.quote),
        "header": str(dialect.header).lower(),
        "nullstr": f"[{', '.join(map(literal, dialect.null_values))}]",
        "allow_quoted_nulls": str(dialect.quoted_nulls).lower(),
        "max_line_size": str(_LONGEST_LINE),
        "strict_mode": "true",
        "store_rejects": "true",
        "rejects_table": literal(rejects),
        "rejects_scan": literal(scans),
    }
    given = ", ".join(f"{name} = {value}" for name, value in options.items())
    select = f"SELECT * FROM read_csv({path_literal(text)}, {given})"
    try:
        connection.con.execute(f"COPY ({select}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)")
        _check_rejects(connection, rejects, text, shown, spec, fields)
    except duckdb.InvalidInputException as error:
        raise DataError(f"{shown} cannot be read as CSV: {str(error).partition(chr(10))[0]}") from error
    finally:
        connection.con.execute(f"DROP TABLE IF EXISTS {rejects}; DROP TABLE IF EXISTS {scans}")


def _check_rejects(connection: Any, rejects: str, text: Path, shown: str, spec: Source, fields: int) -> None:
    (count,) = connection.con.execute(f"SELECT count(DISTINCT line) FROM {rejects}").fetchone()
    if not count:
        return
    found = connection.con.execute(
        f"SELECT line_byte_position - 1, any_value(error_type), any_value(csv_line) FROM {rejects} "
        "GROUP BY 1 ORDER BY 1 LIMIT 10"
    ).fetchall()
    # DuckDB counts the blank lines above a row to it.
    starts = [int(offset) + len(line) - len(line.lstrip("\r\n")) for offset, _, line in found]
    lines = line_at(text, starts)
    shown_rows = [
        f"  {shown}, line {lines[start]}: {_REASONS.get(reason, reason)}: {line.strip(chr(13) + chr(10))[:60]!r}"
        for start, (_, reason, line) in zip(starts, found, strict=True)
    ]
    verb = "is no row" if count == 1 else "are no rows"
    head = f"{spec.name}: {counted(count, 'row')} of {shown} {verb} of {counted(fields, 'field')}; nothing was loaded"
    raise BadRowsError("\n".join([head, *shown_rows]))


def _header(text: Path, shown: str, spec: Source, dialect: Dialect) -> list[str]:
    """Return the names of the columns."""
    if not spec.header:
        return list(spec.columns)
    with text.open(encoding="utf-8-sig", newline="") as file:
        try:
            found: list[str] = next(_records(_limited(file), dialect, strict=True), [])
        except csv.Error as error:
            raise DataError(f"{shown}, line 1: the header cannot be read: {error}") from error
    names = [name.strip() or f"column{i}" for i, name in enumerate(found)]
    if not found or not any(found):
        raise DataError(f"{shown}, line 1: there is no header. Mend: header = false, with all names under `columns`")
    _check_separator(names, shown, spec, dialect.delimiter)
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            raise DataError(f"{shown}, line 1: two columns are named {name!r} (names that differ in case are the same)")
        seen.add(name.lower())
    return names


def _limited(file: io.TextIOWrapper) -> Iterable[str]:
    """Yield the lines of a header, whatever the size of the file."""
    while line := file.readline(csv.field_size_limit()):
        yield line


def _check_separator(names: list[str], shown: str, spec: Source, delimiter: str) -> None:
    if len(names) > 1 or names[0] in spec.columns:
        return
    others = [letter for letter in _SEPARATORS if letter != delimiter and letter in names[0]]
    if others:
        best = max(others, key=names[0].count)
        raise DataError(
            f"{shown}, line 1: with {delimiter!r} as the delimiter, all is one column: {names[0][:60]!r}. "
            f"Mend: delimiter = {best!r}".replace(r"'\t'", r'"\t"')
        )


def _check_same(header: list[str], names: list[str], shown: str, first: str) -> None:
    """Raise DataError unless the file has the columns of the first one, in whatever order."""
    for name in names:
        if name not in header:
            raise DataError(f"{shown} has no column {name!r}, which {first} has.{nearest(name, header)}")
    for name in sorted({*header} - {*names}):
        raise DataError(f"{shown} has a column {name!r}, which {first} has not. That has: {listing(names)}")


def _records(lines: Iterable[str], dialect: Dialect, *, strict: bool) -> Any:
    return csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote, strict=strict)


def _line_finder(text: Path, dialect: Dialect, fields: int) -> Any:
    """Return the function that finds the lines of rows: a field may hold line ends, and blank lines are no rows."""

    def find(rows: Iterable[int]) -> dict[int, int]:
        waiting = set(rows)
        found: dict[int, int] = {}
        row, line = -1 if dialect.header else 0, 1
        with text.open(encoding="utf-8-sig", newline="") as file, contextlib.suppress(csv.Error):
            reader = _records(file, dialect, strict=False)
            for record in reader:
                if record or fields == 1:
                    if row in waiting:
                        found[row] = line
                    row += 1
                line = reader.line_num + 1
                if len(found) == len(waiting):
                    break
        return found

    return find
