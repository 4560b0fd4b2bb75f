"""Which moments of a pipeline's schedule stand for which partitions: what Airflow's own backfill goes by.

Airflow's backfill makes a run for each moment of a timetable in a stretch of time, and a run is for the newest
partition that was complete at its moment. So it can be used where each partition has just one moment.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from firnflow.engine.schedules.calendar import moments
from firnflow.graph.model import Cron, Every
from firnflow.graph.partitions import ByKey
from firnflow.targets.airflow.schedule import compile_schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.graph.model import Graph

_INSTANT = 0.001  # seconds


def moment_of(graph: Graph, partition: str) -> float | None:
    """Return the one moment, in seconds since 1970, that stands for a partition; None: there is none, or several."""
    parts, schedule = graph.partition, graph.schedule
    if parts is None or isinstance(parts, ByKey) or not isinstance(schedule, Cron | Every):
        return None
    compiled = compile_schedule(schedule, "")
    if compiled is None or compiled["kind"] != "cron":  # counted from the first run
        return None
    span = parts.span(partition)
    following = parts.span(parts.following(partition)).end
    cron = Cron(compiled["expression"], timezone=compiled["timezone"])
    found = list(
        itertools.islice(itertools.takewhile(lambda at: at < following, moments(cron, span.end - _INSTANT)), 2)
    )
    return found[0] if len(found) == 1 else None


def stretch(graph: Graph, partitions: Sequence[str], now: float) -> dict[str, float]:
    """Return partition → moment of the longest stretch of partitions, one after the other, that all have a moment.

    Args:
        graph: of the pipeline.
        partitions: in order.
        now: seconds since 1970; a moment that is still to come is the schedule's.
    """
    best: dict[str, float] = {}
    current: dict[str, float] = {}
    last = None
    for key in partitions:
        moment = moment_of(graph, key)
        if moment is None or moment >= now:
            current = {}
        else:
            current = {**current, key: moment} if current and _follows(graph, last, key) else {key: moment}
        best, last = max(best, current, key=len), key
    return best


def _follows(graph: Graph, before: str | None, key: str) -> bool:
    """Return whether a partition of time comes right after another."""
    parts = graph.partition
    return before is not None and not isinstance(parts, ByKey | None) and parts.following(before) == key
