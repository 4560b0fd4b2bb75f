"""When a schedule is due, as seconds since 1970.

A cron expression speaks of the time on the wall in its zone. Twice a year that time jumps: where it jumps forward, a
moment that is not there is due at the first one after the gap, once; where it goes back, a moment that comes twice is
due the first time. An expression for every hour (`*` in the second field) goes by the time that passes instead: it is
due in both hours of the same name. This is what Debian's cron does for jobs at fixed hours and for those at all hours.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from firnflow.graph.model import Cron, Every

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.graph.model import Schedule

LATE = 60.0
"""Seconds after which a moment counts as missed where nothing is made up for (`catch_up="none"`)."""
MOST = 1000
"""How many moments are written down at once."""
_SPANS = (3600.0, 2 * 86_400.0, 40 * 86_400.0)


def moments(schedule: Schedule, since: float) -> Iterator[float]:
    """Yield the moments after `since`, in order; none for a schedule that no clock drives."""
    if isinstance(schedule, Every):
        first = math.floor(since / schedule.seconds) + 1
        yield from (count * schedule.seconds for count in itertools.count(first))
    elif isinstance(schedule, Cron):
        last = since
        for moment in _cron(schedule, since):
            if moment > last:
                last = moment
                yield moment


def due(schedule: Schedule, since: float, now: float) -> list[float]:
    """Return the moments in (since, now] for which something is to run, as `catch_up` says; at most MOST."""
    if not isinstance(schedule, Cron | Every):
        return []
    if schedule.catch_up == "all":
        return list(itertools.islice(itertools.takewhile(lambda moment: moment <= now, moments(schedule, since)), MOST))
    earliest = max(since, now - LATE) if schedule.catch_up == "none" else since
    last = _last(schedule, earliest, now)
    return [last] if last is not None else []


def _last(schedule: Cron | Every, since: float, now: float) -> float | None:
    """Return the last moment in (since, now], or None. A year of minutes is not gone through to find it."""
    if isinstance(schedule, Every):
        last = math.floor(now / schedule.seconds) * schedule.seconds
        return last if last > since else None
    for span in (*_SPANS, math.inf):
        start = max(since, now - span)
        found = None
        for moment in itertools.takewhile(lambda moment: moment <= now, moments(schedule, start)):
            found = moment
        if found is not None or start == since:
            return found
    return None


def _cron(schedule: Cron, since: float) -> Iterator[float]:
    zone = ZoneInfo(schedule.timezone)
    start = dt.datetime.fromtimestamp(since, zone)
    by_hour = schedule.expression.split()[1] in {"*", "*/1"}
    try:
        found = CronSim(schedule.expression, start if by_hour else start.replace(tzinfo=None, fold=0))
    except CronSimError:  # the 30th of February
        return
    for local in found:
        yield local.timestamp() if by_hour else _in_zone(local, zone)


def _in_zone(wall: dt.datetime, zone: ZoneInfo) -> float:
    """Return when it is a time on the wall for the first time; of one in a gap, the first moment after the gap."""
    moment = wall.replace(tzinfo=zone, fold=0)
    while moment.astimezone(dt.UTC).astimezone(zone).replace(tzinfo=None) != wall:
        wall += dt.timedelta(minutes=1)
        moment = wall.replace(tzinfo=zone, fold=0)
    return moment.timestamp()
