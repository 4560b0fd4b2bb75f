"""Who holds a run: a process, named so that another process on the same machine can see whether it is still there."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path


@cache
def _machine() -> str:
    """Return what tells this boot of this machine (or container) from every other."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - no file, a name
    except OSError:
        import psutil

        boot, namespace = str(int(psutil.boot_time())), ""
    return f"{socket.gethostname()}/{boot}/{namespace}"


def this_process() -> str:
    """Return the name of this process as an owner."""
    return f"{_machine()}/{os.getpid()}/{_started(os.getpid())}"


def is_alive(owner: str) -> bool | None:
    """Return whether an owner still runs, or None where that cannot be seen from here (another machine)."""
    machine, _, process = owner.rpartition("/")[0].rpartition("/")
    if machine != _machine() or not process.isdigit():
        return None
    return _started(int(process)) == owner.rpartition("/")[2]


def _started(pid: int) -> str:
    """Return when a process began, so that a number which the system gave again is not taken for it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "gone" if fields[0] in "ZX" else fields[19]  # a zombie has ended, its parent has not looked yet
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return "gone"
    import psutil

    try:
        return str(psutil.Process(pid).create_time())
    except psutil.Error:
        return "gone"
