"""Whether a probability of 0.3 comes true three times in ten."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from firnflow.models.evaluation.base import additive, divide

if TYPE_CHECKING:
    from firnflow.models.evaluation.base import Array, Statistic

BINS = 10


class CalibrationPoint(NamedTuple):
    """Rows with similar probabilities; `low` and `high` bound the share of positives (95 %, Wilson 1927)."""

    predicted: float
    observed: float
    rows: int
    low: float
    high: float


def bins_of(probabilities: Array, bins: int = BINS) -> Array:
    """Return the number of each row's bin, 0 to at most `bins` - 1: equally many rows in each, equal ones together."""
    ranked = np.sort(probabilities)
    edges = np.unique(ranked[np.arange(1, bins) * len(ranked) // bins]) if len(ranked) else ranked
    return np.unique(np.searchsorted(edges, probabilities, side="right"), return_inverse=True)[1]


def calibration_curve(labels: Array, probabilities: Array, bins: int = BINS) -> list[CalibrationPoint]:
    """Return the points of a reliability diagram, by rising probability."""
    numbers = bins_of(probabilities, bins)
    rows = np.bincount(numbers)
    predicted = np.bincount(numbers, weights=probabilities) / rows
    positives = np.bincount(numbers, weights=labels)
    return [
        CalibrationPoint(float(p), float(k / n), int(n), *wilson(float(k), int(n)))
        for p, k, n in zip(predicted, positives, rows, strict=True)
    ]


def wilson(successes: float, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the score interval of a share (E. B. Wilson, JASA 22, 1927); `z` = 1.96 for 95 %."""
    share, scale = successes / trials, 1 + z * z / trials
    centre = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def calibration_error(labels: Array, probabilities: Array, bins: int = BINS) -> Statistic:
    """Prepare the expected calibration error: the mean distance of probability and share of positives over the bins.

    C. Guo et al., "On calibration of modern neural networks", ICML 2017, here with equally filled bins, which are less
    biased (R. Roelofs et al., "Mitigating bias in calibration error estimation", AISTATS 2022). What chance alone adds
    is about `0.4 * sqrt(bins / rows)`.
    """
    numbers = bins_of(probabilities, bins)
    columns = np.zeros((int(numbers.max(initial=0)) + 2, len(labels)))
    columns[numbers, np.arange(len(labels))] = probabilities.astype(np.float64) - labels
    columns[-1] = 1
    return additive(columns, lambda sums: divide(np.abs(sums[:-1]).sum(axis=0), sums[-1]))
