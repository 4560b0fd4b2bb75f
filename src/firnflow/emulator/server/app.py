"""The routes of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.emulator.server import files, login, query, tasks
from firnflow.emulator.server.requests import told

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from firnflow.emulator.account import Account


def app_of(account: Account) -> Starlette:
    """Return the web application that serves an account."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import Route

    routes = [
        Route("/session/v1/login-request", login.login, methods=["POST"]),
        Route("/session/token-request", login.renew, methods=["POST"]),
        Route("/session/heartbeat", login.heartbeat, methods=["POST"]),
        Route("/session", login.session, methods=["POST"]),
        Route("/queries/v1/query-request", query.run, methods=["POST"]),
        Route("/queries/v1/abort-request", query.abort, methods=["POST"]),
        Route("/queries/{query_id}/result", query.result, methods=["GET"]),
        Route("/queries/{query_id}/abort-request", query.abort, methods=["POST"]),
        Route("/monitoring/queries/{query_id}", query.monitor, methods=["GET"]),
        Route("/files/{word}", files.get, methods=["GET"]),
        *tasks.routes(),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: told})
    app.state.account = account
    return app
