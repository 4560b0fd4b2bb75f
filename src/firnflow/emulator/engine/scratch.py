"""What lives as long as one statement: answers of functions and files of stages as relations, and users' functions."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from firnflow._sql import identifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.emulator.engine.connection import Connection

_NUMBERS = itertools.count()


class Scratch:
    """What a session's statement reads beside the databases.

    Args:
        connection: of the session.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._made: list[str] = []
        self._functions: list[str] = []
        self._ended: list[Callable[[], None]] = []

    def ends(self, ended: Callable[[], None]) -> None:
        """Have something called when the statement has ended."""
        self._ended.append(ended)

    def function(self, call: Callable[..., Any], kinds: list[str], result: str) -> str:
        """Let the statement call a function; return its name.

        Args:
            call: gets a column for each argument, as Arrow, and returns one.
            kinds: DuckDB's types of the arguments.
            result: of the result.
        """
        name = f"__function_{next(_NUMBERS)}"
        self._connection.add_function(name, call, kinds, result)
        self._functions.append(name)
        return name

    def table(self, table: Any) -> Any:
        """Return a node that stands for the rows of an Arrow table."""
        name = self._name()
        self._connection.register(name, table)
        return _node(name)

    def view(self, query: str) -> Any:
        """Return a node that stands for a query of DuckDB's."""
        name = self._name()
        self._connection.raw(f"CREATE TEMP VIEW {identifier(name)} AS {query}")
        return _node(name)

    def _name(self) -> str:
        name = f"__scratch_{next(_NUMBERS)}"
        self._made.append(name)
        return name

    def clear(self) -> None:
        """Forget all of it."""
        while self._ended:
            self._ended.pop()()
        while self._functions:
            self._connection.remove_function(self._functions.pop())
        while self._made:
            self._connection.raw(f"DROP VIEW IF EXISTS temp.main.{identifier(self._made.pop())}")


def _node(name: str) -> Any:
    from sqlglot import exp

    return exp.table_(exp.to_identifier(name, quoted=True), db="main", catalog="temp")


def is_scratch(table: Any) -> bool:
    """Return whether a table of a tree is one of these."""
    return str(table.name).startswith("__scratch_") and str(table.catalog) == "temp"
