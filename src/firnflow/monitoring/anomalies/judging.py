"""One day against a detector's bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from firnflow.monitoring.anomalies.scale import rounded
from firnflow.monitoring.anomalies.verdict import Hour, Verdict

if TYPE_CHECKING:
    import datetime as dt
    from typing import Literal

    from firnflow.monitoring.anomalies.days import Days
    from firnflow.monitoring.anomalies.detector import Detector
    from firnflow.monitoring.anomalies.walk import Walk

_SHOWN = 3


def judge(detector: Detector, series: Days, walked: Walk, number: int) -> Verdict:
    """Return the verdict on a row of a series that was walked through on the detector's scales."""
    day, total = series.day(number), walked.totals[number]
    forecast, error = walked.expected[number], walked.errors[number]
    value = None if np.isnan(total) else rounded(total)
    bounds, scale = detector.total, detector.total_scale
    if bounds is None or np.isnan(forecast):
        return warming_up(day, total)
    spread = bounds.spread * detector.weekdays[day.weekday()]
    least = scale.change(detector.settings.least_change)
    low = min(bounds.centre - bounds.down * spread, -least)
    high = max(bounds.centre + bounds.up * spread, least)
    expected, lowest, highest = (rounded(scale.back(forecast + each)) for each in (0.0, low, high))
    if value is None:
        return Verdict(day=day, status="unknown", expected=expected, low=lowest, high=highest)
    of_total = max(error / high, error / low)
    of_shape = _of_shape(detector, walked, number)
    reasons: list[Literal["high", "low", "hours"]] = []
    if of_total > 1:
        reasons.append("high" if error > 0 else "low")
    if of_shape > 1:
        reasons.append("hours")
    return Verdict(
        day=day,
        status="anomaly" if reasons else "normal",
        value=value,
        expected=expected,
        low=lowest,
        high=highest,
        score=rounded(max(of_total, of_shape)),
        reasons=tuple(reasons),
        hours=_hours(detector, series, walked, number) if of_shape > 1 else (),
    )


def warming_up(day: dt.date, total: float) -> Verdict:
    """Return the verdict on a day before the first fit."""
    return Verdict(day=day, status="warming up", value=None if np.isnan(total) else rounded(total))


def _of_shape(detector: Detector, walked: Walk, number: int) -> float:
    """Return how far the day's shape is on its way to the bound; both bounds must be passed: rare, and large enough."""
    bounds, distance = detector.shape, walked.distances[number]
    if bounds is None or np.isnan(distance):
        return 0.0
    rare = (distance - bounds.centre) / (bounds.up * bounds.spread)
    least = detector.slot_scale.change(detector.settings.least_change)
    return float(rare if least == 0 else min(rare, walked.changes[number] / least))


def _hours(detector: Detector, series: Days, walked: Walk, number: int) -> tuple[Hour, ...]:
    sizes = np.nan_to_num(np.abs(walked.slots[number]))
    order = np.argsort(-sizes, kind="stable")[:_SHOWN]
    return tuple(
        Hour(
            start=f"{slot * 24 // series.slots:02}:00",
            value=rounded(series.cells[number, slot]),
            expected=rounded(detector.slot_scale.back(float(walked.profile[number, slot]))),
            deviations=rounded(walked.slots[number, slot]),
        )
        for slot in order
        if sizes[slot] > 0
    )
