"""Puts what tests write into memory: on a disk they take three times as long, for each commit waits for it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import psutil

MEMORY = Path("/dev/shm")
NEEDED = 4 * 2**30
"""Bytes that there must be for files, and as many again for who writes them."""


def use() -> Path | None:
    """Put the temporary files of this process and of those that it starts into memory, where there is enough of it.

    What runs have left there that have ended goes.

    Returns:
        The folder; None where `TMPDIR` says what to use, or no such folder can be used.
    """
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK | os.X_OK):
        return None
    there = os.statvfs(MEMORY)
    free = there.f_bavail * there.f_frsize
    if there.f_flag & os.ST_NOEXEC or min(free, psutil.virtual_memory().available / 2) < NEEDED:
        return None
    for folder in MEMORY.glob("firnflow-*"):
        pid = folder.name.removeprefix("firnflow-")
        if pid.isdecimal() and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid))):
            shutil.rmtree(folder, ignore_errors=True)
    own = MEMORY / f"firnflow-{os.getpid()}"  # short: the path of a socket may have 107 characters
    own.mkdir(mode=0o711)  # PostgreSQL may be another user
    os.environ["TMPDIR"] = tempfile.tempdir = str(own)
    return own
