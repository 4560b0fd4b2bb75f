"""What this machine, or the container around this process, has to give."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def processors() -> int:
    """Return how many processors this process may use; at least 1."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _words("cpu.max")  # "max 100000" or "150000 100000"
    if len(quota) == 2 and quota[0].isdigit() and int(quota[1]) > 0:
        count = min(count, -(-int(quota[0]) // int(quota[1])))
    return max(count, 1)


def memory() -> int:
    """Return how many bytes of memory this process may use: the machine's, or the container's limit."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [*_words("memory.max")[:1], *_words("memory/memory.limit_in_bytes")[:1]]
    return min([total, *(int(limit) for limit in limits if limit.isdigit())])


def _words(name: str) -> list[str]:
    try:
        return (_CGROUP / name).read_text().split()
    except OSError:
        return []
