"""The memory limit of a task that has this process to itself: who outgrows it is ended, and that is written down."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Self

from firnflow.engine.pool import resident

if TYPE_CHECKING:
    from collections.abc import Callable

_TICK = 0.5  # seconds between two looks, as for local workers


class MemoryLimit:
    """Looks at what this process and its children hold, in a thread of its own, as a context manager.

    Args:
        most: bytes; None: there is no limit.
        leave: called in that thread when they hold more; it writes that down and does not come back, but where the
            task has committed meanwhile.
    """

    def __init__(self, most: int | None, leave: Callable[[], None]) -> None:
        self._most, self._leave = most, leave
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="firnflow-memory", daemon=True)

    def __enter__(self) -> Self:
        if self._most is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._most is not None:
            self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(_TICK):
            if self._most is not None and resident(os.getpid()) > self._most:
                self._leave()
                return


def end_children() -> None:
    """Kill all that this process has started."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
