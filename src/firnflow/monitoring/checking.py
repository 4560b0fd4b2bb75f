"""`watch`: hold live data against the rules that it was loaded and trained by, and tell people what is broken."""

from __future__ import annotations

from typing import cast

import ibis

from firnflow import context
from firnflow.engine import checking
from firnflow.graph.rules import Checks
from firnflow.graph.task import task
from firnflow.monitoring.alerts import alert
from firnflow.monitoring.wording import code, escaped
from firnflow.stores.checks.result import CheckResult

_MOST = 20


@task
def watch(table: ibis.Table, checks: Checks, name: str, moment: str | None = None) -> CheckResult:
    """Check a batch, or a version of a named table, and alert people where a rule is broken; nothing is stopped.

    A version of the named table itself is compared with the versions before it, a batch with the newest. No row is set
    aside. Metrics: `rows`, `bad_rows` and `warnings`.

    Args:
        table: the batch, or `ff.table(name)`.
        checks: the rules.
        name: of the named table.
        moment: by which freshness is measured; None: the start of the run.

    Raises:
        UsageError: no run is under way.
    """
    running = context.current()
    ref = running.inputs.get("table") if running is not None else None
    found = checking.judge_table(table, ref, name, checks, moment, {})
    if running is not None and (checks.looks_back or checks.referenced):
        running.reusable = False  # what it was compared with is no argument
    found = checking.say(found.with_result(outcome="warned" if found.result.broken else "passed"))
    result = checking.redacted(found.result)
    if result.broken:
        alert(f"{name}: {len(result.broken)} of {len(result.findings)} rules broken", body(result))
    return cast("CheckResult", checking.stored(found))


def body(result: CheckResult) -> str:
    """Return what was found as Markdown."""
    lines = [f"- {'✗' if each.severity == 'error' else '!'} {escaped(each.line)}" for each in result.broken[:_MOST]]
    more = [f"- … and {len(result.broken) - _MOST} more"] if len(result.broken) > _MOST else []
    return "\n".join(
        [escaped(result.summary), "", *lines, *more, "", f"- {code(f'firnflow data checks {result.table}')}"]
    )
