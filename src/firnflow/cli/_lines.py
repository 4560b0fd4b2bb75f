"""What a run shows where there is no terminal: a line for each task that has ended."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from firnflow._text import counted
from firnflow.cli import _format
from firnflow.cli._board import Board, Row
from firnflow.cli._print import STYLES, say
from firnflow.status import TaskStatus

if TYPE_CHECKING:
    from typing import Self

    from firnflow.engine.events import Event

ICONS = {
    TaskStatus.SUCCEEDED: "✓",
    TaskStatus.CACHED: "≡",
    TaskStatus.FAILED: "✗",
    TaskStatus.UPSTREAM_FAILED: "✗",
    TaskStatus.SKIPPED: "–",
    TaskStatus.CANCELLED: "■",
    TaskStatus.WAITING: "·",
}


class Lines:
    """Prints a line when a task has ended, a task is tried again, or there is something to notice."""

    def __init__(self) -> None:
        self._board = Board()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, event: Event) -> None:
        """Take in an event."""
        row = self._board(event)
        if event.kind == "notice":
            self._say(event.data["message"])
        elif event.kind == "run_started":
            again = " goes on" if event.data["epoch"] > 1 else ""
            self._say(f"run {event.data['run']}{again}: {counted(len(event.data['tasks']), 'task')}")
        elif event.kind == "task_retrying":
            name = f"{event.task}[{event.label}]" if event.label else event.task
            self._say(f"↻ {name}  {row.said if row else ''}; again in {event.data['seconds']:g} s")
        elif event.kind == "task_finished" and row is not None and row.is_over:
            self._say(_line(row), STYLES[row.state])

    def _say(self, text: str, colour: str = "") -> None:
        with contextlib.suppress(BrokenPipeError):  # who reads has gone; that is no reason to end the run
            say(text, colour, stderr=True)


def _line(row: Row) -> str:
    """Return a task that has ended in one line."""
    elements = f"  {row.done}/{row.elements}" if row.elements is not None else ""
    took = f"  {_format.seconds(row.seconds)}" if row.seconds else ""
    said = remark(row)
    return f"{ICONS[row.state]} {row.task}{elements}{took}" + (f"  {said}" if said else "")


def remark(row: Row) -> str:
    """Return what else is to say: how it ended where that is not plain, and how often it was tried."""
    ended = f"{row.state.replace('_', ' ')}" if row.is_over and row.state != TaskStatus.SUCCEEDED else ""
    tries = f"attempt {row.attempt}" if row.attempt > 1 and row.elements is None else ""
    said = row.said if row.state == TaskStatus.FAILED else ""
    return ", ".join(part for part in (ended, tries) if part) + (f": {said}" if said else "")
