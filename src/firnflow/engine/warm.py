"""Keeps the workers of a run for the next run in this process: a fork server takes longer to start than small tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.engine.pool import Pool


class WarmPool:
    """The workers of one pipeline, for runs one after the other. Closed by `close`."""

    def __init__(self) -> None:
        self._pool: Pool | None = None

    def take(self, make: Callable[[], Pool]) -> Pool:
        """Return the workers of the run before, or new ones."""
        pool, self._pool = self._pool or make(), None
        return pool

    def give_back(self, pool: Pool) -> None:
        """Keep workers that have nothing to do any more."""
        self._pool = pool

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
