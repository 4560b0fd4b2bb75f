"""Processes of the account: they log in to it as Snowflake's containers do, and end with all that they have started.

https://docs.snowflake.com/en/developer-guide/snowpark-container-services/additional-considerations-services-jobs
names the variables by which a container finds its account.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from firnflow.emulator.session import Session
    from firnflow.emulator.tasks.context import Context

MARK = "FIRNFLOW_EMULATED_PROCESS"
"""A variable by which all that a process has started is found, whatever has become of its parent."""
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
_GRACE = 5.0


class Process:
    """A process of a role.

    Args:
        words: what is started.
        folder: where.
        variables: its environment, beside the little that it has of the server's.
        options: of `subprocess.Popen`.
    """

    def __init__(self, words: list[str], folder: Path, variables: dict[str, str], **options: Any) -> None:
        self._mark = uuid.uuid4().hex
        self.popen = subprocess.Popen(  # noqa: S603 - no shell
            words,
            cwd=folder,
            env={**kept_variables(), **variables, MARK: self._mark},
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one call of C
            **options,
        )

    def end(self, grace: float = _GRACE) -> None:
        """End the process, and all that it has started; those that are asked first get some seconds."""
        if self.popen.poll() is None and grace:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(grace)
        end_marked(self._mark, [self.popen.pid] if self.popen.poll() is None else [])
        self.popen.wait()


def kept_variables() -> dict[str, str]:
    """Return what of the server's environment its processes have."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ}


def end_marked(mark: str, pids: Iterable[int]) -> None:
    """Kill processes, and all that have a mark in their environment."""
    import psutil

    found = set(pids)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark:
                found.add(process.pid)
    for pid in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def login_of(session: Session, role: str, where: Sequence[str | None], task: Context | None = None) -> dict[str, str]:
    """Return the variables by which a process logs in, with a role's rights alone.

    Args:
        session: who starts it.
        role: the role.
        where: the current database and schema in its sessions.
        task: the task that its sessions know that they run in.

    Raises:
        SnowflakeError: no server answers for this account, so that nothing could log in.
    """
    account = session.account
    if account.port is None:
        raise errors.SnowflakeError(603, "XX000", "The emulator runs without a server, so no process can log in to it.")
    place = {"DATABASE": where[0], "SCHEMA": where[1], "WAREHOUSE": session.warehouse}
    return {
        "SNOWFLAKE_ACCOUNT": "emulator",
        "SNOWFLAKE_HOST": "127.0.0.1",
        "SNOWFLAKE_PORT": str(account.port),
        "SNOWFLAKE_PROTOCOL": "http",
        "SNOWFLAKE_SSL": "off",
        "SNOWFLAKE_TOKEN": account.token_for(session.user, role, task),
        **{f"SNOWFLAKE_{name}": value for name, value in place.items() if value is not None},
    }


def _die_with_parent() -> None:
    """Ask Linux to kill this process when the server dies (prctl(2), PR_SET_PDEATHSIG)."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
