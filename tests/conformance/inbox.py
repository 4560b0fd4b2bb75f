"""A mail server and a web hook that keep what they get."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller

if TYPE_CHECKING:
    from collections.abc import Iterator


class Inbox:
    """What has come.

    Attributes:
        mails: their texts.
        posts: bodies that were posted.
        variables: name → address of a channel.
    """

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.posts: list[str] = []
        self.variables: dict[str, str] = {}

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append(envelope.content.decode(errors="replace"))
        return "250 OK"


@contextlib.contextmanager
def listening() -> Iterator[Inbox]:
    """Give an inbox whose servers run."""
    inbox = Inbox()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            inbox.posts.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mail = Controller(inbox, hostname="127.0.0.1", port=port)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as hook:
        threading.Thread(target=hook.serve_forever, daemon=True).start()
        mail.start()
        inbox.variables = {
            "MAIL_URL": f"mailto://127.0.0.1:{port}/?from=ff@example.org&to=team@example.org&mode=insecure",
            "AIRFLOW_VAR_HOOK": f"json://127.0.0.1:{hook.server_port}/canary-token",
        }
        try:
            yield inbox
        finally:
            mail.stop()
            hook.shutdown()
