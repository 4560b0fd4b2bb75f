"""Small helpers for messages."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the known name nearest to `name`, or "" where none is near."""
    by_lower = {k.lower(): k for k in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean {by_lower[close[0]]!r}?" if close else ""


def counted(number: int, noun: str) -> str:
    """Return e.g. "1 row", "2,000 rows"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listing(names: Iterable[str], most: int = 12) -> str:
    """Return the names as one readable line, cut after `most`."""
    found = sorted(names)
    cut = f", … ({len(found) - most} more)" if len(found) > most else ""
    return ", ".join(found[:most]) + cut if found else "none"
