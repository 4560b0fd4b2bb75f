"""Start and stop the server, on this machine's own address only."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import sqlite3
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firnflow.errors import MissingExtraError, StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.emulator.account import Account

LOOPBACK = "127.0.0.1"


_DEEP = 20_000
"""How deep trees of statements may be: Snowflake reads longer expressions than Python's thousand calls can."""
_STACK = 256 * 2**20  # bytes of each thread, which are taken as they are used


def serve(port: int, data: Path | None, ready: Callable[[int], None], idle: float) -> None:
    """Serve an account until SIGINT or SIGTERM.

    Args:
        port: to listen on; 0 takes a free one.
        data: the folder of the account; None: a temporary one, which is removed at the end.
        ready: called with the port when clients can connect.
        idle: seconds after which a transaction is undone that others wait for, and that nobody goes on with.

    Raises:
        MissingExtraError: the extra `emulator` is not installed.
        UsageError: the port is taken.
        StoreError: the folder cannot be used.
        RunConflictError: another server holds the folder.
    """
    try:
        import uvicorn
        from fakesnow.transforms.stage import LOCAL_BUCKET_PATH  # a folder that it makes when it is imported
    except ImportError as error:
        raise MissingExtraError(error.name or "fakesnow", "emulator") from error
    from firnflow.emulator.server.app import app_of

    folder = (data or Path(tempfile.mkdtemp(prefix="firnflow-emulator-"))).absolute()  # clients are told paths in it
    try:
        listening = _listen(port)
        account = _opened(folder, idle)
        account.port = listening.getsockname()[1]
        with contextlib.closing(listening), contextlib.closing(account):
            sys.setrecursionlimit(_DEEP)
            threading.stack_size(_STACK)
            config = uvicorn.Config(app_of(account), log_level="warning", timeout_graceful_shutdown=2, lifespan="off")
            _until_stopped(uvicorn.Server(config), listening, ready)
    finally:
        shutil.rmtree(LOCAL_BUCKET_PATH, ignore_errors=True)
        if data is None:
            shutil.rmtree(folder, ignore_errors=True)


def _opened(folder: Path, idle: float) -> Account:
    """Return the account of a folder.

    Raises:
        StoreError: the folder is none, cannot be written, or holds something else or a damaged account.
        RunConflictError: another server holds it.
    """
    import duckdb

    from firnflow.emulator.account import Account

    try:
        return Account(folder, idle)
    except (OSError, sqlite3.Error, duckdb.Error) as error:
        said = str(error).splitlines()[0]
        raise StoreError(
            f"The account in {folder} cannot be opened: {said}. Mend: give another folder with --data"
        ) from error


def _until_stopped(server: Any, listening: socket.socket, ready: Callable[[int], None]) -> None:
    """Serve in a thread, where uvicorn leaves signals alone: it would end the process before all is written."""
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    serving.start()
    while serving.is_alive() and not server.started:
        serving.join(0.01)
    ready(listening.getsockname()[1])
    while serving.is_alive() and not asked.wait(0.2):
        pass
    server.should_exit = True
    serving.join()


def _listen(port: int) -> socket.socket:
    """Return a socket that listens, so that clients who connect before the server answers wait."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((LOOPBACK, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise UsageError(
            f"Port {port} cannot be used ({error.strerror}). Mend: another --port; 0 is a free one"
        ) from None
    return listening
