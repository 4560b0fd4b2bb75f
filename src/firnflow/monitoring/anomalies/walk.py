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


@dataclass
class Walk:
    """What is known of each day, n; NaN where nothing is.

    Attributes:
        totals: the day's value, in units of the series.
        expected: its forecast, on the scale.
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
    count, slots = days.values.shape
    expected, errors, distances, changes = (np.full(count, np.nan) for _ in range(4))
    residuals, profile = (np.full((count, slots), np.nan) for _ in range(2))
    found = Walk(day_totals(days, settings), expected, errors, distances, changes, residuals, profile)
    _totals(found, total_scale)
    if slots > 1:
        _shapes(found, slot_scale.apply(days.values))
    return found


def day_totals(days: Days, settings: DetectorSettings) -> Array:
    """Return each day's value, n. Slots that are missing count as the month before had them; NaN if too many are."""
    known = ~np.isnan(days.values)
    share = known.mean(axis=1)
    times = days.slots if settings.combine == "sum" else 1
    sums = np.where(known, days.values, 0.0).sum(axis=1)
    found = np.where(share >= settings.complete, sums / np.maximum(known.sum(axis=1), 1) * times, np.nan)
    for number in np.flatnonzero((share >= settings.complete) & (share < 1)):
        usual = median(days.values[max(0, number - FILL_DAYS) : number])
        if not np.isnan(usual).any():
            there = known[number]
            rest = float(np.mean(days.values[number, there] - usual[there]))
            found[number] = (rest + float(np.mean(usual))) * times
    return found


def _totals(found: Walk, scale: Scale) -> None:
    values = scale.apply(found.totals)
    plain = np.full((len(values), baseline.PLAIN), np.nan)
    tried = np.full((len(values), baseline.CANDIDATES), np.nan)
    for number, value in enumerate(values):
        each = baseline.forecasts(values[max(0, number - baseline.REACH) : number])
        plain[number] = value - each
        each = np.append(each, each + baseline.drift(plain[max(0, number - baseline.DRIFT_DAYS) : number]))
        chosen = each[baseline.best(tried[max(0, number - baseline.JUDGED) : number])]
        if np.isnan(chosen):
            chosen = each[baseline.DEFAULT]
        steady = each[baseline.STEADY]
        if abs(value - steady) < abs(value - chosen) and baseline.unrest(
            found.errors[max(0, number - baseline.JUDGED) : number]
        ):
            chosen = steady
        found.expected[number] = chosen
        found.errors[number] = value - chosen
        tried[number] = value - each


def _shapes(found: Walk, values: Array) -> None:
    kept = np.full_like(values, np.nan)
    sizes = np.full((len(values), shape.CANDIDATES), np.nan)
    there = ~np.isnan(found.totals)
    values = np.where(there[:, None], values, np.nan)
    for number, value in enumerate(values):
        each = shape.profiles(values[max(0, number - shape.REACH) : number])
        rest = shape.residuals(value, each)
        chosen = baseline.best(sizes[max(0, number - baseline.JUDGED) : number], shape.DEFAULT)
        if np.isnan(each[chosen]).all():
            chosen = shape.DEFAULT
        spread = shape.spreads(kept[max(0, number - shape.SPREAD_DAYS) : number])
        kept[number] = rest[chosen]
        sizes[number] = [shape.size(row) for row in rest]
        found.changes[number] = sizes[number, chosen]
        found.profile[number] = value - rest[chosen]
        if spread is not None:
            found.slots[number] = rest[chosen] / spread
            found.distances[number] = shape.distance(found.slots[number])
