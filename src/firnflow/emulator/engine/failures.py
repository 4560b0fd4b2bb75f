"""Errors of DuckDB and fakesnow in Snowflake's words, as far as a client can tell them apart."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from firnflow.emulator.errors import SnowflakeError

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORDS = (
    (
        r"(?:Table|View|Table or View) with name (\S+) does not exist",
        2003,
        "42S02",
        "Object '{}' does not exist or not authorized.",
    ),
    (r'Catalog "([^"]+)" does not exist', 2003, "02000", "Database '{}' does not exist or not authorized."),
    (r"Scalar Function with name (\S+) does not exist", 2140, "42601", "Unknown function {}"),
    (r"(?:Table )?Function with name (\S+) does not exist", 2140, "42601", "Unknown function {}"),
    (r'Referenced column "([^"]+)" (?:was )?not found', 904, "42000", "invalid identifier '{}'"),
    (r'does not have a column named "([^"]+)"', 904, "42000", "invalid identifier '{}'"),
    (r'(?:Table|View) with name "([^"]+)" already exists', 2002, "42710", "Object '{}' already exists."),
    (
        r"Could not convert string '(.*)' to (?:INT|BIGINT|DECIMAL|DOUBLE)",
        100038,
        "22018",
        "Numeric value '{}' is not recognized",
    ),
    (
        r"(?:[Dd]uplicate key .*|PRIMARY KEY or UNIQUE) (?:violates (?:primary key|unique) )?constraint()",
        200001,
        "22000",
        "A primary key already exists, or a duplicate key value violates a unique constraint.{}",
    ),
    (
        r"(No space left on device|File too large)",
        100183,
        "53100",
        "{}: the disk that holds the account is full, and the statement has changed nothing. Mend: make room",
    ),
    (
        r"Invalid Input Error: String '(.*)' is too long",
        100078,
        "22000",
        "String '{}' is too long and would be truncated",
    ),
    (r"Invalid Input Error: Division by zero()", 100051, "22012", "Division by zero{}"),
    (r"NOT NULL constraint failed: \S+?\.(\S+)", 100072, "22000", "NULL result in a non-nullable column: {}"),
)
"""What DuckDB says, and the code, state and message that Snowflake has for it."""

_OF_DATA = 100_000
"""From here on the numbers are of what fails while a statement runs."""
HANDLER = "Python Interpreter Error:"
"""How an error in a handler of somebody's begins, which is told as a whole."""


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise what fails in the block as Snowflake does.

    Raises:
        SnowflakeError: it failed.
    """
    import duckdb
    from snowflake.connector.errors import Error

    try:
        yield
    except SnowflakeError:
        raise
    except duckdb.InterruptException:
        raise SnowflakeError(604, "57014", "SQL execution canceled") from None
    except Error as error:
        raise _known(str(error.msg), error.errno or 1003, error.sqlstate or "42000") from error
    except duckdb.Error as error:
        if HANDLER in str(error):
            said = str(error)[str(error).index(HANDLER) :].partition("\n\nAt:\n")[0]  # DuckDB adds where it called
            raise SnowflakeError(100357, "P0000", said) from error
        raise _known(str(error).split("\n", maxsplit=1)[0], 100183, "P0000") from error
    except (NotImplementedError, AssertionError, ValueError, TypeError, KeyError, AttributeError) as error:
        said = str(error) or type(error).__name__
        raise SnowflakeError(
            2, "0A000", f"Unsupported feature. The emulator's engine cannot run this statement: {said[:500]}"
        ) from error


def _known(message: str, code: int, state: str) -> SnowflakeError:
    for pattern, its_code, its_state, text in _WORDS:
        found = re.search(pattern, message)
        if found:
            head = "SQL compilation error:\n" if its_code < _OF_DATA else ""
            return SnowflakeError(its_code, its_state, head + text.format(found[1]))
    return SnowflakeError(code if code > 0 else 1003, state, message)
