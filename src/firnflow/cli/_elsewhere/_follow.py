"""Follows a run elsewhere until it has ended: what changes is told as the events of a local run are."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from firnflow.cli import _running, _summary
from firnflow.cli._elsewhere._site import Row
from firnflow.cli._print import say
from firnflow.engine.driver import FINALIZER
from firnflow.engine.events import Event
from firnflow.engine.history import finished
from firnflow.engine.request import RunResult, TaskResult
from firnflow.errors import RunError, TargetError
from firnflow.status import COMMITTED, RunStatus, TaskStatus, overall
from firnflow.targets.operate import QUEUED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.cli._elsewhere._site import Site
    from firnflow.cli._running import Shown
    from firnflow.engine.events import Listener
    from firnflow.graph.model import Graph
    from firnflow.stores.state import Attempt
    from firnflow.targets.operate import TargetRun, TargetTask

PACE = 1.0
"""Seconds between two looks."""
PATIENCE = 300.0
"""Seconds for which the target may be away while a run is followed."""
_STOPPED = 130
_ENDED = {TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.SKIPPED, TaskStatus.UPSTREAM_FAILED}


class Follower:
    """Tells listeners of a run what its target and its state say.

    Args:
        site: where it runs.
        run: the run.
        graph: of its pipeline.
        listeners: who is told.
    """

    def __init__(self, site: Site, run: TargetRun, graph: Graph, listeners: Sequence[Listener]) -> None:
        self._site, self.run, self._graph, self._listeners = site, run, graph, listeners
        self._seen: dict[tuple[str, int], tuple[TaskStatus, int, bool]] = {}
        self._attempts: dict[tuple[str, int], Attempt] = {}
        self._away_since: float | None = None

    def go(self, seconds: float | None, *, again: bool = False) -> RunResult:
        """Return how the run ended.

        Args:
            seconds: how long to wait; None: until it has ended.
            again: whether it goes on, and began earlier.

        Raises:
            RunError: it has not ended by then.
            TargetError: the target is away for longer than PATIENCE.
        """
        until = time.monotonic() + seconds if seconds is not None else None
        data = {"run": self.run.id, "tasks": list(self._graph.tasks), "epoch": 2 if again else 1}
        self._tell(Event("run_started", data=data))
        if self.run.status == QUEUED:
            self._tell(Event("notice", data={"message": f"{self._site.operator.name} has taken it, and begins soon"}))
        while not self._look():
            if until is not None and time.monotonic() > until:
                raise RunError(f"not ended within {seconds:g} s: {goes_on(self._site, self.run.id)}")
            time.sleep(PACE)
        result = outcome(self._site, self.run)
        self._tell(Event("run_finished", data={"status": result.status, "seconds": result.seconds}))
        return result

    def _look(self) -> bool:
        """Tell what has changed; return whether the run has ended."""
        try:
            now = self._site.there(self._site.fresh(Row(None, self.run)))
            self._compare(self._site.operator.tasks(now))
        except TargetError as error:
            if not error.is_passing or not self._waits(error):
                raise
            return False
        self.run, self._away_since = now, None
        return now.is_over

    def _waits(self, error: TargetError) -> bool:
        """Return whether a target that is away is waited for; say so once."""
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
            self._tell(Event("notice", data={"message": f"{error}\nThe run is not touched by that; still looking"}))
        return now - self._away_since < PATIENCE

    def _compare(self, tasks: list[TargetTask]) -> None:
        changed = []
        for task in tasks:
            now = (task.status, task.attempt, task.again_in is not None)
            if self._seen.get((task.task, task.element)) != now and (task.task != FINALIZER or self._is_told(task)):
                changed.append((task, self._seen.get((task.task, task.element))))
                self._seen[task.task, task.element] = now
        if not changed:
            return
        if any(task.status in _ENDED or task.again_in is not None for task, _ in changed):
            record = self._site.record(self.run.id)
            attempts = self._site.state.attempts(record.id) if record is not None else []
            self._attempts = {(each.task, each.element): each for each in attempts}
        elements: dict[str, int] = {}
        for task in tasks:
            elements[task.task] = elements.get(task.task, 0) + (task.element >= 0)
        for task, before in changed:
            self._tell_of(task, before, {"elements": elements[task.task]} if task.element >= 0 else {})

    def _is_told(self, task: TargetTask) -> bool:
        """Return whether the end of the run is a task of the pipeline, not only how the target ends all runs."""
        return self._graph.finalizer is not None and task.status != TaskStatus.WAITING

    def _tell_of(self, task: TargetTask, before: tuple[TaskStatus, int, bool] | None, data: dict[str, Any]) -> None:
        about = (task.task, task.element, task.label)
        is_new = before is None or before[1] != task.attempt or before[0] != TaskStatus.RUNNING
        ran = task.status in {TaskStatus.RUNNING, TaskStatus.SUCCEEDED, TaskStatus.FAILED} or task.again_in is not None
        if ran and is_new:
            self._tell(Event("task_started", *about, {**data, "attempt": max(task.attempt, 1)}))
        if task.again_in is not None:
            data |= {"error": self._error(task), "seconds": task.again_in}
            self._tell(Event("task_retrying", *about, data))
        elif task.status in _ENDED:
            data |= {"state": self._status(task), "seconds": task.seconds, "took": task.seconds}
            error = {"error": self._error(task)} if data["state"] == TaskStatus.FAILED else {}
            self._tell(Event("task_finished", *about, {**data, **error}))

    def _status(self, task: TargetTask) -> TaskStatus:
        """Return how a task ended; what it was spared, by an earlier run or a branch, the state knows best."""
        attempt = self._attempts.get((task.task, task.element))
        if attempt is None and task.is_shared and task.status == TaskStatus.FAILED:
            return TaskStatus.UPSTREAM_FAILED  # of the job something before it has failed
        if attempt is None or attempt.status not in {*COMMITTED, TaskStatus.SKIPPED}:
            return task.status
        # the target lets the finalizer of a failed run fail
        is_known = task.status == TaskStatus.SUCCEEDED or task.task == FINALIZER or task.is_shared
        return attempt.status if is_known else task.status

    def _error(self, task: TargetTask) -> dict[str, Any]:
        attempt = self._attempts.get((task.task, task.element))
        if attempt is not None and attempt.error is not None:
            return attempt.error
        return {"type": self._site.operator.name, "message": task.why or "ended the task. Its log says why"}

    def _tell(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)


def outcome(site: Site, run: TargetRun) -> RunResult:
    """Return how a run that has ended went: as the state says, or where it knows nothing, as the target does."""
    record = site.record(run.id)
    seconds = (run.ended_at or run.began_at) - run.began_at
    if record is not None:
        result = finished(site.state, record)
        if record.status != RunStatus.RUNNING:
            return result
        error = f"{site.operator.name} has ended it before it could say how"
        tasks, outputs, metrics = result.tasks, result.outputs, result.metrics
        return RunResult(
            run.id, run.pipeline, RunStatus.FAILED, seconds, tasks, outputs, metrics, error, record.partition
        )
    return _unknown(site, run, seconds)


def _unknown(site: Site, run: TargetRun, seconds: float) -> RunResult:
    """Return how a run went of which the state knows nothing: no task has begun its work, or all have another state."""
    states: dict[str, list[TargetTask]] = {}
    for task in site.operator.tasks(run):
        states.setdefault(task.task, []).append(task)
    tasks = {
        name: TaskResult(overall(each.status for each in found), attempts=sum(each.attempt for each in found))
        for name, found in states.items()
    }
    error = f"{site.operator.name} has ended it before a task of it had begun. See: firnflow logs {run.id}{site.option}"
    if any(task.state == TaskStatus.SUCCEEDED for task in tasks.values()):
        error = (
            f"the state here knows nothing of it. Mend: `state` of {site.settings.environment} must be one and the same"
        )
        say(f"Note: {error}", stderr=True)
    return RunResult(run.id, run.pipeline, RunStatus(run.status), seconds, tasks, {}, {}, error, run.partition)


def goes_on(site: Site, run: str) -> str:
    """Return what becomes of a run that is not waited for any more, and what can be done with it."""
    return (
        f"run {run} goes on in {site.operator.name}. To follow it: firnflow logs {run} -f{site.option}. "
        f"To stop it: firnflow cancel {run}{site.option}"
    )


def follow(
    site: Site, run: TargetRun, graph: Graph, shown: Shown, seconds: float | None, *, again: bool = False
) -> int:
    """Follow a run to its end, show what came of it, and return the exit code; Ctrl-C leaves it alone.

    Args:
        site: where it runs.
        run: the run.
        graph: of its pipeline.
        shown: what is shown.
        seconds: how long to wait; None: until it has ended.
        again: whether it goes on, and began earlier.
    """
    try:
        with contextlib.ExitStack() as stack:
            silent = shown.as_json or shown.quiet
            listeners = [] if silent else [stack.enter_context(_running.progress(plain=shown.plain))]
            result = Follower(site, run, graph, listeners).go(seconds, again=again)
    except KeyboardInterrupt:
        say(f"Not watched any more: {goes_on(site, run.id)}", stderr=True)
        return _STOPPED
    _running.show(result, site.root, site.settings, shown)
    return _summary.exit_code(result)
