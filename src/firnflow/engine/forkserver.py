"""The fork server: a process that has imported the project once, and forks a worker whenever the driver asks.

Started as `python -m firnflow.engine.forkserver FD SETUP` (SETUP is JSON). Protocol on the socket FD: each message
`{"fork": PATH}` carries one end of the new worker's connection; a line `{"exited": pid, "status": status}` comes back
when a worker has ended (status as of os.waitpid). When the driver hangs up, every worker is killed: nothing outlives a
driver that died.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firnflow.project import Project

_MESSAGE = 65_536


def main(control: socket.socket, setup: dict[str, Any]) -> None:
    """Load the project, then fork on demand until the driver hangs up."""
    os.setsid()  # Ctrl-C in the driver's terminal is the driver's business
    gc.disable()  # hardly any of what is loaded is garbage, and looking for it takes a tenth of the time
    try:
        project = _load(setup)
    except BaseException:  # noqa: BLE001 - whatever a user's module does at import
        _say(control, {"broken": traceback.format_exc()})
        return
    wake, waker = socket.socketpair()
    waker.setblocking(False)  # noqa: FBT003 - its only argument
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    gc.freeze()  # what is loaded stays shared between the workers
    gc.enable()
    workers: set[int] = set()
    while True:
        ready, _, _ = select.select([control, wake], [], [])
        if wake in ready:
            wake.recv(4096)
        _report(control, workers)
        if control in ready and not _serve(control, project, setup["pipeline"], workers):
            break
    signal.set_wakeup_fd(-1)  # its socket is closed when this function ends
    for pid in workers:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    shutil.rmtree(setup["streams"], ignore_errors=True)  # a driver that was killed cannot


def _load(setup: dict[str, Any]) -> Project:
    from firnflow.project import load_project
    from firnflow.values.registry import value_types

    project = load_project(Path(setup["root"]), setup["environment"])
    project.pipeline(setup["pipeline"]).build()
    importlib.import_module("firnflow.engine.worker")  # with SQLAlchemy: 0.15 s that each worker would take
    value_types()
    for module in setup["libraries"]:
        with contextlib.suppress(ImportError):  # a task that needs it will say so
            importlib.import_module(module)
    return project


def _serve(control: socket.socket, project: Project, pipeline: str, workers: set[int]) -> bool:
    """Fork one worker; return False where the driver has hung up."""
    try:
        data, fds, _, _ = socket.recv_fds(control, _MESSAGE, 1)
    except ConnectionError:
        return False
    if not data:
        return False
    pid = os.fork()
    if pid:
        workers.add(pid)
        os.close(fds[0])
        return True
    _become_worker(control, fds[0], project, pipeline, Path(json.loads(data)["fork"]))
    return False  # not reached


def _become_worker(control: socket.socket, fd: int, project: Project, pipeline: str, stream: Path) -> None:
    status = 1
    try:
        os.setsid()  # a group of its own, so that a task's child processes are killed with it
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        control.close()
        _die_with_parent()
        from firnflow.engine.worker import work

        work(socket.socket(fileno=fd), project, pipeline, stream)
        status = 0
    except BrokenPipeError:
        pass  # the driver is gone
    except BaseException:  # noqa: BLE001 - the last frame of the process: say why and end
        traceback.print_exc()
    finally:
        os._exit(status)


def _die_with_parent() -> None:
    """Ask Linux to kill this process when the fork server dies (prctl(2), PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _report(control: socket.socket, workers: set[int]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        workers.discard(pid)
        _say(control, {"exited": pid, "status": status})


def _say(control: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the driver is gone; the main loop will see it
        control.sendall(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), json.loads(sys.argv[2]))
