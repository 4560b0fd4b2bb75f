"""A pool of no processes: tasks run in this one, so that a debugger stops in them. No time or memory limits."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firnflow.engine.execute import Workplace, execute
from firnflow.engine.pool import Report, Worker

if TYPE_CHECKING:
    from firnflow.engine.execute import Call
    from firnflow.graph.task import Task


class InlinePool:
    """Executes each call when it is sent, with the interface of `Pool`."""

    def __init__(self, tasks: dict[str, Task[...]], place: Workplace) -> None:
        self.size = 1
        self.workers: list[Worker] = []
        self._tasks, self._place = tasks, place
        self._worker = Worker(channel=None, stream=Path())
        self._reports: list[Report] = []

    def start(self) -> None:
        """Do nothing: there is no process to start."""

    def idle(self) -> list[Worker]:
        """Return the one worker, this process, once its last call was reported."""
        return [] if self._reports else [self._worker]

    def send(self, worker: Worker, call: Call) -> None:
        """Execute a call."""
        outcome = execute(call, self._tasks[call.key], self._place)
        message: dict[str, Any] = {"attempt": call.attempt, "outcome": outcome.to_json()}
        self._reports.append(Report(call, message, worker))

    def wait(self, timeout: float) -> list[Report]:
        """Return what came of the last call; without one, wait."""
        if not self._reports:
            time.sleep(min(timeout, 0.1))
        reports, self._reports = self._reports, []
        return reports

    def kill(self, worker: Worker, reason: str) -> None:
        """Do nothing: a call has always ended when somebody can ask."""

    def close(self) -> None:
        """Do nothing: there is no process to end."""
