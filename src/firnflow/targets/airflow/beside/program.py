"""Runs a program for a task: what it says goes into a log, and it ends with all that it has started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GRACE = 20.0
"""Seconds that a program has to write down that it was stopped."""
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Program:
    """A program in a process group of its own.

    Args:
        command: it and its arguments.
        folder: where it runs.
        variables: its environment.
    """

    def __init__(self, command: list[str], folder: str, variables: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - no shell; the words are ours and the run's parameters
            command,
            cwd=folder,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            preexec_fn=_die_with_parent if _LIBC is not None else None,  # noqa: PLW1509 - one system call
        )

    def wait(self, log: Callable[[str], None], seconds: float | None = None) -> tuple[str, int]:
        """Return what it has written to stdout, and its exit code; each line of stderr goes into the log.

        Args:
            log: takes a line.
            seconds: after which it is ended.
        """
        said: list[str] = []
        readers = [
            threading.Thread(target=_read, args=(self._process.stdout, said.append), daemon=True),
            threading.Thread(target=_read, args=(self._process.stderr, lambda line: log(line.rstrip("\n")))),
        ]
        for reader in readers:
            reader.daemon = True
            reader.start()
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        except BaseException:
            self.end()
            raise
        finally:
            if self._process.returncode is None:
                self.end()
            self._kill_group()
            for reader in readers:
                reader.join(5)
        return "".join(said), self._process.wait()

    def end(self) -> None:
        """Ask it to stop, and end its whole group after a grace.

        This may be called by a signal's handler that has interrupted `wait`, so it must not wait in that way.
        """
        until = time.monotonic() + GRACE
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(ChildProcessError):
            while time.monotonic() < until:
                if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                    break
                time.sleep(0.05)
        self._kill_group()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for a task: without those by which Airflow's Python and settings would reach the project."""
    ours = ("AIRFLOW_", "_AIRFLOW_", "__AIRFLOW_")
    python = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP"}
    return {name: value for name, value in given.items() if not name.startswith(ours) and name not in python}


def _read(stream: Any, take: Callable[[str], None]) -> None:
    """Give each line of a stream to `take`, as it comes."""
    with stream:
        for line in stream:
            take(line)


def _die_with_parent() -> None:
    """Let the kernel end the program when the process of Airflow that waits for it dies."""
    _LIBC.prctl(_DIE_WITH_PARENT, signal.SIGTERM)  # type: ignore[union-attr] # only called where it is there
