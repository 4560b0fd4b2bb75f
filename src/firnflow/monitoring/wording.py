"""How alerts read: one line, and Markdown in which text from outside stays text."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from firnflow.project.settings import DEFAULT_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.stores.state import Run
    from firnflow.stores.state.ledger import Due
    from firnflow.stores.state.models import Promotion

_MOST = 1500  # characters of an error
_SHOWN = 5
_SAID = {
    "promote": "is champion now",
    "approve": "was approved and is champion now",
    "rollback": "is champion again",
    "request": "waits for an approval",
    "reject": "was rejected",
}


def failure(run: Run, project: str, traceback: str = "") -> tuple[str, str]:
    """Return title and body for a run that failed, or whose process is gone; traceback: of the function that failed."""
    where = f"{code(run.pipeline)} in {code(project)} ({code(run.environment)})"
    what = f" for {code(run.partition)}" if run.partition is not None else ""
    env = f" --env {run.environment}" if run.environment != DEFAULT_ENVIRONMENT else ""
    lines = [
        f"Run {code(run.id)} of {where}{what} {run.status} at {moment(run.ended_at or run.started_at)}.",
        "",
        fenced(run.error or "no reason was written down"),
        *(["", fenced(traceback if len(traceback) <= _MOST else f"… {traceback[-_MOST + 2 :]}")] if traceback else []),
        "",
        f"- look: {code(f'firnflow logs --run {run.id}{env}')}",
        f"- go on from where it stopped: {code(f'firnflow resume {run.id}{env}')}",
    ]
    return f"{run.pipeline} {run.status}", "\n".join(lines)


def not_started(due: Due, project: str) -> tuple[str, str]:
    """Return title and body for a run that `firnflow up` could not start."""
    where = f"{code(due.pipeline)} in {code(project)} ({code(due.environment)})"
    what = f" for {code(due.partition)}" if due.partition is not None else ""
    lines = [
        f"What was due at {moment(due.due)} of {where}{what} could not start: there is no run.",
        "",
        fenced((due.outcome or "").partition(": ")[2] or "no reason was written down"),
        "",
        f"- try: {code(f'firnflow run {due.pipeline}')}",
    ]
    return f"{due.pipeline} could not start", "\n".join(lines)


def decision(row: Promotion) -> tuple[str, str]:
    """Return title and body for a row of the audit."""
    place = f"{row.name}/{row.to_version}"
    before = f", before it was version {row.from_version}" if row.from_version is not None else ""
    lines = [
        f"{code(place)} {_SAID[row.action]}{before if row.action != 'reject' else ''}: {escaped(row.reason)}",
        "",
        f"Decided by {escaped(row.by)} at {moment(row.at)}.",
    ]
    lines += ["", *_rules(row.verdict)]
    commands = {
        "request": f"firnflow models approve {place} --reason WHY",
        "promote": f"firnflow models rollback {row.name} --reason WHY",
        "approve": f"firnflow models rollback {row.name} --reason WHY",
    }
    lines.append(f"- {code(commands.get(row.action, f'firnflow models show {place}'))}")
    return f"{place} {_SAID[row.action]}", "\n".join(lines)


def together(titles: Sequence[str], bodies: Sequence[str]) -> tuple[str, str]:
    """Return one title and body for several alerts about one thing."""
    if len(titles) == 1:
        return titles[0], bodies[0]
    more = f"\n\n… and {len(titles) - _SHOWN} more" if len(titles) > _SHOWN else ""
    return f"{titles[-1]} (and {len(titles) - 1} more)", "\n\n---\n\n".join(bodies[-_SHOWN:]) + more


def _rules(verdict: dict[str, object] | None) -> list[str]:
    """Return a line for each rule that failed."""
    results = (verdict or {}).get("results")
    failed = [r for r in results if isinstance(r, dict) and not r.get("passed")] if isinstance(results, list) else []
    return [f"- ✗ {escaped(str(each.get('reason')))}" for each in failed]


def moment(at: float) -> str:
    """Return a time of the state as people read it, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))


def escaped(text: str) -> str:
    """Return text that stays as it is in Markdown."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>#|~!&" else " " if c in "\r\n" else c for c in text)


def code(text: str) -> str:
    """Return a short text as code."""
    return f"`{text.replace('`', 'ˋ')}`"


def fenced(text: str) -> str:
    """Return a long text as a block of code; what would end the block is changed."""
    cut = text if len(text) <= _MOST else f"{text[:_MOST]} …"
    return f"```\n{cut.replace('```', 'ˋˋˋ')}\n```"
