"""What all requests have: a body that may be packed, and the session that they belong to."""

from __future__ import annotations

import gzip
import json
import re
from typing import TYPE_CHECKING, Any

from firnflow.emulator.errors import SnowflakeError

if TYPE_CHECKING:
    from starlette.requests import Request

    from firnflow.emulator.account import Account
    from firnflow.emulator.session import Session

_TOKEN = re.compile(r'Snowflake Token="([^"]+)"|Bearer (\S+)')


async def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object that a request brings."""
    body = await request.body()
    if request.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    found: dict[str, Any] = json.loads(body or b"{}")
    return found


def account_of(request: Request) -> Account:
    """Return the account that this server serves."""
    account: Account = request.app.state.account
    return account


def session_of(request: Request) -> Session:
    """Return the session of a request.

    Raises:
        SnowflakeError: it names none, or one that has ended.
    """
    found = _TOKEN.search(request.headers.get("Authorization", ""))
    if found is None:
        raise SnowflakeError(390101, "08001", "Authorization header not found in the request data.")
    return account_of(request).session(found[1] or found[2])


def failure(error: SnowflakeError, query_id: str | None = None) -> dict[str, Any]:
    """Return an error as the protocol sends it."""
    data = {"errorCode": error.code, "sqlState": error.state, "queryId": query_id, "internalError": False}
    return {"data": data, "code": error.code, "message": error.message, "success": False, "headers": None}
