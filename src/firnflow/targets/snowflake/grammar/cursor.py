"""Reads a statement from left to right: words, names, strings and places, and says what it had expected."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, NoReturn

from firnflow.stores.snowflake.names import LONGEST
from firnflow.targets.snowflake.grammar.tokens import ParseError, Sort, Token, next_token
from firnflow.targets.snowflake.grammar.values import Location, Name, Uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    T = TypeVar("T")

_PATH = re.compile(r"[^\s'\",();]*")
_PART = r'(?:[A-Za-z_][A-Za-z0-9_$]*|"(?:[^"]|"")+")'
_STAGE = re.compile(rf"@(?:(?P<of>~)|(?P<of_table>%)?(?P<name>{_PART}(?:\.{{1,2}}{_PART}){{0,2}}))")
_URI = re.compile(r"(?:file|snow)://[^\s'\",();]*", re.IGNORECASE)


@functools.lru_cache(4096)
def _split(words: str) -> list[str]:
    return words.split()


@functools.lru_cache(4096)
def _longest_first(choices: tuple[str, ...]) -> list[str]:
    return sorted(choices, key=len, reverse=True)


class Cursor:
    """Where in a text the reading is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self._next: Token | None = None
        self._tried: dict[str, None] = {}

    def peek(self) -> Token:
        """Return the next token, and stay."""
        if self._next is None:
            self._next = next_token(self.text, self.position)
        return self._next

    def at(self, sign: str) -> bool:
        """Whether a sign stands here."""
        return self.peek().sort is Sort.SIGN and self.peek().value == sign

    def take(self) -> Token:
        """Return the next token, and go behind it."""
        token = self.peek()
        self.go(token.end)
        return token

    def go(self, position: int) -> None:
        """Go on reading from a position."""
        self.position, self._next = position, None
        self._tried.clear()

    def fail(self, *expected: str) -> NoReturn:
        """Raise ParseError: here should be one of these, or of what was looked for here before."""
        token = self.peek()
        found = "the end" if token.sort is Sort.END else repr(self.text[token.start : token.end][:40])
        raise ParseError(self.text, token.start, found, tuple(dict.fromkeys([*self._tried, *expected])))

    def accept(self, words: str) -> bool:
        """Go behind these words or signs, and say whether they stand here."""
        position = self.position
        for word in _split(words):
            token = self.peek() if position == self.position else next_token(self.text, position)
            if token.value != word or not (token.sort is Sort.WORD or token.sort is Sort.SIGN):
                self._tried[words] = None
                return False
            position = token.end
        self.go(position)
        return True

    def expect(self, words: str) -> None:
        """Go behind these words. Raises ParseError where others stand here."""
        if not self.accept(words):
            self.fail()

    def one_of(self, choices: Iterable[str]) -> str | None:
        """Go behind one of these, the longest first, and return it; None: none of them stands here."""
        return next((words for words in _longest_first(tuple(choices)) if self.accept(words)), None)

    def listed(self, read: Callable[[Cursor], T]) -> tuple[T, ...]:
        """Return what stands here between commas."""
        items = [read(self)]
        while self.accept(","):
            items.append(read(self))
        return tuple(items)

    def in_parentheses(self, read: Callable[[Cursor], T]) -> tuple[T, ...]:
        """Return what stands in parentheses, between commas; nothing is allowed."""
        self.expect("(")
        items = () if self.at(")") else self.listed(read)
        self.expect(")")
        return items

    def end(self) -> None:
        """Go behind a semicolon, where there is one. Raises ParseError unless nothing else follows."""
        self.accept(";")
        if self.peek().sort is not Sort.END:
            self.fail("the end")

    # -- values -------------------------------------------------------------------------------------------------------

    def word(self) -> str:
        """Return a word."""
        if self.peek().sort is not Sort.WORD:
            self.fail("a word")
        return self.take().value

    def string(self) -> str:
        """Return the text of a string."""
        if self.peek().sort not in {Sort.STRING, Sort.DOLLARS}:
            self.fail("a string")
        return self.take().value

    def integer(self) -> int:
        """Return a whole number."""
        token = self.peek()
        if token.sort is not Sort.NUMBER or not token.value.isdigit():
            self.fail("a whole number")
        return int(self.take().value)

    def boolean(self) -> bool:
        """Return TRUE or FALSE."""
        if (found := self.one_of(["TRUE", "FALSE"])) is None:
            self.fail()
        return found == "TRUE"

    def part(self) -> str:
        """Return one part of a name."""
        token = self.peek()
        if token.sort not in {Sort.WORD, Sort.QUOTED}:
            self.fail("a name")
        if not 0 < len(token.value) <= LONGEST:
            self.fail(f"a name of 1 to {LONGEST} characters")
        return self.take().value

    def name(self) -> Name:
        """Return a name of one to three parts, `db..table`, or IDENTIFIER(…)."""
        if self.accept("IDENTIFIER ("):
            token = self.peek()
            if token.sort not in {Sort.STRING, Sort.VARIABLE, Sort.DOLLARS}:
                self.fail("a string", "a variable")
            self.take()
            self.expect(")")
            return Name((), bound=token.value) if token.sort is Sort.VARIABLE else read_name(token.value)
        parts = [self.part()]
        while len(parts) < 3 and self.accept("."):
            parts.append("" if len(parts) == 1 and self.at(".") else self.part())
        return Name(tuple(parts))

    def location(self) -> Location | Uri:
        """Return a place of files, in quotes or not."""
        if self.peek().sort in {Sort.STRING, Sort.DOLLARS}:
            start = self.peek().start
            text = self.string()
            if (place := _place(text)) is not None:
                return place
            self.go(start)
            self.fail("'@stage/path'", "'file://…'", "'snow://…'")
        if found := _URI.match(self.text, self.peek().start):
            self.go(found.end())
            return Uri(found[0])
        found = _STAGE.match(self.text, self.peek().start) or self.fail("@stage/path")
        self.go(found.end())
        if self.text[found.end() : found.end() + 1] != "/":
            return _stage(found, "")
        path = _PATH.match(self.text, found.end() + 1)
        self.go(path.end() if path else found.end())
        return _stage(found, path[0] if path else "")

    def rest(self) -> str:
        """Return all that is left, without the semicolon and what else stands behind the last word.

        Raises:
            ParseError: there is nothing, or several statements that are no block.
        """
        first = self.peek()
        if first.sort is Sort.END or self.at(";"):
            self.fail("a statement")
        is_block = first.sort is Sort.WORD and first.value in {"BEGIN", "DECLARE"}
        end, last = first.end, None
        while (token := self.peek()).sort is not Sort.END:
            if last is not None and not is_block:
                self.fail("the end (or a block, BEGIN … END)")
            self.take()
            if token.value == ";" and token.sort is Sort.SIGN:
                last = token
            else:
                end, last = token.end, None
        return self.text[first.start : end]


def read_name(text: str) -> Name:
    """Return the name that a string holds. Raises ParseError where it holds something else."""
    cursor = Cursor(text)
    name = cursor.name()
    cursor.end()
    return name


def _place(text: str) -> Location | Uri | None:
    """Return the place that a string names; None: it names none."""
    if _URI.match(text):
        return Uri(text)
    found = _STAGE.match(text)
    if found is None or text[found.end() : found.end() + 1] not in {"", "/"}:
        return None
    return _stage(found, text[found.end() + 1 :])


def _stage(found: re.Match[str], path: str) -> Location:
    """Return the place that begins with a stage."""
    return Location(read_name(found["name"]) if found["name"] else None, path, found["of"] or found["of_table"] or "")
