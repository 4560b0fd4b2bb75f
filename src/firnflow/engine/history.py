"""What the state says of a run that has ended, in the form in which a run returns it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.engine.request import RunResult, TaskResult
from firnflow.engine.selection import committed
from firnflow.graph.check import read_graph

if TYPE_CHECKING:
    from firnflow.stores.state import Attempt, Run, State


def finished(state: State, run: Run) -> RunResult:
    """Return how a run went (so far, if it is under way)."""
    graph = read_graph(state.graph_json(run.graph))
    attempts = state.attempts(run.id)
    done = committed(graph, attempts)
    tasks: dict[str, TaskResult] = {}
    metrics: dict[str, float] = {}
    for attempt in attempts:
        _add(tasks.setdefault(attempt.task, TaskResult("pending")), attempt)
        prefix = attempt.task if attempt.label is None else f"{attempt.task}[{attempt.label}]"
        metrics.update({f"{prefix}.{name}": value for name, value in (attempt.metrics or {}).items()})
    outputs = {
        task if name == "result" else f"{task}.{name}": ref
        for task, refs in done.items()
        for name, ref in (refs or {}).items()
    }
    seconds = (run.ended_at or run.started_at) - run.started_at
    return RunResult(run.id, run.pipeline, run.status, seconds, tasks, outputs, metrics, run.error)


_ORDER = ("succeeded", "cached", "skipped", "upstream_failed", "running", "cancelled", "lost", "failed")


def _add(result: TaskResult, attempt: Attempt) -> None:
    """Count one attempt in: the newest attempt of each element speaks for it, the worst element for the task."""
    ran = attempt.status in {"running", "succeeded", "failed", "lost", "cancelled"}
    result.attempts += ran
    if ran and attempt.ended_at is not None:
        result.seconds += attempt.ended_at - attempt.started_at
    result.elements = attempt.elements
    result.peak_memory = max(result.peak_memory or 0, attempt.peak_memory or 0) or None
    again = attempt.element < 0
    worse = result.state not in _ORDER or _ORDER.index(attempt.status) >= _ORDER.index(result.state)
    if again or worse:
        result.state = attempt.status
    result.error = attempt.error if attempt.error is not None else (None if again else result.error)
