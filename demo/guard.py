"""Ends all processes that bear a mark in their environment, once the one that has started it is gone, however it went.

Airflow's services start tasks in process groups of their own: no signal to a group reaches them all.
"""

from __future__ import annotations

import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Self

import psutil

if TYPE_CHECKING:
    from types import TracebackType

MARK = "STARTED_BY_DEMO"
"""The variable that holds the mark."""


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
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def end(mark: str, grace: float) -> None:
    """End the marked processes: the servers of databases, which wait for their clients, among them."""
    processes = marked(mark)
    for process in processes:
        _quietly(process.terminate)
    psutil.wait_procs(processes, grace)
    while left := marked(mark):
        for process in left:
            _quietly(process.kill)
        psutil.wait_procs(left, 1)


def _quietly(act: object) -> None:
    try:
        act()  # type: ignore[operator]
    except psutil.Error:
        return


if __name__ == "__main__":
    sys.stdin.read()
    end(sys.argv[1], float(sys.argv[2]))
