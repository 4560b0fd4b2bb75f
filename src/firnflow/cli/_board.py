"""How each task of a run stands, as its events tell it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firnflow._text import printable
from firnflow.status import TaskStatus, overall

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.engine.events import Event


@dataclass(slots=True)
class Row:
    """One task.

    Attributes:
        task: its name.
        elements: how many elements it has; None: it is no map, or has not begun.
        running: how many attempts are under way.
        ended: how many elements ended in each state.
        attempt: the highest number of an attempt.
        began: when the first attempt started (monotonic seconds).
        seconds: how long it took, once it has ended.
        said: the last failure, for people.
        waits: when the next attempt is due after a failure.
    """

    task: str
    elements: int | None = None
    running: int = 0
    ended: Counter[TaskStatus] = field(default_factory=Counter)
    attempt: int = 0
    began: float | None = None
    seconds: float | None = None
    said: str = ""
    waits: float | None = None

    @property
    def done(self) -> int:
        """How many elements have ended, and were not cancelled."""
        return self.ended.total() - self.ended[TaskStatus.CANCELLED]

    @property
    def is_over(self) -> bool:
        """Whether the task has ended."""
        return self.seconds is not None

    @property
    def state(self) -> TaskStatus:
        """How the task stands."""
        if self.is_over:
            return overall(self.ended)
        return TaskStatus.RUNNING if self.running or self.began is not None else TaskStatus.WAITING


class Board:
    """A listener that keeps one row a task, in the order of the graph."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.run = ""
        self.rows: dict[str, Row] = {}
        self.clock = clock
        self.began = clock()

    def __call__(self, event: Event) -> Row | None:
        """Take in an event; return the row of the task that it is about."""
        if event.kind == "run_started":
            self.run = event.data["run"]
            self.rows = {task: Row(task) for task in event.data["tasks"]}
        if event.kind == "run_finished":
            self._close()
        if not event.task:
            return None
        row = self.rows.setdefault(event.task, Row(event.task))
        if event.element >= 0:
            row.elements = event.data.get("elements") or max(row.elements or 0, event.element + 1)
        if event.kind == "task_started":
            row.began = row.began if row.began is not None else self.clock()
            row.running, row.waits = row.running + 1, None
            row.attempt = max(row.attempt, event.data["attempt"])
        elif event.kind == "task_retrying":
            row.running = max(0, row.running - 1)
            row.waits = self.clock() + event.data["seconds"]
            row.said = _error(event)
        elif event.kind == "task_finished":
            self._finish(row, event)
        return row

    def _finish(self, row: Row, event: Event) -> None:
        row.ended[event.data["state"]] += 1
        row.running = max(0, row.running - 1)
        row.waits = None
        row.said = _error(event) or row.said
        if event.element < 0 or row.ended.total() >= (row.elements or 1):
            took = self.clock() - row.began if row.began is not None else 0.0
            row.seconds = event.data.get("took", took) if event.element < 0 else took

    def _close(self) -> None:
        """What has not ended when the run has was cancelled."""
        for row in self.rows.values():
            if not row.is_over:
                row.ended[TaskStatus.CANCELLED] += 1
                row.seconds = self.clock() - row.began if row.began is not None else 0.0


def _error(event: Event) -> str:
    error = event.data.get("error")
    return printable(f"{error['type']}: {error['message']}".partition("\n")[0]) if error else ""
