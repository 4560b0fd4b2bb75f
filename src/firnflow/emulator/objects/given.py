"""Statements of the grammar that firnflow deploys with, as the catalog can keep them.

The grammar is strict: a setting that is not on a statement's page, or one with a value of another type, is an error.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.reader import tokens_of
from firnflow.emulator.variables import shown
from firnflow.targets.snowflake.grammar import ParseError, parse, render_expression, render_location
from firnflow.targets.snowflake.grammar import values as v
from firnflow.targets.snowflake.grammar.tokens import Sort

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from firnflow.emulator.statement import Statement


def parsed(given: Statement) -> Any:
    """Return a statement as the grammar's data, with what is bound in the places of `?`.

    Raises:
        SnowflakeError: it is none of the grammar.
    """
    text = with_binds(given.text, given.binds)
    try:
        return parse(text)
    except ParseError as error:
        expected = " or ".join(error.expected[:8])
        raise errors.SnowflakeError(
            1003,
            "42000",
            f"SQL compilation error:\nsyntax error line {error.line} at position {error.column - 1} unexpected "
            f"{error.found}. The emulator expects {expected}.",
        ) from None


def with_binds(text: str, binds: Sequence[Any]) -> str:
    """Return a statement with constants in the places of its `?`."""
    if not binds:
        return text
    left, parts, at = list(binds), [], 0
    for token in tokens_of(text):
        if token.sort is Sort.VARIABLE and token.value == "?":
            if not left:
                raise errors.SnowflakeError(2049, "42601", "SQL compilation error:\nBind variable ? not set.")
            parts += [text[at : token.start], shown(left.pop(0))]
            at = token.end
    return "".join([*parts, text[at:]])


def settings(properties: Iterable[v.Property]) -> dict[str, Any]:
    """Return settings of a statement by name, as JSON can hold them."""
    return {each.name: plain(each.value) for each in properties}


def plain(value: Any) -> Any:
    """Return a value of the grammar's as JSON can hold it; a name is a list of its parts, a condition its text."""
    if isinstance(value, v.Word | v.Body | v.Code | v.Uri):
        return value.text
    if isinstance(value, tuple | v.Name):
        return [plain(each) for each in (value.parts if isinstance(value, v.Name) else value)]
    if isinstance(value, v.Options):
        return {name: plain(each) for name, each in value.entries}
    if isinstance(value, v.Pairs):
        return [[plain(left), plain(right)] for left, right in value.entries]
    if isinstance(value, str | int | bool | Decimal | None):
        return float(value) if isinstance(value, Decimal) else value
    return render_location(value) if isinstance(value, v.Location) else render_expression(value)
