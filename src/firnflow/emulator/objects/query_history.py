"""The statements of a user, and of the warehouses that he watches, with the tag that each was sent with.

https://docs.snowflake.com/en/sql-reference/functions/query_history
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from firnflow.emulator.registry import relation
from firnflow.emulator.result import Result, rows

if TYPE_CHECKING:
    from firnflow.emulator.queries import Query
    from firnflow.emulator.session import Session

_STATES = {"RUNNING": "RUNNING", "SUCCESS": "SUCCESS", "FAILED_WITH_ERROR": "FAIL"}
_TEXTS = (
    *("QUERY_ID", "QUERY_TEXT", "DATABASE_NAME", "SCHEMA_NAME", "SESSION_ID", "USER_NAME", "ROLE_NAME"),
    *("WAREHOUSE_NAME", "QUERY_TAG", "EXECUTION_STATUS"),
)


@relation("QUERY_HISTORY")
def _query_history(session: Session, *, result_limit: int = 100) -> Result:
    """Return the last statements that the session may see, the newest first; places are the sessions' of now."""
    made = []
    for query in [each for each in session.account.queries.all() if _sees(session, each)][:result_limit]:
        of = query.session
        ended = dt.datetime.fromtimestamp(query.ended, dt.UTC) if query.ended else None
        texts = (query.id, query.text, of.database, of.schema, of.number, of.user, of.role, of.warehouse, query.tag)
        made.append((*texts, _STATES[query.state], dt.datetime.fromtimestamp(query.started, dt.UTC), ended))
    times = [("START_TIME", "timestamp_ltz"), ("END_TIME", "timestamp_ltz")]
    return rows([*((name, "text") for name in _TEXTS), *times], made)


def _sees(session: Session, query: Query) -> bool:
    """Whether a statement is the user's own, or ran in a warehouse that the role may watch."""
    if query.session.user == session.user:
        return True
    where = (query.session.warehouse or "",)
    return session.account.access.holds(session.roles, ("MONITOR", "OPERATE"), "WAREHOUSE", where)
