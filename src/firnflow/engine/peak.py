"""The peak of this process's resident memory, per task where the system can say (Linux), else since the start."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def reset() -> None:
    """Begin to measure anew (Linux: proc(5), clear_refs 5 resets VmHWM)."""
    with contextlib.suppress(OSError):
        _CLEAR.write_text("5")


def read() -> int:
    """Return the peak in bytes."""
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
