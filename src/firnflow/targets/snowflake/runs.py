"""Runs of a pipeline, and their tasks, made from what Snowflake tells of them.

A run that `firnflow` starts has a name of its own in its config, so that it is found by that; another one has that of
its group. The finalizer comes last, and fails where the run has failed: so it says how a run has ended.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow.engine.driver import FINALIZER
from firnflow.status import RunStatus, TaskStatus
from firnflow.targets.operate import QUEUED, Standing, TargetRun, TargetTask
from firnflow.targets.snowflake.beside.procedure import CONFIG, run_id
from firnflow.targets.snowflake.grammar import ParseError, parse
from firnflow.targets.snowflake.grammar.statements import CallProcedure
from firnflow.targets.snowflake.grammar.values import Call, Constant
from firnflow.targets.snowflake.history import (
    BY_SCHEDULE,
    CANCELLED,
    EXECUTING,
    SCHEDULED,
    SKIPPED,
    SUCCEEDED,
    GraphRan,
    Ran,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

RUN, START, PARTITION = "run", "start", "partition"
"""In a run's config: its name, which start it is, both below `firnflow`; and what it is for."""
REMEMBERED = 3600.0
"""Seconds for which COMPLETE_TASK_GRAPHS tells of a run."""
_RAISED = re.compile(
    r"RuntimeError: \S+ of run \S+ has failed: (.*?)(?: \(job [^()]+\)|\s+in function \S+ with handler |\s*\Z)",
    re.DOTALL,
)
"""What the procedure says of a task that has failed: with its job, its jobs, or none."""
_STARVED = re.compile(r"firnflow exec: task .* reads .*, which run \S+ has not committed yet", re.DOTALL)
"""What `firnflow exec` says of a task that was started whatever has become of those before it, and needs one."""
_RUN_STATUS: dict[str, RunStatus] = {SUCCEEDED: RunStatus.SUCCEEDED, CANCELLED: RunStatus.CANCELLED}
_TASK_STATUS = {
    SCHEDULED: TaskStatus.WAITING,
    EXECUTING: TaskStatus.RUNNING,
    SUCCEEDED: TaskStatus.SUCCEEDED,
    SKIPPED: TaskStatus.SKIPPED,
}


@dataclass(frozen=True, slots=True)
class GraphRun:
    """One run of a graph.

    Attributes:
        pipeline: the pipeline.
        root: the first time that its root has run.
        config: what was given to it.
        last: the newest time that its finalizer has run.
        now: how Snowflake says that it stands, where it says that.
    """

    pipeline: str
    root: Ran
    config: Mapping[str, Any]
    last: Ran | None
    now: GraphRan | None = None

    @property
    def group(self) -> str:
        """The id that Snowflake gives it."""
        return str(self.root.group)

    @property
    def own(self) -> Mapping[str, Any]:
        """What Firnflow has said of itself in its config."""
        found = self.config.get(CONFIG)
        return found if isinstance(found, dict) else {}

    @property
    def native(self) -> str:
        """By what it is found."""
        name = self.own.get(RUN)
        return name if isinstance(name, str) else self.group

    @property
    def is_known(self) -> bool:
        """Whether the history alone says how it stands."""
        return self.now is not None or not self.root.is_over or (self.last is not None and self.last.is_over)

    def status(self, now: float) -> Standing:
        """Return how it stands, `now` in seconds since 1970."""
        if self.now is not None and self.now.state == SCHEDULED:
            return QUEUED
        if self.now is not None and self.now.state != EXECUTING:
            return _RUN_STATUS.get(self.now.state, RunStatus.FAILED)
        if self.now is None and self.last is not None and self.last.is_over:
            return _RUN_STATUS.get(self.last.state, RunStatus.FAILED)
        if self.now is None and self.root.state == SCHEDULED:
            return QUEUED
        is_lost = self.now is None and self.root.is_over and (self.root.ended or now) < now - REMEMBERED
        return RunStatus.FAILED if is_lost else RunStatus.RUNNING

    def as_target_run(self, now: float) -> TargetRun:
        """Return it as every target tells of its runs."""
        status, partition = self.status(now), self.config.get(PARTITION)
        is_over = status not in {RunStatus.RUNNING, QUEUED}
        last = self.last if self.last is not None else self.root
        return TargetRun(
            id=run_id(self.pipeline, self.native),
            native=self.native,
            pipeline=self.pipeline,
            status=status,
            partition=partition if isinstance(partition, str) else None,
            cause=self.root.cause,
            began_at=self.root.began or self.root.due,
            ended_at=(last.ended or self.root.ended) if is_over else None,
        )


