"""What all requests have: a body that may be packed, and the session that they belong to."""

from __future__ import annotations

import json
import re
import zlib
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from firnflow.emulator.errors import SnowflakeError

if TYPE_CHECKING:
    from starlette.requests import Request

    from firnflow.emulator.account import Account
    from firnflow.emulator.session import Session

Kind = TypeVar("Kind", dict[str, Any], str)
LONGEST = 64 * 2**20
"""Bytes of a body, packed or not; Snowflake takes statements of 1 MB, and values beside them."""
_TOKEN = re.compile(r'Snowflake Token="([^"]+)"|Bearer (\S+)')


async def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object that a request brings.

    Raises:
        HTTPException: it brings none, or more than a statement can be.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LONGEST:
            raise _too_long()
    try:
        found = json.loads(_plain(bytes(body), request.headers.get("Content-Encoding")) or b"{}")
    except (ValueError, RecursionError, zlib.error) as error:
        raise malformed(f"it is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise malformed("it is no object of JSON")
    return found


def _plain(body: bytes, encoding: str | None) -> bytes:
    """Return a body as it was before it was packed, as far as it may be so long."""
    if encoding != "gzip":
        return body
    unpacking = zlib.decompressobj(wbits=31)
    found = unpacking.decompress(body, LONGEST)
    if unpacking.unconsumed_tail:
        raise _too_long()
    if not unpacking.eof:
        raise malformed("it ends before its end")
    return found


def field(sent: dict[str, Any], name: str, kind: type[Kind]) -> Kind:
    """Return a part of what was sent; an empty one where it is not there.

    Raises:
        HTTPException: it is something else.
    """
    found = sent.get(name)
    if found is None:
        return kind()
    if not isinstance(found, kind):
        raise malformed(f"{name} is no {kind.__name__}")
    try:
        str(found).encode()
    except UnicodeEncodeError:
        raise malformed(f"{name} has a letter that is none") from None
    return found


def malformed(what: str) -> HTTPException:
    """Return the error for a request that cannot be read."""
    return HTTPException(400, f"The request cannot be read: {what}")


def _too_long() -> HTTPException:
    return HTTPException(413, f"The request has more than {LONGEST:,} bytes")


def told(_: Request, error: Exception) -> JSONResponse:
    """Answer a request that has failed otherwise than by its statement."""
    status, said = (error.status_code, str(error.detail)) if isinstance(error, HTTPException) else (500, repr(error))
    return JSONResponse({"data": None, "code": "390400", "message": said, "success": False}, status_code=status)


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
