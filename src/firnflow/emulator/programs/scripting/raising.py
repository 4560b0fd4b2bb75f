"""Exceptions of blocks: https://docs.snowflake.com/en/developer-guide/snowflake-scripting/exceptions ."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from firnflow.emulator import errors
from firnflow.emulator.programs.scripting import syntax

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.emulator.programs.scripting.scope import Trouble
    from firnflow.emulator.programs.scripting.syntax import Node, Piece

ALWAYS = ("STATEMENT_ERROR", "EXPRESSION_ERROR")
"""Exceptions that nobody declares: a statement of SQL, or another expression, has failed."""
_CANCELED = "000604"
_STATEMENTS = (syntax.Sql, syntax.Dynamic, syntax.Cursor, syntax.Each)


class Raised(Exception):
    """An exception on its way to a handler.

    Attributes:
        name: of the exception.
        number, state, message: SQLCODE, SQLSTATE and SQLERRM.
        at: the statement that has raised it.
        trouble: its declaration, if it has one.
    """

    def __init__(
        self, name: str, number: int, state: str, message: str, at: Piece, trouble: Trouble | None = None
    ) -> None:
        super().__init__(message)
        self.name, self.number, self.state, self.message = name, number, state, message
        self.at, self.trouble = at, trouble


@contextlib.contextmanager
def raised(node: Node) -> Iterator[None]:
    """Make an exception of an error in the block; one that cancels all stays an error.

    Raises:
        Raised: a statement or expression has failed.
    """
    try:
        yield
    except errors.SnowflakeError as error:
        if error.code == _CANCELED:
            raise
        name = ALWAYS[not isinstance(node, _STATEMENTS)]
        raise Raised(name, int(error.code), error.state, error.message, node.at) from error


def uncaught(error: Raised) -> errors.SnowflakeError:
    """Return what a client is told of an exception that nothing handles."""
    line, position = error.at.where
    return errors.SnowflakeError(
        error.number,
        error.state,
        f"Uncaught exception of type '{error.name}' on line {line} at position {position} : {error.message}",
    )