def runs_of(pipeline: str, root: str, rows: Iterable[Ran], graphs: Iterable[GraphRan], now: float) -> list[GraphRun]:
    """Return the runs of a pipeline, the newest first. One that was started again has several, of one name.

    Args:
        pipeline: the pipeline.
        root: the name of its root task.
        rows: when its root and its finalizer have run.
        graphs: the runs that are under way, or have ended within the last hour.
        now: seconds since 1970; what a schedule brings later is no run yet.
    """
    groups: dict[str, list[Ran]] = {}
    for row in rows:
        is_to_come = row.state == SCHEDULED and row.cause == BY_SCHEDULE.lower() and row.due > now
        if row.group is not None and not is_to_come:
            groups.setdefault(row.group, []).append(row)
    standing = {each.group: each for each in sorted(graphs, key=lambda each: each.attempt)}
    found = []
    for group, members in groups.items():
        roots = [each for each in members if each.name == root]
        if roots:
            first, ends = min(roots, key=lambda each: each.attempt), [each for each in members if each.name != root]
            last = max(ends, key=lambda each: each.attempt, default=None)
            found.append(GraphRun(pipeline, first, _read(first.config), last, standing.get(group)))
    return sorted(found, key=lambda each: each.root.due, reverse=True)


@dataclass(frozen=True, slots=True)
class Place:
    """Which task of a pipeline a task is: its path, and of an element of a map index and label."""

    path: str
    element: int
    label: str | None


@functools.lru_cache(4096)
def places_in(text: str) -> tuple[Place, ...]:
    """Return which tasks of a pipeline a task of Snowflake is, by what it calls; none: the root, or none of ours."""
    try:
        found = parse(text)
    except ParseError:
        return ()
    call = found.call if isinstance(found, CallProcedure) else None
    given = call.arguments[0] if isinstance(call, Call) and call.arguments else None
    job = _read(str(given.value)) if isinstance(given, Constant) else {}
    if job.get("steps"):
        return tuple(Place(step["task"], -1, None) for step in job["steps"])
    if not isinstance(job.get("task"), str):
        return ()
    return (Place(job["task"], int(job.get("element", -1)), job.get("label")),)


def tasks_of(rows: Sequence[Ran], texts: Iterable[str], run: TargetRun, now: float) -> list[TargetTask]:
    """Return how the tasks of a run stand.

    Args:
        rows: when they have run, the newest attempt first.
        texts: what all tasks of the graph do, also those that have not run.
        run: the run.
        now: seconds since 1970.
    """
    attempt = max((each.attempt for each in rows), default=1)
    found: dict[tuple[str, int], TargetTask] = {}
    for name, row in {each.name: each for each in reversed(rows)}.items():
        times = len({each.attempt for each in rows if each.name == name and each.query is not None})
        reason = _reason(row.error)
        status = _TASK_STATUS.get(row.state, TaskStatus.FAILED)
        if status == TaskStatus.FAILED and _STARVED.fullmatch(reason or ""):
            status, reason = TaskStatus.UPSTREAM_FAILED, None
        is_again = row.attempt < attempt and not run.is_over and status != TaskStatus.SUCCEEDED
        began = row.began if row.began is not None else row.ended or now
        seconds = max(0.0, (row.ended or now) - began)
        standing = TaskStatus.WAITING if is_again else status
        places = places_in(row.text)
        for place in places:
            found[place.path, place.element] = TargetTask(
                *(place.path, place.element, place.label, standing, times, seconds),
                is_shared=len(places) > 1,
                why=reason,
            )
    left = TaskStatus.SKIPPED if run.status == RunStatus.SUCCEEDED else TaskStatus.UPSTREAM_FAILED
    for place in (each for text in texts for each in places_in(text)):
        status = left if run.is_over else TaskStatus.WAITING
        found.setdefault(
            (place.path, place.element), TargetTask(place.path, place.element, place.label, status, 0, 0.0)
        )
    return sorted(found.values(), key=lambda each: (each.task == FINALIZER, each.element))


def _reason(error: str) -> str | None:
    """Return why a task has failed, of what Snowflake says of it: what our procedure has raised, or its first line."""
    if (ours := _RAISED.search(error)) is not None:
        return ours[1]
    return error.strip().partition("\n")[0] or None


def _read(text: str) -> dict[str, Any]:
    """Return a JSON object; an empty one where it is none."""
    with contextlib.suppress(ValueError):
        found = json.loads(text)
        if isinstance(found, dict):
            return found
    return {}
