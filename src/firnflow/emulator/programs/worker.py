"""Runs the handlers of procedures: started once as a program that has loaded Snowpark, and forks for each call.

Each message on the socket, whose number is the program's argument, carries one end of a pipe and the path of a file
with the call as JSON. The fork writes its process id into the pipe; the pipe ends when it has ended. What the handler
returns, or why it has failed, stands in the call's folder as JSON then. When the server hangs up all end.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firnflow.emulator.programs.restricted import hide, modules, restrict
from firnflow.emulator.programs.rows import said

if TYPE_CHECKING:
    from collections.abc import Sequence

ANSWER, PRINTED, TABLE = "_answer.json", "_printed.txt", "_table.arrow"
_LOADED = (
    *("snowflake.snowpark", "snowflake.ml.jobs"),
    *("duckdb", "ibis.backends.snowflake", "pydantic", "rich", "snowflake.sqlalchemy", "typer"),
)
"""What handlers are likely to need, and need not load then; what PACKAGES does not bring is taken away from them."""
_OF_ROWS = ("pandas", "pyarrow")
"""What rows are handed over by, which each function has therefore."""
_known: dict[str, Sequence[str]] = {}
"""Module → the distributions that have it."""


def serve(control: socket.socket) -> None:
    """Fork for each call, until the server hangs up."""
    for name in _LOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    _known.update(modules())
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those that end leave nothing behind
    while True:
        data, fds, _, _ = socket.recv_fds(control, 65_536, 1)
        if not data:
            return
        if os.fork() == 0:
            control.close()
            _become(Path(data.decode()), fds[0])
        os.close(fds[0])


def _become(path: Path, pipe: int) -> None:
    """Run one call, and end."""
    status = 1
    try:
        os.setsid()
        _die_with_parent()
        os.write(pipe, f"{os.getpid()}\n".encode())
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        call = json.loads(path.read_text(encoding="utf-8"))
        os.environ.clear()
        os.environ.update(call["variables"])
        folder = path.parent
        os.chdir(folder)
        printed = os.open(folder / PRINTED, os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        (folder / ANSWER).write_text(json.dumps(main(call, folder)), encoding="utf-8")
        status = 0
    except BaseException:  # noqa: BLE001 - the last frame of the process: say why and end
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _die_with_parent() -> None:
    """Ask Linux to kill this process when the program dies (prctl(2), PR_SET_PDEATHSIG); a fork does not inherit it."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main(call: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run a handler; return `{"value": …}` or `{"error": …}`."""
    sys.path[:0] = [str(folder), *(str(each) for each in sorted(folder.glob("*.zip")))]
    sys._xoptions["snowflake_import_directory"] = f"{folder}{os.sep}"  # noqa: SLF001 - where handlers look for imports
    session = None
    try:
        if "form" in call:
            return _function(call, folder)
        session = _session()
        lift = hide(call["packages"], _known)
        restrict(session)
        value = _handler(call)(session, *call["arguments"])
        if call["is_table"]:
            lift()
            _keep(value, folder / TABLE)
            return {"value": None}
        return {"value": value if value is None or isinstance(value, bool | int | float | str) else json.dumps(value)}
    except BaseException as error:  # noqa: BLE001 - whoever calls is told
        return {"error": said(error)}
    finally:
        if session is not None:
            session.connection.close()


def _keep(frame: Any, path: Path) -> None:
    """Write the rows of a frame into a file of Arrow."""
    import pyarrow as pa

    if not hasattr(frame, "to_arrow"):
        raise TypeError(
            f"the handler returned {type(frame).__name__}, but RETURNS TABLE asks for a DataFrame of Snowpark"
        )
    table = frame.to_arrow()
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as stream:
        stream.write_table(table)


def _handler(call: dict[str, Any]) -> Any:
    handler: Any = importlib.import_module(call["module"])
    for part in call["handler"].split("."):
        handler = getattr(handler, part)
    return handler


def _function(call: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Apply a function's handler to the rows that come, until no more do."""
    from firnflow.emulator.programs import forms, rows

    rows.provide()
    if call["packages"] is not None:
        hide((*call["packages"], *_OF_ROWS), _known)
    rows.serve(str(folder / rows.SOCKET), forms.applied(_handler(call), call))
    return {"value": None}


def _session() -> Any:
    from snowflake.snowpark import Session

    names = ("account", "host", "port", "protocol", "token", "database", "schema", "warehouse")
    given = {
        name: os.environ[f"SNOWFLAKE_{name.upper()}"] for name in names if f"SNOWFLAKE_{name.upper()}" in os.environ
    }
    return Session.builder.configs({**given, "port": int(given["port"]), "authenticator": "oauth"}).create()


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
