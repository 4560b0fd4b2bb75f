"""What a backfill shows while it is under way: a bar with counts in a terminal, else a line for each partition."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

from firnflow.cli import _format
from firnflow.cli._print import say
from firnflow.project import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from firnflow.engine.backfill.drive import Tally

    Tell = Callable[[str, str], None]


@contextlib.contextmanager
def shown(pipeline: str, tally: Tally, *, quiet: bool) -> Iterator[Tell]:
    """Give a function that takes a partition and what came of it, or no partition and a remark.

    Args:
        pipeline: its name.
        tally: how it stands; it changes meanwhile.
        quiet: show nothing but remarks.
    """
    if quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda partition, said: _line(tally, partition, said) if not (quiet and partition) else None
        return
    with _bar(pipeline, tally) as tell:
        yield tell


def _line(tally: Tally, partition: str, said: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        if not partition:
            say(redact(said), stderr=True)
            return
        colour = "red" if partition in tally.failed else ""
        say(f"{partition}  {redact(said)}  ({tally.total - tally.left}/{tally.total})", colour, stderr=True)


@contextlib.contextmanager
def _bar(pipeline: str, tally: Tally) -> Iterator[Tell]:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    console = Console(stderr=True, highlight=False, markup=False, emoji=False)

    def draw() -> Group:
        line = Table.grid(padding=(0, 1, 0, 0))
        done = tally.total - tally.left
        bar = ProgressBar(total=tally.total, completed=done, width=30, finished_style="green")
        failed = Text(f"{len(tally.failed)} failed", "red" if tally.failed else "dim")
        line.add_row(pipeline, bar, f"{done}/{tally.total}", Text(f"{tally.done} done before", "dim"), failed)
        now = time.monotonic()
        running = (f"{key} {_format.seconds(now - since)}" for key, since in sorted(tally.running.items()))
        return Group(line, Text(", ".join(running), "dim", no_wrap=True, overflow="ellipsis"))

    def tell(partition: str, said: str) -> None:
        if not partition or partition in tally.failed:
            console.print(Text(f"{partition}  {redact(said)}".strip(), "red" if partition else ""))

    with Live(console=console, refresh_per_second=8, get_renderable=draw):
        yield tell
