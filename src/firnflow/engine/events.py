"""What a run tells those who watch it: progress bars, the log of the run, tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Kind = Literal[
    "run_started",  # data: tasks (how many), resumed
    "task_started",  # data: attempt; here and below, elements: of how many in a map this is one
    "task_finished",  # data: state, seconds, for a failure error, and took where it was seen later than it happened
    "task_retrying",  # data: error, seconds (until the next attempt)
    "notice",  # data: message: something that people should know
    "run_finished",  # data: status, seconds
]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a run; `element` is an index in a map or -1, `label` how people call it."""

    kind: Kind
    task: str = ""
    element: int = -1
    label: str | None = None
    data: dict[str, Any] = field(default_factory=dict)


Listener: TypeAlias = Callable[[Event], None]
