"""A pool of no processes: tasks run in this one, so that a debugger stops in them. No time or memory limits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from firnflow.engine.attempt import execute_attempt
from firnflow.engine.pool import Report

if TYPE_CHECKING:
    from firnflow.engine.attempt import Call, Workplace
    from firnflow.engine.pool import Worker
    from firnflow.graph.task import Task


class InlinePool:
    """Executes each call when it is sent, with the interface of `Pool`."""

    def __init__(self, tasks: dict[str, Task[...]], place: Workplace) -> None:
        self.size = 1
        self.workers: list[Worker] = []
        self._tasks, self._place = tasks, place
        self._reports: list[Report] = []

    def start(self) -> None:
        """Do nothing: there is no process to start."""

    def has_room(self) -> bool:
        """Return whether the last call was reported."""
        return not self._reports

    def send(self, call: Call, reads: set[str]) -> None:  # noqa: ARG002 - there is no worker to choose
        """Execute a call; Ctrl-C ends it."""
        try:
            outcome = execute_attempt(call, self._tasks[call.key], self._place)
        except KeyboardInterrupt:
            self._reports.append(Report(call, None, lost="cancelled"))
            return
        message: dict[str, Any] = {"attempt": call.attempt, "outcome": outcome.to_json()}
        self._reports.append(Report(call, message))

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
