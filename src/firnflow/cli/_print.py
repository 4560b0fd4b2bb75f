"""Writing to the terminal: JSON and tables on stdout, progress and errors on stderr."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
import sys
from typing import TYPE_CHECKING, Any, TextIO

import typer

from firnflow._text import printable, printable_json
from firnflow.status import RunStatus, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_EXACT = {"run", "task", "digest", "where", "place", "inline"}
"""Keys of texts that are never secret, and useless if a part of them looks like one."""

_NUMBER = re.compile(r"-?[0-9][0-9.,e+-]*|NULL|")

_ONE_LINE = {ord("\n"): "␊", ord("\t"): "␉"}

STYLES: dict[str, str] = {
    TaskStatus.SUCCEEDED: "green",
    TaskStatus.CACHED: "cyan",
    TaskStatus.FAILED: "red",
    RunStatus.CRASHED: "red",
    TaskStatus.LOST: "red",
    TaskStatus.UPSTREAM_FAILED: "red",
    TaskStatus.CANCELLED: "yellow",
    TaskStatus.RUNNING: "blue",
    TaskStatus.SKIPPED: "dim",
    TaskStatus.WAITING: "dim",
}
"""The colour of each state of a run, a task or an attempt; `dim` is none."""


def paint(text: str, colour: str, stream: TextIO) -> str:
    """Return a text in a colour of the terminal (or `bold`, `dim`), or plain where the stream is no terminal.

    What would steer the terminal in the text itself is shown, not done.
    """
    text = printable(text)
    if not colour or not stream.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        return text
    return typer.style(text, bold=True) if colour == "bold" else _coloured(text, colour)


def _coloured(text: str, colour: str) -> str:
    return typer.style(text, dim=True) if colour == "dim" else typer.style(text, fg=colour)


def say(text: str = "", colour: str = "", *, stderr: bool = False) -> None:
    """Print a text on stdout or stderr, at once."""
    stream = sys.stderr if stderr else sys.stdout
    say_painted(paint(text, colour, stream), stream)


def say_painted(text: str, stream: TextIO) -> None:
    """Print a text that `paint` has made, at once."""
    stream.write(text + "\n")
    stream.flush()


def print_json(data: Any, *, exact: bool = False) -> None:
    """Print one JSON document on stdout; a figure that is not finite, which JSON lacks, is null.

    Args:
        data: plain data.
        exact: print texts as they are: data that somebody asked for. Else secrets in them are hidden.
    """
    from firnflow.project import redact

    plain = _plain(data, str if exact else redact)
    sys.stdout.write(printable_json(json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False)) + "\n")
    sys.stdout.flush()


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], states: str = "") -> None:
    """Print rows under a head on stdout, columns of figures to the right, the one named `states` coloured.

    In a terminal a line that is too long is cut. Without rich, which would take longer to load than all the rest.
    """
    head, *rows = ([printable(text).translate(_ONE_LINE) for text in row] for row in (head, *rows))
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    widths = [max(map(_cells, column)) for column in zip(head, *rows, strict=True)]
    right = [bool(rows) and all(_NUMBER.fullmatch(row[index]) for row in rows) for index in range(len(head))]
    for row in (head, *rows):
        cells = [_pad(text, width, right=side) for text, width, side in zip(row, widths, right, strict=True)]
        line = "  ".join(cells).rstrip()
        if room is not None and _cells(line) > room:
            line = line[: room - 1] + "…"
        if row is head:
            line = paint(line, "bold", sys.stdout)
        elif states:
            state = row[head.index(states)]
            line = line.replace(f"  {state} ", f"  {paint(state, STYLES.get(state, ''), sys.stdout)} ", 1)
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _pad(text: str, width: int, *, right: bool) -> str:
    blank = " " * (width - _cells(text))
    return blank + text if right else text + blank


def _cells(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


@contextlib.contextmanager
def stdout_is_data() -> Iterator[None]:
    """Send to stderr what users' modules and libraries print meanwhile: stdout is for one JSON document."""
    before = sys.stdout
    before.flush()
    saved = None
    with contextlib.suppress(OSError, ValueError):  # in a test there may be no descriptor
        saved = os.dup(1)
        os.dup2(2, 1)
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout = before
        if saved is not None:
            os.dup2(saved, 1)
            os.close(saved)


def _plain(data: Any, hide: Callable[[str], str]) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {str(key): value if key in _EXACT else _plain(value, hide) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(item, hide) for item in data]
    return hide(data) if isinstance(data, str) else data
