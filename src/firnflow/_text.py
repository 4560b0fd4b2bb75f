"""Small helpers for messages."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_MARKS = [0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]  # they turn the order of what is read
_UNSEEN = [*range(9), *range(0xB, 0x20), *range(0x7F, 0xA0), *_MARKS]
_PICTURES = {code: chr(0x2400 + code) if code < 0x20 else "�" for code in _UNSEEN}
_ESCAPES = {code: f"\\u{code:04x}" for code in _UNSEEN}


def printable(text: str) -> str:
    """Return a text that steers no terminal: without colours, each control character as a sign that can be seen."""
    return text if text.isascii() and text.isprintable() else _COLOUR.sub("", text).translate(_PICTURES)


def printable_json(text: str) -> str:
    """Return a JSON text that says the same and steers no terminal."""
    return text if text.isascii() else text.translate(_ESCAPES)


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
