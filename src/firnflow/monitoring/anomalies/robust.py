"""Robust statistics along axes, with NaN for what is not known; they warn of nothing and sum nothing across threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

CONSISTENT = 1.4826
"""What makes the median absolute deviation the standard deviation of normal errors."""


def median(values: Array, axis: int = 0) -> Array:
    """Return the median of the known values along an axis; NaN where there is none."""
    if not values.shape[axis]:
        return np.full(np.delete(values.shape, axis), np.nan)
    ordered = np.sort(values, axis=axis)
    known = np.expand_dims(np.sum(~np.isnan(values), axis=axis), axis)
    last = np.maximum(known - 1, 0)
    low = np.take_along_axis(ordered, last // 2, axis)
    high = np.take_along_axis(ordered, (last + 1) // 2, axis)
    found: Array = np.squeeze((low + high) / 2, axis)
    return found


def weighted_median(values: Array, weights: Array) -> Array:
    """Return the weighted lower median of each row, k: `values` k × n, `weights` k × n; NaN where nothing is known."""
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, 1)
    heavy = np.where(np.isnan(ordered), 0.0, np.take_along_axis(weights, order, 1))
    summed = np.cumsum(heavy, axis=1)
    place = np.argmax(summed >= summed[:, -1:] / 2, axis=1)
    found: Array = ordered[np.arange(len(ordered)), place]
    return found


def polish(weeks: Array) -> Array:
    """Return the effect of each column of k weeks × 7 days, 7: J. W. Tukey's median polish (EDA, 1977, chapter 11).

    A day that went wrong moves neither its weekday's effect nor its week's level; 0 where nothing is known.
    """
    effects = np.zeros(weeks.shape[1])
    for _ in range(3):
        level = median(weeks - effects, axis=1)
        effects = np.nan_to_num(median(weeks - level[:, None], axis=0))
    return effects
