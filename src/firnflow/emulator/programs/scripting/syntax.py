"""What a block of Snowflake Scripting is made of.

https://docs.snowflake.com/en/sql-reference-snowflake-scripting
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.targets.snowflake.grammar.tokens import Token


@dataclass(frozen=True)
class Piece:
    """A part of a block: an expression, or a statement of SQL.

    Attributes:
        text: of the whole block.
        tokens: of the part.
    """

    text: str
    tokens: Sequence[Token]

    @property
    def where(self) -> tuple[int, int]:
        """The line, from 1, and the position in it, from 0, as messages say them."""
        start = self.tokens[0].start if self.tokens else 0
        return self.text.count("\n", 0, start) + 1, start - self.text.rfind("\n", 0, start) - 1

    @property
    def shown(self) -> str:
        """Its text, as it was written."""
        return self.text[self.tokens[0].start : self.tokens[-1].end]

    @property
    def inner(self) -> Piece:
        """What stands in the parentheses around it, or the piece itself."""
        has = len(self.tokens) > 1 and self.tokens[0].value == "(" and self.tokens[-1].value == ")"
        return Piece(self.text, self.tokens[1:-1]) if has else self

    def starts(self, *words: str) -> bool:
        """Return whether it begins with these words."""
        return [token.value for token in self.tokens[: len(words)]] == list(words)


@dataclass(frozen=True)
class Node:
    """A statement of a block; `at` is all of it."""

    at: Piece


@dataclass(frozen=True)
class Sql(Node):
    """A statement of SQL: with `into`, which stood before the rest, its one row goes to these variables."""

    sql: Piece
    into: tuple[str, ...] = ()
    rest: Piece | None = None


@dataclass(frozen=True)
class Dynamic(Node):
    """EXECUTE IMMEDIATE of a text, with the variables of its `?`."""

    what: Piece
    using: tuple[Piece, ...] = ()


@dataclass(frozen=True)
class Declare(Node):
    """A variable, by DECLARE or LET; the type may be CURSOR, RESULTSET or EXCEPTION."""

    name: str
    type: str | None
    value: Piece | None


@dataclass(frozen=True)
class Assign(Node):
    """`name := expression`."""

    name: str
    value: Piece


@dataclass(frozen=True)
class If(Node):
    """IF, or CASE: what runs under the first condition that holds; None is ELSE."""

    branches: tuple[tuple[Piece | None, tuple[Node, ...]], ...]
    subject: Piece | None = None


@dataclass(frozen=True)
class Loop(Node):
    """LOOP, and of other loops what they have in common."""

    body: tuple[Node, ...]
    label: str | None = None


@dataclass(frozen=True)
class While(Loop):
    """WHILE, or REPEAT, whose condition ends it and is looked at behind the body."""

    condition: Piece | None = None
    is_repeat: bool = False


@dataclass(frozen=True)
class Count(Loop):
    """FOR over whole numbers."""

    name: str = ""
    first: Piece | None = None
    last: Piece | None = None
    is_reverse: bool = False


@dataclass(frozen=True)
class Each(Loop):
    """FOR over the rows of a cursor or a RESULTSET."""

    name: str = ""
    rows: str = ""


@dataclass(frozen=True)
class Jump(Node):
    """BREAK or CONTINUE, of the innermost loop or of the one with this label."""

    is_break: bool
    label: str | None = None


@dataclass(frozen=True)
class Cursor(Node):
    """OPEN, FETCH or CLOSE of a cursor."""

    word: str
    name: str
    using: tuple[Piece, ...] = ()
    into: tuple[str, ...] = ()


@dataclass(frozen=True)
class Return(Node):
    """RETURN of a value, or of a table."""

    value: Piece | None = None
    is_table: bool = False


@dataclass(frozen=True)
class Raise(Node):
    """RAISE of an exception; None is again the one that is handled."""

    name: str | None


@dataclass(frozen=True)
class Handler:
    """WHEN of exceptions: what runs, and whether the block then goes on."""

    names: tuple[str, ...]
    body: tuple[Node, ...]
    goes_on: bool = False


@dataclass(frozen=True)
class Block(Node):
    """DECLARE … BEGIN … EXCEPTION … END."""

    declared: tuple[Declare, ...] = ()
    body: tuple[Node, ...] = ()
    handlers: tuple[Handler, ...] = field(default=())
