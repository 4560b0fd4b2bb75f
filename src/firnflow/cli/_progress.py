"""What a run shows in a terminal while it is under way: a table with a line for each task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from firnflow._text import counted
from firnflow.cli import _format
from firnflow.cli._board import Board, Row
from firnflow.cli._lines import ICONS, remark
from firnflow.cli._print import STYLES
from firnflow.status import TaskStatus

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.console import RenderableType

    from firnflow.engine.events import Event

_REST = 6  # lines of the terminal that are left to what stands below the table
_REFRESH = 8  # times a second


class LiveTable:
    """Shows one line a task, redrawn while the run is under way, and left as it last was."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._board = Board()
        self._spinner = Spinner("dots", style="blue")
        self._live = Live(console=self._console, refresh_per_second=_REFRESH, get_renderable=self._draw)

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
        return Text(remark(row), STYLES[row.state] if row.is_over else "dim", no_wrap=True, overflow="ellipsis")

    def _total(self, rows: list[Row]) -> Text:
        over = sum(row.is_over for row in rows)
        took = _format.seconds(self._board.clock() - self._board.began)
        return Text(f"{over} of {counted(len(rows), 'task')}, {took}", "dim")


def _fitting(rows: list[Row], most: int) -> list[Row]:
    """Return the rows that matter where not all fit: what runs and what failed, then what ended last, in order."""
    if len(rows) <= most:
        return rows
    weight = {TaskStatus.FAILED: 0, TaskStatus.RUNNING: 0, TaskStatus.WAITING: 2}
    order = sorted(range(len(rows)), key=lambda i: (weight.get(rows[i].state, 1), -i if rows[i].is_over else i))
    return [rows[i] for i in sorted(order[:most])]
