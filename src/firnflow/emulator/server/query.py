"""Statements: begin one, wait for it, ask how it stands, stop it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from firnflow.emulator.errors import SnowflakeError
from firnflow.emulator.queries import broken
from firnflow.emulator.server.login import info
from firnflow.emulator.server.requests import account_of, body_of, failure, field, malformed, session_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from firnflow.emulator.queries import Query
    from firnflow.emulator.result import Result

_PATIENCE = 45.0
"""Seconds after which a client is told to ask again."""


async def run(request: Request) -> JSONResponse:
    """Begin a statement, and answer it unless it takes long or the client does not wait."""
    try:
        session = session_of(request)
    except SnowflakeError as error:
        return JSONResponse(failure(error), status_code=200)
    sent = await body_of(request)
    request_id = request.query_params.get("requestId", "")
    binds = _binds(field(sent, "bindings", dict))
    described = bool(sent.get("describeOnly"))
    query = account_of(request).queries.start(
        session, field(sent, "sqlText", str), binds, request_id, describe=described, tag=_tag(sent)
    )
    if sent.get("asyncExec"):
        return JSONResponse(_running(query, "333334"))
    return await _answered(query)


def _tag(sent: dict[str, Any]) -> str | None:
    """Return the QUERY_TAG that goes with just this statement; None: it has that of its session."""
    found = (sent.get("parameters") or {}).get("QUERY_TAG")
    return None if found is None else str(found)


async def result(request: Request) -> JSONResponse:
    """Answer a statement that was begun before."""
    try:
        session_of(request)
        query = account_of(request).queries.get(request.path_params["query_id"])
    except SnowflakeError as error:
        return JSONResponse(failure(error))
    return await _answered(query)


async def monitor(request: Request) -> JSONResponse:
    """Say how a statement stands."""
    try:
        session_of(request)
        query = account_of(request).queries.get(request.path_params["query_id"])
    except SnowflakeError:
        return JSONResponse({"data": {"queries": []}, "success": True})
    failed = query.future.exception() if query.future.done() else None
    said = {"errorCode": getattr(failed, "code", ""), "errorMessage": str(failed or "")}
    found = {"id": query.id, "status": query.state, "sqlText": query.text, **said}
    return JSONResponse({"data": {"queries": [found]}, "code": None, "message": None, "success": True})


async def abort(request: Request) -> JSONResponse:
    """Stop a statement, named by its id or by the request that began it."""
    try:
        session_of(request)
        query: Query | None
        if "query_id" in request.path_params:
            query = account_of(request).queries.get(request.path_params["query_id"])
        else:
            query = account_of(request).queries.of_request(field(await body_of(request), "requestId", str))
    except SnowflakeError as error:
        return JSONResponse(failure(error))
    if query is not None:
        query.cancel()
    return JSONResponse({"data": None, "code": None, "message": None, "success": True})


async def _answered(query: Query) -> JSONResponse:
    waiting = asyncio.wrap_future(query.future)
    done, _ = await asyncio.wait([waiting], timeout=_PATIENCE)
    if not done:
        return JSONResponse(_running(query, "333333"))
    failed = waiting.exception()
    if isinstance(failed, SnowflakeError):
        return JSONResponse(failure(failed, query.id))
    if failed is None:
        try:
            return JSONResponse(_success(query, waiting.result()))
        except Exception as error:  # noqa: BLE001 - a client asks again for minutes after a broken answer
            failed = error
    return JSONResponse(failure(broken(failed), query.id))


def _running(query: Query, code: str) -> dict[str, Any]:
    data = {"queryId": query.id, "getResultUrl": f"/queries/{query.id}/result", "queryAbortsAfterSecs": 300}
    return {"data": data, "code": code, "message": "Query execution in progress.", "success": True}


def _success(query: Query, found: Result) -> dict[str, Any]:
    if found.transfer is not None:
        return {"data": {**found.transfer, "queryId": query.id}, "code": None, "message": None, "success": True}
    place = {f"final{key[0].upper()}{key[1:]}": value for key, value in info(query.session).items()}
    data = {
        "parameters": [{"name": "TIMEZONE", "value": "Etc/UTC"}],
        "rowtype": found.rowtype(),
        "total": found.table.num_rows,
        "returned": found.table.num_rows,
        "queryId": query.id,
        "statementTypeId": found.kind,
        "numberOfBinds": 0,
        "arrayBindSupported": False,
        "sendResultTime": 0,
        "databaseProvider": None,
        "version": 1,
        **place,
        **found.body(),
    }
    return {"data": data, "code": None, "message": None, "success": True}


def _binds(given: dict[str, Any]) -> list[Any]:
    """Return the values that a client has sent beside a statement, in order."""
    from fakesnow.converter import from_binding

    def read(binding: dict[str, Any], value: Any) -> Any:
        if isinstance(value, list):
            return [read(binding, each) for each in value]
        return None if value is None else from_binding({**binding, "value": value})

    try:
        return [read(given[place], given[place]["value"]) for place in sorted(given, key=int)]
    except (AttributeError, ArithmeticError, KeyError, TypeError, ValueError) as error:
        raise malformed(f"bindings: {type(error).__name__}: {error}") from None
