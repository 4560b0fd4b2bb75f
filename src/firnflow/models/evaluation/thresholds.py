"""From which probability to decide, when mistakes have a price.

C. Elkan, "The foundations of cost-sensitive learning", IJCAI 2001.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from pydantic import model_validator

from firnflow.models.evaluation.base import Metric, mean
from firnflow.models.evaluation.binary import ladder
from firnflow.models.section import Section

if TYPE_CHECKING:
    from firnflow.models.evaluation.base import Array, Scored, Statistic


class Costs(Section):
    """What a row of each kind costs, in any unit; a gain is negative."""

    false_positive: float
    false_negative: float
    true_positive: float = 0.0
    true_negative: float = 0.0

    @model_validator(mode="after")
    def _mistakes_cost(self) -> Self:
        if self.false_positive <= self.true_negative or self.false_negative <= self.true_positive:
            raise ValueError("a mistake must cost more than being right: compare false_… with true_…")
        return self

    @property
    def threshold(self) -> float:
        """The threshold that is cheapest where probabilities are true."""
        wrong, missed = self.false_positive - self.true_negative, self.false_negative - self.true_positive
        return wrong / (wrong + missed)

    @property
    def metric(self) -> Metric:
        """What a row costs on average, by the decisions at the rows' threshold."""

        def prepare(scored: Scored) -> Statistic:
            decided, positive = scored.scores >= scored.threshold, scored.labels == 1
            of_positives = np.where(decided, self.true_positive, self.false_negative)
            return mean(np.where(positive, of_positives, np.where(decided, self.false_positive, self.true_negative)))

        return Metric("cost", "lower", prepare)


class CostCurve(NamedTuple):
    """Cost per row by threshold, from the highest threshold, at which nobody is decided for, to the lowest."""

    thresholds: Array
    costs: Array

    def cheapest(self) -> tuple[float, float]:
        """Return the threshold with the lowest cost, and that cost; of equals the highest threshold."""
        best = int(np.argmin(self.costs))
        return float(self.thresholds[best]), float(self.costs[best])


def cost_curve(labels: Array, probabilities: Array, costs: Costs) -> CostCurve:
    """Return what each threshold costs on these rows; a threshold lies half-way between two probabilities.

    Args:
        labels: n values, 0 or 1.
        probabilities: n.
        costs: what a row costs.
    """
    steps = ladder(labels, probabilities)
    tp, fp = (np.append(0, counts) for counts in (steps.true_positives, steps.false_positives))
    total = (
        costs.true_positive * tp
        + costs.false_positive * fp
        + costs.false_negative * (tp[-1] - tp)
        + costs.true_negative * (fp[-1] - fp)
    )
    # Above the highest probability nobody is decided for.
    nobody = float(np.nextafter(steps.thresholds[0], np.inf))
    at = steps.thresholds.astype(np.float64)
    # As `between` has it, of all steps at once.
    thresholds = np.append(nobody, np.round((at + np.append(at[1:], 0.0)) / 2, 6))
    return CostCurve(thresholds, total / len(labels))
