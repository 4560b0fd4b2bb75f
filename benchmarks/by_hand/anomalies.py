"""The classic recipe for anomalies in usage, as a baseline: nothing of Firnflow needs it.

A series is decomposed additively into trend (a centred mean over a week, at both ends prolonged by a straight line
through the nearest week), season (means of the weekdays) and residual, as statsmodels' `seasonal_decompose` does with
`extrapolate_trend="freq"`. An Isolation Forest scores the residuals; below mean − 3·std of the scores a day counts as
anomalous, and in the recipe as it is used only if it is also above the mean of the series: a rise in cost. Forest and
threshold are kept together; a replay fits both every week.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

PERIOD = 7


def residuals(totals: Array) -> Array:
    """Return what trend and season leave of n daily totals; every day knows the days after it."""
    half, count = PERIOD // 2, len(totals)
    trend = np.full(count, np.nan)
    trend[half : count - half] = np.convolve(totals, np.ones(PERIOD) / PERIOD, "valid")
    for known, lacking in (
        (np.arange(half, half + PERIOD), np.arange(half)),
        (np.arange(count - half - PERIOD, count - half), np.arange(count - half, count)),
    ):
        trend[lacking] = np.polyval(np.polyfit(known, trend[known], 1), lacking)
    rest = totals - trend
    season = np.array([rest[day::PERIOD].mean() for day in range(PERIOD)])
    return rest - (season - season.mean())[np.arange(count) % PERIOD]


def hindsight(totals: Array) -> Array:
    """Return for each of n days whether it is flagged, all of them judged at once."""
    rest = residuals(totals)[:, None]
    forest, threshold = _fit(rest)
    return forest.score_samples(rest) < threshold


def replay(totals: Array, start: int, refit: int = 7) -> Array:
    """Return the flags of n days, those from `start` judged from the days up to it, as production would have them."""
    found = np.zeros(len(totals), dtype=bool)
    for day in range(start, len(totals)):
        if (day - start) % refit == 0:
            forest, threshold = _fit(residuals(totals[:day])[:, None])
        found[day] = forest.score_samples(residuals(totals[: day + 1])[-1:, None])[0] < threshold
    return found


def rises(totals: Array) -> Array:
    """Return for each of n days whether it is above the mean of the days up to it."""
    return totals > np.cumsum(totals) / np.arange(1, len(totals) + 1)


def _fit(rest: Array) -> tuple[Any, float]:
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(random_state=0).fit(rest)
    scores = forest.score_samples(rest)
    return forest, float(scores.mean() - 3 * scores.std())
