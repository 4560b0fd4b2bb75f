"""Judging a table by its rules: the rows in one statement, then the table as a whole, then beside its last versions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn

from firnflow._sql import identifier
from firnflow._text import counted, listing, nearest
from firnflow.errors import BadRowsError, ConfigError, DataError
from firnflow.stores.checks import statement, whole
from firnflow.stores.checks.result import CheckResult, Finding, refused
from firnflow.stores.checks.rows import Rule, check_patterns, row_rules, where
from firnflow.stores.checks.subject import problems, sql_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import ibis

    from firnflow.graph.rules import Checks
    from firnflow.stores.checks.result import Outcome
    from firnflow.stores.checks.subject import Subject


_EXAMPLES = 3
"""Of a rule, in the result; the message of an error shows more."""


@dataclass(frozen=True)
class Past:
    """The last versions of the named table.

    Attributes:
        versions: their numbers.
        loads: how many rows were published as each.
        rows: those of all of them.
    """

    versions: tuple[int, ...]
    loads: tuple[int, ...]
    rows: ibis.Table


@dataclass(frozen=True)
class Circumstances:
    """What rules ask for besides the rows.

    Attributes:
        at: the moment by which freshness is measured, in seconds since 1970.
        now: when it is checked; None: at that moment.
        tables: name → the tables that `references` names.
        past: the last versions; None: there are none.
        run: the run that checks; "": none.
        task: the task there.
    """

    at: float
    now: float | None = None
    tables: Mapping[str, ibis.Table] = field(default_factory=dict)
    past: Past | None = None
    run: str = ""
    task: str = ""


@dataclass(frozen=True)
class Judgement:
    """What came of it, and what is needed to divide the rows.

    Attributes:
        subject: what was checked.
        rules: of its rows.
        result: for people.
        found: examples of rows that break a rule.
    """

    subject: Subject
    rules: tuple[Rule, ...]
    result: CheckResult
    found: tuple[statement.Example, ...] = ()

    @property
    def good(self) -> str:
        """The SELECT of the rows that break no rule that stops."""
        return statement.good_rows(self.subject, self.rules)

    def with_result(self, **changes: Any) -> Judgement:
        """Return the judgement with more said in its result."""
        return replace(self, result=self.result.model_copy(update=changes))

    def refuse(self) -> NoReturn:
        """Raise DataError, which says what is wrong; of rows it is a BadRowsError."""
        kind = BadRowsError if self.result.bad_rows else DataError
        raise refused(kind("\n".join(_message(self))), self.result)


def judge(
    connection: Any,
    subject: Subject,
    checks: Checks,
    about: Circumstances,
    known: statement.Measured | None = None,
) -> Judgement:
    """Check a table.

    Args:
        connection: the Ibis backend that computes it.
        subject: its rows.
        checks: the rules.
        about: what they ask for besides.
        known: what was found of the rows elsewhere, none of which breaks a rule; None: they are looked at.

    Raises:
        ConfigError: a rule does not fit its column, or names another table's column that is not there.
    """
    wrong = problems(subject, checks)
    check_patterns(connection, subject, checks)
    rules = row_rules(subject, checks, _references(subject, checks, about, connection), wrong)
    fresh = [
        rule.fresh.column for rule, _ in whole.by_severity(checks) if rule.fresh and rule.fresh.column not in wrong
    ]
    if known is None:
        measured = statement.measure(connection, subject, rules, list(dict.fromkeys(fresh)))
    else:
        measured = replace(known, broken=(0,) * len(rules))
    broken = [at for at, count in enumerate(measured.broken) if count]
    found = statement.examples(connection, subject, rules, broken) if broken else []
    distributions, drifted = whole.drift(connection, subject, checks, about.past, wrong)
    findings = (
        *_of_columns(wrong),
        *_of_rows(rules, measured, found),
        *whole.findings(checks, measured, about),
        *drifted,
    )
    result = CheckResult(
        table=subject.name,
        run=about.run,
        task=about.task,
        at=about.at,
        checked_at=about.at if about.now is None else about.now,
        rows=measured.rows,
        bad_rows=measured.bad,
        outcome=_outcome(checks, measured, findings),
        on_failure=checks.on_failure,
        versions=about.past.versions if about.past and checks.looks_back else (),
        findings=findings,
        distributions=distributions,
        note=_too_many(checks, measured),
    )
    return Judgement(subject, tuple(rules), result, tuple(found))


def _of_columns(wrong: Mapping[str, tuple[str, str]]) -> Iterator[Finding]:
    for name, (rule, said) in wrong.items():
        yield Finding(column=name, rule=rule, severity="error", status="failed", said=said)


def _of_rows(
    rules: Sequence[Rule], measured: statement.Measured, found: Sequence[statement.Example]
) -> Iterator[Finding]:
    for at, (rule, count) in enumerate(zip(rules, measured.broken, strict=True)):
        yield Finding(
            column=rule.column,
            rule=rule.word,
            severity=rule.severity,
            status="failed" if count else "passed",
            wanted=rule.wanted,
            said=rule.expected,
            rows=count,
            examples=tuple(dict.fromkeys(each.text for each in found if each.rule == at))[:_EXAMPLES],
        )


def _outcome(checks: Checks, measured: statement.Measured, findings: Sequence[Finding]) -> Outcome:
    failed = [each for each in findings if each.status == "failed"]
    if any(each.severity == "error" and each.rows is None for each in failed):
        return "stopped"
    if measured.bad:
        return "stopped" if checks.on_failure == "stop" or _too_many(checks, measured) else "quarantined"
    return "warned" if failed else "passed"


def _too_many(checks: Checks, measured: statement.Measured) -> str:
    if checks.on_failure == "stop" or measured.bad <= checks.max_quarantined * measured.rows:
        return ""
    share = f"{measured.bad / measured.rows:.1%}".replace("%", " %")
    return f"{share} of the rows would be set aside, more than max_quarantined = {checks.max_quarantined:g}"


def _references(subject: Subject, checks: Checks, about: Circumstances, connection: Any) -> dict[str, str]:
    """Return `table.column` → the SELECT of its values, as k."""
    found = {}
    for name, _, wanted in checks.by_severity():
        if wanted.referenced is None or wanted.references is None:
            continue
        table, column = wanted.referenced
        there = about.tables[table]
        if column not in there.columns:
            raise ConfigError(
                f"{where(subject)}: column {name!r} references {wanted.references}, but table {table!r} has no column "
                f"{column!r}.{nearest(column, there.columns)} It has: {listing(there.columns)}"
            )
        rows = sql_of(there, connection)
        found[wanted.references] = f"SELECT {identifier(column)} AS k FROM ({rows})"  # noqa: S608 - quoted
    return found


def _message(judgement: Judgement) -> Iterator[str]:
    """Yield the lines of what is wrong, for the error."""
    subject, result = judgement.subject, judgement.result
    stopping = [each for each in result.broken if each.severity == "error"]
    if not result.bad_rows:
        yield from (f"{subject.called}{':' if each.column else ''} {each.line}" for each in stopping)
        few = f" (min_rows = {result.rows})" if any(each.rule == "min_rows" for each in stopping) else ""
        yield f"{subject.done.capitalize()}. Mend: {subject.mend}{few}"
        return
    are = "is" if result.bad_rows == 1 else "are"
    wrong = f"{result.bad_rows:,} of {counted(result.rows, 'row')} {are} not what {subject.declared_by}"
    yield f"{subject.name}: {wrong}; {subject.done}"
    yield from (f"  {each.line}" for each in stopping)
    of_rules = [each for each in judgement.found if judgement.rules[each.rule].severity == "error"]
    shown = of_rules[: statement.EXAMPLES]
    total = sum(each.rows or 0 for each in stopping)
    yield "The first of them:" if total > len(shown) else "They are:"
    yield from (f"  {line}" for line in statement.told(judgement.rules, shown))
    if result.note:
        yield result.note
    if result.kept_in:
        yield f"They are kept in table {result.kept_in}: firnflow data show {result.kept_in}"
    if any(each.shown is not None and not each.shown.strip() for each in shown):
        yield "Mend: where a blank text stands for a missing value, add it to the column's null_values"
