"""SQLAlchemy's dialect of Snowflake, for hybrid tables, with as few statements as there can be: each takes a while.

A session is opened with AUTOCOMMIT off: the first statement begins a transaction, so that none is needed for it, and
one that has only read is not ended. In a procedure AUTOCOMMIT stays as it is, and what changes something is begun.
https://docs.snowflake.com/en/sql-reference/transactions#implicit-transactions
"""

from __future__ import annotations

import contextlib
from enum import Enum
from typing import TYPE_CHECKING, Any

from snowflake.sqlalchemy.base import SnowflakeCompiler
from snowflake.sqlalchemy.snowdialect import SnowflakeDialect

from firnflow.stores.snowflake.procedure import View
from firnflow.stores.snowflake.session import is_cut

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCKED = 600
"""Seconds for which locked rows are waited for: a transaction whose process was killed is undone after five minutes.

https://docs.snowflake.com/en/sql-reference/transactions#aborting-transactions
"""
_CHANGES = "_firnflow_changes"


class _Compiler(SnowflakeCompiler):  # type: ignore[misc] # its library has no types
    def for_update_clause(self, select: Any, **_: Any) -> str:  # noqa: ARG002 - SQLAlchemy's signature
        return f" FOR UPDATE WAIT {LOCKED}"  # without WAIT it does not wait


class StateDialect(SnowflakeDialect):  # type: ignore[misc] # likewise
    """Snowflake's dialect; it asks nothing when it connects, and ends only transactions that have changed something."""

    statement_compiler = _Compiler
    supports_statement_cache = False
    insert_returning = False

    @classmethod
    def import_dbapi(cls) -> Any:
        """Return the connector."""
        from snowflake import connector

        return connector

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "isolation_level": None})  # else it is set by a statement: there is only one

    def initialize(self, connection: Any) -> None:  # noqa: ARG002 - SQLAlchemy's signature
        """Ask nothing of the server."""
        self.server_version_info = self.default_schema_name = None

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        """Send a statement, and note whether it changes or locks something."""
        _note(cursor, statement)
        with _told():
            super().do_execute(cursor, statement, _plain(parameters), context)

    def do_executemany(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        """Send a statement with many rows at once, likewise."""
        _note(cursor, statement)
        with _told():
            super().do_executemany(cursor, statement, [_plain(row) for row in parameters], context)

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit what was changed, if anything was."""
        if _has_changes(dbapi_connection):
            with _told():
                dbapi_connection.commit()

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Undo what was changed, if anything was."""
        if _has_changes(dbapi_connection):
            with _told():
                dbapi_connection.rollback()

    def is_disconnect(self, error: Any, connection: Any, cursor: Any) -> bool:  # noqa: ARG002 - SQLAlchemy's signature
        """Return whether the way to Snowflake is what failed."""
        return is_cut(error)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Raise as the connector's what it lets through of the network's errors, for SQLAlchemy to see that it was cut."""
    from snowflake.connector.errors import OperationalError

    try:
        yield
    except OSError as error:
        raise OperationalError(msg=f"the connection was cut: {error}") from error


def _note(cursor: Any, statement: str) -> None:
    if not statement.lstrip().startswith("SELECT") or statement.endswith(f"WAIT {LOCKED}"):
        connection = cursor.connection
        if isinstance(connection, View) and not getattr(connection, _CHANGES, False):
            connection.begin()
        setattr(connection, _CHANGES, True)


def _has_changes(connection: Any) -> bool:
    """Return whether a transaction has something to end, which it then is; the pool's connections stand for others."""
    own = getattr(connection, "dbapi_connection", connection)
    found = bool(getattr(own, _CHANGES, False))
    setattr(own, _CHANGES, False)
    return found


def _plain(row: Any) -> tuple[Any, ...]:
    """Return values without the kinds that the connector does not know."""
    return tuple(value.value if isinstance(value, Enum) else value for value in row or ())
