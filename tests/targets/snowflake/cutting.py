"""A server between a client and an emulator that cuts connections: real TCP, ended by a reset.

The emulator has the client write a stage's files itself, as both are on one machine. Here they go over the line: the
client is told of a stage in Google's cloud, to which it sends them by addresses that it is given, which are ours.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import http.server
import json
import socket
import struct
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

BEFORE, HALF, BEHIND = "before", "half", "behind"
"""Where a request is cut: it never arrives; half of the answer comes back; it is done, and no answer comes back."""
ENDED = ("390104", "390111", "390113", "390114", "390115")
"""Or it never arrives, as the session has ended, or its token: Snowflake's codes."""

_LOOKS = ("/", "SHOW", "LIST", "SELECT CURRENT")
_FILES = "files-of-a-stage"


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
        self.places: dict[str, Path] = {}
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

    def abroad(self, answer: bytes) -> bytes:
        """Return an answer in which a stage is no folder, where it names one."""
        said = json.loads(answer or b"{}")
        told = said.get("data") if isinstance(said, dict) else None
        if not isinstance(told, dict) or told.get("stageInfo", {}).get("locationType") != "LOCAL_FS":
            return answer
        folder, files = Path(told["stageInfo"]["location"]), told["src_locations"]
        if told["command"] == "UPLOAD":
            told["stageInfo"]["presignedUrl"] = self._address(folder / Path(files[0]).name)
        else:
            told["presignedUrls"] = [self._address(folder / each) for each in files]
        told["stageInfo"] |= {"locationType": "GCS", "region": "nowhere"}
        return json.dumps(said).encode()

    def _address(self, path: Path) -> str:
        word = f"/{_FILES}/{uuid.uuid4().hex}"
        self.places[word] = path
        return f"http://127.0.0.1:{self.port}{word}"

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
        if self.path.startswith(f"/{_FILES}/"):
            self._move(self.cutter.places[self.path])
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        said: dict[str, Any] = json.loads(plain or b"{}")
        place = urlsplit(self.path)
        request = parse_qs(place.query).get("requestId", parse_qs(place.query).get("request_id", [self.path]))[0]
        what = said.get("sqlText", place.path)
        how = self._cut(request, what)
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
        self._answer(status, headers, self.cutter.abroad(answer), half=how == HALF)

    do_GET = do_PUT = do_DELETE = do_POST  # noqa: N815 - as the base class calls them

    def _passed_on(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=60)
        try:
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _cut(self, request: str, what: str) -> str | None:
        how = self.cutter.cut(request, what)
        if how is not None:
            self.cutter.done.append((how, what))
        return how

    def _move(self, path: Path) -> None:
        """Take the bytes of a file, or give them; of what comes here half may have come."""
        comes, size = self.command == "PUT", int(self.headers.get("Content-Length", 0))
        how = self._cut(uuid.uuid4().hex, f"{self.command} {path.name}")
        if how == BEFORE or (comes and how == HALF):
            self.rfile.read(0 if how == BEFORE else size // 2)
            self._reset()
            return
        if comes:
            path.write_bytes(self.rfile.read(size))
        if how == BEHIND:
            self._reset()
        else:
            self._answer(200, [], b"" if comes else path.read_bytes(), half=how == HALF)

    def _answer(self, status: int, headers: list[tuple[str, str]], answer: bytes, *, half: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"transfer-encoding", "content-length", "connection"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer[: len(answer) // 2] if half else answer)
        if half:
            self.wfile.flush()
            self._reset()

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
