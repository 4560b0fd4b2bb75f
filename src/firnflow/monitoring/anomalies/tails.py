"""How large an error must be to be rarer than a given rate: a tail fitted to the past's own errors, robustly.

Peaks over threshold (J. Pickands, "Statistical inference using extreme order statistics", Annals of Statistics 3, 1975;
for streams A. Siffer et al., "Anomaly detection in streams with extreme value theory", KDD 2017), with two changes.
Shape and scale come from the median and the upper quartile of the excesses, as Pickands has it, and not from maximum
likelihood: earlier anomalies among the errors, which nobody has taken out, are in the far tail and do not move them.
And with few excesses the shape is drawn to a mild prior, and all of it widened as Student's quantile is.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from firnflow.monitoring.anomalies.robust import Array

BODY = 0.7
"""The share of one side's errors that is no tail."""
PRIOR_SHAPE, PRIOR_WEIGHT = 0.1, 50.0
"""Slightly heavier than exponential, worth this many excesses."""
LIGHTEST, HEAVIEST = -0.1, 0.3
FORGIVEN, STEPS = 0.1, 2
"""The share of past days that may have been anomalous."""
_EFFICIENCY = 0.37
"""Of the median absolute deviation on normal errors: n errors tell as much of the spread as 0.37 n known ones."""


def _tail(deviations: Array, rate: float) -> float:
    """Return the bound from errors among which there is no anomaly."""
    total = len(deviations)
    side = np.sort(deviations[deviations > 0])
    wide = widening(total, rate)
    normal = NormalDist().inv_cdf(1 - rate)
    if len(side) < 10:
        return normal * wide
    body, middle, upper = np.quantile(side, [BODY, (1 + BODY) / 2, (3 + BODY) / 4])
    half, quarter = float(middle - body), float(upper - body)
    if half <= 0:  # most of the errors are equal
        return max(normal, float(body)) * wide
    excesses = (1 - BODY) * len(side)
    found = math.log2(min(max(quarter / half - 1, 2.0**-2), 2.0**2))
    shape = (excesses * found + PRIOR_WEIGHT * PRIOR_SHAPE) / (excesses + PRIOR_WEIGHT)
    shape = min(max(shape, LIGHTEST), HEAVIEST)
    times = max((1 - BODY) * len(side) / total / rate, 1.0)
    if abs(shape) < 1e-6:
        return (float(body) + half / math.log(2) * math.log(times)) * wide
    scale = half * shape / math.expm1(shape * math.log(2))
    return (float(body) + scale / shape * math.expm1(shape * math.log(times))) * wide


def tail_bound(deviations: Array, rate: float) -> float:
    """Return the distance that is exceeded on one side with probability `rate`, in robust standard deviations.

    The largest `FORGIVEN` are left out at first; those within the bound that the others give come back, until no more
    do (A. C. Atkinson and M. Riani, "Robust Diagnostic Regression Analysis", 2000, search forward like this).

    Args:
        deviations: standardised errors less their centre, n, of both signs; those above 0 are the side.
        rate: per day.
    """
    ordered = np.sort(deviations)
    inside = len(ordered) - int(FORGIVEN * len(ordered))
    bound = _tail(ordered[:inside], rate)
    for _ in range(STEPS):
        within = int(np.searchsorted(ordered, bound, side="right"))
        bound = _tail(ordered[: max(inside, within)], rate)
    return bound


def widening(errors: int, rate: float) -> float:
    """Return Student's quantile over the normal one, for the spread of few errors is itself not known well.

    The expansion is M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions" (1964), 26.7.5.
    """
    z, freedom = NormalDist().inv_cdf(1 - rate), max(_EFFICIENCY * errors, 2.0)
    first = (z**3 + z) / (4 * freedom)
    second = (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return (z + first + second) / z
