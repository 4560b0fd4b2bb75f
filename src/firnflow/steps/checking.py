"""`check`: is a table what its rules say? In training as when it was loaded and published."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import ibis

from firnflow import context
from firnflow._sql import identifier
from firnflow.engine import checking
from firnflow.errors import UsageError
from firnflow.graph.rules import Checks
from firnflow.graph.table import parse_moment
from firnflow.graph.task import task
from firnflow.steps._checks_page import page
from firnflow.stores.checks.judge import Circumstances, judge
from firnflow.stores.checks.result import CheckResult  # noqa: TC001 - Checked's annotations are resolved
from firnflow.stores.checks.statement import good_rows
from firnflow.stores.checks.subject import of_table
from firnflow.values.html import Html

if TYPE_CHECKING:
    from firnflow.stores.checks.judge import Judgement


class Checked(NamedTuple):
    """What the rules say: `rows` that go on, `result` in full, `page` for people."""

    rows: ibis.Table
    result: CheckResult
    page: Html


@task
def check(
    table: ibis.Table,
    checks: Checks,
    name: str,
    moment: str | None = None,
    others: list[ibis.Table] | None = None,
) -> Checked:
    """Hold a table against its rules; return the rows that go on, and what was found.

    Metrics: `rows`, `bad_rows`, which break a rule that stops, and `warnings`, the rules that only report.

    Args:
        table: any table.
        checks: the rules.
        name: what it is called: the named table with whose last versions it is compared, and beside which the rows that
            break a rule are kept.
        moment: by which freshness is measured; None: the start of the run.
        others: the tables that `references` names, in that order; None: the named tables as they are now.

    Raises:
        DataError: the table is not what the rules say, and nothing of it is to go on.
    """
    if others is not None and len(others) != len(checks.referenced):
        raise UsageError(f"check: others= has {len(others)} tables, but the rules reference {checks.referenced}")
    given = dict(zip(checks.referenced, others or (), strict=False))
    running = context.current()
    if running is None or running.services is None:
        found = _outside(table, checks, name, moment, given)
        rows = _remaining(found, table)
    else:
        ref = running.inputs.get("table")
        found = checking.settle(checking.judge_table(table, ref, name, checks, moment, given))
        if checks.looks_back or (checks.referenced and not others):
            running.reusable = False  # what it was compared with is no argument
        rows = (
            checking.told(checking.passed(found, ref), found)
            if ref is not None
            else checking.remaining_of(found, table)
        )
    if found.result.outcome == "stopped":
        found.refuse()
    result = checking.redacted(found.result)
    return Checked(rows, result, Html(page(result)))


def _outside(
    table: ibis.Table, checks: Checks, name: str, moment: str | None, given: dict[str, ibis.Table]
) -> Judgement:
    """Check outside a run: there is nothing to compare with, and no place to keep rows."""
    backend = table.get_backend()
    at = parse_moment(moment) if moment is not None else time.time()
    missing = [each for each in checks.referenced if each not in given]
    if missing:
        raise UsageError(f"check: outside a run, others= gives the tables that the rules reference: {missing}")
    return judge(backend, of_table(table, backend, name), checks, Circumstances(at=at, tables=given))


def _remaining(found: Judgement, table: ibis.Table) -> ibis.Table:
    if found.result.outcome != "quarantined":
        return table
    named = ", ".join(f"c{at} AS {identifier(each.name)}" for at, each in enumerate(found.subject.fields))
    query = good_rows(found.subject, found.rules)
    rows: ibis.Table = table.get_backend().sql(f"SELECT {named} FROM ({query})")  # noqa: S608 - quoted
    return rows
