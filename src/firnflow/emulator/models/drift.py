"""How far the values of a column have moved from those of a baseline.

Snowflake names its metrics and says not how it bins
(https://docs.snowflake.com/en/sql-reference/functions/model-monitor-drift-metric). Here the bins of numbers are the
tenths of the baseline, those of texts and truth values each value by itself:

- POPULATION_STABILITY_INDEX: the sum over bins of (q - p) ln(q / p), N. Siddiqi, "Credit Risk Scorecards", 2006; an
  empty bin counts as one ten-thousandth.
- JENSEN_SHANNON: the divergence of the two distributions over the bins, in bits, so from 0 to 1. J. Lin, "Divergence
  measures based on the Shannon entropy", 1991.
- WASSERSTEIN: the area between the two distribution functions, of the values themselves. L. Kantorovich, 1942; in this
  form S. Vallender, "Calculation of the Wasserstein distance between probability distributions on the line", 1974.
- DIFFERENCE_OF_MEANS: the mean now less that of the baseline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

_BINS = 10
_LEAST = 1e-4


def population_stability_index(before: Any, after: Any) -> float:
    """Return the index of two samples of numbers or texts, neither of them empty."""
    p, q = (np.maximum(shares, _LEAST) for shares in _shares(before, after))
    return float(np.sum((q - p) * np.log(q / p)))


def jensen_shannon(before: Any, after: Any) -> float:
    """Return the divergence of two samples of numbers or texts, neither of them empty."""
    p, q = _shares(before, after)
    return (_relative_entropy(p, (p + q) / 2) + _relative_entropy(q, (p + q) / 2)) / 2


def wasserstein(before: Any, after: Any) -> float:
    """Return the distance of two samples of numbers, neither of them empty."""
    places = np.sort(np.concatenate([before, after]))
    steps = [np.searchsorted(np.sort(each), places[:-1], side="right") / len(each) for each in (before, after)]
    return float(np.sum(np.abs(steps[0] - steps[1]) * np.diff(places)))


def difference_of_means(before: Any, after: Any) -> float:
    """Return the difference of two samples of numbers, neither of them empty."""
    return float(np.mean(after) - np.mean(before))


OF_ANY: dict[str, Callable[[Any, Any], float]] = {
    "JENSEN_SHANNON": jensen_shannon,
    "POPULATION_STABILITY_INDEX": population_stability_index,
}
OF_NUMBERS: dict[str, Callable[[Any, Any], float]] = {
    "DIFFERENCE_OF_MEANS": difference_of_means,
    "WASSERSTEIN": wasserstein,
}
"""Metric → what computes it from the values of the baseline and those of now."""


def _relative_entropy(p: Any, q: Any) -> float:
    """Return the Kullback-Leibler divergence in bits; a bin that `p` does not have adds nothing."""
    used = p > 0
    return float(np.sum(p[used] * np.log2(p[used] / q[used])))


def _shares(before: Any, after: Any) -> tuple[Any, Any]:
    """Return the share of each bin in two samples."""
    if np.issubdtype(before.dtype, np.number):
        parts = np.arange(1, _BINS) / _BINS
        edges = np.unique(np.quantile(before, parts, method="inverted_cdf"))
        numbers = [np.searchsorted(edges, each, side="left") for each in (before, after)]
        counts = [np.bincount(each, minlength=len(edges) + 1) for each in numbers]
    else:
        values = np.unique(np.concatenate([before, after]))
        counts = [np.bincount(np.searchsorted(values, each), minlength=len(values)) for each in (before, after)]
    return counts[0] / len(before), counts[1] / len(after)
