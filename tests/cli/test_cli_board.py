"""How progress is kept and shown."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from firnflow.cli import _format
from firnflow.cli._board import Board
from firnflow.cli._lines import Lines
from firnflow.cli._progress import LiveTable
from firnflow.engine.events import Event

ERROR = {"type": "ValueError", "message": "no\nreally"}


def start(*tasks, epoch=1):
    return Event("run_started", data={"run": "r1", "tasks": list(tasks), "epoch": epoch})


def began(task, element=-1, elements=None, attempt=1):
    extra = {"elements": elements} if elements else {}
    return Event("task_started", task, element, f"x={element}" if element >= 0 else None, {"attempt": attempt, **extra})


def ended(task, state="succeeded", element=-1, elements=None, error=None):
    extra = {"elements": elements} if elements else {}
    label = f"x={element}" if element >= 0 else None
    return Event("task_finished", task, element, label, {"state": state, "seconds": 1.0, "error": error, **extra})


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def board(clock):
    return Board(clock)


def test_a_task_from_waiting_to_its_end(board, clock):
    board(start("a", "b"))
    assert [row.state for row in board.rows.values()] == ["waiting", "waiting"]
    row = board(began("a"))
    assert (row.state, row.running) == ("running", 1)
    clock.now = 2.5
    board(ended("a"))
    assert (row.state, row.seconds, row.running) == ("succeeded", 2.5, 0)


def test_what_is_seen_late_says_how_long_it_took(board, clock):
    board(start("a"))
    board(began("a"))
    clock.now = 5.0
    late = ended("a")
    late.data["took"] = 2.5
    assert board(late).seconds == 2.5


def test_a_map_ends_with_its_last_element(board):
    board(start("m"))
    board(began("m", 0, 3))
    row = board(ended("m", "succeeded", 0, 3))
    assert (row.done, row.elements, row.is_over) == (1, 3, False)
    board(ended("m", "cached", 1, 3))
    board(ended("m", "failed", 2, 3, ERROR))
    assert (row.done, row.state, row.said) == (3, "failed", "ValueError: no")


def test_a_retry_waits(board, clock):
    board(start("a"))
    board(began("a"))
    row = board(Event("task_retrying", "a", data={"error": ERROR, "seconds": 3.0}))
    assert (row.waits, row.running, row.said) == (3.0, 0, "ValueError: no")
    board(began("a", attempt=2))
    assert (row.waits, row.attempt) == (None, 2)


def test_what_has_not_ended_with_the_run_was_cancelled(board):
    board(start("a", "m", "c"))
    board(ended("a"))
    board(ended("m", "succeeded", 0, 3))
    board(Event("run_finished", data={"status": "cancelled", "seconds": 1.0}))
    assert [row.state for row in board.rows.values()] == ["succeeded", "cancelled", "cancelled"]
    assert board.rows["m"].done == 1


def console(**options):
    return Console(file=io.StringIO(), width=100, highlight=False, **options)


def test_lines_without_a_terminal(capsys):
    lines = Lines()
    with lines:
        for event in (
            start("a", "m", "s", "f", epoch=2),
            Event("notice", data={"message": "inputs from run r0: x"}),
            began("a"),
            Event("task_retrying", "a", data={"error": ERROR, "seconds": 3.0}),
            began("a", attempt=2),
            ended("a"),
            ended("m", "cached", 0, 2),
            ended("m", "cached", 1, 2),
            ended("s", "skipped"),
            ended("f", "failed", error=ERROR),
        ):
            lines(event)
    assert [line.split("  ") for line in capsys.readouterr().err.splitlines()] == [
        ["run r1 goes on: 4 tasks"],
        ["inputs from run r0: x"],
        ["↻ a", "ValueError: no; again in 3 s"],
        ["✓ a", "0.00 s", "attempt 2"],
        ["≡ m", "2/2", "cached"],
        ["– s", "skipped"],
        ["✗ f", "failed: ValueError: no"],
    ]


def test_the_table_of_a_terminal():
    out = console(force_terminal=True, height=30, color_system=None)
    table = LiveTable(out)
    with table:
        for event in (start("a", "m"), began("a"), ended("a"), began("m", 0, 4), ended("m", "succeeded", 0, 4)):
            table(event)
    text = out.file.getvalue()
    assert "✓  a" in text
    assert "1/4" in text
    assert "1 of 2 tasks" in text


def test_a_long_table_shows_what_matters():
    out = console(force_terminal=True, height=12, color_system=None)
    table = LiveTable(out)
    names = [f"t{number}" for number in range(100)]
    with table:
        table(start(*names))
        for name in names[:60]:
            table(ended(name))
        table(ended("t60", "failed", error=ERROR))
        table(began("t90"))
        frame = [line.split()[1] for line in _frame(table, out) if line.strip()]
    assert "t60" in frame
    assert "t90" in frame
    assert "t59" in frame
    assert "t0" not in frame


def _frame(table, out):
    with out.capture() as captured:
        out.print(table._draw())
    return captured.get().splitlines()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.123, "0.12 s"), (9.999, "10.0 s"), (59.99, "1 min 00 s"), (125, "2 min 05 s"), (3720, "1 h 02 min")],
)
def test_seconds(value, text):
    assert _format.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 B"), (1536, "1.5 KiB"), (812 * 2**20, "812 MiB"), (1.5 * 2**40, "1,536 GiB")]
)
def test_sizes(value, text):
    assert _format.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.83451, "0.8345"), (3.0, "3"), (12345.0, "12,345"), (1498.5, "1,498.5"), (float("nan"), "nan"), (1e-9, "1e-09")],
)
def test_numbers(value, text):
    assert _format.number(value) == text


@pytest.mark.parametrize(("ago", "text"), [(5, "just now"), (600, "10 min ago"), (7200, "2 h ago")])
def test_when(ago, text):
    assert _format.when(1_700_000_000 - ago, 1_700_000_000) == text
