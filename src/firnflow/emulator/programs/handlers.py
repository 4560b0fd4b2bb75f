"""Runs procedures with a Python handler, each call in a process of its own.

https://docs.snowflake.com/en/developer-guide/stored-procedure/python/procedures-python-overview
"""

from __future__ import annotations

import contextlib
import json
import select
import shutil
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.engine.failures import HANDLER
from firnflow.emulator.programs.processes import login_of
from firnflow.emulator.programs.worker import ANSWER, PRINTED, TABLE
from firnflow.emulator.reader import Reader
from firnflow.emulator.stages.places import place

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from firnflow.emulator.programs.workers import Call
    from firnflow.emulator.session import Session

_MODULE = "_firnflow_procedure"
_LOOK = 0.05
_GRACE = 2.0


def check_packages(packages: Sequence[str]) -> None:
    """Raise SnowflakeError if a package is not installed here, or in another version."""
    from packaging.requirements import InvalidRequirement, Requirement

    for each in packages:
        try:
            wanted = Requirement(each)
            version = metadata.version(wanted.name)
        except (InvalidRequirement, metadata.PackageNotFoundError):
            raise errors.invalid(
                f"Cannot create a Python function with the specified packages: '{each}' is not installed beside the "
                f"emulator. Mend: pip install '{each}'"
            ) from None
        if not wanted.specifier.contains(version, prereleases=True):
            raise errors.invalid(
                f"Cannot create a Python function with the specified packages: '{each}', but the emulator runs beside "
                f"{wanted.name} {version}"
            )


def run(
    session: Session,
    body: dict[str, Any],
    arguments: list[Any],
    role: str,
    where: tuple[str | None, ...],
    *,
    is_table: bool = False,
) -> Any:
    """Run a handler, and return what it returns.

    Args:
        session: who calls.
        body: the procedure, as the catalog has it.
        arguments: their values.
        role: with whose rights.
        where: the database and schema of its session.
        is_table: whether it returns a table, which is given back as Arrow.

    Raises:
        SnowflakeError: it has failed, or was cancelled.
    """
    with tempfile.TemporaryDirectory(prefix="firnflow-procedure-") as name:
        folder = Path(name)
        put_code(session, body, folder)
        module, handler = named(body)
        login = login_of(session, role, where, session.task)
        call = {"module": module, "handler": handler, "arguments": arguments, "packages": body["PACKAGES"]}
        call["is_table"] = is_table
        try:
            _wait(session, session.account.workers.call(folder, call, login))
        finally:
            session.account.forget_token(login["SNOWFLAKE_TOKEN"])
        found = _answer(folder)
        if is_table and "error" not in found:
            return _table(folder / TABLE)
    if "error" in found:
        raise errors.SnowflakeError(
            100357,
            "P0000",
            f"{HANDLER}\n{found['error']} in function {body['name']} with handler {handler}",
        )
    return found["value"]


def _table(path: Path) -> Any:
    import pyarrow as pa

    with pa.ipc.open_file(path.read_bytes()) as stream:
        return stream.read_all()


def named(body: dict[str, Any]) -> tuple[str, str]:
    """Return the module and the name in it of a handler."""
    module, _, handler = body["HANDLER"].rpartition(".")
    return (_MODULE, body["HANDLER"]) if "AS" in body else (module, handler)


def accepted(session: Session, listening: socket.socket, call: Call, folder: Path) -> socket.socket:
    """Return the connection of a call that applies a handler to rows.

    Raises:
        RuntimeError: the call has ended before.
        SnowflakeError: the statement is cancelled.
    """
    while not select.select([listening], [], [], _LOOK)[0]:
        session.go_on()
        if call.wait(0):
            raise RuntimeError(f"{HANDLER}\n{_answer(folder).get('error', 'the handler was killed')}")
    return listening.accept()[0]


def answered(session: Session, control: socket.socket) -> None:
    """Wait until a handler answers. Raises SnowflakeError: the statement is cancelled."""
    while not select.select([control], [], [], _LOOK)[0]:
        session.go_on()


def ended(session: Session, call: Call) -> None:
    """End a call whose rows are all done: it does so by itself, or is killed after some seconds."""
    until = time.monotonic() + _GRACE
    while not session.is_cancelled and not call.wait(_LOOK) and time.monotonic() < until:
        pass
    call.end()


def put_code(session: Session, body: dict[str, Any], folder: Path) -> None:
    """Write the source of a procedure or function, and its imports, into a folder."""
    if "AS" in body:
        (folder / f"{_MODULE}.py").write_text(body["AS"], encoding="utf-8")
    for each in body.get("IMPORTS", []):
        files = place(session, Reader(each).location(), "READ").files()
        if not files:
            raise errors.SnowflakeError(253006, "22000", f"Remote file '{each}' was not found.")
        for file in files:
            shutil.copyfile(file.path, folder / file.path.name)


def _wait(session: Session, call: Call) -> None:
    """Wait for the end of a call, unless the statement is cancelled. Raises SnowflakeError: it is."""
    try:
        while not call.wait(_LOOK):
            session.go_on()
    finally:
        call.end()


def _answer(folder: Path) -> dict[str, Any]:
    """Return what a call has answered; one that was killed has answered nothing."""
    with contextlib.suppress(OSError, ValueError):
        found: dict[str, Any] = json.loads((folder / ANSWER).read_text(encoding="utf-8"))
        return found
    printed = folder / PRINTED
    return {"error": printed.read_text(errors="replace")[-4000:] if printed.exists() else "the handler was killed"}
