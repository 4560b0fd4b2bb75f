"""The detector: thresholds from past errors, kept as plain JSON; what a day should be is read from the days before it.

A detector holds no series. `Detector.score` reads the history anew, so the forecast is never older than yesterday,
while the thresholds are those that were fitted, and can be looked at, compared and put back. `replay` fits and scores
a whole series as production would have done, in one walk.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from firnflow._text import counted
from firnflow.errors import DataError
from firnflow.models.section import Section
from firnflow.monitoring.anomalies import judging
from firnflow.monitoring.anomalies.days import Days
from firnflow.monitoring.anomalies.robust import CONSISTENT, median
from firnflow.monitoring.anomalies.scale import Scale, rounded, scale_of
from firnflow.monitoring.anomalies.settings import DetectorSettings
from firnflow.monitoring.anomalies.tails import tail_bound
from firnflow.monitoring.anomalies.walk import FIRST, HOLIDAY_REACH, REACH, Walk, day_totals, walk

if TYPE_CHECKING:
    from firnflow.monitoring.anomalies.robust import Array
    from firnflow.monitoring.anomalies.verdict import Verdict

_DAYS_A_YEAR = 365.25
_LEAST_SPREAD = 0.01
_OWN_WEEKDAY = 14.0
"""How many errors of all weekdays a weekday's spread is drawn towards."""


class Bounds(Section):
    """When an error is too large.

    Attributes:
        centre: the median of past errors.
        spread: their robust standard deviation.
        up: the bound above the centre, in spreads; likewise `down`, as a positive number.
    """

    centre: float
    spread: float
    up: float
    down: float


class Detector(Section):
    """Thresholds for one series; `fit` makes it.

    Attributes:
        settings: what it was fitted with.
        until: the last day that it was fitted on.
        slots: into how many parts a day is divided.
        total_scale, slot_scale: on which errors are measured.
        errors: how many days with a known error the thresholds are made from.
        total: bounds of the total's error, on its scale; None: too few errors.
        weekdays: what a weekday's spread is as a share of all, from Monday.
        shape: bounds of the distance of the day's shape; None: daily values, or too few.
    """

    settings: DetectorSettings
    until: dt.date
    slots: int
    total_scale: Scale
    slot_scale: Scale
    errors: int
    total: Bounds | None
    weekdays: tuple[float, ...]
    shape: Bounds | None

    def score(self, series: Days, day: dt.date) -> Verdict:
        """Return the verdict on a day.

        Args:
            series: the history and the day itself. What comes after the day is not looked at.
            day: the date.

        Raises:
            DataError: the series is divided unlike that of the fit, or does not reach back to before the day.
        """
        return self.scores(series, day, day)[0]

    def scores(self, series: Days, first: dt.date, last: dt.date) -> list[Verdict]:
        """Return the verdicts on some days in a row, each as `score` gives it, in the time of one.

        Args:
            series: the history and the days. What comes after a day is not looked at.
            first: the first day.
            last: the last one.

        Raises:
            DataError: as `score`.
        """
        check_slots(self, series)
        for day in (first, last):
            if type(day) is not dt.date:
                raise DataError(f"{day!r} is no date. Mend: datetime.date(2026, 1, 31)")
            if not 0 <= series.number(day) < len(series):
                raise DataError(
                    f"{day} is not in the series, which goes from {series.first} to {series.day(len(series) - 1)}. "
                    "Mend: give the history with the day at its end"
                )
        count = (last - first).days + 1
        if count < 1:
            raise DataError(f"The days end before they begin: {first} to {last}. Mend: swap the two")
        part = _recent(series, series.number(last) + 1, self.settings, memory=count)
        walked = walk(part, self.settings, self.total_scale, self.slot_scale)
        return [judging.judge(self, part, walked, number) for number in range(len(part) - count, len(part))]


def check_slots(detector: Detector, series: Days) -> None:
    """Raise DataError where a series is divided unlike that of the fit."""
    _check(series)
    if series.slots != detector.slots:
        raise DataError(
            f"The series has {counted(series.slots, 'part')} a day, the detector {detector.slots}. "
            f"Mend: days_of(…, slots={detector.slots}), or fit again"
        )


def fit(history: Days, settings: DetectorSettings, *, earlier: Detector | None = None) -> Detector:
    """Return a detector for the days after a history.

    Args:
        history: what is known; its last `settings.memory` days make the thresholds.
        settings: how.
        earlier: a detector of the same series, whose scales are kept, so that scores can be compared.

    Raises:
        DataError: the history is divided unlike that of `earlier`, or has no known day.
    """
    _check(history)
    if earlier is None:
        scales = _scales(history, settings)
    else:
        check_slots(earlier, history)
        scales = earlier.total_scale, earlier.slot_scale
    part = _recent(history, len(history), settings, settings.memory)
    return _fitted(part, walk(part, settings, *scales), len(part), settings, scales)


