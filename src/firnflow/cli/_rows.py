"""Rows of a table, for the terminal and as JSON."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import typer

from firnflow.cli._print import print_table
from firnflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import ibis


@contextlib.contextmanager
def computing() -> Iterator[None]:
    """Say what is wrong with rows that cannot be computed, or for which Python has no values. Raises UsageError."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise UsageError(f"The query cannot be run: {error}") from error
    except (ArithmeticError, ImportError, LookupError, NotImplementedError, RecursionError, ValueError) as error:
        raise UsageError(
            f"The answer cannot be shown: {type(error).__name__}: {error}. "
            "Mend: cast what it has to a text, and name each column (AS name)"
        ) from error


def print_rows(table: ibis.Table, most: int, hide: Callable[[str], str] = str) -> None:
    """Print the first rows of a table on stdout, at most so many; on stderr that there are more.

    Args:
        table: computed here.
        most: how many rows.
        hide: removes secrets from a text.
    """
    found = table.limit(most + 1).to_pyarrow()
    rows = [[hide(_text(value)) for value in row.values()] for row in found.slice(0, most).to_pylist()]
    print_table(found.column_names, rows)
    if found.num_rows > most:
        typer.echo(f"… more rows: --limit N shows more than {most}", err=True)


def plain_rows(table: ibis.Table) -> list[dict[str, Any]]:
    """Return the rows as JSON has them: dates and decimals as texts."""
    return [_plain(row) for row in table.to_pyarrow().to_pylist()]


def _text(value: Any) -> str:
    return "NULL" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
