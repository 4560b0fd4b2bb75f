"""Which partitions due moments stand for, and whether somebody else has done them meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.graph.partitions import ByKey
from firnflow.stores.state.ledger import Cause
from firnflow.stores.state.partitions import Partitions, PartitionStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from firnflow.graph.model import Cron, Every
    from firnflow.graph.partitions import Timed
    from firnflow.stores.state import State
    from firnflow.stores.state.ledger import Due, Standing
    from firnflow.stores.state.partitions import Entry

APART = 0.001
"""Seconds between the moments of several partitions that are due at one."""


class DuePartitions:
    """The partitions of an environment, as schedules see them.

    Args:
        state: the state database.
        environment: its name.
        known: returns pipeline → partition, as the project says now.
    """

    def __init__(self, state: State, environment: str, known: Callable[[], Mapping[str, Timed | ByKey]]) -> None:
        self._ledger, self._known = Partitions(state, environment), known

    def at_moments(
        self, schedule: Cron | Every, standing: Standing, found: Sequence[float]
    ) -> list[tuple[float, str | None]]:
        """Return what is to run for moments of a schedule: when, and for which partition.

        A moment stands for the newest partition that is complete then; with `catch_up="all"` also for those that have
        become complete since the moment before. What is done is left out.

        Args:
            schedule: the schedule.
            standing: how far it was written down.
            found: the moments, in order.
        """
        partition = self._known().get(standing.pipeline)
        if partition is None or isinstance(partition, ByKey):
            return [(at, None) for at in found]
        done = {key for key, entry in self._ledger.of(standing.pipeline).items() if _is_done(entry)}
        planned: list[tuple[float, str | None]] = []
        before = standing.since
        for at in found:
            newest = partition.newest(at)
            keys = partition.ended_between(before, at) if schedule.catch_up == "all" else []
            wanted = [key for key in dict.fromkeys([*keys, newest]) if key is not None and key not in done]
            planned += [(at - APART * (len(wanted) - 1 - index), key) for index, key in enumerate(wanted)]
            done.update(wanted)
            before = at
        return planned

    def of_update(self, pipeline: str, changed: Collection[str], now: float) -> list[str | None]:
        """Return the partitions that are to run for new versions of tables; None: the pipeline has none.

        They are those that the versions have changed, if they are called like some of the pipeline; else the newest one
        that is complete.

        Args:
            pipeline: which one.
            changed: the names of the tables' partitions.
            now: seconds since 1970.
        """
        partition = self._known().get(pipeline)
        if partition is None:
            return [None]
        keys: list[str | None] = [key for key in sorted(changed) if has_begun(partition, key, now)]
        if not keys and not isinstance(partition, ByKey) and (newest := partition.newest(now)) is not None:
            return [newest]
        return keys

    def other(self, due: Due) -> Entry | None:
        """Return how the partition of what is due stands, where another run has it: done, or under way.

        Only what a schedule has brought is done by another run; an update or a person wants it once more.
        """
        entry = self._ledger.find(due.pipeline, due.partition) if due.partition is not None else None
        if entry is None or entry.run == due.run:
            return None
        return entry if is_under_way(entry) or (_is_done(entry) and due.cause == Cause.SCHEDULE) else None


def has_begun(partition: Timed | ByKey, name: str, now: float) -> bool:
    """Return whether a pipeline has a partition of this name, and it has begun."""
    try:
        partition.check(name)
        return isinstance(partition, ByKey) or partition.span(name).start <= now
    except ValueError:
        return False


def is_under_way(entry: Entry) -> bool:
    """Return whether a run is at a partition."""
    return entry.status == PartitionStatus.RUNNING


def _is_done(entry: Entry) -> bool:
    return entry.status == PartitionStatus.SUCCEEDED
