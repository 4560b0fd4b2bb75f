"""Being the only process that does a kind of work for a state database; the lock of a dead one is free at once."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import zlib
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Engine

_LOCK = 0x6669726F  # the first key of PostgreSQL's advisory locks of ours; the second one tells the work


_PACE = 0.1
"""Seconds between two looks whether a lock is free."""


@contextlib.contextmanager
def held(engine: Engine, work: str, patience: float) -> Iterator[bool]:
    """Wait for a lock, and hold it; give whether it was free within some seconds. Arguments as of `lock`."""
    until = time.monotonic() + patience
    with lock(engine, work) as take:
        while not (is_ours := take()) and time.monotonic() < until:
            time.sleep(_PACE)
        yield is_ours


@contextlib.contextmanager
def lock(engine: Engine, work: str) -> Iterator[Callable[[], bool]]:
    """Give a function that takes the lock and returns whether it did; the lock is free again at the end.

    Args:
        engine: the state database.
        work: a word for the work, fit for a file's name.
    """
    with contextlib.ExitStack() as stack:
        yield _MAKE[engine.dialect.name](engine, work, stack)


def _sqlite_lock(engine: Engine, work: str, stack: contextlib.ExitStack) -> Callable[[], bool]:
    """Return a function that takes the lock: on a file beside the database, which the system frees for the dead."""
    handle = os.open(f"{engine.url.database}-{work}", os.O_RDWR | os.O_CREAT, 0o600)
    stack.callback(os.close, handle)

    def take() -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    return take


def _postgres_lock(engine: Engine, work: str, stack: contextlib.ExitStack) -> Callable[[], bool]:
    """Return a function that takes the lock: of a connection's session, which the server frees for the dead."""
    connection = stack.enter_context(engine.connect().execution_options(isolation_level="AUTOCOMMIT"))
    keys = (sa.literal(_LOCK, sa.Integer), sa.literal(zlib.crc32(work.encode()) >> 1, sa.Integer))
    stack.callback(lambda: connection.execute(sa.select(sa.func.pg_advisory_unlock(*keys))))
    return lambda: bool(connection.execute(sa.select(sa.func.pg_try_advisory_lock(*keys))).scalar())


def _account_lock(engine: Engine, work: str, stack: contextlib.ExitStack) -> Callable[[], bool]:
    """Return a function that takes the lock: a row of Snowflake's that says who has it."""
    from firnflow.stores.state.snowflake.lease import Lease

    lease = Lease(engine, f"work:{work}")
    stack.callback(lease.give_back)
    return lease.take


_MAKE = {"sqlite": _sqlite_lock, "postgresql": _postgres_lock, "snowflake": _account_lock}
