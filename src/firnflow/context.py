"""What a running task can ask for: its run, its metrics, a scratch folder.

Outside a run the functions do something harmless, so that a task stays an ordinary function in a unit test.
"""

from __future__ import annotations

import contextvars
import math
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


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
    """

    run: str
    pipeline: str
    status: str
    seconds: float
    tasks: dict[str, str]
    error: str | None = None


@dataclass
class TaskContext:
    """The attempt under way in this thread."""

    run: str
    task: str
    attempt: int
    scratch: Path | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    before_commit: list[Callable[[], None]] = field(default_factory=list)
    """Called when the outputs are stored, and before they count; what is raised fails the attempt."""


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


def log_metric(name: str, value: float) -> None:
    """Record a figure of this task, shown by `firnflow run` and kept with the run. Outside a run: no effect.

    Raises:
        TypeError: `value` is not a number.
    """
    number = float(value)
    context = _current.get()
    if context is not None:
        context.metrics[name] = number if math.isfinite(number) else math.nan


def scratch_dir() -> Path:
    """Return a folder for temporary files; in a run it is removed when the task ends."""
    context = _current.get()
    if context is None or context.scratch is None:
        return Path(tempfile.mkdtemp(prefix="firnflow-"))
    context.scratch.mkdir(parents=True, exist_ok=True)
    return context.scratch
