"""Blocks: `BEGIN statement; … END`, and EXECUTE IMMEDIATE.

https://docs.snowflake.com/en/developer-guide/snowflake-scripting/blocks. What has variables, branches or loops is
refused: it is written in Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.emulator import dispatch, errors
from firnflow.emulator.reader import tokens_of
from firnflow.emulator.registry import STATEMENTS
from firnflow.emulator.result import Result, rows
from firnflow.emulator.statement import classify
from firnflow.targets.snowflake.grammar.tokens import Sort

if TYPE_CHECKING:
    from firnflow.emulator.session import Session

_OF_TRANSACTIONS = frozenset({"TRANSACTION", "WORK", "NAME", ";"})
_KNOWN = ("BEGIN statement; … END", "one statement")


def run(session: Session, text: str) -> Result:
    """Run one statement, or the statements of a block; return the answer of a statement, NULL for a block.

    Raises:
        SnowflakeError: one failed; those behind it are not run.
    """
    statements = of_block(text)
    if statements is None:
        return dispatch.run(session, text, ())
    for each in statements:
        dispatch.run(session, each, ())
    return rows([("anonymous block", "text")], [(None,)])


def check_known(text: str) -> None:
    """Raise SnowflakeError if a text has a statement of a kind that nobody knows."""
    statements = of_block(text)
    for each in [text] if statements is None else statements:
        classify(each, (), STATEMENTS)


def of_block(text: str) -> list[str] | None:
    """Return the statements of a block; None: the text is none.

    Raises:
        SnowflakeError: it is a block with more than statements in it.
    """
    tokens = tokens_of(text)
    first = tokens[0].value if tokens[0].sort is Sort.WORD else ""
    if first == "DECLARE":
        raise errors.unknown("DECLARE", _KNOWN)
    if first != "BEGIN" or len(tokens) == 2 or tokens[1].value in _OF_TRANSACTIONS:
        return None
    if tokens[-2].value != "END" or tokens[-2].sort is not Sort.WORD:
        raise errors.syntax("<EOF>", 1, 0)
    found, start = [], tokens[1].start
    for token in tokens[1:-2]:
        if token.sort is Sort.SIGN and token.value == ";":
            found.append(text[start : token.start])
            start = token.end
    if text[start : tokens[-2].start].strip():
        raise errors.syntax("END", 1, tokens[-2].start)
    return found
