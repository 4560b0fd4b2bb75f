"""A series as days × slots: the calendar fills what has no row, so that a gap is a gap and no shift of weekdays."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from firnflow._text import counted
from firnflow.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.monitoring.anomalies.robust import Array
    from firnflow.monitoring.anomalies.settings import DetectorSettings

DAY_SECONDS = 86_400
SLOTS = (24, 12, 8, 6, 4, 3, 2, 1)
"""Into how many equal parts a day may be divided: an hour is the finest, since finer ones are mostly noise."""
_MOST_DAYS = 40_000
_SPARSE = 3


@dataclass(frozen=True)
class Days:
    """A series, day by day.

    Attributes:
        first: the first day.
        cells: days × slots; NaN where nothing is known.
    """

    first: dt.date
    cells: Array

    @property
    def slots(self) -> int:
        """Into how many parts a day is divided; 1: daily values."""
        return int(self.cells.shape[1])

    def __len__(self) -> int:
        return len(self.cells)

    def day(self, number: int) -> dt.date:
        """Return the date of a row."""
        return self.first + dt.timedelta(days=number)

    def number(self, day: dt.date) -> int:
        """Return the row of a date, which may lie outside."""
        return (day - self.first).days

    def before(self, day: dt.date) -> Days:
        """Return the days before a date; those that have no row are unknown."""
        end = max(0, self.number(day))
        unknown = np.full((max(0, end - len(self)), self.slots), np.nan)
        return Days(self.first, np.concatenate([self.cells[:end], unknown]))


def days_of(
    times: Iterable[Any], values: Iterable[Any], settings: DetectorSettings, *, slots: int | None = None
) -> Days:
    """Return a series as days.

    Args:
        times: dates or local times without a zone, n, in any order; several rows of one slot are combined.
        values: numbers, n; NaN or None: unknown.
        settings: how rows are combined, and what a missing row means.
        slots: into how many parts a day is divided; None: as the times have it, at most 24.

    Raises:
        DataError: nothing there, times with a zone or that cannot be read, values that are no finite numbers.
    """
    moments, numbers = _moments(times), _numbers(values)
    if len(moments) != len(numbers):
        raise DataError(f"{counted(len(moments), 'time')} but {counted(len(numbers), 'value')}: one value a time")
    known = ~np.isnan(numbers)
    if not known.any():
        raise DataError("The series is empty: there is no known value. Mend: look at the source, or at its filter")
    if slots is None:
        slots = _slots(moments, settings)
    seconds = moments.astype("datetime64[s]").astype(np.int64)
    first = int(seconds.min() // DAY_SECONDS)
    count = int(seconds.max() // DAY_SECONDS) - first + 1
    if count > _MOST_DAYS:
        raise DataError(
            f"The series goes from {moments.min()} to {moments.max()}: {count:,} days. Mend: look for a wrong date"
        )
    place = (seconds - first * DAY_SECONDS) * slots // DAY_SECONDS
    size = count * slots
    sums = np.bincount(place[known], weights=numbers[known], minlength=size)
    rows = np.bincount(place[known], minlength=size)
    filled = sums / np.maximum(rows, 1) if settings.combine == "mean" else sums
    filled[rows == 0] = 0.0 if settings.missing == "zero" else np.nan
    return Days(dt.date(1970, 1, 1) + dt.timedelta(days=first), filled.reshape(count, slots))


def _moments(times: Iterable[Any]) -> Array:
    import pandas as pd

    given = list(times)
    if any(isinstance(each, int | float | np.number) and not np.isnan(each) for each in given):
        raise DataError("The times are numbers, of what unit is a guess. Mend: dates, or pandas.to_datetime(…, unit=…)")
    try:
        found = pd.DatetimeIndex(pd.to_datetime(pd.Index(given, dtype=object), format="ISO8601"))
    except (ValueError, TypeError, OverflowError) as error:
        reason = str(error).partition(". You might")[0]
        raise DataError(f"The times cannot be read: {reason}. Mend: dates as 2026-01-31, or local times") from error
    if found.tz is not None:
        raise DataError(
            f"The times have a zone ({found.tz}): where a day begins would be a guess. Mend: local times without a "
            'zone, e.g. times.tz_convert("Europe/Zurich").tz_localize(None)'
        )
    if found.hasnans:
        raise DataError(f"{counted(int(np.count_nonzero(found.isna())), 'row')} without a time. Mend: leave them out")
    return found.to_numpy()


def _numbers(values: Iterable[Any]) -> Array:
    try:
        found = np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise DataError(f"The values are no numbers: {error}. Mend: a column of numbers") from error
    if np.isinf(found).any():
        raise DataError("A value is infinite. Mend: leave it out, or write None for unknown")
    return found


def _slots(moments: Array, settings: DetectorSettings) -> int:
    steps = np.diff(np.unique(moments.astype("datetime64[s]"))).astype(np.int64)
    if not len(steps):
        return 1
    step = float(np.median(steps))
    if step > _SPARSE * DAY_SECONDS and settings.missing == "unknown":
        raise DataError(
            f"The values are {step / DAY_SECONDS:.0f} days apart: a detector judges days. "
            'Mend: daily values, or missing="zero" if nothing happened on the days between'
        )
    return next(slots for slots in SLOTS if slots == 1 or slots * step <= DAY_SECONDS)
