"""Which partitions a backfill is about, and what is to be done for each."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firnflow._text import counted
from firnflow.errors import UsageError
from firnflow.graph.partitions import ByKey
from firnflow.stores.state.partitions import PartitionStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from firnflow.graph.partitions import Timed
    from firnflow.stores.state.partitions import Entry

BROKEN = (PartitionStatus.FAILED, PartitionStatus.CRASHED, PartitionStatus.CANCELLED)
"""How a partition stands whose run did not get to its end."""
MOST = 50_000
"""How many partitions a backfill may be about."""


@dataclass(frozen=True, slots=True)
class Range:
    """What somebody asked for.

    Attributes:
        keys: the partitions, in order.
        note: what was left out, and why.
        listed: whether they were named one by one.
    """

    keys: tuple[str, ...]
    note: str = ""
    listed: bool = False

    @property
    def options(self) -> str:
        """What to write after `firnflow backfill` for the same ones."""
        return f"--keys {','.join(self.keys)}" if self.listed else f"--from {self.keys[0]} --to {self.keys[-1]}"

    def __str__(self) -> str:
        if len(self.keys) < 3:
            return " and ".join(self.keys)
        return f"{counted(len(self.keys), 'partition')} from {self.keys[0]} to {self.keys[-1]}"


def chosen(
    partition: Timed | ByKey,
    first: str | None,
    last: str | None,
    keys: Sequence[str],
    now: float,
    known: Collection[str],
) -> Range:
    """Return the partitions that somebody asked for, as far as they are complete.

    Args:
        partition: of the pipeline.
        first: the first key; None: the first one there is.
        last: the last key; None: the newest that is complete.
        keys: these instead.
        now: seconds since 1970.
        known: what runs have been for: the keys of `ByKey()`, which says none.

    Raises:
        UsageError: there is no such partition, or none that is complete.
    """
    try:
        if keys:
            return _complete(partition, [partition.check(key) for key in dict.fromkeys(keys)], now, listed=True)
        if isinstance(partition, ByKey):
            return _by_key(partition, first, last, known)
        return _complete(partition, _listed(partition, first or partition.start, last, now), now)
    except ValueError as error:
        raise UsageError(f"{str(error).rstrip('.')}.") from None


def wanted(keys: Sequence[str], entries: Mapping[str, Entry], *, only_failed: bool) -> list[str]:
    """Return the partitions that are not done; with `only_failed` those of which a run did not get to its end."""
    if only_failed:
        return [key for key in keys if key in entries and entries[key].status in BROKEN]
    return [key for key in keys if key not in entries or entries[key].status != PartitionStatus.SUCCEEDED]


def _by_key(partition: ByKey, first: str | None, last: str | None, known: Collection[str]) -> Range:
    if first is not None or last is not None:
        raise ValueError("keys have no order: --from and --to are for partitions of time. Write --keys a,b")
    if not partition.keys and not known:
        raise ValueError("which keys? The pipeline names none, and none has been run. Write --keys a,b")
    return Range(partition.keys or tuple(sorted(known)), listed=True)


def _listed(partition: Timed, first: str, last: str | None, now: float) -> list[str]:
    end = last or partition.newest(now)
    if end is None:
        raise ValueError(f"no partition is complete yet: the first one is {partition.start}")
    if partition.span(partition.check(end)).start < partition.span(partition.check(first)).start:
        raise ValueError(f"--to {end} is before --from {first}")
    found = list(itertools.islice(partition.between(first, end), MOST + 1))
    if len(found) > MOST:
        raise ValueError(f"from {first} to {end} there are more than {MOST:,} partitions")
    return found


def _complete(partition: Timed | ByKey, keys: list[str], now: float, *, listed: bool = False) -> Range:
    """Return the range without what is not over; that is a question of time, not a mistake."""
    over = tuple(key for key in keys if partition.is_over(key, now))
    if not over:
        raise ValueError(f"{keys[0]} is not complete yet: there would be more to run later")
    left = [key for key in keys if key not in set(over)]
    note = f"{', '.join(left[:3])}{' …' if len(left) > 3 else ''}: not complete yet, so left out" if left else ""
    return Range(over, note, listed)
