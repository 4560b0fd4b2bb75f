"""When a root task is due.

https://docs.snowflake.com/en/sql-reference/sql/create-task (SCHEDULE). A time on the wall that comes twice when clocks
go back is due twice, one that is left out when they go forward is not due at all.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from firnflow.emulator import errors

_INTERVAL = re.compile(r"(\d+)\s*(SECONDS?|S|MINUTES?|M|HOURS?|H)", re.IGNORECASE)
_CRON = re.compile(r"USING\s+CRON\s+(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+(\S+)", re.IGNORECASE)
_SECONDS = {"S": 1, "M": 60, "H": 3600}
_SHORTEST, _LONGEST = 10, 691_200
_WALLS_LOOKED_AT = 400
_DAY = dt.timedelta(days=1)


def check(schedule: str) -> None:
    """Raise SnowflakeError if a text is no schedule."""
    following(schedule, 0.0, 0.0)


def following(schedule: str, resumed: float, since: float) -> float:
    """Return the first moment after `since`, in seconds since 1970.

    Args:
        schedule: as SCHEDULE says it.
        resumed: from when intervals are counted.
        since: as above.

    Raises:
        SnowflakeError: it is no schedule.
    """
    if found := _INTERVAL.fullmatch(schedule.strip()):
        seconds = int(found[1]) * _SECONDS[found[2][0].upper()]
        if not _SHORTEST <= seconds <= _LONGEST:
            raise _wrong(schedule, f"an interval is {_SHORTEST} to {_LONGEST} seconds long")
        return resumed + seconds * (math.floor(max(since - resumed, 0.0) / seconds) + 1)
    if found := _CRON.fullmatch(schedule.strip()):
        return _cron(schedule, found[1], found[2], since)
    raise _wrong(schedule, "it is '5 MINUTES' or 'USING CRON 0 6 * * * Europe/Zurich'")


def _cron(schedule: str, expression: str, zone_name: str, since: float) -> float:
    from cronsim import CronSim, CronSimError

    try:
        zone = ZoneInfo(zone_name)
        start = dt.datetime.fromtimestamp(since, zone).replace(tzinfo=None, fold=0)
        walls = list(islice(CronSim(expression, start - _DAY), _WALLS_LOOKED_AT))
        while walls and walls[-1] - start < _DAY:  # every minute of two days, and the next one
            walls += list(islice(CronSim(expression, walls[-1]), _WALLS_LOOKED_AT))
    except (CronSimError, ZoneInfoNotFoundError, ValueError) as error:
        raise _wrong(schedule, str(error)) from None
    moments = (moment for wall in walls for moment in _instants(wall, zone) if moment > since)
    found = min(moments, default=None)
    if found is None:
        raise _wrong(schedule, "it is never due")
    return found


def _instants(wall: dt.datetime, zone: ZoneInfo) -> set[float]:
    """Return when clocks show this time: once, twice, or never."""
    both = {wall.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1)}
    return {each for each in both if dt.datetime.fromtimestamp(each, zone).replace(tzinfo=None, fold=0) == wall}


def _wrong(schedule: str, why: str) -> errors.SnowflakeError:
    return errors.SnowflakeError(
        91086, "42000", f"SQL compilation error:\nInvalid schedule for a task specified: '{schedule}': {why}"
    )
