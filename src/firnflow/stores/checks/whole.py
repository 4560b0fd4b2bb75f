"""Rules on a table as a whole: how many rows, how fresh, and how it differs from the last versions."""

from __future__ import annotations

import datetime as dt
import statistics
import uuid
from typing import TYPE_CHECKING, Any

from firnflow._sql import identifier
from firnflow._text import counted, listing
from firnflow.graph.units import format_duration
from firnflow.stores.checks.result import Distribution, Finding
from firnflow.stores.checks.subject import sql_of
from firnflow.stores.tables import distribution

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from firnflow.graph.rules import Checks, Freshness, Severity, TableRules
    from firnflow.stores.checks.judge import Circumstances, Past
    from firnflow.stores.checks.result import Status
    from firnflow.stores.checks.statement import Measured
    from firnflow.stores.checks.subject import Subject

_NO_PAST = "there is no version yet to compare with"


def by_severity(checks: Checks) -> list[tuple[TableRules, Severity]]:
    """Return the rules on the whole table, those that stop first."""
    return [(checks, "error"), *([(checks.warn, "warn")] if checks.warn else [])]  # type: ignore[list-item]


def findings(checks: Checks, measured: Measured, about: Circumstances) -> Iterator[Finding]:
    """Yield what came of the rules on the whole table, but for `unique` and drift."""
    for rules, severity in by_severity(checks):
        rows = counted(measured.rows, "row")
        if rules.min_rows is not None:
            said = f"has {rows}, at least {rules.min_rows:,} are expected"
            yield _found("min_rows", severity, measured.rows >= rules.min_rows, rules.min_rows, said, measured.rows)
        if rules.max_rows is not None:
            said = f"has {rows}, at most {rules.max_rows:,} are expected"
            yield _found("max_rows", severity, measured.rows <= rules.max_rows, rules.max_rows, said, measured.rows)
        if rules.row_change is not None:
            yield _row_change(rules, severity, measured.rows, about.past)
        if rules.fresh is not None and rules.fresh.column in measured.newest:
            yield _fresh(rules.fresh, severity, measured.newest[rules.fresh.column], about.at)


def _found(rule: str, severity: Severity, kept: bool | None, wanted: object, said: str, value: float | None) -> Finding:
    """Return what came of a rule; `kept` is None where there was nothing to compare with."""
    status: Status = "skipped" if kept is None else "passed" if kept else "failed"
    return Finding(column="", rule=rule, severity=severity, status=status, wanted=str(wanted), said=said, value=value)


def _row_change(rules: TableRules, severity: Severity, rows: int, past: Past | None) -> Finding:
    before = statistics.median(past.loads) if past is not None else 0
    least, most = (rules.row_change.min, rules.row_change.max) if rules.row_change else (None, None)
    wanted = " and ".join(
        f"{word} {bound:g}" for word, bound in (("at least", least), ("at most", most)) if bound is not None
    )
    if past is None or not before:
        return _found("row_change", severity, None, wanted, _NO_PAST, None)
    change = rows / before
    kept = (least is None or change >= least) and (most is None or change <= most)
    said = (
        f"has {counted(rows, 'row')}, {change:.3g} times as many as {_versions(past)} with {before:,.0f}; "
        f"{wanted} times are expected"
    )
    return _found("row_change", severity, kept, wanted, said, change)


def _fresh(rule: Freshness, severity: Severity, newest: float | None, at: float) -> Finding:
    wanted = f"{rule.column} within {format_duration(rule.within)}"
    if newest is None:
        said = f"has no value of {rule.column!r} that could be fresh"
        return _found("fresh", severity, False, wanted, said, None)  # noqa: FBT003 - it is not kept
    age = at - newest
    moments = [dt.datetime.fromtimestamp(each, dt.UTC).strftime("%Y-%m-%d %H:%M UTC") for each in (newest, at)]
    said = (
        f"has {rule.column!r} up to {moments[0]}, {format_duration(max(0.0, age // 60 * 60))} before {moments[1]}; "
        f"at most {format_duration(rule.within)} are expected"
    )
    return _found("fresh", severity, age <= rule.within, wanted, said, age)


def drift(
    connection: Any, subject: Subject, checks: Checks, past: Past | None, without: Collection[str]
) -> tuple[tuple[Distribution, ...], list[Finding]]:
    """Return how columns are distributed beside the last versions, and which have drifted.

    What chance alone would make of as many rows is no drift, whatever the limit.
    """
    wanted = [(name, severity, each.drift) for name, severity, each in checks.by_severity() if each.drift]
    columns = list(dict.fromkeys(name for name, *_ in wanted if name not in without))
    if past is None:
        return (), [_drifted(name, severity, "skipped", limit, _NO_PAST) for name, severity, limit in wanted]
    there = [name for name in columns if name in past.rows.columns]
    compared = dict(_compared(connection, subject, past, there)) if there else {}
    found = []
    for name, severity, limit in wanted:
        moved = compared.get(name)
        if moved is None:
            said = f"it is not in {_versions(past)}, or of another type"
            found.append(_drifted(name, severity, "skipped", limit, said))
            continue
        chance = distribution.by_chance(moved.rows, len(moved.bins))
        failed = moved.psi > max(limit, chance)
        by_chance = f" (up to {chance:.2f} may be chance)" if chance > limit else ""
        said = f"has a PSI of {moved.psi:.3f} against {_versions(past)}, at most {limit:g} is expected{by_chance}"
        found.append(_drifted(name, severity, "failed" if failed else "passed", limit, said, moved.psi))
    shown = tuple(
        Distribution(column=name, psi=each.psi, bins=each.bins, before=each.before, after=each.after)
        for name, each in compared.items()
    )
    return shown, found


def _drifted(
    name: str, severity: Severity, status: Status, limit: float, said: str, value: float | None = None
) -> Finding:
    return Finding(
        column=name, rule="drift", severity=severity, status=status, wanted=f"{limit:g}", said=said, value=value
    )


def _compared(
    connection: Any, subject: Subject, past: Past, columns: Sequence[str]
) -> Iterator[tuple[str, distribution.Shift]]:
    """Yield column → how it is distributed, of those whose type has a distribution."""
    con, tag = connection.con, uuid.uuid4().hex[:12]
    names = [f"firnflow_{side}_{tag}" for side in ("before", "after")]
    kinds = {each.name: each for each in subject.fields if each.name in columns}
    values = ", ".join(f"{each.value} AS {identifier(name)}" for name, each in kinds.items())
    now = f"SELECT {values} FROM ({subject.relation})"  # noqa: S608 - quoted
    try:
        for name, query in zip(names, (sql_of(past.rows, connection), now), strict=True):
            con.execute(f"CREATE TEMP VIEW {name} AS {query}")
        before = {row[0]: row[1] for row in con.execute(f"DESCRIBE {names[0]}").fetchall()}
        for name, each in kinds.items():
            same = distribution.kind(before[name]) == distribution.kind(each.type)
            moved = distribution.shift(con, names, name, each.type) if same else None
            if moved is not None:
                yield name, moved
    finally:
        for name in names:
            con.execute(f"DROP VIEW IF EXISTS {name}")


def _versions(past: Past) -> str:
    word = "version" if len(past.versions) == 1 else "versions"
    return f"{word} {listing(map(str, past.versions))}"
