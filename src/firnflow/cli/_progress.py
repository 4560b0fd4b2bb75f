"""What a run shows while it is under way: a live table in a terminal, else one line for each task that has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from firnflow.cli import _format
from firnflow.cli._board import Board, Row
from firnflow.cli._print import STYLES

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.console import Console, RenderableType

    from firnflow.engine.events import Event

ICONS = {
    "succeeded": "✓",
    "cached": "≡",
    "failed": "✗",
    "upstream_failed": "✗",
    "skipped": "–",
    "cancelled": "■",
    "waiting": "·",
}
_REST = 6  # lines of the terminal that are left to what stands below the table
_REFRESH = 8  # times a second


class Lines:
    """Prints a line when a task has ended, a task is tried again, or there is something to notice."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._board = Board()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, event: Event) -> None:
        """Take in an event."""
        row = self._board(event)
        if event.kind == "notice":
            self._console.print(event.data["message"])
        elif event.kind == "run_started":
            again = " goes on" if event.data["epoch"] > 1 else ""
            self._console.print(f"run {event.data['run']}{again}: {len(event.data['tasks'])} tasks")
        elif event.kind == "task_retrying":
            name = f"{event.task}[{event.label}]" if event.label else event.task
            self._console.print(f"↻ {name}  {row.said if row else ''}; again in {event.data['seconds']:g} s")
        elif event.kind == "task_finished" and row is not None and row.is_over:
            self._console.print(_line(row))


class LiveTable:
    """Shows one line a task, redrawn while the run is under way, and left as it last was."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._board = Board()
        self._spinner = Spinner("dots", style="blue")
        self._live = Live(console=console, refresh_per_second=_REFRESH, get_renderable=self._draw)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def __call__(self, event: Event) -> None:
        """Take in an event."""
        self._board(event)
        if event.kind == "notice":
            self._console.print(event.data["message"])

    def _draw(self) -> RenderableType:
        rows = list(self._board.rows.values())
        shown = _fitting(rows, max(5, self._console.height - _REST))
        table = Table.grid(padding=(0, 2, 0, 0))
        for column in ("", "task", "elements", "seconds", "remark"):
            table.add_column(justify="right" if column == "seconds" else "left", no_wrap=True)
        for row in shown:
            table.add_row(self._icon(row), row.task, self._elements(row), self._time(row), self._remark(row))
        return Group(table, self._total(rows)) if any(not row.is_over for row in rows) else table

    def _icon(self, row: Row) -> RenderableType:
        return self._spinner if row.running else Text(ICONS.get(row.state, "·"), STYLES[row.state])

    def _elements(self, row: Row) -> RenderableType:
        if row.elements is None:
            return ""
        bar = ProgressBar(total=row.elements, completed=row.done, width=16, finished_style="green")
        both = Table.grid(padding=(0, 1, 0, 0))
        both.add_row(bar, f"{row.done}/{row.elements}")
        return both

    def _time(self, row: Row) -> Text:
        took = row.seconds
        if took is None and row.began is not None:
            took = self._board.clock() - row.began
        return Text(_format.seconds(took) if took else "")

    def _remark(self, row: Row) -> Text:
        if row.waits is not None:
            return Text(f"again in {max(0, row.waits - self._board.clock()):.0f} s: {row.said}", "yellow")
        return Text(_remark(row), STYLES[row.state] if row.is_over else "dim", no_wrap=True, overflow="ellipsis")

    def _total(self, rows: list[Row]) -> Text:
        over = sum(row.is_over for row in rows)
        took = _format.seconds(self._board.clock() - self._board.began)
        return Text(f"{over} of {len(rows)} tasks, {took}", "dim")


def _fitting(rows: list[Row], most: int) -> list[Row]:
    """Return the rows that matter where not all fit: what runs and what failed, then what ended last, in order."""
    if len(rows) <= most:
        return rows
    weight = {"failed": 0, "running": 0, "waiting": 2}
    order = sorted(range(len(rows)), key=lambda i: (weight.get(rows[i].state, 1), -i if rows[i].is_over else i))
    return [rows[i] for i in sorted(order[:most])]


def _line(row: Row) -> str:
    """Return a task that has ended in one line."""
    elements = f"  {row.done}/{row.elements}" if row.elements is not None else ""
    took = f"  {_format.seconds(row.seconds)}" if row.seconds else ""
    remark = _remark(row)
    return f"{ICONS[row.state]} {row.task}{elements}{took}" + (f"  {remark}" if remark else "")


def _remark(row: Row) -> str:
    """Return what else is to say: how it ended where that is not plain, and how often it was tried."""
    ended = f"{row.state.replace('_', ' ')}" if row.is_over and row.state != "succeeded" else ""
    tries = f"attempt {row.attempt}" if row.attempt > 1 and row.elements is None else ""
    said = row.said if row.state == "failed" else ""
    return ", ".join(part for part in (ended, tries) if part) + (f": {said}" if said else "")
