"""What Snowflake answers where a statement fails: a code, an SQL state and a message.

Messages follow what Snowflake says; what only the emulator says begins with "The emulator".
https://docs.snowflake.com/en/developer-guide/sql-api/handling-responses has the form of an error,
https://docs.snowflake.com/en/developer-guide/snowflake-scripting/exceptions its parts.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class SnowflakeError(Exception):
    """A statement failed as it does there.

    Attributes:
        code: six digits, e.g. `002003`.
        state: the SQL state, five letters or digits.
        message: what the client shows.
    """

    def __init__(self, code: int, state: str, message: str) -> None:
        super().__init__(message)
        self.code, self.state, self.message = f"{code:06d}", state, message


def missing(kind: str, name: str) -> SnowflakeError:
    """Return the error for an object that is not there, or that the role may not see: Snowflake tells no difference."""
    return SnowflakeError(
        2003, "02000", f"SQL compilation error:\n{kind.capitalize()} '{name}' does not exist or not authorized."
    )


def exists(name: str) -> SnowflakeError:
    """Return the error for a name that is taken."""
    return SnowflakeError(2002, "42710", f"SQL compilation error:\nObject '{name}' already exists.")


def denied(kind: str, name: str) -> SnowflakeError:
    """Return the error for a missing privilege on an object that the role may see."""
    return SnowflakeError(
        3001, "42501", f"SQL access control error:\nInsufficient privileges to operate on {kind.lower()} '{name}'."
    )


def syntax(found: str, line: int, column: int) -> SnowflakeError:
    """Return the error for a word that does not fit; `column` counts from 0, as Snowflake's positions do."""
    return SnowflakeError(
        1003,
        "42000",
        f"SQL compilation error:\nsyntax error line {line} at position {column} unexpected '{found}'.",
    )


def invalid(message: str) -> SnowflakeError:
    """Return the error for a value, option or reference that does not fit."""
    return SnowflakeError(1008, "22023", f"SQL compilation error:\n{message}")


def unknown(what: str, known: Iterable[str]) -> SnowflakeError:
    """Return the refusal of what the emulator does not know; it names what is near."""
    near = difflib.get_close_matches(what, sorted(set(known)), n=3, cutoff=0.5)
    hint = f" Near are: {', '.join(near)}." if near else ""
    return SnowflakeError(
        2,
        "0A000",
        f"Unsupported feature '{what}'. The emulator does not know it, so it refuses it.{hint} "
        "Mend: docs/emulator.md lists what it knows",
    )
