"""Alerts: what happened that people want to know, found in the state or raised by a task, one message per channel.

Failures, promotions and rejections are read from the state, so that they are told even if the process that met them was
killed. What a task raises by `alert` counts once its attempt is committed. Nothing is sent here: see `channels`.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from firnflow import values
from firnflow._text import listing, nearest
from firnflow.engine import services
from firnflow.errors import UsageError
from firnflow.monitoring import wording
from firnflow.project.settings import ALERT_KINDS, AlertKind
from firnflow.status import RunStatus, TaskStatus
from firnflow.stores.state.ledger import Ledger
from firnflow.stores.state.models import Models
from firnflow.stores.state.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.project.settings import Settings
    from firnflow.stores.state import Run, State

Kind: TypeAlias = AlertKind
KINDS = ALERT_KINDS
TOPIC = "alert"
RECENT = 86_400.0
"""Seconds for which something is news: what is older when it is first looked at is not told."""
_ACTIONS = {
    "promote": "promotion",
    "approve": "promotion",
    "rollback": "promotion",
    "request": "promotion",
    "reject": "rejection",
}


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that people want to know.

    Attributes:
        key: what tells it from all others.
        kind: `failure`, `rejection`, `promotion` or `anomaly`.
        group: what it is about, a pipeline or a model: several of one kind about one thing are told together.
        title: one line.
        body: Markdown.
        at: seconds since 1970.
        picture: the ref of a figure, as JSON.
    """

    key: str
    kind: str
    group: str
    title: str
    body: str
    at: float
    picture: dict[str, Any] | None = None


def alert(title: str, body: str = "", *, kind: Kind = "anomaly", figure: Any = None) -> None:
    """Tell people something from a task: once its attempt is committed, on the channels that want to know such things.

    Args:
        title: one line.
        body: Markdown.
        kind: what it is.
        figure: a picture to go along: a figure of matplotlib, plotly or altair, or a `ff.Figure`.

    Raises:
        UsageError: no run is under way, or there is no such kind.
    """
    if kind not in KINDS:
        raise UsageError(f"alert: there is no kind {kind!r}.{nearest(kind, KINDS)} Known: {listing(KINDS)}")
    here, running = services.here("alert")
    if not here.settings.alerts.channels:
        return
    run = here.state.run(running.run)
    found = Alert(
        key=f"task:{running.run}:{running.task}:{running.element}:{len(running.before_commit)}",
        kind=kind,
        group=run.pipeline,
        title=title,
        body=body,
        at=time.time(),
        picture=values.save(figure, type(figure), here.stores).to_json() if figure is not None else None,
    )
    running.before_commit.append(lambda: _write(here.state, here.settings, found))


def collect(state: State, settings: Settings) -> int:
    """Write down, for each channel, what is new in the state; return how many messages that were."""
    since = time.time() - RECENT
    failures = [*_failures(state, settings, since), *_not_started(state, settings, since)]
    news = [*failures, *reversed([*_audit(state, since)])]
    return sum(_write(state, settings, found) for found in sorted(news, key=lambda found: found.at))


def _failures(state: State, settings: Settings, since: float) -> Iterator[Alert]:
    for status in (RunStatus.FAILED, RunStatus.CRASHED):
        for run in state.runs(status=status, limit=200):
            ended = run.ended_at or run.started_at
            if run.environment == settings.environment and ended >= since:
                title, body = wording.failure(run, settings.project, _traceback(state, run))
                yield Alert(f"run:{run.id}:{ended:.3f}", "failure", run.pipeline, title, body, ended)


def _traceback(state: State, run: Run) -> str:
    """Return where the user's function failed, of the attempt that failed last; empty: none has said so."""
    failed = [attempt.error or {} for attempt in state.attempts(run.id) if attempt.status == TaskStatus.FAILED]
    return str(failed[-1].get("traceback") or "").rstrip() if failed else ""


def _not_started(state: State, settings: Settings, since: float) -> Iterator[Alert]:
    for due in Ledger(state, settings.environment).not_started(since):
        title, body = wording.not_started(due, settings.project)
        yield Alert(f"due:{due.run}", "failure", due.pipeline, title, body, due.settled_at or due.due)


def _audit(state: State, since: float) -> Iterator[Alert]:
    for row in Models(state).history():
        if row.at < since:
            return
        if row.action in _ACTIONS and row.alias == "champion":
            title, body = wording.decision(row)
            yield Alert(
                f"audit:{row.id}", _ACTIONS[row.action], row.name, title, body, row.at, _verdict_picture(state, row)
            )


def _verdict_picture(state: State, row: Any) -> dict[str, Any] | None:
    """Return the picture of the gates in the run that decided, or None."""
    if row.run is None:
        return None
    for attempt in state.attempts(row.run):
        for ref in (attempt.outputs or {}).values():
            if ref.get("kind") == "figure" and "verdict" in (attempt.outputs or {}):
                return dict(ref)
    return None


def _write(state: State, settings: Settings, found: Alert) -> int:
    outbox = Outbox(state, TOPIC)
    wanted = [name for name, channel in settings.alerts.channels.items() if found.kind in channel.on]
    keys = {name: f"{found.key}>{name}"[:300] for name in wanted}
    known = outbox.known(keys.values())
    return sum(outbox.add(key, {**asdict(found), "channel": name}) for name, key in keys.items() if key not in known)
