"""Transactions that outlast a database which goes away for a moment (a restart, a fail-over, a cut connection)."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from firnflow.errors import StateError
from firnflow.stores.state.records import DAMAGED, is_damage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection, Engine

T = TypeVar("T")
PATIENCE = 120.0
"""Seconds for which a lost database is asked again."""
_PAUSES = (0.1, 0.5, 2.0)
"""Seconds before something is read again by a new connection."""
_AGAIN = 4
"""How often a transaction in Snowflake is begun that meets a key which is there."""


def transact(engine: Engine, work: Callable[[Connection], T], *, patience: float = PATIENCE) -> T:
    """Run `work` in one transaction; if the connection is lost, run it again in a new one.

    Where the connection is lost while it commits nobody knows whether it did: `work` must give the same result, and
    change nothing more, when it finds its own traces.

    Raises:
        StateError: the database has not come back.
    """
    until = time.monotonic() + patience
    pause, again = 0.05, _AGAIN
    while True:
        try:
            with engine.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            if isinstance(error, IntegrityError):
                again -= 1
                if not again or engine.dialect.name != "snowflake":
                    raise
                continue  # another one has written the row since `add` has looked: now it is seen
            if not _is_lost(error, engine):
                raise unusable(error) from error
            if time.monotonic() > until:
                raise StateError(f"the state database has been away for {patience:g} s: {error.orig}") from error
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise StateError(DAMAGED.format(error)) from error
        time.sleep(pause)
        pause = min(2 * pause, 2.0)


def add(connection: Connection, table: Table, row: dict[str, Any], key: Sequence[str] = ()) -> bool:
    """Write a row, unless there is one of its key; return whether it was written.

    Args:
        connection: of the transaction.
        table: where.
        row: column → value.
        key: the columns of a unique key; default: of the primary one.
    """
    names = list(key) or [column.name for column in table.primary_key]
    if connection.dialect.name == "snowflake":  # which has no ON CONFLICT; see `transact` for two at once
        there = sa.exists().where(*(table.c[name] == row[name] for name in names))
        values = sa.select(*(sa.literal(value, table.c[name].type) for name, value in row.items())).where(~there)
        statement = table.insert().from_select(list(row), values, include_defaults=False)
    else:
        statement = _insert(connection, table).values(row).on_conflict_do_nothing(index_elements=names)
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount > 0


def put(connection: Connection, table: Table, row: dict[str, Any], changed: dict[str, Any]) -> None:
    """Write a row, or change the one of its primary key.

    Args:
        connection: of the transaction.
        table: where.
        row: column → value.
        changed: what of the row that is there becomes another.
    """
    if not add(connection, table, row):
        mine = (column == row[column.name] for column in table.primary_key)
        connection.execute(table.update().where(*mine).values(changed))


def _insert(connection: Connection, table: Table) -> Any:
    """Return an INSERT that can say what to do on a conflict. Only the dialect of this database is loaded."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)


class Reads(Protocol):
    """What reads: a connection, or a `Reader`."""

    def execute(self, query: sa.Executable, /) -> sa.Result[Any]:
        """Return the answer to a query. Raises DBAPIError."""


class Reader:
    """A connection for reading: a statement whose answer is cut is sent again by a new connection.

    Args:
        connection: of the engine.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(self, query: sa.Executable, /) -> sa.Result[Any]:
        """Return the answer to a query, which has all come. Raises DBAPIError."""
        for pause in _PAUSES:
            try:
                return self._answer(query)
            except DBAPIError as error:
                if not _is_lost(error, self._connection.engine):
                    raise
            self._connection.rollback()  # so that SQLAlchemy opens another one
            time.sleep(pause)
        return self._answer(query)

    def _answer(self, query: sa.Executable) -> sa.Result[Any]:
        return self._connection.execute(query).freeze()()


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Reads]:
    """Give what reads: it waits for nobody who writes. Raises StateError where the state cannot be read."""
    try:
        with engine.execution_options(reads=True).connect() as connection:
            yield connection if engine.dialect.name == "sqlite" else Reader(connection)
    except DBAPIError as error:
        raise unusable(error) from error
    except ValueError as error:  # JSON that is none
        raise StateError(DAMAGED.format(error)) from error


def unusable(error: DBAPIError) -> StateError:
    """Return what to say of a database that answers, but not as it should: damaged, full, read-only."""
    said = str(error.orig).strip().partition("\n")[0]
    if is_damage(said):
        return StateError(DAMAGED.format(said))
    return StateError(f"the state database cannot be used: {said}. See: firnflow doctor")


def _is_lost(error: DBAPIError, engine: Engine) -> bool:
    """Whether the server, not the statement, is what failed."""
    if engine.dialect.name == "sqlite":
        return False
    if engine.dialect.name == "snowflake":
        return error.connection_invalidated
    state = getattr(error.orig, "sqlstate", None)
    # class 08: connection; 57P01 to 57P03: the server shuts down or starts; no state: it cannot be reached at all
    return error.connection_invalidated or state is None or state[:2] == "08" or state in {"57P01", "57P02", "57P03"}
