"""Variables of a session in a statement: `$name` stands for its value.

https://docs.snowflake.com/en/sql-reference/session-variables
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.reader import tokens_of
from firnflow.stores.snowflake.names import literal
from firnflow.targets.snowflake.grammar.tokens import Sort

if TYPE_CHECKING:
    from collections.abc import Mapping


def inlined(text: str, variables: Mapping[str, Any]) -> str:
    """Return a statement with the values of its variables, but for those in texts and bodies.

    Raises:
        SnowflakeError: a variable is not set.
    """
    if "$" not in text:
        return text
    parts, at = [], 0
    for token in tokens_of(text):
        if token.sort is Sort.VARIABLE and token.value.startswith("$"):
            name = token.value[1:].upper()
            if name not in variables:
                raise errors.SnowflakeError(
                    2211, "42601", f"SQL compilation error:\nSession variable '${name}' does not exist"
                )
            parts += [text[at : token.start], shown(variables[name])]
            at = token.end
    return "".join([*parts, text[at:]])


def shown(value: Any) -> str:
    """Return a value as a constant of SQL."""
    if value is None:
        return "NULL"
    return literal(value) if isinstance(value, str) else str(value).upper()
