"""Ends all processes that bear a mark in their environment, once the one that has started it is gone, however it went.

Airflow's services start tasks in process groups of their own: no signal to a group reaches them all.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import uuid
from typing import IO, TYPE_CHECKING, Self

import psutil

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import TracebackType

MARK = "STARTED_BY_DEMO"
"""The variable that holds the mark."""
_PACE = 0.5
"""Seconds between two looks at who leads a session: far less than a program of Python takes until it renames itself."""


class Guard:
    """Marks the processes that are started with `variables`, and ends them when it is left or its process dies.

    Args:
        grace: seconds that they have after SIGTERM.

    Attributes:
        variables: to be given to each process that is to end; what it starts inherits them.
    """

    def __init__(self, grace: float = 20.0) -> None:
        self.variables = {MARK: uuid.uuid4().hex}
        command = [sys.executable, __file__, self.variables[MARK], str(grace)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate()


def marked(mark: str) -> list[psutil.Process]:
    """Return the processes that bear a mark."""
    return [process for process in psutil.process_iter() if _bears(process, mark)]


def watch(mark: str, stream: IO[str]) -> set[int]:
    """Return the sessions that marked processes have led, once a stream is at its end.

    Some of Airflow's processes write their title over their environment, and so over the mark; their session stays.
    """
    sessions: set[int] = set()
    while not select.select([stream], [], [], _PACE)[0]:
        sessions |= {process.pid for process in _of_sessions(None) if _bears(process, mark)}
    return sessions


def end(mark: str, grace: float, sessions: Collection[int] = ()) -> None:
    """End the marked processes: the servers of databases, which wait for their clients, among them.

    Args:
        mark: what they bear.
        grace: seconds that they have after SIGTERM.
        sessions: whose processes end too.
    """
    processes = marked(mark) + _of_sessions(sessions)
    for process in processes:
        _quietly(process.terminate)
    psutil.wait_procs(processes, grace)
    while left := marked(mark) + _of_sessions(sessions):
        for process in left:
            _quietly(process.kill)
        psutil.wait_procs(left, 1)


def _bears(process: psutil.Process, mark: str) -> bool:
    try:
        return bool(process.environ().get(MARK) == mark)
    except (psutil.Error, OSError):
        return False


def _of_sessions(sessions: Collection[int] | None) -> list[psutil.Process]:
    """Return the processes of some sessions; None: those that lead one. One that is only not yet waited for is none."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            session = os.getsid(process.pid)
            is_meant = session == process.pid if sessions is None else session in sessions
            if is_meant and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _quietly(act: object) -> None:
    try:
        act()  # type: ignore[operator]
    except psutil.Error:
        return


if __name__ == "__main__":
    end(sys.argv[1], float(sys.argv[2]), watch(sys.argv[1], sys.stdin))
