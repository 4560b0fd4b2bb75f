"""The statements of a user, with the tag that each was sent with.

https://docs.snowflake.com/en/sql-reference/functions/query_history
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from firnflow.emulator.registry import relation
from firnflow.emulator.result import Result, rows

if TYPE_CHECKING:
    from firnflow.emulator.session import Session

_STATES = {"RUNNING": "RUNNING", "SUCCESS": "SUCCESS", "FAILED_WITH_ERROR": "FAIL"}
_TEXTS = (
    *("QUERY_ID", "QUERY_TEXT", "DATABASE_NAME", "SCHEMA_NAME", "SESSION_ID", "USER_NAME", "ROLE_NAME"),
    *("WAREHOUSE_NAME", "QUERY_TAG", "EXECUTION_STATUS"),
)


@relation("QUERY_HISTORY")
def _query_history(session: Session, *, result_limit: int = 100) -> Result:
    """Return the last statements of the session's user, the newest first; place and role are the sessions' of now."""
    made = []
    for query in session.account.queries.of_user(session.user)[:result_limit]:
        of = query.session
        ended = dt.datetime.fromtimestamp(query.ended, dt.UTC) if query.ended else None
        texts = (query.id, query.text, of.database, of.schema, of.number, of.user, of.role, of.warehouse, query.tag)
        made.append((*texts, _STATES[query.state], dt.datetime.fromtimestamp(query.started, dt.UTC), ended))
    times = [("START_TIME", "timestamp_ltz"), ("END_TIME", "timestamp_ltz")]
    return rows([*((name, "text") for name in _TEXTS), *times], made)
