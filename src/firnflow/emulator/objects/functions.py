"""Functions that tell of the session: who, where, what was asked before.

https://docs.snowflake.com/en/sql-reference/functions-context
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.registry import FUNCTIONS, function, relation

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.emulator.result import Result
    from firnflow.emulator.session import Session

ACCOUNT = "EMULATOR"
VERSION = "9.40.0"


def _context(name: str, get: Callable[[Session], Any]) -> None:
    FUNCTIONS[name] = get


_context("CURRENT_ROLE", lambda session: session.role)
_context("CURRENT_USER", lambda session: session.user)
_context("CURRENT_WAREHOUSE", lambda session: session.warehouse)
_context("CURRENT_DATABASE", lambda session: session.database)
_context("CURRENT_SCHEMA", lambda session: session.schema)
_context("CURRENT_ACCOUNT", lambda _: ACCOUNT)
_context("CURRENT_ACCOUNT_NAME", lambda _: ACCOUNT)
_context("CURRENT_ORGANIZATION_NAME", lambda _: "FIRNFLOW")
_context("CURRENT_REGION", lambda _: "LOCAL")
_context("CURRENT_VERSION", lambda _: VERSION)
_context("CURRENT_SESSION", lambda session: str(session.number))
_context("CURRENT_CLIENT", lambda session: session.parameters.get("CLIENT_APP_ID", ""))
_context("CURRENT_AVAILABLE_ROLES", lambda session: json.dumps(sorted(session.own_roles())))
_context("CURRENT_SECONDARY_ROLES", lambda session: json.dumps(_secondary(session)))
_context("CURRENT_SCHEMAS", lambda session: json.dumps([f"{session.database}.{session.schema}"]))
_context("CURRENT_TRANSACTION", lambda session: session.token if session.transaction.is_open else None)


def _secondary(session: Session) -> dict[str, str]:
    others = sorted(session.own_roles() - {session.role}) if session.secondary else []
    return {"roles": ",".join(others), "value": "ALL" if session.secondary else ""}


@function("IS_ROLE_IN_SESSION")
def _is_role_in_session(session: Session, role: str) -> bool:
    return role in session.roles


@function("LAST_QUERY_ID")
def _last_query_id(session: Session, number: int = -1) -> str | None:
    """Return the id of an earlier statement: https://docs.snowflake.com/en/sql-reference/functions/last_query_id."""
    earlier = session.query_ids[:-1]
    at = number if number < 0 else number - 1
    return earlier[at] if -len(earlier) <= at < len(earlier) else None


@relation("RESULT_SCAN")
def _result_scan(session: Session, query_id: str | None) -> Result:
    """Return the rows of an earlier statement: https://docs.snowflake.com/en/sql-reference/functions/result_scan."""
    if query_id is None:
        raise errors.SnowflakeError(709, "02000", "Statement  not found")
    query = session.account.queries.get(query_id)
    if query.session.user != session.user:
        raise errors.SnowflakeError(709, "02000", f"Statement {query_id} not found")
    failed = query.future.exception()
    if failed is not None:
        raise errors.SnowflakeError(710, "02000", f"Statement {query_id} has failed: {failed}")
    return query.future.result()


@function("SYSTEM$WAIT")
def _wait(session: Session, amount: float, unit: str = "SECONDS") -> str:
    """Wait, unless it is cancelled: https://docs.snowflake.com/en/sql-reference/functions/system_wait."""
    lasts = {"DAYS": 86_400, "HOURS": 3_600, "MINUTES": 60, "SECONDS": 1, "MILLISECONDS": 0.001}
    if unit.upper() not in lasts:
        raise errors.invalid(f"Invalid argument [{unit}] for function SYSTEM$WAIT")
    query = session.account.queries.get(session.query_ids[-1])
    if query.cancelled.wait(amount * lasts[unit.upper()]):
        raise errors.SnowflakeError(604, "57014", "SQL execution canceled")
    return f"waited {amount:g} {unit.lower()}"


@function("SYSTEM$CANCEL_ALL_QUERIES")
def _cancel_all(session: Session, number: Any) -> str:
    """https://docs.snowflake.com/en/sql-reference/functions/system_cancel_all_queries: those of one session."""
    count = session.account.queries.cancel_all(int(number), but=session.query_ids[-1])
    return f"{count} cancelled."


@function("SYSTEM$CANCEL_QUERY")
def _cancel(session: Session, query_id: str) -> str:
    """Stop a statement: https://docs.snowflake.com/en/sql-reference/functions/system_cancel_query."""
    session.account.queries.get(query_id).cancel()
    return f"query [{query_id}] terminated."


@function("SYSTEM$CLIENT_VERSION_INFO")
def _client_versions(_: Session) -> str:
    """https://docs.snowflake.com/en/sql-reference/functions/system_client_version_info: no client is too old here."""
    return "[]"
