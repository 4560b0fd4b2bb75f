"""Files that somebody was given an address of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import FileResponse, PlainTextResponse

from firnflow.emulator.server.requests import account_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


async def get(request: Request) -> Response:
    """Send a file, or a part of it."""
    path = account_of(request).signed.get(request.path_params["word"])
    if path is None or not path.is_file():
        return PlainTextResponse("Access denied: the address is none, or its time is over", status_code=403)
    return FileResponse(path)
