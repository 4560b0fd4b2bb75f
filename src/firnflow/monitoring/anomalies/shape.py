"""Whether the hours of a day are as they should be, given the day's own total.

Each slot is compared with a profile from earlier days, moved by the median of all slots, so that a day that is merely
larger has no unusual shape. The distance is the root mean square of the slots' residuals in robust standard deviations
of the slot's own past ones: an hour that always varies counts little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from firnflow.monitoring.anomalies.robust import CONSISTENT, median

if TYPE_CHECKING:
    from firnflow.monitoring.anomalies.robust import Array

WEEKS = 6
CANDIDATES, DEFAULT = 3, 2
REACH = 7 * WEEKS
SPREAD_DAYS = 56
"""Days whose residuals say how much a slot varies."""
LEAST_ROWS = 14
LEAST_SPREAD = 0.01


def profiles(past: Array) -> Array:
    """Return candidates for the day after `past` (n × slots), 3 × slots: the same weekday's, a week's, a month's."""
    return np.array(
        [
            median(past[len(past) % 7 :: 7][-WEEKS:]),
            median(past[-7:]),
            median(past[-28:]),
        ]
    )


def residuals(day: Array, profile: Array) -> Array:
    """Return a day's slots less the profile, less the median of that; `profile` may be k × slots."""
    rest = day - profile
    found: Array = rest - np.expand_dims(median(rest, axis=-1), -1)
    return found


def spreads(past: Array) -> Array | None:
    """Return each slot's robust deviation from past residuals, n × slots; None where too few are known.

    A slot counts as varying at least half as much as the others, and by a hundredth of the scale.
    """
    recent = past[-SPREAD_DAYS:]
    if np.count_nonzero(~np.isnan(recent).all(axis=1)) < LEAST_ROWS:
        return None
    found = CONSISTENT * median(np.abs(recent))
    return np.maximum(np.nan_to_num(found), max(0.5 * float(median(found)), LEAST_SPREAD))


def distance(standardised: Array) -> float:
    """Return the root mean square of the known ones."""
    known = standardised[~np.isnan(standardised)]
    return float(np.sqrt(np.mean(known**2))) if len(known) else float("nan")


def size(rest: Array) -> float:
    """Return the mean absolute value of the known ones."""
    known = rest[~np.isnan(rest)]
    return float(np.mean(np.abs(known))) if len(known) else float("nan")
