"""Time and memory limits of tasks: looked at by the driver, enforced by killing the worker."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from firnflow.engine.pool import resident

if TYPE_CHECKING:
    from firnflow.engine.inline import InlinePool
    from firnflow.engine.pool import Pool
    from firnflow.graph.model import TaskNode

KILL_SECONDS = 10


def enforce(pool: Pool | InlinePool, running: dict[int, TaskNode]) -> None:
    """Kill each worker whose task has outrun its timeout or outgrown its memory.

    Args:
        pool: the workers.
        running: attempt → the node that it executes.
    """
    now = time.monotonic()
    for worker in list(pool.workers):
        node = running.get(worker.call.attempt) if worker.call is not None else None
        if node is None or not worker.pid or worker.killed_for is not None:
            continue
        options = node.options
        if options.timeout is not None and now - worker.since > options.timeout:
            pool.kill(worker, "timeout")
        elif options.resources.memory is not None and resident(worker.pid) > options.resources.memory:
            pool.kill(worker, "memory")


def explain(kind: str, node: TaskNode, why: str, said: str, memory: int | None = None) -> dict[str, Any]:
    """Return, as an error in plain data, why a task's worker is gone.

    Args:
        kind: `timeout`, `memory`, `cancelled` or `worker_lost`.
        node: the task.
        why: how the process ended, for `worker_lost`.
        said: what the process last wrote, e.g. the trace of a segmentation fault.
        memory: the limit in bytes, where it is not the task's own.
    """
    options = node.options
    limit = memory or options.resources.memory or 0
    message = {
        "timeout": f"ran longer than its timeout of {options.timeout:g} s and was ended. Mend: @task(timeout=…)"
        if options.timeout
        else "",
        "memory": f"took more memory than its limit of {_bytes(limit)} and was ended. "
        "Mend: @task(resources=Resources(memory=…))",
        "cancelled": "was cancelled",
        "worker_lost": f"{why}. Out of memory or a fault in a native library are the usual causes",
    }[kind]
    names = {"timeout": "TaskTimeoutError", "memory": "MemoryLimitError", "cancelled": "RunCancelledError"}
    return {"kind": kind, "type": names.get(kind, "WorkerLostError"), "message": message, "traceback": said}


def _bytes(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} GiB"
