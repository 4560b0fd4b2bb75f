"""Being the only process that does a kind of work, for a state in Snowflake: by a row that says who, and until when.

Locks there end with the transaction, and those of a process that was killed are held for minutes, so that a process
says again and again that it is there. One that is seen to be dead, on this machine, holds nothing.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from typing import TYPE_CHECKING

import sqlalchemy as sa

from firnflow.errors import StateError
from firnflow.stores.state.owner import is_alive, this_process
from firnflow.stores.state.snowflake import tables
from firnflow.stores.state.transaction import transact

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

LEASE = 60.0
"""Seconds after which another machine may take what a process holds that has not said that it is there."""
_lock = tables.lock


class Lease:
    """What at most one process holds at a time.

    Args:
        engine: the state database.
        name: of what is held.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine, self._name = engine, name
        self._owner = f"{this_process()}#{secrets.token_hex(4)}"  # two of one process are two
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease {name}", daemon=True)

    def take(self) -> bool:
        """Take it; return False where another one holds it. Raises StateError."""

        def work(connection: Connection) -> bool:
            tables.hold(connection, self._name)
            row = connection.execute(sa.select(_lock).where(_lock.c.name == self._name)).one()
            if row.owner not in {"", self._owner} and _holds(row.owner, row.until):
                return False
            connection.execute(_lock.update().where(_lock.c.name == self._name).values(self._mine()))
            return True

        taken = transact(self._engine, work)
        if taken and not self._thread.is_alive():
            self._thread.start()
        return taken

    def give_back(self) -> None:
        """Let another one take it."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()
        self._write({"owner": "", "until": 0.0})

    def _renew(self) -> None:
        while not self._ends.wait(LEASE / 4):
            with contextlib.suppress(StateError):  # the next time, or another one takes it
                self._write(self._mine())

    def _write(self, values: dict[str, str | float]) -> None:
        mine = (_lock.c.name == self._name, _lock.c.owner == self._owner)
        transact(self._engine, lambda connection: connection.execute(_lock.update().where(*mine).values(values)))

    def _mine(self) -> dict[str, str | float]:
        return {"owner": self._owner, "until": time.time() + LEASE}


def _holds(owner: str, until: float) -> bool:
    """Whether the one who is written down is, or may be, at work."""
    alive = is_alive(owner.partition("#")[0])
    return alive if alive is not None else until > time.time()
