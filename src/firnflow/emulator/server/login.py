"""Log in, keep alive, log out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from firnflow.emulator.errors import SnowflakeError
from firnflow.emulator.objects.use import use
from firnflow.emulator.reader import Reader
from firnflow.emulator.server.requests import account_of, body_of, failure, field, session_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from firnflow.emulator.session import Session

VERSION = "9.40.0"
"""What clients are told; some refuse a server that they think too old."""
_PARAMETERS = {
    "AUTOCOMMIT": True,
    "CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY": 3600,
    "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD": 0,
    "TIMEZONE": "Etc/UTC",
    "QUERY_CONTEXT_CACHE_SIZE": 0,
}
_LIFE = 14_400


async def login(request: Request) -> JSONResponse:
    """Begin a session, in the database, schema, warehouse and role that the client asks for."""
    sent = field(await body_of(request), "data", dict)
    asked = {key: _name(value) for key, value in request.query_params.items() if value}
    try:
        if sent.get("AUTHENTICATOR") == "OAUTH":
            session = account_of(request).enter(field(sent, "TOKEN", str))
        else:
            session = account_of(request).login(field(sent, "LOGIN_NAME", str), asked.get("roleName"))
    except SnowflakeError as error:
        return JSONResponse(failure(error))
    session.parameters.update({key.upper(): value for key, value in field(sent, "SESSION_PARAMETERS", dict).items()})
    _place(session, asked)
    token = {"token": session.token, "masterToken": session.token, "sessionId": session.number}
    lives = {"validityInSeconds": _LIFE, "masterValidityInSeconds": _LIFE}
    parameters = [{"name": name, "value": value} for name, value in _PARAMETERS.items()]
    data = {
        **token,
        **lives,
        "serverVersion": VERSION,
        "parameters": parameters,
        "sessionInfo": info(session),
    }
    return JSONResponse({"data": data, "code": None, "message": None, "success": True})


def info(session: Session) -> dict[str, Any]:
    """Return what a session's names mean, as the protocol says it."""
    return {
        "databaseName": session.database,
        "schemaName": session.schema,
        "warehouseName": session.warehouse,
        "roleName": session.role,
    }


def _name(given: str) -> str:
    """Return a name from a connection's settings as Snowflake keeps it; one that is none stays as it is."""
    try:
        return ".".join(Reader(given).name())
    except SnowflakeError:
        return given


def _place(session: Session, asked: dict[str, str]) -> None:
    """Set what the client asks for; what is not there is left out, as there."""
    account = session.account
    warehouse = asked.get("warehouse") or session.user_body.get("DEFAULT_WAREHOUSE")
    if warehouse and account.access.sees(session.roles, "WAREHOUSE", (warehouse,)):
        session.warehouse = warehouse
    database, schema = asked.get("databaseName"), asked.get("schemaName")
    if database and account.access.sees(session.roles, "DATABASE", (database,)):
        there = schema and account.access.sees(session.roles, "SCHEMA", (database, schema))
        use(session, database, schema if there else None)


async def session(request: Request) -> JSONResponse:
    """Say that a session is there, or end it."""
    try:
        found = session_of(request)
    except SnowflakeError as error:
        return JSONResponse(failure(error), status_code=401 if request.query_params.get("delete") is None else 200)
    if request.query_params.get("delete") == "true":
        account_of(request).logout(found.token)
    return JSONResponse({"data": None, "code": None, "message": None, "success": True})


async def heartbeat(request: Request) -> JSONResponse:
    """Keep a session alive; here they live as long as the server."""
    try:
        session_of(request)
    except SnowflakeError as error:
        return JSONResponse(failure(error))
    return JSONResponse({"data": None, "code": None, "message": None, "success": True})


async def renew(request: Request) -> JSONResponse:
    """Give a session a new token: here the same one."""
    try:
        found = session_of(request)
    except SnowflakeError as error:
        return JSONResponse(failure(error))
    token = {"sessionToken": found.token, "masterToken": found.token}
    data = {**token, "validityInSecondsST": _LIFE, "validityInSecondsMT": _LIFE}
    return JSONResponse({"data": data, "code": None, "message": None, "success": True})
