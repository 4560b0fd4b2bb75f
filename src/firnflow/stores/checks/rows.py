"""The rules that a row may break, as conditions in SQL."""

# ruff: noqa: S608 - every name and text in SQL went through `identifier` or `literal`
from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow._sql import literal
from firnflow.errors import ConfigError
from firnflow.stores.checks.subject import readable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from firnflow.graph.rules import Bound, Checks, ColumnRules, Scalar, Severity
    from firnflow.stores.checks.subject import Field, Subject


@dataclass(frozen=True)
class Rule:
    """One thing that rows may break.

    Attributes:
        column: the user's name of the column, or of several.
        word: the rule's name: `min`.
        severity: whether breaking it stops, or is reported.
        bad: the condition under which a row breaks it, over the rows and their values v0, v1, …
        shown: the SQL of the value to show.
        wanted: what the rule says, as it is written: `0`.
        expected: what was expected, for people.
        key: of a rule on keys, the values that make it: rows are joined to those that repeat.
    """

    column: str
    word: str
    severity: Severity
    bad: str
    shown: str
    wanted: str
    expected: str
    key: tuple[str, ...] = ()


def row_rules(subject: Subject, checks: Checks, tables: Mapping[str, str], without: Collection[str] = ()) -> list[Rule]:
    """Return the rules on rows.

    Args:
        subject: what is checked.
        checks: all its rules.
        tables: the named tables that `references` names, as SQL.
        without: columns that are not what is declared as a whole: there is nothing to check in their rows.

    Raises:
        ConfigError: a rule does not fit its column.
    """
    rules: list[Rule] = []
    for at, field in enumerate(subject.fields):
        if field.mistyped:
            unread = f"{field.read} IS NOT NULL AND v{at} IS NULL"
            rules.append(Rule(field.name, "type", "error", unread, field.shown, readable(field.type), field.mistyped))
        for name, severity, wanted in checks.by_severity():
            if name == field.name and name not in without:
                rules += _of_column(subject, at, field, severity, wanted, tables)
    return [*rules, *_of_keys(subject, checks, without)]


def _of_column(
    subject: Subject, at: int, field: Field, severity: Severity, wanted: ColumnRules, tables: Mapping[str, str]
) -> Iterator[Rule]:
    value = f"v{at}"

    def rule(word: str, bad: str, said: object, expected: str) -> Rule:
        return Rule(field.name, word, severity, bad, field.shown, str(said), expected)

    if not wanted.null:
        yield rule("null", f"{field.read} IS NULL", "false", "is missing, and null = false")
    for word, sign, name, bound in (("min", "<", "least", wanted.min), ("max", ">", "most", wanted.max)):
        if bound is not None:
            _check_ordered(subject, field)
            yield rule(word, f"{value} {sign} {sql(bound)}", bound, f"should be at {name} {bound}")
    if wanted.values is not None:
        known = ", ".join(literal(str(each)) if field.is_text else sql(each) for each in wanted.values)
        said = ", ".join(map(repr, wanted.values))
        yield rule("values", f"{value} NOT IN ({known})", said, f"is none of {said}")
    if wanted.pattern is not None:
        matches = f"regexp_full_match(CAST({value} AS VARCHAR), {literal(wanted.pattern)})"
        yield rule("pattern", f"NOT {matches}", wanted.pattern, f"does not match {wanted.pattern!r}")
    if wanted.referenced is not None:
        table, column = wanted.referenced
        there = f"SELECT k FROM ({tables[f'{table}.{column}']}) WHERE k IS NOT NULL"
        bad = f"{value} IS NOT NULL AND {value} NOT IN ({there})"
        yield rule("references", bad, wanted.references, f"is not in {wanted.references}")


def _of_keys(subject: Subject, checks: Checks, without: Collection[str]) -> Iterator[Rule]:
    other = "an earlier row has it too" if subject.place else "another row has it too"
    for names, severity in keys_of(checks):
        found = [subject.field(name) for name in names if name not in without]
        there = [each for each in found if each is not None]
        if len(there) == len(names):
            values = tuple(f"v{at}" for at, _ in there)
            shown = f"concat_ws(', ', {', '.join(values)})"
            yield Rule(", ".join(names), "unique", severity, "", shown, "true", f"is not unique: {other}", values)


def keys_of(checks: Checks) -> list[tuple[tuple[str, ...], Severity]]:
    """Return the columns that together tell rows apart, of each rule."""
    keys: list[tuple[tuple[str, ...], Severity]] = [
        ((name,), severity) for name, severity, wanted in checks.by_severity() if wanted.unique
    ]
    keys += [(key, "error") for key in checks.unique]
    return [*keys, *((key, "warn") for key in (checks.warn.unique if checks.warn else ()))]


def _check_ordered(subject: Subject, field: Field) -> None:
    """Raise ConfigError where a bound is on texts: they have no order that it could mean."""
    if field.type == "VARCHAR" and not field.mistyped:
        raise ConfigError(
            f"{where(subject)}: column {field.name!r} has a min or max, but holds texts. Mend: declare its type, "
            "e.g. type = 'float', so that the rows that are none are shown"
        )


def check_patterns(connection: Any, subject: Subject, checks: Checks) -> None:
    """Raise ConfigError where a pattern is none for the warehouse, whose expressions are RE2's."""
    import duckdb

    for name, _, wanted in checks.by_severity():
        try:
            connection.con.execute("SELECT regexp_full_match('', ?)", [wanted.pattern or ""]).fetchall()
        except duckdb.Error as error:
            raise ConfigError(
                f"{where(subject)}: column {name!r}: the pattern {wanted.pattern!r} cannot be used: "
                f"{str(error).rpartition(': ')[2]} (look-around and back-references are not known here)"
            ) from error


def where(subject: Subject) -> str:
    """Return where the rules stand, for messages."""
    return "catalog.toml" if subject.place else f"The checks of {subject.name!r}"


def sql(scalar: Bound | Scalar) -> str:
    """Return a value of a rule as SQL."""
    if isinstance(scalar, bool):
        return str(scalar)
    if isinstance(scalar, dt.datetime):
        return f"TIMESTAMP{'TZ' if scalar.tzinfo else ''} {literal(scalar.isoformat(sep=' '))}"
    if isinstance(scalar, dt.date):
        return f"DATE {literal(scalar.isoformat())}"
    return literal(scalar) if isinstance(scalar, str) else repr(scalar)
