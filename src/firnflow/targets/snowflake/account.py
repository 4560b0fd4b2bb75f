"""What an account is asked and told. Each statement that changes something is one of the grammar, and was checked."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firnflow.errors import StoreError
from firnflow.stores.snowflake.session import MISSING, Session, is_cut
from firnflow.targets.snowflake.grammar import parse, render
from firnflow.targets.snowflake.grammar.statements import ListFiles, Put, Show
from firnflow.targets.snowflake.grammar.values import Location, Property, Uri

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from firnflow.targets.snowflake.grammar.statements import Statement
    from firnflow.targets.snowflake.grammar.values import Name

AT_ONCE = 16
"""Statements that are under way at once, by one connection: each waits some 100 ms for its answer."""


class Account:
    """An account, by one connection that is opened when it is needed and opened again where it was cut.

    Args:
        connect: opens a connection.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._session = Session(connect)

    def do(self, statement: Statement) -> list[dict[str, Any]]:
        """Send a statement, and return its rows: column, in small letters → value.

        Raises:
            StoreError: Snowflake refuses it, or cannot be reached.
        """
        return self._send(_text(statement))

    def once(self, statement: Statement) -> list[dict[str, Any]]:
        """Send a statement that must not be done twice. Raises as `do`, and CutError where it may have been done."""
        return self._session.once(_text(statement))

    def show(self, what: str, scope: Name | None = None, *, like: str | None = None, starts: str | None = None) -> Any:
        """Return the rows of SHOW; none where what it is asked of is not there.

        Args:
            what: the plural of a kind.
            scope: the schema.
            like: a pattern, in which `_` and `%` stand for anything.
            starts: how names begin.
        """
        of = ("IN SCHEMA", scope) if scope is not None else None
        return self.looked(Show(what, like, of, starts))

    def files(self, place: Location) -> dict[str, str]:
        """Return path → when it was written, of the files of a place; none where the stage is not there."""
        return {str(row["name"]): str(row.get("last_modified")) for row in self.looked(ListFiles(place))}

    def upload(self, name: str, data: bytes, place: Location) -> None:
        """Write a file into a place of a stage as it is: not compressed, over what is there."""
        with tempfile.TemporaryDirectory(prefix="firnflow-") as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            options = (Property("AUTO_COMPRESS", value=False), Property("OVERWRITE", value=True))
            self.do(Put(Uri(f"file://{path}"), place, options))

    def looked(self, statement: Statement) -> list[dict[str, Any]]:
        """Send a statement that only looks; nothing is found of what is not there."""
        try:
            return self.do(statement)
        except StoreError as error:
            if getattr(error.__cause__, "errno", None) in MISSING:
                return []
            raise

    def looked_at_once(self, statements: Sequence[Statement]) -> list[list[dict[str, Any]]]:
        """Send statements that only look, several at once where they are many, and return the rows of each."""
        if len(statements) < AT_ONCE:
            return [self.looked(each) for each in statements]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(self.looked, statements))

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a query, of names and texts that were quoted: column, in small letters → value."""
        return self._send(sql)

    def one(self, sql: str) -> Any:
        """Return the first value of a query."""
        return next(iter(self.query(sql)[0].values()))

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _send(self, text: str) -> list[dict[str, Any]]:
        """Send a text; where the connection was cut, again by a new one: every statement may be done twice."""
        return self._session.send(text)


def _text(statement: Statement) -> str:
    """Return a statement as it is sent: read again it is the same one."""
    text = render(statement)
    if parse(text) != statement:
        raise AssertionError(f"not what was meant: {text}")
    return text


def is_passing(error: Exception) -> bool:
    """Whether an error is of the network, and the same call may well succeed a little later."""
    return isinstance(error.__cause__, Exception) and is_cut(error.__cause__)
