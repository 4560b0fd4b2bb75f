"""Tasks by Snowflake's REST interface, as the client `snowflake.core` uses it.

https://docs.snowflake.com/en/developer-guide/snowflake-rest-api/task/task-introduction. What a request asks for is said
as a statement, so that the same rules hold as for SQL.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from firnflow.emulator.catalog import full
from firnflow.emulator.errors import SnowflakeError, invalid, unknown
from firnflow.emulator.reader import Reader
from firnflow.emulator.server.requests import account_of, body_of, session_of
from firnflow.emulator.server.task_bodies import shown, statement, told_run
from firnflow.emulator.tasks.history import dependents
from firnflow.stores.snowflake.names import literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from firnflow.emulator.catalog import FullName
    from firnflow.emulator.session import Session

    Handler = Callable[[Request, Session, FullName], Awaitable[Any]]

_SCHEMA = "/api/v2/databases/{database}/schemas/{schema}/tasks"
_MODES = {"errorIfExists": "CREATE TASK", "orReplace": "CREATE OR REPLACE TASK", "ifNotExists": "CREATE TASK"}
_STATUS = {"002003": 404, "002043": 404, "002002": 409, "003001": 403, "390104": 401, "390101": 401}


def routes() -> list[Route]:
    """Return the routes of tasks."""
    task = _SCHEMA + "/{name}"
    found: list[tuple[str, str, Handler]] = [
        ("POST", _SCHEMA, _create),
        ("GET", _SCHEMA, _list),
        ("POST", f"{task}:execute", _execute),
        ("POST", f"{task}:resume", _resume),
        ("POST", f"{task}:suspend", _suspend),
        ("GET", f"{task}/dependents", _dependents),
        ("GET", f"{task}/complete-graphs", _complete),
        ("GET", f"{task}/current-graphs", _current),
        ("GET", task, _fetch),
        ("PUT", task, _put),
        ("DELETE", task, _drop),
    ]
    return [Route(path, _answering(handler), methods=[method]) for method, path, handler in found]


def _answering(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers a request: with what a handler returns, or with why it has failed."""

    async def answer(request: Request) -> Response:
        try:
            session = session_of(request)
            given = (request.path_params.get(part) for part in ("database", "schema", "name"))
            path = tuple(Reader(each).name()[0] for each in given if each is not None)
            return JSONResponse(await handler(request, session, path))
        except SnowflakeError as error:
            said = {"message": error.message, "code": error.code, "error_code": error.code}
            return JSONResponse(said, status_code=_STATUS.get(error.code, 400))

    return answer


async def _run(request: Request, session: Session, text: str) -> list[dict[str, Any]]:
    """Run a statement; return its rows, by the names of columns in small letters."""
    query = account_of(request).queries.start(session, text, ())
    found = await asyncio.wrap_future(query.future)
    return [{name.lower(): value for name, value in row.items()} for row in found.table.to_pylist()]


async def _done(request: Request, session: Session, text: str) -> dict[str, Any]:
    (row,) = await _run(request, session, text)
    return {"status": str(next(iter(row.values())))}


async def _create(request: Request, session: Session, schema: FullName) -> Any:
    mode = request.query_params.get("createMode", "errorIfExists")
    if mode not in _MODES:
        raise invalid(f"Invalid createMode '{mode}'. It is one of: {', '.join(_MODES)}")
    optional = "IF NOT EXISTS " if mode == "ifNotExists" else ""
    return await _done(request, session, f"{_MODES[mode]} {optional}{statement(schema, await body_of(request))}")


async def _put(request: Request, session: Session, path: FullName) -> Any:
    return await _done(request, session, f"CREATE OR ALTER TASK {statement(path[:2], await body_of(request))}")


async def _list(request: Request, session: Session, schema: FullName) -> Any:
    asked = dict(request.query_params)
    like, starts, limit = (asked.pop(key, None) for key in ("like", "startsWith", "showLimit"))
    text = f"SHOW TASKS{f' LIKE {literal(like)}' if like else ''} IN SCHEMA {full(schema)}"
    text += f" STARTS WITH {literal(starts)}" if starts else ""
    text += " ROOT ONLY" if asked.pop("rootOnly", "false").lower() == "true" else ""
    text += f" LIMIT {int(limit)}" if limit else ""
    if asked:
        raise unknown(f"tasks?{min(asked)}", ["tasks?like", "tasks?rootOnly", "tasks?startsWith", "tasks?showLimit"])
    names = [tuple(row[part] for part in _PATH) for row in await _run(request, session, text)]
    return [shown(session, session.find("TASK", path)) for path in names]


_PATH = ("database_name", "schema_name", "name")


async def _fetch(_: Request, session: Session, path: FullName) -> Any:
    return shown(session, session.find("TASK", path))


async def _drop(request: Request, session: Session, path: FullName) -> Any:
    optional = "IF EXISTS " if request.query_params.get("ifExists") == "true" else ""
    return await _done(request, session, f"DROP TASK {optional}{full(path)}")


async def _resume(request: Request, session: Session, path: FullName) -> Any:
    return await _done(request, session, f"ALTER TASK {full(path)} RESUME")


async def _suspend(request: Request, session: Session, path: FullName) -> Any:
    return await _done(request, session, f"ALTER TASK {full(path)} SUSPEND")


async def _execute(request: Request, session: Session, path: FullName) -> Any:
    retries = request.query_params.get("retryLast", "false").lower() == "true"
    return await _done(request, session, f"EXECUTE TASK {full(path)}{' RETRY LAST' if retries else ''}")


async def _dependents(request: Request, session: Session, path: FullName) -> Any:
    recursive = request.query_params.get("recursive", "true").lower() == "true"
    return [shown(session, task) for task in dependents(session, session.find("TASK", path), recursive)]


async def _complete(request: Request, session: Session, path: FullName) -> Any:
    errors_only = request.query_params.get("errorOnly", "true").lower() == "true"
    return await _graphs(
        request, session, path, f"COMPLETE_TASK_GRAPHS({_asked(request, path)}, ERROR_ONLY => {errors_only})"
    )


async def _current(request: Request, session: Session, path: FullName) -> Any:
    return await _graphs(request, session, path, f"CURRENT_TASK_GRAPHS({_asked(request, path)})")


def _asked(request: Request, path: FullName) -> str:
    limit = int(request.query_params.get("resultLimit", "1000"))
    return f"ROOT_TASK_NAME => {literal(path[-1])}, RESULT_LIMIT => {limit}"


async def _graphs(request: Request, session: Session, path: FullName, call: str) -> Any:
    """Return the runs of the graph of a root; the function tells those of all roots of this name."""
    root = session.find("TASK", path)
    rows = await _run(request, session, f"SELECT * FROM TABLE({full(path[:1])}.INFORMATION_SCHEMA.{call})")  # noqa: S608 - quoted
    return [
        json.loads(json.dumps(told_run(row), default=str)) for row in rows if row["root_task_id"] == root.body["id"]
    ]
