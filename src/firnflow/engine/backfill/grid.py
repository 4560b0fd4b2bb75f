"""The partitions of a pipeline as a calendar: months of days, days of hours, years of weeks, or a list of keys."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firnflow.graph.partitions import ByKey, Daily, Hourly, Weekly

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from firnflow.graph.partitions import Timed
    from firnflow.stores.state.partitions import Entry

MISSING = "missing"
"""How a partition stands that no run has been for."""
STATES = ("succeeded", "running", "failed", "crashed", "cancelled", "outdated", MISSING)
_AGAIN = 24  # the column of an hour that comes twice


@dataclass(frozen=True, slots=True)
class Line:
    """A month, a day, a year or a key: column → how the partition in it stands."""

    label: str
    cells: dict[int, str]


@dataclass(frozen=True, slots=True)
class Grid:
    """What is drawn.

    Attributes:
        pipeline: its name.
        head: what the columns are called.
        lines: the lines, from the earliest.
        counts: how many partitions stand in each state.
    """

    pipeline: str
    head: tuple[str, ...]
    lines: tuple[Line, ...]
    counts: dict[str, int]


def grid(pipeline: str, partition: Timed | ByKey, keys: Sequence[str], entries: Mapping[str, Entry]) -> Grid:
    """Return the calendar of partitions.

    Args:
        pipeline: its name.
        partition: of the pipeline.
        keys: which to show, in order.
        entries: how those stand that runs have been for.
    """
    states = {key: str(entries[key].status) if key in entries else MISSING for key in keys}
    cells: dict[str, dict[int, str]] = {}
    for key, state in states.items():
        label, column = _place(partition, key)
        cells.setdefault(label, {})[column] = state
    counts = Counter(states.values())
    head = {Daily: range(1, 32), Weekly: range(1, 54), Hourly: [*range(24), "b"], ByKey: [""]}[type(partition)]
    lines = tuple(Line(label, line) for label, line in cells.items())
    return Grid(pipeline, tuple(map(str, head)), lines, {state: counts[state] for state in STATES if counts[state]})


def _place(partition: Timed | ByKey, key: str) -> tuple[str, int]:
    """Return the line and the column of a partition."""
    if isinstance(partition, Daily):
        return key[:7], int(key[8:]) - 1
    if isinstance(partition, Weekly):
        return key[:4], int(key[6:]) - 1
    if isinstance(partition, Hourly):
        return key[:10], _AGAIN if key.endswith("b") else int(key[11:])
    return key, 0
