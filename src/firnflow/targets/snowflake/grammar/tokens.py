"""The words and signs of a statement.

Strings and their escapes: https://docs.snowflake.com/en/sql-reference/data-types-text
Identifiers: https://docs.snowflake.com/en/sql-reference/identifiers-syntax
Comments begin with `--` or `//`, or stand in `/* */`, which do not nest.
"""

from __future__ import annotations

import difflib
import re
from enum import Enum
from typing import NamedTuple

_MOST = 8
"""Of what was expected a message names this many."""


class ParseError(ValueError):
    """A text is no statement of this grammar.

    Attributes:
        position: of the first character that does not fit, from 0.
        line: of it, from 1.
        column: of it, from 1.
        found: what stands there.
        expected: what could stand there.
    """

    def __init__(self, text: str, position: int, found: str, expected: tuple[str, ...]) -> None:
        before = text[:position]
        self.position, self.found, self.expected = position, found, expected
        self.line, self.column = before.count("\n") + 1, position - before.rfind("\n")
        super().__init__(f"line {self.line}, column {self.column}: expected {_few(expected, found)}, but found {found}")


def _few(expected: tuple[str, ...], found: str) -> str:
    """Return what was expected; of many the nearest to what was found."""
    if len(expected) <= _MOST:
        return " or ".join(expected)
    near = difflib.get_close_matches(found.strip("'\"").upper(), expected, 3) or list(expected[:3])
    return f"{' or '.join(near)} or one of {len(expected) - len(near)} others"


class Sort(Enum):
    """What a token is."""

    WORD = "a word"
    QUOTED = "a quoted identifier"
    STRING = "a string"
    DOLLARS = "a string in dollars"
    NUMBER = "a number"
    VARIABLE = "a variable"
    SIGN = "a sign"
    END = "the end"


class Token(NamedTuple):
    """A word or sign; `value` is what it stands for: a word in capitals, a string without quotes and escapes."""

    sort: Sort
    value: str
    start: int
    end: int


_SKIP = re.compile(r"(?:\s|--[^\n]*|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_TOKEN = re.compile(
    r"""(?P<WORD>[A-Za-z_][A-Za-z0-9_$]*)
    |(?P<QUOTED>"(?:[^"]|"")*")
    |(?P<STRING>'(?:[^'\\]|\\.|'')*')
    |(?P<DOLLARS>\$\$.*?\$\$)
    |(?P<NUMBER>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)
    |(?P<VARIABLE>\?|%s|%\(\w+\)s|:\d+|:[A-Za-z_]\w*|\$[A-Za-z_]\w*)
    |(?P<SIGN>=>|::|->|<>|!=|<=|>=|\|\||[-+*/%=<>().,;:@\[\]{}!~])""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPE = re.compile(r"''|\\(?:([0-7]{1,3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0"}


def next_token(text: str, position: int) -> Token:
    """Return the token that begins at or behind a position.

    Raises:
        ParseError: none does: a string or comment without an end, or a letter that means nothing.
    """
    skipped = _SKIP.match(text, position)
    start = skipped.end() if skipped else position
    if start == len(text):
        return Token(Sort.END, "", start, start)
    found = _TOKEN.match(text, start)
    if found is None or text.startswith("/*", start):
        expected = {"'": "a string that ends", '"': "an identifier that ends", "$": "a string that ends in $$"}
        what = "a comment that ends" if text.startswith("/*", start) else expected.get(text[start], "a word or sign")
        raise ParseError(text, start, repr(text[start : start + 10]), (what,))
    sort = Sort[found.lastgroup or "SIGN"]
    return Token(sort, _value(sort, found[0]), start, found.end())


def _value(sort: Sort, text: str) -> str:
    if sort is Sort.WORD:
        return text.upper()
    if sort is Sort.QUOTED:
        return text[1:-1].replace('""', '"')
    if sort is Sort.STRING:
        return _ESCAPE.sub(_unescaped, text[1:-1])
    return text[2:-2] if sort is Sort.DOLLARS else text


def _unescaped(found: re.Match[str]) -> str:
    if found[0] == "''":
        return "'"
    octal, code, code_point, letter = found.groups()
    if octal:
        return chr(int(octal, 8))
    if code or code_point:
        return chr(int(code or code_point, 16))
    return _LETTERS.get(letter, letter)
