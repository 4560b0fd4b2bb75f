"""All rules in one statement: each row gets a flag per rule, and one aggregate counts them.

A key needs the rows that have it twice, a reference the other table: both are joined to the rows in the same statement,
which reads the columns of the key once more and no other.
"""

# ruff: noqa: S608 - every name and text in SQL went through `identifier` or `literal`
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow.errors import ConfigError
from firnflow.stores.checks.rows import where
from firnflow.stores.checks.subject import readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from firnflow.stores.checks.rows import Rule
    from firnflow.stores.checks.subject import Subject

EXAMPLES = 10
_LONGEST = 60


@dataclass(frozen=True)
class Measured:
    """What the statement has found.

    Attributes:
        rows: how many there are.
        bad: how many break a rule that stops.
        broken: how many break each rule.
        newest: the newest value of each column that was asked for, in seconds since 1970; None: there is none.
    """

    rows: int
    bad: int
    broken: tuple[int, ...]
    newest: dict[str, float | None]


@dataclass(frozen=True)
class Example:
    """A row that breaks a rule.

    Attributes:
        rule: its number.
        place: what people call the row; "": it has no name.
        shown: what stands there, as text; None: nothing.
    """

    rule: int
    place: str
    shown: str | None

    @property
    def text(self) -> str:
        """What stands there, not too long."""
        if self.shown is None:
            return "null"
        return repr(self.shown if len(self.shown) <= _LONGEST else self.shown[: _LONGEST - 1] + "…")


def measure(connection: Any, subject: Subject, rules: Sequence[Rule], newest: Sequence[str] = ()) -> Measured:
    """Count rows, and those that break each rule.

    Args:
        connection: the Ibis backend.
        subject: what is checked.
        rules: of its rows.
        newest: columns of days or moments whose newest value is wanted.

    Raises:
        ConfigError: a rule does not fit the type of its column.
    """
    counts = ["count(*)", *map(_counted, [_stops(rules), *(f"b{at}" for at in range(len(rules)))])]
    counts += [_epoch(subject, name) for name in newest]
    (found,) = _execute(connection, subject, f"SELECT {', '.join(counts)} FROM ({flagged(subject, rules)})")
    rest = 2 + len(rules)
    return Measured(found[0], found[1], tuple(found[2:rest]), dict(zip(newest, found[rest:], strict=True)))


def flagged(subject: Subject, rules: Sequence[Rule]) -> str:
    """Return the SELECT of the rows with their values v0, v1, … and a flag b0, b1, … for each rule that they break."""
    values = "".join(f", {field.value} AS v{at}" for at, field in enumerate(subject.fields))
    ctes = [f"checked AS NOT MATERIALIZED (SELECT *{values} FROM ({subject.relation}))"]
    joins, flags = [], []
    for at, rule in enumerate(rules):
        if not rule.key:
            flags.append(f"coalesce({rule.bad}, false) AS b{at}")
            continue
        names = [f"k{at}_{number}" for number in range(len(rule.key))]
        there = " AND ".join(f"{value} IS NOT NULL" for value in rule.key)
        keys = ", ".join(f"{value} AS {name}" for value, name in zip(rule.key, names, strict=True))
        first = f", min({subject.place}) AS first{at}" if subject.place else ""
        ctes.append(
            f"twice{at} AS (SELECT {keys}{first} FROM checked WHERE {there} GROUP BY {', '.join(names)} "
            "HAVING count(*) > 1)"
        )
        same = " AND ".join(f"{value} = {name}" for value, name in zip(rule.key, names, strict=True))
        joins.append(f"LEFT JOIN twice{at} ON {same}")
        bad = f"{subject.place} > first{at}" if subject.place else f"{names[0]} IS NOT NULL"
        flags.append(f"coalesce({bad}, false) AS b{at}")
    return f"WITH {', '.join(ctes)} SELECT {', '.join(['checked.*', *flags])} FROM checked {' '.join(joins)}"


def bad_rows(subject: Subject, rules: Sequence[Rule]) -> str:
    """Return the SELECT of the rows that break a rule that stops."""
    return f"SELECT * FROM ({flagged(subject, rules)}) WHERE {_stops(rules)}"


def good_rows(subject: Subject, rules: Sequence[Rule]) -> str:
    """Return the SELECT of the other rows, in their order where they have one."""
    ordered = f" ORDER BY {subject.place}" if subject.place else ""
    return f"SELECT * FROM ({flagged(subject, rules)}) WHERE NOT ({_stops(rules)}){ordered}"


def examples(connection: Any, subject: Subject, rules: Sequence[Rule], broken: Sequence[int]) -> list[Example]:
    """Return the first rows that break each of some rules, in the order of their places.

    Args:
        connection: the Ibis backend.
        subject: what was checked.
        rules: of its rows.
        broken: the numbers of the rules that are broken.
    """
    place = subject.place or "0"
    distinct = "" if subject.place else "DISTINCT "  # rows without a place are told apart by what stands there
    firsts = [
        f"(SELECT {distinct}{place} AS place, {at} AS rule, CAST({rules[at].shown} AS VARCHAR) AS shown "
        f"FROM ({flagged(subject, [rules[at]])}) WHERE b0 ORDER BY place, shown LIMIT {EXAMPLES})"
        for at in broken
    ]
    found = _execute(
        connection,
        subject,
        f"SELECT * FROM ({' UNION ALL '.join(firsts)}) ORDER BY place, rule, shown",
    )
    places = subject.places([row[0] for row in found])
    return [Example(row[1], said, row[2]) for row, said in zip(found, places, strict=True)]


def told(rules: Sequence[Rule], found: Sequence[Example]) -> Iterator[str]:
    """Yield a line for each example."""
    for each in found:
        rule = rules[each.rule]
        place = f"{each.place}: " if each.place else ""
        yield f"{place}{rule.column} = {each.text} {rule.expected}"


def _counted(condition: str) -> str:
    return f"count(*) FILTER ({condition})"


def _stops(rules: Sequence[Rule]) -> str:
    """Return the condition under which a row breaks a rule that stops."""
    return " OR ".join(f"b{at}" for at, rule in enumerate(rules) if rule.severity == "error") or "false"


def _epoch(subject: Subject, name: str) -> str:
    found = subject.field(name)
    if found is None or not found[1].type.startswith(("DATE", "TIMESTAMP")):
        kind = "is missing" if found is None else f"is {readable(found[1].type)}"
        raise ConfigError(
            f"{where(subject)}: `fresh` asks for the newest day or moment, but column {name!r} {kind}. "
            "Mend: name a column of dates or timestamps, and declare its type"
        )
    day = " + 86400" if found[1].type == "DATE" else ""
    return f"epoch(max(v{found[0]})){day}"


def _execute(connection: Any, subject: Subject, query: str) -> list[tuple[Any, ...]]:
    import duckdb

    try:
        rows: list[tuple[Any, ...]] = connection.con.execute(query).fetchall()
    except (duckdb.BinderException, duckdb.ConversionException) as error:
        reason = str(error).partition("\n")[0]
        said = f"catalog.toml: the checks of [{subject.name}]" if subject.place else where(subject)
        raise ConfigError(f"{said} do not fit the types of its columns: {reason}") from error
    return rows
