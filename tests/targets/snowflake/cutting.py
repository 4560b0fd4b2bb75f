"""A server between a client and another one that cuts connections: real TCP, ended by a reset."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import http.server
import json
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

BEFORE, HALF, BEHIND = "before", "half", "behind"
"""Where a request is cut: it never arrives; half of the answer comes back; it is done, and no answer comes back."""
ENDED = ("390104", "390111", "390113", "390114", "390115")
"""Or it never arrives, as the session has ended, or its token: Snowflake's codes."""

_LOOKS = ("/", "SHOW", "LIST", "SELECT CURRENT")


class Cutter:
    """Passes requests on, and cuts some.

    Args:
        port: of the server behind it.

    Attributes:
        port: its own.
        cut: is asked of each request how it is cut, by its id, and its statement or path; None: not at all.
        done: the cuts that were made, as (how, statement or path).
    """

    def __init__(self, port: int) -> None:
        self.cut: Callable[[str, str], str | None] = lambda _, __: None
        self.done: list[tuple[str, str]] = []
        made = type("Handler", (_Handler,), {"cutter": self, "behind": port})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), made)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def each_in_every_way(self) -> None:
        """Cut every statement in each way before it is let through; of logins, which are tried twice, one.

        Half of an answer is an error of the connector's, so that the statement comes back as another request.
        """
        left: dict[str, list[str]] = {}

        def cut(request: str, what: str) -> str | None:
            ways = left.setdefault(what, [BEHIND] if what.startswith("/session") else [BEHIND, HALF, BEHIND, BEFORE])
            return ways.pop() if ways else None

        self.cut = cut

    def from_the_nth(self, nth: int, way: str) -> None:
        """Let n requests that change something through; cut the next in a way, and let nothing through any more."""
        seen: dict[str, None] = {}

        def cut(request: str, what: str) -> str | None:
            if not what.startswith(_LOOKS) or len(seen) > nth:
                seen.setdefault(request)
            if len(seen) <= nth:
                return None
            return way if request == [*seen][nth] else BEFORE

        self.cut = cut

    def close(self) -> None:
        """End it, with the connections through it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cutter: Cutter
    behind: int

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        said: dict[str, Any] = json.loads(plain or b"{}")
        place = urlsplit(self.path)
        request = parse_qs(place.query).get("requestId", parse_qs(place.query).get("request_id", [self.path]))[0]
        what = said.get("sqlText", place.path)
        how = self.cutter.cut(request, what)
        if how is not None:
            self.cutter.done.append((how, what))
        if how == BEFORE:
            self._reset()
            return
        if how in ENDED:
            self._answer(200, [], json.dumps({"success": False, "code": how, "message": "over", "data": None}).encode())
            return
        status, headers, answer = self._passed_on(body)
        if how == BEHIND:
            self._reset()
            return
        self._answer(status, headers, answer, len(answer) // 2 if how == HALF else None)
        if how == HALF:
            self.wfile.flush()
            self._reset()

    do_GET = do_PUT = do_DELETE = do_POST  # noqa: N815 - as the base class calls them

    def _passed_on(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=60)
        try:
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], answer: bytes, some: int | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"transfer-encoding", "content-length", "connection"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer[:some])

    def _reset(self) -> None:
        """End the connection as a broken line does: without a word."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the client, or this server, has hung up
            super().handle()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *_: Any) -> None:
        return None
