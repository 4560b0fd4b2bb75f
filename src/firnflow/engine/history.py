"""What the state says of a run that has ended, in the form in which a run returns it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.engine.request import RunResult, TaskResult
from firnflow.engine.selection import committed, newest
from firnflow.graph.check import read_graph
from firnflow.status import TaskStatus, overall

if TYPE_CHECKING:
    from collections.abc import Collection

    from firnflow.stores.state import Attempt, Run, State

_RAN = frozenset(TaskStatus) - {TaskStatus.CACHED, TaskStatus.SKIPPED, TaskStatus.UPSTREAM_FAILED}


def finished(state: State, run: Run) -> RunResult:
    """Return how a run went (so far, if it is under way)."""
    graph = read_graph(state.graph_json(run.graph))
    attempts = state.attempts(run.id)
    of_task: dict[str, list[Attempt]] = {}
    metrics: dict[str, float] = {}
    for attempt in attempts:
        of_task.setdefault(attempt.task, []).append(attempt)
        prefix = attempt.task if attempt.label is None else f"{attempt.task}[{attempt.label}]"
        metrics.update({f"{prefix}.{name}": value for name, value in (attempt.metrics or {}).items()})
    tasks = {task: _result(of_task[task], standing.values()) for task, standing in newest(attempts).items()}
    outputs = {
        task if name == "result" else f"{task}.{name}": ref
        for task, refs in committed(graph, attempts).items()
        for name, ref in (refs or {}).items()
    }
    seconds = (run.ended_at or run.started_at) - run.started_at
    return RunResult(run.id, run.pipeline, run.status, seconds, tasks, outputs, metrics, run.error, run.partition)


def _result(attempts: list[Attempt], standing: Collection[Attempt]) -> TaskResult:
    """Return how a task went; `standing`: the newest attempt of each element."""
    ran = [attempt for attempt in attempts if attempt.status in _RAN]
    return TaskResult(
        overall(attempt.status for attempt in standing),
        attempts=len(ran),
        seconds=sum(attempt.ended_at - attempt.started_at for attempt in ran if attempt.ended_at is not None),
        peak_memory=max(attempt.peak_memory or 0 for attempt in attempts) or None,
        elements=attempts[-1].elements,
        error=next((attempt.error for attempt in standing if attempt.error is not None), None),
    )
