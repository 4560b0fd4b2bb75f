"""`firnflow apply --rehearse`: the whole of a deployment on an emulated account, before the real one is touched.

`rehearse` starts an emulator in a folder of the project, and beside it a process that reaches no other account, state
or artifacts than those of that folder (`inside`): it deploys there what is to be deployed, runs the pipelines there and
here, and compares what they come to. Everything that was started has ended when `rehearse` returns or raises.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NoReturn

from firnflow.cli._print import say
from firnflow.cli._rehearsal.borrowed import borrow
from firnflow.cli._rehearsal.surroundings import variables_of
from firnflow.errors import MissingExtraError, RunConflictError, RunError, UsageError
from firnflow.project.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from firnflow.emulator.programs.processes import Process
    from firnflow.project.settings import Settings

_START = 60.0
"""Seconds that the emulator may take until it answers."""
_GRACE = 20.0
"""Seconds that a process has to end by itself: the emulator ends its jobs first."""
_STOPPED = {-signal.SIGINT: 130, 130: 130, -signal.SIGTERM: 143, 143: 143}


def rehearse(root: Path, environment: str | None, pipelines: Sequence[str], seconds: float) -> None:
    """Deploy an environment to an emulator, run its pipelines there, and compare that with runs on this machine.

    Args:
        root: the project's folder.
        environment: of the project.
        pipelines: which of them are run; none: all that can be.
        seconds: how long each may take.

    Raises:
        UsageError: the environment is not for Snowflake.
        MissingExtraError: the emulator is not installed.
        RunConflictError: the environment is being rehearsed already.
        RunError: something went wrong, or came out otherwise there; what it was has been said.
    """
    settings = load_settings(root, environment)
    if settings.orchestrator != "snowflake":
        raise UsageError(
            f"--rehearse: environment {settings.environment!r} is not on Snowflake, and only that is emulated. "
            "Mend: leave it out"
        )
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(_own_folder(root, settings.environment))
        stack.enter_context(_ended_by_signals())
        borrow(root, settings, pipelines, folder)
        emulator = stack.enter_context(_started([sys.executable, "-m", "firnflow", *_EMULATE], folder, {}))
        port = _port(folder / "emulator.log", emulator)
        say(f"Rehearsal of {settings.environment} on an emulated Snowflake, port {port}: nothing else is touched")
        _perform(root, settings, folder, port, pipelines, seconds)
    shutil.rmtree(folder, ignore_errors=True)


_EMULATE = ("emulate", "snowflake", "--port", "0", "--data", "account")


def _perform(root: Path, settings: Settings, folder: Path, port: int, pipelines: Sequence[str], seconds: float) -> None:
    """Have the rehearsal's own process do all, and raise RunError where it does not."""
    wish = {"environment": settings.environment, "pipelines": list(pipelines), "seconds": seconds, "port": port}
    given = json.dumps({"root": str(root), **wish})
    words = [sys.executable, "-m", "firnflow.cli._rehearsal.inside", str(folder), given]
    variables = variables_of(settings, folder, port)
    with _started(words, root, variables, shown=True) as process:
        code = process.popen.wait()
    if code in _STOPPED:
        raise SystemExit(_STOPPED[code])
    if code != 0:
        raise RunError(
            f"The rehearsal of {settings.environment} has not come to its end, so nothing was applied. What it has "
            f"left is in {folder}"
        )


@contextlib.contextmanager
def _own_folder(root: Path, environment: str) -> Iterator[Path]:
    """Yield an empty folder for the rehearsal of an environment, which no other process has."""
    import fcntl

    place = root / ".firnflow" / "rehearsal"
    place.mkdir(parents=True, exist_ok=True)
    with (place / f"{environment}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunConflictError(
                f"Environment {environment} is being rehearsed by another process. Mend: wait for it"
            ) from None
        folder = place / environment
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        yield folder


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Have SIGTERM end this process as Ctrl-C does, so that what was started is ended too."""

    def end(*_: object) -> NoReturn:
        raise SystemExit(143)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _started(words: list[str], folder: Path, variables: dict[str, str], *, shown: bool = False) -> Iterator[Process]:
    """Yield a process; it is ended with all that it has started. `shown`: it speaks to people itself."""
    try:
        from firnflow.emulator.programs.processes import Process
    except ImportError as error:
        raise MissingExtraError(error.name or "fakesnow", "emulator") from error
    with contextlib.ExitStack() as stack:
        log = None if shown else stack.enter_context((folder / "emulator.log").open("w"))
        process = Process(words, folder, variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.end(_GRACE)


def _port(log: Path, emulator: Process) -> int:
    """Return the port on which the emulator answers. Raises RunError where it does not."""
    until = time.monotonic() + _START
    while time.monotonic() < until:
        said = log.read_text(encoding="utf-8", errors="replace")
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", said):
            return int(found[1])
        if emulator.popen.poll() is not None:
            raise RunError(f"The emulator has not started, so nothing was applied:\n{said.strip()}")
        time.sleep(0.05)
    raise RunError(f"The emulator has not answered within {_START:g} s, so nothing was applied. It has said: {log}")
