"""What a task does, with the rights of the role that owns it.

https://docs.snowflake.com/en/user-guide/tasks-intro#task-security: without EXECUTE TASK a role's tasks do not run. They
are run by the user SYSTEM.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.objects.use import use
from firnflow.emulator.programs import scripting

if TYPE_CHECKING:
    from firnflow.emulator.account import Account
    from firnflow.emulator.queries import Query
    from firnflow.emulator.session import Session
    from firnflow.emulator.tasks.context import Context

_SESSION_PARAMETERS = ("AUTOCOMMIT", "TIMEZONE", "QUERY_TAG")


class Body:
    """A run of what one task does.

    Args:
        account: where.
        task: the task as the run has it.
        context: what its session is to know.

    Attributes:
        query_id: of the statement, once it has begun.
        is_cancelled: whether it was stopped because somebody has cancelled the run, or its statement.
    """

    def __init__(self, account: Account, task: dict[str, Any], context: Context) -> None:
        self._account, self._task, self._context = account, task, context
        self._query: Query | None = None
        self._why: str | None = None
        self._stopped = threading.Event()
        self.query_id: str | None = None

    @property
    def is_cancelled(self) -> bool:
        """Whether the run, or the statement, was cancelled while this ran."""
        if self._stopped.is_set():
            return self._why is None
        return self._query is not None and self._query.cancelled.is_set()

    def stop(self, why: str | None) -> None:
        """Stop it; None: because its run was cancelled."""
        if not self._stopped.is_set():
            self._why = why
            self._stopped.set()
        if self._query is not None:
            self._query.cancel()

    def run(self) -> bool:
        """Run it; return whether WHEN let it.

        Raises:
            SnowflakeError: it has failed, was stopped, or the role may not.
        """
        session = self._account.session_as(self._task["owner"], self._context)
        try:
            self._place(session)
            condition = self._task["body"].get("WHEN")
            if condition and not self._ask(session, condition):
                return False
            self._statement(session, self._task["body"]["AS"], lambda text: scripting.run(session, text))
        finally:
            self._account.logout(session.token)
        return True

    def _place(self, session: Session) -> None:
        body = self._task["body"]
        if not self._account.access.holds(session.roles, ("EXECUTE TASK",), "ACCOUNT", ()):
            raise errors.SnowflakeError(
                91089, "23001", "Cannot execute task , EXECUTE TASK privilege must be granted to owner role"
            )
        use(session, *self._task["path"][:2])
        session.warehouse = body.get("WAREHOUSE")
        session.is_serverless = session.warehouse is None
        session.parameters |= {key: body[key] for key in _SESSION_PARAMETERS if key in body}

    def _ask(self, session: Session, condition: str) -> bool:
        found = self._statement(session, f"SELECT {condition}", session.execute)
        return bool(found.table[0][0].as_py())

    def _statement(self, session: Session, text: str, run: Any) -> Any:
        """Run a statement under an id of its own."""
        query = self._account.queries.add(session, text)
        self._query, self.query_id = query, query.id
        if self._stopped.is_set():
            query.cancel()
        self._account.queries.work(query, lambda: run(text))
        failure = query.future.exception()
        if self._stopped.is_set():
            raise errors.SnowflakeError(*((630, "57014", self._why) if self._why else (604, "57014", _CANCELLED)))
        if failure is not None:
            with contextlib.suppress(errors.SnowflakeError):
                session.execute("ROLLBACK")
            raise failure
        return query.future.result()


_CANCELLED = "SQL execution canceled"
