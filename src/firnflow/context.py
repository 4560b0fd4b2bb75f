"""What a running task can ask for: its run, its metrics, a scratch folder.

Outside a run the functions do something harmless, so that a task stays an ordinary function in a unit test.
"""

from __future__ import annotations

import contextvars
import math
import operator
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.graph.model import Resources

_LONGEST = 250  # characters of a metric's name
_STEPS = range(-(2**63), 2**63)  # what a database's column holds


class Point(NamedTuple):
    """One value of a metric: at which step, and when, in seconds since 1970."""

    name: str
    value: float
    step: int
    at: float


@dataclass(frozen=True)
class RunSummary:
    """How a run went: what a finalizer receives.

    Attributes:
        run: the run's id.
        pipeline: its pipeline.
        status: `succeeded`, `failed` or `cancelled`.
        seconds: time since the run began.
        tasks: task → `succeeded`, `cached`, `failed`, `skipped`, `cancelled` or `upstream_failed`.
        error: the first failure in one line, or None.
        partition: the key of what it was for, or None.
    """

    run: str
    pipeline: str
    status: str
    seconds: float
    tasks: dict[str, str]
    error: str | None = None
    partition: str | None = None


def _no_wishes() -> Resources:
    from firnflow.graph.model import Resources  # late: what only reads the state needs no graph

    return Resources()


@dataclass
class TaskContext:
    """The attempt under way in this thread."""

    run: str
    task: str
    attempt: int
    scratch: Path | None = None
    element: int = -1
    """The index in a map, -1 where there is none."""
    resources: Resources = field(default_factory=_no_wishes)
    """What the attempt may use, as the pipeline says: a task that can use several nodes finds here how many."""
    inputs: dict[str, Any] = field(default_factory=dict)
    """The refs of stored arguments: a table that a task hands on as it is need not be stored again."""
    metrics: dict[str, float] = field(default_factory=dict)
    history: list[Point] = field(default_factory=list)
    steps: dict[str, int] = field(default_factory=dict)
    features: dict[str, str] = field(default_factory=dict)
    """Feature views that the task has joined, name → version: kept with the tables that it returns."""
    read: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Named tables that the task has read by itself, name → version, digest and rows: likewise."""
    before_commit: list[Callable[[], object]] = field(default_factory=list)
    """Called when the outputs are stored, and before they count; what is raised fails the attempt."""
    reusable: bool = True
    """Whether a later run may take the result from the cache."""
    pipeline: str = ""
    """The run's pipeline."""
    services: object = None
    """The `engine.services.Services` of the environment: for tasks of ours, such as those that register a model."""


_current: contextvars.ContextVar[TaskContext | None] = contextvars.ContextVar("firnflow_task", default=None)


def current() -> TaskContext | None:
    """Return the context of the task that is running, or None outside a run."""
    return _current.get()


def enter(context: TaskContext) -> contextvars.Token[TaskContext | None]:
    """Make `context` the current one; give the token to `leave`."""
    return _current.set(context)


def leave(token: contextvars.Token[TaskContext | None]) -> None:
    """Undo `enter`."""
    _current.reset(token)


def log_metric(name: str, value: float, step: int | None = None) -> None:
    """Record a figure of this task. Outside a run: no effect.

    The last value is the task's metric: `firnflow run` shows it. All values are kept with their steps, and told to the
    tracker; they count if the attempt does.

    Args:
        name: what is measured, in at most 250 characters.
        value: the figure; NaN and the infinities are kept as NaN.
        step: where in a course, such as the round of a training; None: one more than the last one of this name, from 0.

    Raises:
        TypeError: `value` is not a number, or `step` no whole one.
        ValueError: `name` is empty, too long or not to be read, or `step` needs more than 64 bits.
    """
    if not (0 < len(name) <= _LONGEST and name.isprintable()):
        raise ValueError(f"log_metric({name!r:.80}): a name is 1 to {_LONGEST} characters that can be read")
    number = float(value)
    at = None if step is None else operator.index(step)
    if at is not None and at not in _STEPS:
        raise ValueError(f"log_metric({name!r}): step {at} needs more than 64 bits")
    context = _current.get()
    if context is not None:
        number = number if math.isfinite(number) else math.nan
        at = context.steps.get(name, -1) + 1 if at is None else at
        context.metrics[name], context.steps[name] = number, at
        context.history.append(Point(name, number, at, time.time()))


def scratch_dir() -> Path:
    """Return a folder for temporary files; in a run it is removed when the task ends."""
    context = _current.get()
    if context is None or context.scratch is None:
        return Path(tempfile.mkdtemp(prefix="firnflow-"))
    context.scratch.mkdir(parents=True, exist_ok=True)
    return context.scratch
