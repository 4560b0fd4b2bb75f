"""What a day's total is expected to be, from the days before it alone.

Several simple forecasts run side by side: a level that forgets with one of several half-lives, plus an effect of the
weekday from one of several spans, or none. Each is made of medians: a day, or a few of them, that went wrong move none
of them, while a level that stays is taken over once half of the weight lies behind the shift. The one with the least
median absolute error over the last `JUDGED` days speaks for the day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from firnflow.monitoring.anomalies.robust import CONSISTENT, median, polish, weighted_median

if TYPE_CHECKING:
    from firnflow.monitoring.anomalies.robust import Array

WEEKS = (0, 4, 8)
"""Spans of the effects of weekdays; 0: without."""
HALF_LIVES = (2.0, 5.0, 14.0)
"""Days after which a day counts half for the level."""
PLAIN = len(WEEKS) * len(HALF_LIVES)
CANDIDATES = 2 * PLAIN
"""Each with and without its drift."""
STEADY = PLAIN - 1
"""The candidate that forgets last: days that went wrong lately are still few to it."""
LEVEL_DAYS = 28
JUDGED = 56
DRIFT_DAYS = 21
UNREST_DAYS, UNREST = 7, 4.0
REACH = 7 * max(WEEKS)
"""Days before a day that its forecasts are made from."""
DEFAULT = 1
_AGES = np.arange(LEVEL_DAYS, 0, -1) - 1
_WEIGHTS = np.array([0.5 ** (_AGES / half) for half in HALF_LIVES])


def forecasts(past: Array) -> Array:
    """Return each candidate's forecast for the day after `past`, n totals on the scale; NaN: too little is known."""
    found = np.full((len(WEEKS), len(HALF_LIVES)), np.nan)
    days = min(LEVEL_DAYS, len(past))
    recent = past[len(past) - days :]
    if np.count_nonzero(~np.isnan(recent)) < 7:
        return found.ravel()
    for row, weeks in enumerate(WEEKS):
        span = past[max(0, len(past) - 7 * weeks) :]
        span = span[len(span) % 7 :]
        if weeks and np.count_nonzero(~np.isnan(span)) < 14:
            continue
        effects = polish(span.reshape(-1, 7)) if weeks else np.zeros(7)
        level = recent - effects[np.arange(-days, 0) % 7]
        found[row] = effects[0] + weighted_median(np.tile(level, (len(HALF_LIVES), 1)), _WEIGHTS[:, -days:])
    return found.ravel()


def best(errors: Array, default: int = DEFAULT) -> int:
    """Return the candidate with the least median absolute error; `errors` n × candidates, those before the day."""
    recent = errors[-JUDGED:]
    known = np.count_nonzero(~np.isnan(recent), axis=0)
    if not len(recent) or known.max() < 7:
        return default
    size = median(np.abs(recent))
    size[known < known.max() / 2] = np.nan
    return int(np.nanargmin(size))


def drift(errors: Array) -> Array:
    """Return the median of each candidate's last errors, n × candidates: how far it lags behind a trend; 0: unknown."""
    if np.count_nonzero(~np.isnan(errors[:, DEFAULT])) < DRIFT_DAYS / 2:
        return np.zeros(errors.shape[1])
    return np.nan_to_num(median(errors))


def unrest(errors: Array) -> bool:
    """Return whether one of the last days was far from its forecast; `errors` those of the last `JUDGED` days, n."""
    spread = CONSISTENT * float(median(np.abs(errors)))
    return bool((np.abs(errors[-UNREST_DAYS:]) > UNREST * spread).any())
