"""A worker: a process that executes one task at a time, forked warm from the fork server."""

from __future__ import annotations

import faulthandler
import os
import random
import signal
import sys
from typing import TYPE_CHECKING, Any

from firnflow.engine.attempt import Call, Workplace, execute_attempt
from firnflow.engine.channel import Channel
from firnflow.engine.logs import AttemptLog, attempt_file
from firnflow.engine.pool import MOST_SAID
from firnflow.engine.sources import with_builtins
from firnflow.engine.workplace import open_workplace
from firnflow.errors import RunConflictError

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from firnflow.graph.task import Task
    from firnflow.project import Project


def work(sock: socket.socket, project: Project, pipeline: str, stream: Path) -> None:
    """Execute what the driver sends until it hangs up.

    Args:
        sock: the connection to the driver.
        project: the loaded project.
        pipeline: whose tasks are executed.
        stream: the file that this process's own file descriptors 1 and 2 go to.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, which ends its workers itself
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _redirect(stream)
    _reseed()
    place = open_workplace(project)
    tasks = with_builtins(project.pipeline(pipeline), project, place)
    channel = Channel(sock)
    channel.send({"pid": os.getpid()})
    while (message := channel.receive()) is not None:
        channel.send(_attempt(Call.from_json(message), tasks, place, stream))


def _attempt(call: Call, tasks: dict[str, Task[...]], place: Workplace, stream: Path) -> dict[str, Any]:
    before = stream.stat().st_size
    try:
        outcome = execute_attempt(call, tasks[call.key], place).to_json()
    except RunConflictError as error:
        return {"attempt": call.attempt, "given_up": str(error)}
    _take_stream(stream, before, call, place)
    return {"attempt": call.attempt, "outcome": outcome, "holds": place.memory.digests()}


def _take_stream(stream: Path, offset: int, call: Call, place: Workplace) -> None:
    """Add what was written to this process's file descriptors since `offset` to the attempt's log."""
    if stream.stat().st_size <= offset:
        return
    with stream.open("rb") as file:
        file.seek(offset)
        text = file.read(MOST_SAID).decode("utf-8", "backslashreplace").strip()
    log = AttemptLog(attempt_file(place.logs, call.run, call.task, call.element, call.number), place.redact)
    log.write("process", text)
    log.close()


def _redirect(stream: Path) -> None:
    """Send file descriptors 1 and 2, which C libraries and child processes write to, to a file; 0 reads nothing."""
    null = os.open(os.devnull, os.O_RDONLY)
    out = os.open(stream, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.close(null)
    os.close(out)
    faulthandler.enable(file=sys.__stderr__ or 2)


def _reseed() -> None:
    """Give each worker random numbers of its own, where forks would all draw the same."""
    random.seed()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()