def replay(series: Days, settings: DetectorSettings) -> list[Verdict]:
    """Return a verdict for each day of a series, each as production would have had it on the evening of that day.

    The first fit comes as soon as there are errors enough, then one every `settings.refit` days. Equal to `fit` on the
    days before, and `Detector.score`, day by day.

    Raises:
        DataError: no day is known.
    """
    _check(series)
    totals = day_totals(series, settings)
    known = np.cumsum(~np.isnan(totals))
    start = int(np.searchsorted(known, settings.warmup + FIRST)) + 1
    found = [judging.warming_up(series.day(number), totals[number]) for number in range(min(start, len(series)))]
    if start >= len(series):
        return found
    scales = _scales(series.before(series.day(start)), settings)
    walked = walk(series, settings, *scales)
    detector = None
    for number in range(start, len(series)):
        if detector is None or (number - start) % settings.refit == 0:
            detector = _fitted(series, walked, number, settings, scales)
        found.append(judging.judge(detector, series, walked, number))
    return found


def _check(series: Days) -> None:
    if not isinstance(series, Days):
        raise DataError(f"{type(series).__name__} is no series of days. Mend: days_of(times, values, settings)")
    if not len(series):
        raise DataError("There is no day in the series. Mend: give the history before the day that is to be judged")


def _scales(history: Days, settings: DetectorSettings) -> tuple[Scale, Scale]:
    totals = day_totals(history, settings)
    if np.isnan(totals).all():
        raise DataError(
            f"No day of the {len(history)} has {settings.complete:.0%} of its {history.slots} parts. "
            "Mend: check that the times are right, or lower `complete`"
        )
    return scale_of(totals, settings.scale), scale_of(history.cells.ravel(), settings.scale)


def _recent(series: Days, end: int, settings: DetectorSettings, memory: int) -> Days:
    """Return the last `memory` days before `end`, and those that their errors depend on."""
    reach = memory + REACH + (HOLIDAY_REACH if settings.holidays else 0)
    start = max(0, end - reach)
    return Days(series.day(start), series.cells[start:end])


def _fitted(series: Days, walked: Walk, end: int, settings: DetectorSettings, scales: tuple[Scale, Scale]) -> Detector:
    start = max(0, end - settings.memory)
    off = {holiday.day for holiday in settings.holidays}
    usual = np.array([series.day(number) not in off for number in range(start, end)], dtype=bool)
    errors = np.where(usual, walked.errors[start:end], np.nan)
    distances = np.where(usual, walked.distances[start:end], np.nan)
    rate = settings.false_alarms / _DAYS_A_YEAR / (4 if series.slots > 1 else 2)
    weekdays = (np.arange(start, end) + series.first.weekday()) % 7
    shares = _weekday_shares(errors, weekdays)
    known = int(np.count_nonzero(~np.isnan(errors)))
    shaped = int(np.count_nonzero(~np.isnan(distances)))
    return Detector(
        settings=settings,
        until=series.day(end - 1),
        slots=series.slots,
        total_scale=scales[0],
        slot_scale=scales[1],
        errors=known,
        total=_bounds(errors, shares[weekdays], rate, settings) if known >= settings.warmup else None,
        weekdays=tuple(rounded(share) for share in shares),
        shape=_bounds(distances, np.ones(end - start), 2 * rate, settings) if shaped >= settings.warmup else None,
    )


def _weekday_shares(errors: Array, weekdays: Array) -> Array:
    """Return each weekday's spread as a share of all, 7: as far as its own errors tell, the rest as all have it."""
    size = np.abs(errors - median(errors))
    all_days = float(median(size))
    if not all_days > 0:
        return np.ones(7)
    found = np.ones(7)
    for weekday in range(7):
        own = size[weekdays == weekday]
        known = int(np.count_nonzero(~np.isnan(own)))
        if known:
            ratio = float(median(own)) / all_days
            found[weekday] = np.sqrt((known * ratio**2 + _OWN_WEEKDAY) / (known + _OWN_WEEKDAY))
    return found


def _bounds(errors: Array, shares: Array, rate: float, settings: DetectorSettings) -> Bounds:
    known = ~np.isnan(errors)
    centre = float(median(errors[known]))
    relative = (errors[known] - centre) / shares[known]
    spread = max(CONSISTENT * float(median(np.abs(relative))), _LEAST_SPREAD)
    up, down = (tail_bound(sign * relative / spread, rate) for sign in (1, -1))
    least = settings.least_deviation
    return Bounds(
        centre=rounded(centre), spread=rounded(spread), up=rounded(max(up, least)), down=rounded(max(down, least))
    )
