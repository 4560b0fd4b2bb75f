"""Transactions, and the locks that they hold until they end.

A statement sees what was committed before it began, and waits for what another transaction has changed:
https://docs.snowflake.com/en/sql-reference/transactions#isolation-level and #resource-locking. DuckDB beneath does
neither: a transaction of its sees what was committed when that began, and what two change is an error. So here a change
first waits for its lock, and only with the first change DuckDB's transaction begins: it sees all that was committed
until then, and nobody else changes what is locked. Locks are coarser than Snowflake's: of whole tables, where there
rows of hybrid tables are locked, and of all hybrid tables of a schema, as a transaction that changes several of them
has to see each as it is.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from firnflow.emulator.errors import SnowflakeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from firnflow.emulator.session import Session

Resource = tuple[str, ...]
"""A table by its full name, or the hybrid tables of a schema by the schema's."""
IDLE = 300.0
"""Seconds after which a transaction that others wait for, and whose session does nothing, is undone."""
PATIENCE = {True: ("HYBRID_TABLE_LOCK_TIMEOUT", 3600.0), False: ("LOCK_TIMEOUT", 43_200.0)}
"""Whether tables are hybrid → the parameter that says how many seconds to wait, and its default."""
_LOOK = 0.05


class Locks:
    """Who holds what in an account.

    Args:
        idle: see `IDLE`.
    """

    def __init__(self, idle: float = IDLE) -> None:
        self._idle = idle
        self._held: dict[Resource, Session] = {}
        self._awaited: dict[Session, Resource] = {}
        self._changed = threading.Condition()

    def take(self, session: Session, resource: Resource, patience: float) -> None:
        """Take a lock, once nobody else holds it.

        Raises:
            SnowflakeError: it is held for too long, by one that waits for this session, or the statement is cancelled.
        """
        until = time.monotonic() + patience
        with self._changed:
            try:
                while (holder := self._held.get(resource, session)) is not session:
                    self._awaited[session] = resource
                    self._check(session, holder, until)
                    self._changed.wait(_LOOK)
                    self._undo_if_idle(holder)
            finally:
                self._awaited.pop(session, None)
            self._held[resource] = session

    def release(self, session: Session) -> None:
        """Release what a session holds."""
        with self._changed:
            self._held = {resource: holder for resource, holder in self._held.items() if holder is not session}
            self._changed.notify_all()

    def _check(self, session: Session, holder: Session, until: float) -> None:
        """Raise SnowflakeError where waiting makes no sense any more."""
        at: Session | None = holder
        while at is not None and at is not session:
            at = self._held.get(self._awaited[at]) if at in self._awaited else None
        if at is session:
            raise SnowflakeError(
                626, "57014", "The statement was aborted: it and another one wait for each other (deadlock)."
            )
        if session.is_cancelled:
            raise SnowflakeError(604, "57014", "SQL execution canceled")
        if time.monotonic() >= until:
            raise SnowflakeError(
                625,
                "57014",
                f"Statement of session {holder.number} has locked {'.'.join(self._awaited[session])} in transaction "
                f"{holder.token[:8]} and this lock has not yet been released. The statement was aborted: lock timeout.",
            )

    def _undo_if_idle(self, holder: Session) -> None:
        """Undo the transaction of a session that does nothing, as its client may be gone.

        https://docs.snowflake.com/en/sql-reference/transactions#aborting-transactions
        """
        if holder.undo_if_idle(self._idle):
            self._held = {resource: other for resource, other in self._held.items() if other is not holder}


class Transaction:
    """What a session has begun and not ended.

    Args:
        session: whose.

    Attributes:
        is_open: whether one has begun.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.is_open = False
        self._changes = False
        self._failed = ""

    def begin(self) -> None:
        """Begin one, unless one has begun."""
        self.is_open = True

    @contextlib.contextmanager
    def whole(self) -> Iterator[None]:
        """Make several statements one: of those in here all take place, or none.

        Raises:
            SnowflakeError: as `end`.
        """
        own = not self.is_open
        self.begin()
        try:
            yield
        except BaseException:
            if own:
                self.end("ROLLBACK")
            raise
        if own:
            self.end("COMMIT")

    def change(self, resources: Sequence[Resource], *, hybrid: bool, patience: float | None = None) -> None:
        """Get ready for a change, or for rows that are to be locked: wait for the locks.

        Args:
            resources: what is to be locked.
            hybrid: whether these are hybrid tables.
            patience: seconds; None: what the session's parameters say.

        Raises:
            SnowflakeError: as `Locks.take`.
        """
        parameter, default = PATIENCE[hybrid]
        seconds = float(self._session.parameters.get(parameter, default)) if patience is None else patience
        if not self._session.parameters.get("AUTOCOMMIT", True):
            self.is_open = True
        for resource in resources:
            self._session.account.locks.take(self._session, resource, seconds)
        if self.is_open and not self._changes:
            self._session.engine.raw("BEGIN")
            self._changes = True

    @contextlib.contextmanager
    def alone_with(self, resource: Resource) -> Iterator[None]:
        """Keep all others from a table for as long as a statement runs that is no part of a transaction.

        Raises:
            SnowflakeError: as `Locks.take`.
        """
        locks = self._session.account.locks
        locks.take(self._session, resource, PATIENCE[False][1])
        try:
            yield
        finally:
            locks.release(self._session)

    def settled(self) -> None:
        """Release what a statement has locked that is no part of a transaction."""
        if not self.is_open:
            self._session.account.locks.release(self._session)

    def end(self, word: str) -> None:
        """End it, by COMMIT or ROLLBACK.

        Raises:
            SnowflakeError: it cannot be committed, as a statement in it has failed.
        """
        failed, self._failed = self._failed, ""
        is_done = False
        try:
            if self._changes:
                self._session.engine.raw(word if not failed else "ROLLBACK")
            is_done = word == "COMMIT" and not failed
        finally:
            self.is_open = self._changes = False
            self._session.settle(done=is_done)
            self._session.account.locks.release(self._session)
        if failed and word == "COMMIT":
            raise SnowflakeError(100183, "P0000", f"The emulator has undone the transaction: {failed}")

    def check(self) -> None:
        """Raise SnowflakeError where a statement in the transaction has failed."""
        if self._failed:
            raise SnowflakeError(
                100183, "P0000", f"The emulator has undone the transaction: {self._failed}. Mend: ROLLBACK"
            )

    def undo(self, why: str) -> None:
        """Undo it although its session has not asked for it; whoever goes on with it is told."""
        if self._changes:
            self._session.engine.raw("ROLLBACK")
            self._changes, self._failed = False, why
            self._session.settle(done=False)
