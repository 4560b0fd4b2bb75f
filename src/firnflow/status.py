"""How runs and tasks stand: the words that the state database, the events, JSON and the terminal share."""

from __future__ import annotations

from enum import StrEnum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class RunStatus(StrEnum):
    """How a run stands."""

    RUNNING = auto()
    SUCCEEDED = auto()
    FAILED = auto()
    CANCELLED = auto()
    CRASHED = auto()
    """Its process is gone."""


class TaskStatus(StrEnum):
    """How a task, or one attempt of it, stands. Of a map the first of these that an element has speaks for all."""

    FAILED = auto()
    LOST = auto()
    """Its process is gone: of attempts only."""
    CANCELLED = auto()
    RUNNING = auto()
    UPSTREAM_FAILED = auto()
    """Not started, since something that it reads has failed."""
    SKIPPED = auto()
    SUCCEEDED = auto()
    CACHED = auto()
    """Taken from an earlier run with the same code and inputs."""
    GIVEN = auto()
    """Not chosen in a partial run: its outputs are those of an earlier run."""
    WAITING = auto()
    """Nothing has happened yet."""


FINISHED = frozenset(RunStatus) - {RunStatus.RUNNING}
"""A run on which nobody works."""
COMMITTED = frozenset({TaskStatus.SUCCEEDED, TaskStatus.CACHED})
"""An attempt whose outputs count."""
BROKEN = frozenset({TaskStatus.FAILED, TaskStatus.UPSTREAM_FAILED, TaskStatus.CANCELLED})
"""A task below which nothing runs."""

_RANK = {status: rank for rank, status in enumerate(TaskStatus)}


def overall(elements: Iterable[TaskStatus]) -> TaskStatus:
    """Return the status of a map whose elements stand so; of one without elements `succeeded`."""
    return min(elements, key=_RANK.__getitem__, default=TaskStatus.SUCCEEDED)
