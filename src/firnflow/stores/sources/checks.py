"""Declared schema and checks against what was read: every wrong row is counted, the first few are shown."""

# ruff: noqa: S608 - every name and text in SQL went through `identifier` or `literal`
from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow._sql import literal
from firnflow._text import counted
from firnflow.errors import BadRowsError, ConfigError, DataError
from firnflow.stores.sources.raw import FILE, ROW
from firnflow.stores.sources.types import present, value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.project.catalog import Bound, Column, Scalar, Source
    from firnflow.stores.sources.raw import Raw, RawColumn

SHOWN = 10
_LONGEST = 60


@dataclass(frozen=True)
class Rule:
    """One thing that rows may break.

    Attributes:
        column: the user's name of the column, or of several.
        bad: the condition under which a row breaks it.
        shown: the SQL of the value to show.
        expected: what was expected, for people.
    """

    column: str
    bad: str
    shown: str
    expected: str


@dataclass(frozen=True)
class Unique:
    """Columns that together tell rows apart; rows in which one of them is null are left out."""

    columns: tuple[str, ...]
    values: tuple[str, ...]


def check(connection: Any, spec: Source, raw: Raw) -> None:
    """Check every row.

    Raises:
        BadRowsError: some rows are not what is declared; says how many, and shows the first.
        DataError: there are too few or too many rows.
    """
    _check_patterns(connection, spec)
    rules = [rule for column in raw.columns for rule in _rules(column, spec.columns.get(column.name), spec)]
    rows, counted = _count(connection, spec, raw, rules)
    broken = [(rule, n) for rule, n in zip(rules, counted, strict=True) if n]
    for unique in _uniques(spec, raw):
        repeated = connection.con.execute(f"SELECT count(*) FROM ({_repeated(unique, raw)})").fetchone()[0]
        if repeated:
            broken.append((_as_rule(unique), repeated))
    if broken:
        raise BadRowsError(_report(connection, spec, raw, rows, broken))
    _check_rows(spec, raw, rows)


def _count(connection: Any, spec: Source, raw: Raw, rules: list[Rule]) -> tuple[int, list[int]]:
    """Return how many rows there are, and how many break each rule."""
    import duckdb

    counts = ", ".join(["count(*)", *(f"count(CASE WHEN {rule.bad} THEN 1 END)" for rule in rules)])
    try:
        (found,) = connection.con.execute(f"SELECT {counts} FROM ({raw.relation})").fetchall()
    except (duckdb.BinderException, duckdb.ConversionException) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"catalog.toml: the checks of [{spec.name}] do not fit the types of its columns: {reason}"
        ) from error
    return found[0], list(found[1:])


def _check_patterns(connection: Any, spec: Source) -> None:
    """Raise ConfigError where a pattern is none for the warehouse, whose expressions are RE2's."""
    import duckdb

    for name, declared in spec.columns.items():
        try:
            connection.con.execute("SELECT regexp_full_match('', ?)", [declared.pattern or ""]).fetchall()
        except duckdb.Error as error:
            raise ConfigError(
                f"catalog.toml: column {name!r}: the pattern {declared.pattern!r} cannot be used: "
                f"{str(error).rpartition(': ')[2]} (look-around and back-references are not known here)"
            ) from error


def _check_rows(spec: Source, raw: Raw, rows: int) -> None:
    files = ", ".join(part.shown for part in raw.parts[:3]) + (", …" if len(raw.parts) > 3 else "")
    least, most = spec.checks.min_rows, spec.checks.max_rows
    if rows < least:
        raise DataError(
            f"{spec.name} ({files}) has {counted(rows, 'row')}, at least {least:,} are expected. "
            f"Mend: complete the data, or set checks.min_rows = {rows} under [{spec.name}] in catalog.toml"
        )
    if most is not None and rows > most:
        raise DataError(
            f"{spec.name} ({files}) has {counted(rows, 'row')}, at most {most:,} are expected (checks.max_rows)"
        )


def _rules(column: RawColumn, declared: Column | None, spec: Source) -> Iterator[Rule]:
    typed = value(column, declared, spec.decimal)
    read = present(column, declared)
    name, wanted = column.name, (declared.type if declared else None) or column.wanted
    if typed != read and not column.certain:
        form = f" written as {declared.format}" if declared and declared.format else ""
        yield Rule(name, f"{read} IS NOT NULL AND {typed} IS NULL", column.sql, f"is no {wanted}{form}")
    if declared is None:
        return
    if not declared.null:
        yield Rule(name, f"{read} IS NULL", column.sql, "is missing, and null = false")
    for sign, word, bound in (("<", "least", declared.min), (">", "most", declared.max)):
        if bound is not None:
            yield Rule(
                name,
                f"{_ordered(column, declared, typed)} {sign} {_sql(bound)}",
                column.sql,
                f"should be at {word} {bound}",
            )
    if declared.values is not None:
        is_text = (declared.type or column.wanted or column.type) in {"string", "VARCHAR"}
        known = ", ".join(literal(str(each)) if is_text else _sql(each) for each in declared.values)
        yield Rule(name, f"{typed} NOT IN ({known})", column.sql, f"is none of {', '.join(map(repr, declared.values))}")
    if declared.pattern is not None:
        matches = f"regexp_full_match(CAST({typed} AS VARCHAR), {literal(declared.pattern)})"
        yield Rule(name, f"NOT {matches}", column.sql, f"does not match {declared.pattern!r}")


