"""One connection of a process to each place in an account, opened when it is needed and again where it was cut."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from firnflow._disk import DISK_FULL
from firnflow.errors import StoreError
from firnflow.project.account_url import read_account_url
from firnflow.stores.snowflake.connection import connect_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_T = TypeVar("_T")
PAUSES = (0.5, 2.0, 8.0)
"""Seconds before a statement is sent again by a new connection; the connector itself has waited before."""
MISSING = (2003, 2043)
"""What is not there, or may not be seen. https://docs.snowflake.com/en/user-guide/querying-troubleshooting ."""
NO_FILE = 253006
"""What the connector says of a file that is not there, as if it had been cut from it."""
_ENDED = (390104, *range(390110, 390116), 390400)
"""The session, or its token, has ended, so that nothing was done. The last one answers a token that is no token any
more; https://github.com/snowflakedb/snowflake-connector-python has the codes, in network.py."""


class CutError(StoreError):
    """The connection was cut while a statement was under way: nobody knows whether it was done."""


class Session:
    """Statements by one connection. What `send` sends may be sent twice, so it must do the same when it is.

    Args:
        connect: opens a connection.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._connection: Any = None
        self._lock = threading.Lock()

    def send(self, text: str) -> list[dict[str, Any]]:
        """Send a statement, and return its rows: column, in small letters → value.

        Raises:
            StoreError: Snowflake refuses it, or cannot be reached.
        """
        return self._patiently(_execute, text)

    def described(self, query: str) -> list[Any]:
        """Return the columns of a query, which is not run, as the connector tells them. Raises as `send`."""
        return self._patiently(_describe, query)

    def once(self, text: str) -> list[dict[str, Any]]:
        """Send a statement that must not be done twice. Raises as `send`, and CutError where it may have been done."""
        return self._once(_execute, text)

    def _patiently(self, act: Callable[[Any, str], _T], text: str) -> _T:
        for pause in PAUSES:
            try:
                return self._once(act, text)
            except CutError:
                time.sleep(pause)
        return self._once(act, text)

    def _once(self, act: Callable[[Any, str], _T], text: str) -> _T:
        try:
            return self._tried(act, text)
        except CutError as error:
            if getattr(error.__cause__, "errno", None) not in _ENDED:
                raise
            return self._tried(act, text)

    def _tried(self, act: Callable[[Any, str], _T], text: str) -> _T:
        with self.asking(text) as connection, connection.cursor() as cursor:
            return act(cursor, text)

    @contextlib.contextmanager
    def asking(self, text: str) -> Iterator[Any]:
        """Give the connection for a statement, whose errors are told as ours; one that was cut is not used again.

        Raises:
            CutError: the connection was cut, or the session has ended.
            StoreError: Snowflake refuses the statement.
        """
        from snowflake.connector import errors

        connection = self._opened()
        try:
            yield connection
        except (errors.Error, OSError) as error:
            if getattr(error, "errno", None) in DISK_FULL:
                raise
            if not is_cut(error):
                raise StoreError(f"Snowflake refuses: {said(error)}\n  {text[:300]}") from error
            self._drop(connection)
            raise CutError(f"Snowflake cannot be reached: {said(error)}. Mend: the same command goes on") from error

    def looked(self, text: str) -> Sequence[dict[str, Any]]:
        """Send a statement that only looks; nothing is found of what is not there. Raises as `send`."""
        try:
            return self.send(text)
        except StoreError as error:
            if getattr(error.__cause__, "errno", None) in MISSING:
                return []
            raise

    @property
    def connection(self) -> Any:
        """The connection, for Snowflake's clients that want one. Raises as `connect`."""
        return self._opened()

    def close(self) -> None:
        """Close the connection; the next statement opens another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):  # one that was cut
                connection.close()

    def _opened(self) -> Any:
        with self._lock:
            if self._connection is None:
                self._connection = self._connect()
            return self._connection

    def _drop(self, connection: Any) -> None:
        with self._lock:
            if self._connection is connection:
                self._connection = None


def _execute(cursor: Any, text: str) -> list[dict[str, Any]]:
    cursor.execute(text)
    names = [each.name.lower() for each in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []


def _describe(cursor: Any, query: str) -> list[Any]:
    return list(cursor.describe(query))


def session_at(url: str) -> Session:
    """Return this process's session in the schema of a URL: a fork has one of its own."""
    server, database, schema, *_ = url.partition("://")[2].split("/")
    return _session(os.getpid(), f"snowflake://{server}/{database}/{schema}")


@functools.cache
def _session(pid: int, url: str) -> Session:  # noqa: ARG001 - tells a fork's from its parent's
    return Session(lambda: connect_to(read_account_url(url)[0], url)[0])


def is_cut(error: Exception) -> bool:
    """Return whether the way to Snowflake, or the session there, is what failed; the statement may have been done."""
    from snowflake.connector import errors

    code = getattr(error, "errno", None)
    if isinstance(error, errors.OperationalError | errors.InterfaceError | OSError):
        return code != NO_FILE
    return code in _ENDED


def said(error: BaseException) -> str:
    """Return what an error of the connector says, in one line and without ids of queries."""
    text = getattr(error, "raw_msg", None) or getattr(error, "msg", None) or error
    return " ".join(str(text).split()).rstrip(".")
