"""Writing to the terminal: JSON and tables on stdout, progress and errors on stderr."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

_NUMBER = re.compile(r"-?[0-9][0-9.,e+-]*|NULL|")
_WIDE = 1000  # columns of a table that goes into a file or a pipe, where nothing is cut

STYLES = {
    "succeeded": "green",
    "cached": "cyan",
    "failed": "bold red",
    "crashed": "bold red",
    "lost": "red",
    "upstream_failed": "red",
    "cancelled": "yellow",
    "skipped": "dim",
    "running": "blue",
    "waiting": "dim",
}
"""The colour of each state of a run, a task or an attempt."""


def console(*, stderr: bool = False) -> Console:
    """Return a console that prints texts as they are: no markup, no wrapping of long paths."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)


def print_json(data: Any) -> None:
    """Print one JSON document on stdout; a figure that is not finite, which JSON lacks, is null."""
    from firnflow.project import redact

    sys.stdout.write(redact(json.dumps(_finite(data), indent=2, ensure_ascii=False, allow_nan=False)) + "\n")
    sys.stdout.flush()


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], states: str = "") -> None:
    """Print rows under a head on stdout; the column named `states` is coloured."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(head):
        whole = max(len(name), *(len(row[index]) for row in rows)) if name != head[-1] else None
        right = bool(rows) and all(_NUMBER.fullmatch(row[index]) for row in rows)
        table.add_column(name, justify="right" if right else "left", overflow="ellipsis", no_wrap=True, min_width=whole)
    for row in rows:
        styles = [STYLES.get(text, "") if name == states else "" for name, text in zip(head, row, strict=True)]
        table.add_row(*(Text(text, style) for text, style in zip(row, styles, strict=True)))
    out = console()
    out.print(table, soft_wrap=False, width=None if out.is_terminal else _WIDE)


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


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {str(key): _finite(value) for key, value in data.items()}
    return [_finite(item) for item in data] if isinstance(data, list | tuple) else data
