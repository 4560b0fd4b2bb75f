"""What a metric is: computed for many weightings of the same rows at once, as a bootstrap needs it.

A resample of a bootstrap draws rows with replacement; that is the same as giving each row a weight, how often it was
drawn. So a metric is made ready for rows once (sorted, divided into cells) and then takes weights: an array of r × n
for r resamples of n rows. Weights of 1 give the metric itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Kind: TypeAlias = Literal["binary", "multiclass", "regression"]
Array: TypeAlias = npt.NDArray[Any]
Statistic: TypeAlias = Callable[[Array], Array]
"""Takes weights (r × n), returns r values; NaN where the metric is not defined."""


class Scored(NamedTuple):
    """Rows with what a model says of them.

    Attributes:
        labels: n values: 0 or 1 (binary), 0 … k - 1 (multiclass), numbers (regression).
        scores: n probabilities of 1 (binary), n × k probabilities (multiclass), n predictions (regression).
        threshold: of binary classification: a probability of at least this is a decision for 1.
    """

    labels: Array
    scores: Array
    threshold: float = 0.5

    def take(self, rows: Array) -> Scored:
        """Return the rows of a mask or an index."""
        return self._replace(labels=self.labels[rows], scores=self.scores[rows])


@dataclass(frozen=True)
class Metric:
    """A figure of merit.

    Attributes:
        name: what it is called in rules and reports.
        better: which way is better.
        prepare: makes it ready for rows.
    """

    name: str
    better: Literal["higher", "lower", "nearer to 0"]
    prepare: Callable[[Scored], Statistic]

    def value(self, scored: Scored) -> float:
        """Return the metric of the rows as they are; NaN where it is not defined."""
        return float(self.prepare(scored)(np.ones((1, len(scored.labels))))[0])


def divide(part: Array, whole: Array) -> Array:
    """Return part / whole, NaN where whole is 0."""
    missing = np.full(np.broadcast(part, whole).shape, np.nan)
    result: Array = np.divide(part, whole, out=missing, where=np.asarray(whole) != 0)
    return result


def additive(columns: Array, finish: Callable[[Array], Array]) -> Statistic:
    """Return a statistic of weighted sums.

    Args:
        columns: m × n: what is summed over the rows.
        finish: takes m × r sums.
    """
    # Not `@`: for so few columns BLAS loses more by waking its threads than it wins, and each adds in its own order.
    return lambda weights: finish(np.einsum("mn,rn->mr", columns, weights))


def mean(values: Array, counted: Array | None = None) -> Statistic:
    """Return the weighted mean of one value per row, of those that are counted."""
    counts = np.ones(len(values)) if counted is None else counted.astype(np.float64)
    return additive(np.stack([values * counts, counts]), lambda sums: divide(sums[0], sums[1]))
