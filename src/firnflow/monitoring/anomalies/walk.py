"""Goes through a series day by day and keeps the error of each day's expectation, which knows the days before alone.

The errors of a day depend on the `REACH` days before it and on nothing older: that a walk begins earlier changes none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from firnflow.monitoring.anomalies import baseline, shape
from firnflow.monitoring.anomalies.robust import median

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firnflow.monitoring.anomalies.days import Days
    from firnflow.monitoring.anomalies.robust import Array
    from firnflow.monitoring.anomalies.scale import Scale
    from firnflow.monitoring.anomalies.settings import DetectorSettings

TOTAL_REACH = baseline.REACH + baseline.DRIFT_DAYS + 2 * baseline.JUDGED
SHAPE_REACH = shape.REACH + baseline.JUDGED + shape.SPREAD_DAYS
FILL_DAYS = 28
FIRST = 7
"""Known days before the first error."""
REACH = max(TOTAL_REACH, SHAPE_REACH) + FILL_DAYS
"""Days before a day that its errors depend on."""
HOLIDAY_REACH = 400
"""Days until a holiday comes again: Easter moves by up to 35."""

Holidays = tuple[int | None, int | None]


@dataclass
class Walk:
    """What is known of each day, n; NaN where nothing is.

    Attributes:
        totals: the day's value, in units of the series.
        expected: its forecast, on the scale. After a day that went wrong, what it was before then is expected too; on a
            holiday a Sunday, and the holiday's last occurrence: the nearest of them stands here.
        errors: value less forecast, on the scale.
        distances: distance of the day's shape from the profile, in robust deviations of its slots.
        changes: mean absolute residual of the day's slots, on the scale.
        slots: residual of each slot in robust deviations, n × slots.
        profile: what each slot should have been given the day's own total, on the scale, n × slots.
    """

    totals: Array
    expected: Array
    errors: Array
    distances: Array
    changes: Array
    slots: Array
    profile: Array


def walk(days: Days, settings: DetectorSettings, total_scale: Scale, slot_scale: Scale) -> Walk:
    """Return the errors of each day's expectation. None of a day's figures depends on a later day."""
    count, slots = days.cells.shape
    expected, errors, distances, changes = (np.full(count, np.nan) for _ in range(4))
    residuals, profile = (np.full((count, slots), np.nan) for _ in range(2))
    found = Walk(day_totals(days, settings), expected, errors, distances, changes, residuals, profile)
    holidays = _holidays(days, settings)
    _totals(found, total_scale, holidays)
    if slots > 1:
        _shapes(found, slot_scale.apply(days.cells), holidays)
    return found


def day_totals(days: Days, settings: DetectorSettings) -> Array:
    """Return each day's value, n. Slots that are missing count as the month before had them; NaN if too many are."""
    known = ~np.isnan(days.cells)
    share = known.mean(axis=1)
    times = days.slots if settings.combine == "sum" else 1
    sums = np.where(known, days.cells, 0.0).sum(axis=1)
    found = np.where(share >= settings.complete, sums / np.maximum(known.sum(axis=1), 1) * times, np.nan)
    for number in np.flatnonzero((share >= settings.complete) & (share < 1)):
        usual = median(days.cells[max(0, number - FILL_DAYS) : number])
        if not np.isnan(usual).any():
            there = known[number]
            rest = float(np.mean(days.cells[number, there] - usual[there]))
            found[number] = (rest + float(np.mean(usual))) * times
    return found


def _totals(found: Walk, scale: Scale, holidays: Mapping[int, Holidays]) -> None:
    values = scale.apply(found.totals)
    plain = np.full((len(values), baseline.PLAIN), np.nan)
    tried = np.full((len(values), baseline.CANDIDATES), np.nan)
    own, first = np.full((2, len(values)), np.nan)
    for number, value in enumerate(values):
        each = baseline.forecasts(values[max(0, number - baseline.REACH) : number])
        plain[number] = value - each
        each = np.append(each, each + baseline.drift(plain[max(0, number - baseline.DRIFT_DAYS) : number]))
        chosen = each[baseline.best(tried[max(0, number - baseline.JUDGED) : number])]
        own[number] = each[baseline.DEFAULT] if np.isnan(chosen) else chosen
        tried[number], first[number] = value - each, value - own[number]
        others = [each[baseline.STEADY]] if baseline.unrest(first[max(0, number - baseline.JUDGED) : number]) else []
        if number in holidays:
            sunday, last = holidays[number]
            others += [own[sunday]] if sunday is not None else []
            others += [own[number] + first[last]] if last is not None else []
        found.expected[number] = _nearest(value, own[number], others)
        found.errors[number] = value - found.expected[number]


def _nearest(value: float, forecast: float, others: list[float]) -> float:
    """Return of a forecast and other known ones the nearest to a value; the forecast itself where that is unknown."""
    known = [each for each in others if not np.isnan(each)]
    return forecast if np.isnan(value) else min([forecast, *known], key=lambda each: abs(value - each))


def _shapes(found: Walk, values: Array, holidays: Mapping[int, Holidays]) -> None:
    kept = np.full_like(values, np.nan)
    sizes = np.full((len(values), shape.CANDIDATES), np.nan)
    values = np.where(np.isnan(found.totals)[:, None], np.nan, values)
    for number, value in enumerate(values):
        each = shape.profiles(values[max(0, number - shape.REACH) : number])
        chosen = baseline.best(sizes[max(0, number - baseline.JUDGED) : number], shape.DEFAULT)
        if np.isnan(each[chosen]).all():
            chosen = shape.DEFAULT
        rest = shape.residuals(value, each)
        spread = shape.spreads(kept[max(0, number - shape.SPREAD_DAYS) : number])
        kept[number], sizes[number] = rest[chosen], [shape.size(row) for row in rest]
        judged = rest[chosen]
        for other in holidays.get(number, ()):
            if other is not None:
                alternative = shape.residuals(value, values[other])
                judged = alternative if shape.size(alternative) < shape.size(judged) else judged
        found.changes[number] = shape.size(judged)
        found.profile[number] = value - judged
        if spread is not None:
            found.slots[number] = judged / spread
            found.distances[number] = shape.distance(found.slots[number])


def _holidays(days: Days, settings: DetectorSettings) -> dict[int, Holidays]:
    """Return for each row that is a holiday the rows of the Sunday before and of its own last occurrence."""
    found: dict[int, Holidays] = {}
    seen: dict[str, int] = {}
    for holiday in sorted(settings.holidays, key=lambda each: each.day):
        number = days.number(holiday.day)
        last = seen.get(holiday.name)
        if 0 <= number < len(days):
            sunday = number - (holiday.day.isoweekday() % 7 or 7)
            recent = last is not None and last >= 0 and number - last <= HOLIDAY_REACH
            found[number] = (sunday if sunday >= 0 else None, last if recent else None)
        seen[holiday.name] = number
    return found
