"""Reading a statement from left to right: words, names, texts and settings.

Names: https://docs.snowflake.com/en/sql-reference/identifiers-syntax. A part in quotes is kept as it is written, others
in capitals. IDENTIFIER: https://docs.snowflake.com/en/sql-reference/identifier-literal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.targets.snowflake.grammar.cursor import Cursor
from firnflow.targets.snowflake.grammar.tokens import ParseError, Sort, Token, next_token

if TYPE_CHECKING:
    from collections.abc import Sequence


def tokens_of(text: str) -> list[Token]:
    """Return the tokens of a statement, without the semicolon that ends it; the last one is the end.

    Signs that only queries have, such as that of `$1`, are tokens of one letter.

    Raises:
        SnowflakeError: a string or comment does not end.
    """
    found, at = [], 0
    while True:
        try:
            token = next_token(text, at)
        except ParseError as error:
            letter = text[error.position]
            if letter in "'\"" or text.startswith(("/*", "$$"), error.position):
                raise errors.syntax(error.found.strip("'\""), error.line, error.column - 1) from None
            token = Token(Sort.SIGN, letter, error.position, error.position + 1)
        if token.sort is Sort.END:
            break
        found.append(token)
        at = token.end
    while found and found[-1].value == ";" and found[-1].sort is Sort.SIGN:
        found.pop()
    return [*found, token]


class Reader:
    """A statement that is read from left to right.

    Args:
        text: the statement.
        binds: the values of its `?`, in order.
    """

    def __init__(self, text: str, binds: Sequence[Any] = ()) -> None:
        self.text, self.tokens, self.at = text, tokens_of(text), 0
        self._binds = list(binds)

    @property
    def next(self) -> Token:
        """The token that comes next."""
        return self.tokens[self.at]

    @property
    def ended(self) -> bool:
        """Whether all is read."""
        return self.next.sort is Sort.END

    @property
    def rest(self) -> str:
        """The text from here on, as it was written."""
        return self.text[self.next.start : self.tokens[-2].end] if not self.ended else ""

    def is_next(self, *words: str) -> bool:
        """Return whether these words or signs come next."""
        ahead = self.tokens[self.at : self.at + len(words)]
        plain = (Sort.WORD, Sort.SIGN)
        return [t.value for t in ahead] == list(words) and all(t.sort in plain for t in ahead)

    def take(self, *words: str) -> bool:
        """Read these words or signs if they come next; return whether they did."""
        if not self.is_next(*words):
            return False
        self.at += len(words)
        return True

    def need(self, *words: str) -> None:
        """Read these words or signs.

        Raises:
            SnowflakeError: something else stands there.
        """
        if not self.take(*words):
            raise self.unexpected()

    def end(self) -> None:
        """Raise SnowflakeError if something is left."""
        if not self.ended:
            raise self.unexpected()

    def unexpected(self) -> errors.SnowflakeError:
        """Return the error for what comes next."""
        token = self.next
        before = self.text[: token.start]
        found = self.text[token.start : token.end] or "<EOF>"
        return errors.syntax(found, before.count("\n") + 1, token.start - before.rfind("\n") - 1)

    def word(self) -> str:
        """Read a word, and return it in capitals."""
        if self.next.sort is not Sort.WORD:
            raise self.unexpected()
        self.at += 1
        return self.tokens[self.at - 1].value

    def string(self) -> str:
        """Read a text in quotes or dollars, or one that is bound to `?`."""
        if self.is_bound():
            return str(self.bound())
        if self.next.sort not in (Sort.STRING, Sort.DOLLARS):
            raise self.unexpected()
        self.at += 1
        return self.tokens[self.at - 1].value

    def is_bound(self) -> bool:
        """Return whether a `?` comes next."""
        return self.next.sort is Sort.VARIABLE and self.next.value == "?"

    def bound(self) -> Any:
        """Read a `?`, and return its value."""
        if not self._binds:
            raise errors.SnowflakeError(2049, "42601", "SQL compilation error:\nBind variable ? not set.")
        self.at += 1
        return self._binds.pop(0)

    def value(self) -> Any:
        """Read a text, number, truth value, name, or a list or group of settings in parentheses."""
        token = self.next
        if token.sort in (Sort.STRING, Sort.DOLLARS) or self.is_bound():
            return self.bound() if self.is_bound() else self.string()
        if self.take("("):
            return self._group()
        negative = self.take("-")
        if self.next.sort is Sort.NUMBER:
            self.at += 1
            number = self.tokens[self.at - 1].value
            return (-1 if negative else 1) * (int(number) if number.isdigit() else float(number))
        if self.is_next("TRUE") or self.is_next("FALSE"):
            return self.word() == "TRUE"
        return ".".join(self.name())

    def _group(self) -> Any:
        entries: dict[str, Any] = {}
        items: list[Any] = []
        while not self.take(")"):
            ahead = self.tokens[self.at + 1] if not self.ended else self.next
            if ahead.value == "=" and ahead.sort is Sort.SIGN:
                key = self.next.value
                self.at += 2
                entries[key] = self.value()
            else:
                items.append(self.value())
            self.take(",")
            if self.ended:
                raise self.unexpected()
        return entries or items

    def enclosed(self) -> str:
        """Read what stands in parentheses, and return it with them, as it is written."""
        start, depth = self.next.start, 0
        while True:
            if self.ended:
                raise self.unexpected()
            token = self.next
            self.at += 1
            if token.sort is Sort.SIGN and token.value in "()":
                depth += 1 if token.value == "(" else -1
                if depth == 0:
                    return self.text[start : token.end]

    def location(self) -> Any:
        """Read a place of files: `@stage/path`, or a text of one."""
        if self.is_bound():
            return self._place(str(self.bound()))[0]
        found, length = self._place(self.text[self.next.start :])
        end = self.next.start + length
        while not self.ended and self.next.start < end:
            self.at += 1
        return found

    @staticmethod
    def _place(text: str) -> tuple[Any, int]:
        cursor = Cursor(text)
        try:
            return cursor.location(), cursor.position
        except ParseError as error:
            raise errors.syntax(error.found.strip("'\""), error.line, error.column - 1) from None

    def part(self) -> str:
        """Read one part of a name."""
        if self.next.sort not in (Sort.WORD, Sort.QUOTED):
            raise self.unexpected()
        self.at += 1
        return self.tokens[self.at - 1].value

    def name(self) -> tuple[str, ...]:
        """Read a name of one to four parts, or IDENTIFIER('…')."""
        if self.take("IDENTIFIER", "("):
            given = Reader(self.string()).name()
            self.need(")")
            return given
        parts = [self.part()]
        while self.take("."):
            parts.append("" if self.is_next(".") else self.part())
        return tuple(parts)

    def names(self) -> list[tuple[str, ...]]:
        """Read names with commas between them."""
        found = [self.name()]
        while self.take(","):
            found.append(self.name())
        return found

    def settings(self, known: Sequence[str], what: str) -> dict[str, Any]:
        """Read `KEY = value` up to the end, with blanks or commas between.

        Raises:
            SnowflakeError: a key that `what` does not have.
        """
        found: dict[str, Any] = {}
        while not self.ended:
            key = self.word()
            if key not in known:
                raise errors.SnowflakeError(
                    1420, "42601", f"SQL compilation error:\ninvalid property '{key}' for '{what}'"
                )
            self.take("=")
            found[key] = self.value()
            self.take(",")
        return found
