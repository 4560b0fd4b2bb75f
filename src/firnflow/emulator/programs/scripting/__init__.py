"""Snowflake Scripting: blocks, as they are executed by themselves, in procedures and in tasks.

https://docs.snowflake.com/en/developer-guide/snowflake-scripting/index . What runs beside the block (ASYNC, AWAIT) and
procedures within a block are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.emulator import dispatch
from firnflow.emulator.programs.scripting import syntax
from firnflow.emulator.programs.scripting.execute import Run
from firnflow.emulator.programs.scripting.parse import block_of
from firnflow.emulator.programs.scripting.scope import Variable
from firnflow.emulator.registry import STATEMENTS
from firnflow.emulator.statement import classify

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from firnflow.emulator.result import Result
    from firnflow.emulator.session import Session

__all__ = ["Variable", "block_of", "check_known", "run"]


def run(
    session: Session,
    text: str,
    binds: Sequence[Any] = (),
    *,
    head: str = "anonymous block",
    returns: str | None = None,
    variables: dict[str, Any] | None = None,
) -> Result:
    """Run one statement, or a block; return its answer, NULL for a block that returns nothing.

    Args:
        session: whose.
        text: the statement or block.
        binds: the values of a statement's `?`.
        head: the name of the column of a block's answer.
        returns: the type of a block's answer; None: what it is.
        variables: those that a block begins with.

    Raises:
        SnowflakeError: it failed.
    """
    block = block_of(text)
    if block is None:
        return dispatch.run(session, text, binds)
    return Run(session, head, returns).block(block, dict(variables or {}))


def check_known(text: str) -> None:
    """Raise SnowflakeError if a text is no block, or has a statement of a kind that nobody knows."""
    block = block_of(text)
    for each in [text] if block is None else _statements(block):
        classify(each, (), STATEMENTS)


def _statements(node: Any) -> Iterator[str]:
    """Yield the statements of SQL in a block."""
    if isinstance(node, syntax.Sql):
        yield node.sql.shown
    elif isinstance(node, tuple):
        for each in node:
            yield from _statements(each)
    elif isinstance(node, syntax.Node | syntax.Handler):
        for each in vars(node).values():
            yield from _statements(each)