def _ordered(column: RawColumn, declared: Column, typed: str) -> str:
    """Return the value to compare with a bound; a text has no order that a bound could mean."""
    if declared.type is None and (column.wanted or column.type) == "VARCHAR":
        raise ConfigError(
            f"catalog.toml: column {column.name!r} has a min or max, but holds texts. Mend: declare its type, "
            "e.g. type = 'float', so that the rows that are none are shown"
        )
    return typed


def _uniques(spec: Source, raw: Raw) -> Iterator[Unique]:
    columns = {column.name: column for column in raw.columns}
    wanted: list[tuple[str, ...]] = [(name,) for name, declared in spec.columns.items() if declared.unique]
    if spec.checks.unique:
        wanted.append(spec.checks.unique)
    for names in wanted:
        yield Unique(names, tuple(value(columns[n], spec.columns.get(n), spec.decimal) for n in names))


def _repeated(unique: Unique, raw: Raw) -> str:
    """Return the SELECT of the rows whose key stood in an earlier row."""
    keys = ", ".join(f"{value} AS k{i}" for i, value in enumerate(unique.values))
    names = ", ".join(f"k{i}" for i in range(len(unique.values)))
    present_ = " AND ".join(f"k{i} IS NOT NULL" for i in range(len(unique.values)))
    keyed = f"SELECT {FILE}, {ROW}, {keys} FROM ({raw.relation})"
    # Only keys that repeat are numbered: to number all would sort the whole table.
    twice = f"SELECT {names} FROM keyed WHERE {present_} GROUP BY ALL HAVING count(*) > 1"
    numbered = (
        f"SELECT {FILE}, {ROW}, {names}, row_number() OVER (PARTITION BY {names} ORDER BY {FILE}, {ROW}) AS nth "
        f"FROM keyed SEMI JOIN ({twice}) USING ({names})"
    )
    return f"WITH keyed AS ({keyed}) SELECT * FROM ({numbered}) WHERE nth > 1"


def _as_rule(unique: Unique) -> Rule:
    shown = f"concat_ws(', ', {', '.join(f'k{i}' for i in range(len(unique.values)))})"
    return Rule(", ".join(unique.columns), "", shown, "is not unique: an earlier row has it too")


def _report(connection: Any, spec: Source, raw: Raw, rows: int, broken: list[tuple[Rule, int]]) -> str:
    uniques = {", ".join(unique.columns): unique for unique in _uniques(spec, raw)}
    sources = [_offenders(rule, raw, uniques) for rule, _ in broken]
    places = " UNION ".join(f"SELECT {FILE}, {ROW} FROM ({source})" for source in sources)
    (bad,) = connection.con.execute(f"SELECT count(*) FROM ({places})").fetchone()
    firsts = [
        f"(SELECT {FILE}, {ROW}, {number} AS rule, CAST({rule.shown} AS VARCHAR) AS shown FROM ({source}) "
        f"ORDER BY {FILE}, {ROW} LIMIT {SHOWN})"
        for number, ((rule, _), source) in enumerate(zip(broken, sources, strict=True))
    ]
    ordered = f"SELECT * FROM ({' UNION ALL '.join(firsts)}) ORDER BY {FILE}, {ROW}, rule LIMIT {SHOWN}"
    found = connection.con.execute(ordered).fetchall()
    wrong = f"{bad:,} of {counted(rows, 'row')} {'is' if bad == 1 else 'are'} not what catalog.toml declares"
    lines = [f"{spec.name}: {wrong}; nothing was loaded"]
    lines += [f"  {rule.column} {rule.expected}: {counted(count, 'row')}" for rule, count in broken]
    lines += _examples(raw, broken, found)
    if any(shown is not None and not shown.strip() for *_, shown in found):
        lines.append("Mend: where a blank text stands for a missing value, add it to the column's null_values")
    return "\n".join(lines)


def _offenders(rule: Rule, raw: Raw, uniques: dict[str, Unique]) -> str:
    if rule.bad:
        return f"SELECT * FROM ({raw.relation}) WHERE {rule.bad}"
    return _repeated(uniques[rule.column], raw)


def _examples(raw: Raw, broken: list[tuple[Rule, int]], found: list[tuple[int, int, int, str | None]]) -> Iterator[str]:
    yield "The first of them:" if sum(count for _, count in broken) > len(found) else "They are:"
    lines = {
        number: part.lines({row for file, row, *_ in found if file == number})
        for number, part in enumerate(raw.parts)
        if part.lines is not None and any(file == number for file, *_ in found)
    }
    for file, row, rule, shown in found:
        line = lines.get(file, {}).get(row)
        place = f"line {line}" if line is not None else f"row {row + 1}"
        text = "null" if shown is None else repr(shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…")
        yield f"  {raw.parts[file].shown}, {place}: {broken[rule][0].column} = {text} {broken[rule][0].expected}"


def _sql(scalar: Bound | Scalar) -> str:
    if isinstance(scalar, bool):
        return str(scalar)
    if isinstance(scalar, dt.datetime):
        return f"TIMESTAMP{'TZ' if scalar.tzinfo else ''} {literal(scalar.isoformat(sep=' '))}"
    if isinstance(scalar, dt.date):
        return f"DATE {literal(scalar.isoformat())}"
    return literal(scalar) if isinstance(scalar, str) else repr(scalar)
