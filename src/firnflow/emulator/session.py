"""A session: whose it is, what its names mean, and what it may do."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

from firnflow.emulator import dispatch, errors
from firnflow.emulator.catalog import full
from firnflow.emulator.engine.connection import Connection
from firnflow.emulator.kinds import KINDS
from firnflow.emulator.transactions import Transaction

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from firnflow.emulator.account import Account
    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.result import Result
    from firnflow.emulator.tasks.context import Context

_NUMBERS = itertools.count(1)


class Session:
    """What one client does, in order.

    Args:
        account: where.
        user: who.
        token: what the client shows with each request.

    Attributes:
        number: by which clients name it.
        role, warehouse, database, schema: the current ones, or None.
        secondary: whether the user's other roles count too.
        parameters: what ALTER SESSION has set.
        variables: what SET has set.
        transaction: what has begun and not ended.
        is_enclosed: whether that began outside of the procedure that runs.
        is_owners: whether a block with the rights of its owner runs.
        query_ids: of the statements so far.
        user_body: the user as the catalog has it.
        task: the task that runs in it, or None.
        is_serverless: whether it needs no warehouse.
        used_streams: those that the statement or the transaction uses, with the copy of the table that they move on to.
        changed: the tables whose rows it has changed.
    """

    def __init__(self, account: Account, user: Object, token: str) -> None:
        self.account, self.user, self.token, self.number = account, user.name, token, next(_NUMBERS)
        self.role = "PUBLIC"
        self.secondary = "ALL" in user.body.get("DEFAULT_SECONDARY_ROLES", ["ALL"])
        self.warehouse: str | None = None
        self.database: str | None = None
        self.schema: str | None = None
        self.parameters: dict[str, Any] = {}
        self.variables: dict[str, Any] = {}
        self.transaction = Transaction(self)
        self.is_enclosed = False
        self.is_owners = False
        self.query_ids: list[str] = []
        self.user_body = user.body
        self.task: Context | None = None
        self.is_serverless = False
        self.used_streams: dict[FullName, str] = {}
        self.changed: set[FullName] = set()
        self.engine = Connection(account.databases.connect())
        self._lock = threading.RLock()
        self._last = time.monotonic()
        self._is_closed = False

    def execute(self, text: str, binds: Sequence[Any] = (), *, describe: bool = False) -> Result:
        """Run one statement, after those that this session runs already.

        Args:
            text: the statement.
            binds: the values of its `?`.
            describe: only say which columns a query has.

        Raises:
            SnowflakeError: it failed.
        """
        with self._lock:
            try:
                return dispatch.describe(self, text, binds) if describe else dispatch.run(self, text, binds)
            finally:
                self._last = time.monotonic()

    def close(self) -> None:
        """End the session."""
        self._is_closed = True
        self.engine.interrupt()
        with self._lock:
            self.transaction.end("ROLLBACK")
            for thing in self.account.catalog.of_session(self.token):
                if thing.kind in ("FUNCTION", "PROCEDURE"):
                    self.account.catalog.drop(thing.kind, thing.path)
                else:
                    dispatch.run(self, f"DROP {thing.kind} IF EXISTS {full(thing.path)}", ())
            self.engine.close()

    def settle(self, *, done: bool) -> None:
        """Write down what a statement or a transaction leaves behind that has ended: `done` if it is committed."""
        from firnflow.emulator.objects import history, streams  # they read statements themselves

        streams.settle(self, done=done)
        history.settle(self, done=done)

    @contextlib.contextmanager
    def acting(self, role: str, where: Sequence[str | None]) -> Iterator[None]:
        """Run a block with the rights of its owner: what is the caller's does not count in there, and stays as it is.

        https://docs.snowflake.com/en/developer-guide/stored-procedure/stored-procedures-rights

        Args:
            role: the owner, whose rights alone it has.
            where: the database and schema that names without them mean.
        """
        before = self.role, self.secondary, self.database, self.schema, self.variables, self.is_owners
        self.role, self.secondary, self.variables, self.is_owners = role, False, {}, True
        self.database, self.schema = where[0], where[1]
        self.engine.use(self.database, self.schema)
        try:
            yield
        finally:
            self.role, self.secondary, self.database, self.schema, self.variables, self.is_owners = before
            self.engine.use(self.database, self.schema)

    @contextlib.contextmanager
    def scoped(self) -> Iterator[None]:
        """Run a procedure in the block: a transaction is either all of it in there, or all of it around that.

        https://docs.snowflake.com/en/sql-reference/transactions#stored-procedures-and-transactions

        Raises:
            SnowflakeError: what has begun in there has not ended; it is undone.
        """
        before, self.is_enclosed = self.is_enclosed, self.transaction.is_open
        try:
            yield
        finally:
            is_left = self.transaction.is_open and not self.is_enclosed
            self.is_enclosed = before
            if is_left:
                self.transaction.end("ROLLBACK")
        if is_left:
            raise errors.SnowflakeError(
                90232,
                "25000",
                "Stored procedure execution error: Scoped transaction started in stored procedure is incomplete and it "
                "was rolled back.",
            )

    @property
    def is_cancelled(self) -> bool:
        """Whether what it runs is to stop."""
        if self._is_closed or not self.query_ids:
            return self._is_closed
        return self.account.queries.get(self.query_ids[-1]).cancelled.is_set()

    def go_on(self) -> None:
        """Raise SnowflakeError if what it runs is to stop."""
        if self.is_cancelled:
            raise errors.SnowflakeError(604, "57014", "SQL execution canceled")

    def undo_if_idle(self, seconds: float) -> bool:
        """Undo what it has begun where it has done nothing for so long; return whether it was."""
        if time.monotonic() - self._last < seconds or not self._lock.acquire(blocking=False):
            return False
        try:
            self.transaction.undo(f"it was idle for {seconds:g} s, and another one waited for it")
        finally:
            self._lock.release()
        return True

    def own_roles(self) -> frozenset[str]:
        """Return the roles that the user can take."""
        return self.account.access.closure(self.account.access.granted("USER", self.user))

    @property
    def roles(self) -> frozenset[str]:
        """The roles whose privileges count now."""
        primary = self.account.access.closure([self.role])
        return primary | self.own_roles() if self.secondary else primary

    def path(self, kind: str, name: Sequence[str]) -> FullName:
        """Return the full name of an object, with the session's database and schema where it does not say them.

        Raises:
            SnowflakeError: the session has none, or the name has too many parts.
        """
        depth = KINDS[kind].depth
        if len(name) > depth:
            raise errors.syntax(".".join(name), 1, 0)
        given = [part or ("PUBLIC" if at == len(name) - 2 else "") for at, part in enumerate(name)]
        if depth == 3 and len(given) == 1:
            given = [self._current("schema", kind), *given]
        if depth >= 2 and len(given) == depth - 1:
            given = [self._current("database", kind), *given]
        return tuple(given)

    def _current(self, what: str, kind: str) -> str:
        found: str | None = getattr(self, what)
        if found is None:
            code = 90105 if what == "database" else 90106
            raise errors.SnowflakeError(
                code,
                "22000",
                f"Cannot perform operation on a {kind.lower()}. This session does not have a current {what}. "
                f"Call 'USE {what.upper()}', or use a qualified name.",
            )
        return found

    def find(self, kind: str, path: FullName) -> Object:
        """Return an object that the session may see.

        Raises:
            SnowflakeError: there is none, or the session may not see it.
        """
        found = self.account.catalog.get(kind, path)
        if found is None or not self.account.access.sees(self.roles, kind, path):
            raise errors.missing(kind, full(path))
        return found

    def need(self, kind: str, path: FullName, *privileges: str) -> Object:
        """Return an object on which the session has OWNERSHIP or one of the privileges.

        Raises:
            SnowflakeError: there is none, or it has not.
        """
        found = self.find(kind, path)
        if not self.account.access.holds(self.roles, privileges, kind, path):
            raise errors.denied(kind, path[-1])
        return found

    def find_or_manage(self, kind: str, name: str) -> Object:
        """Return a role or user that the session owns, or any if it has MANAGE GRANTS.

        Raises:
            SnowflakeError: there is none, or it may not.
        """
        found = self.account.catalog.get(kind, (name,))
        if found is None:
            raise errors.missing(kind, name)
        access = self.account.access
        if found.owner not in self.roles and not access.holds(self.roles, ("MANAGE GRANTS",), "ACCOUNT", ()):
            raise errors.denied(kind, name)
        return found

    def need_account(self, *privileges: str) -> None:
        """Raise SnowflakeError if the session has none of these privileges on the account."""
        if not self.account.access.holds(self.roles, privileges, "ACCOUNT", ()):
            raise errors.denied("account", "EMULATOR")

    def need_create(self, kind: str, path: FullName) -> None:
        """Raise SnowflakeError if the current role may not make an object of this kind there.

        Secondary roles do not count: https://docs.snowflake.com/en/sql-reference/sql/use-secondary-roles
        """
        roles = self.account.access.closure([self.role])
        described = KINDS[kind]
        if described.depth == 1:
            if not self.account.access.holds(roles, (described.create,), "ACCOUNT", ()):
                raise errors.denied("account", "EMULATOR")
            return
        container, above = ("SCHEMA", path[:2]) if described.depth == 3 else ("DATABASE", path[:1])
        self.find(container, above)
        if not self.account.access.holds(roles, (described.create,), container, above):
            raise errors.denied(container, above[-1])
