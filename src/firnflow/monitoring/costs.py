"""Cost warnings: a day that costs much more, or much less, than yesterday, a week or four weeks before.

A rule of thumb beside the detector of `anomalies`: it needs no history to learn from, and anybody can check it by hand.

A day *differs* from another where the difference is above `amount`, in currency, and above `share` of the other day. It
is warned of where it differs from one of the days that it is compared with, except that

- a **rebound** is no news: where the other day is *off*, and the day does not differ from something that was there
  before;
- a **weekday** is no news: a change against yesterday that the same weekday of one of the four weeks before has made
  too, in the same direction, so that the day does not differ from that one. Of a day that was off, what was there
  before it counts as well.

A day that is warned of is off. So are the days after it, until one does not differ from something that was there
before, or until `memory` days have passed: then the new level is the level. What was there before is what the days that
are off were compared with; of a day that was off itself, what was there before that.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field

from firnflow.errors import DataError
from firnflow.models.section import Section
from firnflow.monitoring.anomalies.scale import rounded

if TYPE_CHECKING:
    from collections.abc import Mapping

_WEEKS = 4
_LARGEST = 1e15


class WarningSettings(Section):
    """When a change of costs is worth a warning.

    Attributes:
        amount: in currency: a difference must be above it …
        share: … and above this share of the other day; where that was 0, the amount alone counts.
        against: how many days before the other days are. Multiples of 7 compare equal weekdays.
        weekdays: whether a change against yesterday is left out that comes every week.
        memory: days after which a level that stays is taken for the new one.
    """

    amount: Annotated[float, Field(ge=0)] = 25.0
    share: Annotated[float, Field(ge=0)] = 0.33
    against: Annotated[tuple[Annotated[int, Field(ge=1, le=366)], ...], Field(min_length=1)] = (1, 7, 28)
    weekdays: bool = True
    memory: Annotated[int, Field(ge=1, le=366)] = 28

    def differs(self, value: float, other: float) -> bool:
        """Return whether a value differs from another by more than both limits."""
        size = abs(value - other)
        return rounded(size) > self.amount and rounded(size) > rounded(self.share * abs(other))


class Change(Section):
    """A day beside another one.

    Attributes:
        days: how many days before the other one is.
        before: its value.
        difference: the day's value less that.
        share: the difference as a share of `before`; None where that was 0.
    """

    days: int
    before: float
    difference: float
    share: float | None


class CostWarning(Section):
    """A day whose costs have changed much.

    Attributes:
        day: the date.
        value: of the day, in currency.
        changes: those that are warned of, in the order of the settings.
    """

    day: dt.date
    value: float
    changes: tuple[Change, ...]

    @property
    def largest(self) -> Change:
        """The change that is largest in currency."""
        return max(self.changes, key=lambda change: abs(change.difference))


def cost_warnings(values: Mapping[dt.date, float | None], settings: WarningSettings) -> tuple[CostWarning, ...]:
    """Return the days of a series that are to be warned of, the oldest first. No day depends on a later one.

    Args:
        values: day → costs in currency, in any order. A day that is not there, None or NaN is unknown: it is neither
            warned of nor compared with, and changes nothing of what is off.
        settings: what counts.

    Raises:
        DataError: a value is infinite or above 1e15, or a key is no date.
    """
    series = _Series(_known(values), settings)
    return tuple(warning for day in sorted(series.values) if (warning := series.look(day)) is not None)


class _Off(NamedTuple):
    """A day that is off: since when, and what was there before."""

    since: dt.date
    before: tuple[float, ...]


class _Series:
    """The days that were looked at so far: the values, and which days are off."""

    def __init__(self, values: dict[dt.date, float], settings: WarningSettings) -> None:
        self.values, self._settings, self._differ = values, settings, settings.differs
        self._off: dict[dt.date, _Off] = {}
        self._last: dt.date | None = None

    def look(self, day: dt.date) -> CostWarning | None:
        """Return the warning of a day, if there is one; days are to come in their order."""
        value = self.values[day]
        changes = tuple(change for days in self._settings.against if (change := self._change(day, days)) is not None)
        episode = self._off.get(self._last) if self._last is not None else None
        if episode is not None and (day - episode.since).days >= self._settings.memory:
            episode = None
        since, before = episode or (day, ())
        if changes:
            compared = [each for change in changes for each in self._before(_earlier(day, change.days))]
            self._off[day] = _Off(since, tuple(dict.fromkeys([*before, *compared])))
        elif episode is not None and all(self._differ(value, each) for each in before):
            self._off[day] = episode
        self._last = day
        return CostWarning(day=day, value=value, changes=changes) if changes else None

    def _change(self, day: dt.date, days: int) -> Change | None:
        """Return the change against an earlier day, or None where it is small, unknown or no news."""
        other, value = _earlier(day, days), self.values[day]
        before = self.values.get(other)
        if before is None or not self._differ(value, before):
            return None
        if other in self._off and not all(self._differ(value, each) for each in self._off[other].before):
            return None
        if days == 1 and self._settings.weekdays and any(self._weekly(day, weeks) for weeks in range(1, _WEEKS + 1)):
            return None
        difference = rounded(value - before)
        ratio = difference / abs(before) if before else math.inf
        share = rounded(ratio) if math.isfinite(ratio) else None
        return Change(days=days, before=before, difference=difference, share=share)

    def _weekly(self, day: dt.date, weeks: int) -> bool:
        """Return whether the same weekday some weeks before has made the same change against its yesterday."""
        up = self.values[day] > self.values[_earlier(day, 1)]
        return any(
            (then > before) == up and self._differ(then, before) and not self._differ(self.values[day], then)
            for then in self._seen(_earlier(day, 7 * weeks))
            for before in self._seen(_earlier(day, 7 * weeks + 1))
        )

    def _before(self, day: dt.date) -> tuple[float, ...]:
        """Return a day's value, or what was there before where it is off."""
        return self._off[day].before if day in self._off else (self.values[day],)

    def _seen(self, day: dt.date) -> tuple[float, ...]:
        """Return a day's value, where it is known, and what was there before where it is off."""
        if day not in self.values:
            return ()
        return (self.values[day], *self._before(day))


def _earlier(day: dt.date, days: int) -> dt.date:
    return day - dt.timedelta(days=days)


def _known(values: Mapping[dt.date, float | None]) -> dict[dt.date, float]:
    found = {}
    for day, value in values.items():
        if type(day) is not dt.date:
            raise DataError(f"{day!r} is no date. Mend: datetime.date(2026, 1, 31)")
        if value is None or math.isnan(value):
            continue
        if abs(value) > _LARGEST:
            raise DataError(f"The costs of {day} are {value:g}. Mend: leave the day out, or write None for unknown")
        found[day] = float(value)
    return found
