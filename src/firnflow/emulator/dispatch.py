"""From the text of a statement to what runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors, variables
from firnflow.emulator.objects import selects, streams
from firnflow.emulator.registry import STATEMENTS
from firnflow.emulator.result import rows
from firnflow.emulator.statement import classify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.emulator.result import Result
    from firnflow.emulator.session import Session

_COMMITS = frozenset(
    {
        *("CREATE", "ALTER", "DROP", "UNDROP", "GRANT", "REVOKE", "COMMENT", "TRUNCATE"),
        *("EXECUTE TASK", "EXECUTE JOB SERVICE"),
    }
)
"""What commits what is open, by its first word or all: https://docs.snowflake.com/en/sql-reference/transactions#ddl"""

_ENDS = frozenset({"COMMIT", "ROLLBACK"})

_OF_CALLERS = ("USE", "ALTER SESSION", "LIST")
"""What a block with the rights of its owner may not run, by its first words:
https://docs.snowflake.com/en/developer-guide/stored-procedure/stored-procedures-rights#restrictions-on-sql-statements"""


def run(session: Session, text: str, binds: Sequence[Any]) -> Result:
    """Run one statement.

    Raises:
        SnowflakeError: it is unknown, not allowed, or failed.
    """
    statement = classify(variables.inlined(text, session.variables), binds, STATEMENTS)
    refused = next((each for each in _OF_CALLERS if statement.key.startswith(each)), None)
    if session.is_owners and refused:
        raise errors.SnowflakeError(90236, "42601", f"Unsupported statement type '{refused.replace(' ', '_')}'.")
    if statement.key not in _ENDS:
        session.transaction.check()
    if session.transaction.is_open:
        _keep_apart(session, statement.key)
    held = dict(session.used_streams)
    try:
        found = STATEMENTS[statement.key].run(session, statement)
        if not session.transaction.is_open:
            session.settle(done=True)
    except BaseException:
        streams.leave(session, held)
        session.go_on()  # in whatever words the engine says that somebody has stopped it
        raise
    else:
        return found
    finally:
        if not session.transaction.is_open:
            session.settle(done=False)
        session.engine.scratch.clear()


def _keep_apart(session: Session, key: str) -> None:
    """Commit what is open where a statement begins a transaction of its own.

    Raises:
        SnowflakeError: a procedure would end what its caller has begun, or begin another one within that.
    """
    commits = not _COMMITS.isdisjoint((key, key.split(maxsplit=1)[0]))
    if session.is_enclosed and key == "BEGIN":
        raise errors.unknown("BEGIN in a procedure that is called in a transaction", ["CALL outside of a transaction"])
    if session.is_enclosed and (commits or key in _ENDS):
        raise errors.SnowflakeError(
            90232, "25000", "Modifying a transaction that has started at a different scope is not allowed."
        )
    if commits:
        session.transaction.end("COMMIT")


def describe(session: Session, text: str, binds: Sequence[Any]) -> Result:
    """Return the columns of a query without rows; what is no query is not run, and has the columns of a status.

    Clients ask for that before they run a statement.
    """
    statement = classify(variables.inlined(text, session.variables), binds, STATEMENTS)
    if statement.key == "SELECT":
        try:
            return selects.columns(session, statement)
        finally:
            session.engine.scratch.clear()
    return rows([("status", "text")], [])
