"""Which moments of a pipeline's schedule stand for which partitions: what Airflow's own backfill goes by.

Airflow's backfill makes a run for each moment of a timetable in a stretch of time, and a run is for the newest
partition that was complete at its moment. So it can be used where each partition has just one moment.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from firnflow.engine.schedules import calendar
from firnflow.graph.model import Cron, Every
from firnflow.graph.partitions import ByKey
from firnflow.targets.airflow.schedule import compile_schedule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from firnflow.graph.model import Graph

_INSTANT = 0.001  # seconds


def moments(graph: Graph, partitions: Sequence[str], now: float) -> dict[str, float]:
    """Return partition → the one moment that stands for it, of those that have just one, and it has passed.

    Args:
        graph: of the pipeline.
        partitions: in order.
        now: seconds since 1970, as the moments are.
    """
    found = {key: _moment(graph, key) for key in partitions}
    return {key: at for key, at in found.items() if at is not None and at < now}


def stretch(graph: Graph, found: Mapping[str, float]) -> dict[str, float]:
    """Return the longest stretch of partitions, each following the one before it, of those that have a moment."""
    best: dict[str, float] = {}
    current: dict[str, float] = {}
    last = None
    for key, moment in found.items():
        current = {**current, key: moment} if last is not None and _following(graph, last) == key else {key: moment}
        best, last = max(best, current, key=len), key
    return best


def _moment(graph: Graph, partition: str) -> float | None:
    """Return the moment, in seconds since 1970, that stands for a partition; None: there is none, or several."""
    parts, schedule = graph.partition, graph.schedule
    if parts is None or isinstance(parts, ByKey) or not isinstance(schedule, Cron | Every):
        return None
    compiled = compile_schedule(schedule, "")
    if compiled is None or compiled["kind"] != "cron":  # counted from the first run
        return None
    cron = Cron(compiled["expression"], timezone=compiled["timezone"])
    until = parts.span(parts.following(partition)).end
    later = itertools.takewhile(lambda at: at < until, calendar.moments(cron, parts.span(partition).end - _INSTANT))
    all_of_it = list(itertools.islice(later, 2))
    return all_of_it[0] if len(all_of_it) == 1 else None


def _following(graph: Graph, partition: str) -> str | None:
    parts = graph.partition
    return None if parts is None or isinstance(parts, ByKey) else parts.following(partition)
