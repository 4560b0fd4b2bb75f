"""What kind of statement a text is, told by its first words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.reader import Reader
from firnflow.targets.snowflake.grammar.tokens import Sort

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

_SAME = {
    "DESC": "DESCRIBE",
    "LS": "LIST",
    "RM": "REMOVE",
    "WITH": "SELECT",
    "VALUES": "SELECT",
    "START": "BEGIN",
}
"""Words that begin the same statement as another: https://docs.snowflake.com/en/sql-reference/sql-all"""
_MODIFIERS = frozenset({"OR", "REPLACE", "ALTER", "TEMPORARY", "TEMP", "TRANSIENT", "VOLATILE", "LOCAL", "GLOBAL"}) | {
    *("SCOPED", "SECURE", "RECURSIVE", "TERSE", "AGGREGATE"),
}
_LONGEST_KEY = 4
_PLACE = re.compile(r"(?i)(\bFROM\s+)(snow://[^\s()']+)")
"""Files that a query reads: without quotes their `//` would begin a comment."""


@dataclass
class Statement:
    """A statement whose kind is known.

    Attributes:
        key: its kind, e.g. `CREATE STAGE`.
        modifiers: what stood between, e.g. `OR`, `REPLACE`, `TEMPORARY`.
        reader: stands behind the words of the kind.
        binds: the values of its `?`.
    """

    key: str
    modifiers: frozenset[str]
    reader: Reader
    binds: Sequence[Any]

    @property
    def text(self) -> str:
        """The statement as it was sent, without the semicolon at its end."""
        if self.key in ("PUT", "GET", "LIST", "REMOVE"):  # in `file://` and `snow://` a comment seems to begin
            return self.reader.text.strip().rstrip(";")
        return self.reader.text[: self.reader.tokens[-2].end] if len(self.reader.tokens) > 1 else ""

    @property
    def replaces(self) -> bool:
        """Whether it says OR REPLACE."""
        return "REPLACE" in self.modifiers

    @property
    def temporary(self) -> bool:
        """Whether it makes something that ends with the session."""
        return not self.modifiers.isdisjoint({"TEMPORARY", "TEMP", "VOLATILE"})


def classify(text: str, binds: Sequence[Any], known: Container[str]) -> Statement:
    """Return a text as a statement of a known kind.

    Args:
        text: what a client has sent.
        binds: the values of its `?`.
        known: the kinds.

    Raises:
        SnowflakeError: the text is empty, or of no known kind; the message names those that are near.
    """
    reader = Reader(_PLACE.sub(r"\1'\2'", text), binds)
    if reader.ended:
        raise errors.SnowflakeError(900, "42601", "SQL compilation error:\nEmpty SQL statement.")
    if reader.next.value == "(":
        return Statement("SELECT", frozenset(), reader, binds)
    if reader.next.sort is not Sort.WORD:
        raise reader.unexpected()
    if reader.next.value == "WITH" and [token.value for token in reader.tokens[2:4]] == ["AS", "PROCEDURE"]:
        return Statement("WITH PROCEDURE", frozenset(), reader, binds)
    words, modifiers, ends = _words(reader)
    for length in range(min(_LONGEST_KEY, len(words)), 0, -1):
        key = " ".join(words[:length])
        if key in known:
            reader.at = ends[length - 1]
            return Statement(key, frozenset(modifiers), reader, binds)
    raise errors.unknown(" ".join(words[:3]), known if isinstance(known, dict) else ())


def _words(reader: Reader) -> tuple[list[str], list[str], list[int]]:
    """Return the first words without modifiers, the modifiers, and the place behind each word."""
    first = reader.next.value
    words, modifiers, ends = [_SAME.get(first, first)], [], [1]
    for at, token in enumerate(reader.tokens[1:10], start=1):
        if token.sort is not Sort.WORD or len(words) == _LONGEST_KEY:
            break
        if len(words) == 1 and first in ("CREATE", "SHOW") and token.value in _MODIFIERS:
            modifiers.append(token.value)
        else:
            words.append(token.value)
            ends.append(at + 1)
    return words, modifiers, ends
