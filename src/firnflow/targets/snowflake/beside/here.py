"""Executes a task in the process of a procedure: what in a container the launcher does with a process of its own.

It is called by `procedure.py`, with the Firnflow of the payload. What Firnflow sends goes by the session of the
procedure (`stores/snowflake/procedure.py`), and no process is started: https://docs.snowflake.com/en/developer-guide/
stored-procedure/python/procedure-python-limitations
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import math
import os
import runpy
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

from firnflow.engine.workplace import logs_folder
from firnflow.stores.snowflake import procedure
from firnflow.targets.snowflake.beside import launcher
from firnflow.targets.snowflake.beside.procedure import logs_folder as logs_folder_of
from firnflow.targets.snowflake.beside.procedure import turn_now


def execute(session: Any, job: dict[str, Any], folder: str) -> dict[str, Any]:
    """Execute a task; return what a launcher would answer.

    Args:
        session: Snowpark's, of the procedure.
        job: what is to be executed.
        folder: holds the payload's `project.zip` and the graph.
    """
    place, before = Path(folder), dict(os.environ)
    with zipfile.ZipFile(place / "project.zip") as file:
        file.extractall(place / "project")
    os.environ.update(job.get("variables", {}))
    try:
        with contextlib.chdir(place / "project"), procedure.entered(session):
            found = launcher.work(job, place, lambda step, there: _try(session, step, there))
    finally:
        os.environ.clear()
        os.environ.update(before)
    _keep_logs(session, job, place / "project")
    return found


def _try(session: Any, job: dict[str, Any], place: Path) -> tuple[int, dict[str, Any]]:
    """Execute a task once; return exit code and answer of `firnflow exec`."""
    answer, said, seconds = io.StringIO(), io.StringIO(), job.get("timeout")
    limit = _Limit(session, seconds)
    try:
        with contextlib.redirect_stdout(answer), contextlib.redirect_stderr(said), limit:
            code = _program(launcher.arguments(job, place))
    except KeyboardInterrupt:
        if not limit.is_over:
            raise
        code = launcher.TIMED_OUT
    sys.stderr.write(said.getvalue())
    if code != 0 and limit.is_over:
        return launcher.TIMED_OUT, launcher.timed_out(seconds)
    errors = [each for line in said.getvalue().splitlines() for each in launcher.errors_in(line)]
    return code, launcher.answered(code, answer.getvalue(), errors)


def _program(arguments: list[str]) -> int:
    """Do what `python -m firnflow` does, in this process; return its exit code."""
    before, sys.argv = sys.argv, ["firnflow", *arguments]
    try:
        runpy.run_module("firnflow", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.argv = before
    return 0


class _Limit:
    """The time limit of a try, as a context manager: Snowflake ends its statements, an exception its Python.

    https://docs.snowflake.com/en/sql-reference/parameters#statement-timeout-in-seconds holds for each statement that
    begins after it was set. In a process that only has threads nothing else can be ended from outside.

    Attributes:
        is_over: whether the time has passed.

    Args:
        session: Snowpark's.
        seconds: the limit; None: there is none.
    """

    def __init__(self, session: Any, seconds: float | None) -> None:
        self._session, self._seconds = session, seconds
        self._until = math.inf if seconds is None else time.monotonic() + seconds
        self._timer = threading.Timer(seconds or 0, _raise_in, (threading.get_ident(), KeyboardInterrupt))

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._until

    def __enter__(self) -> None:
        if self._seconds is not None:
            self._ask(f"SET STATEMENT_TIMEOUT_IN_SECONDS = {math.ceil(self._seconds)}")
            self._timer.daemon = True
            self._timer.start()

    def __exit__(self, *_: object) -> None:
        if self._seconds is not None:
            try:
                self._timer.cancel()
                _raise_in(threading.get_ident(), None)  # what has not come yet comes no more
            finally:  # it may come just here
                self._ask("UNSET STATEMENT_TIMEOUT_IN_SECONDS")

    def _ask(self, change: str) -> None:
        self._session.sql(f"ALTER SESSION {change}").collect()


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Raise an error in a thread, at its next step in Python; None: nothing that was to be raised."""
    raised = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)


def _keep_logs(session: Any, job: dict[str, Any], project: Path) -> None:
    """Write the logs of a task's attempts to the stage: there is no container that keeps them."""
    folder = logs_folder_of(job["payload"], turn_now())
    with contextlib.suppress(Exception):  # what is committed is committed
        for path in sorted(logs_folder(project).glob("*/*.jsonl")):
            session.file.put(str(path), f"{folder}/{path.parent.name}", auto_compress=False, overwrite=True)
