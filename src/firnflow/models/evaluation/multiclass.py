"""Classification into k classes: labels 0 … k - 1 and n × k probabilities. The likeliest class is decided for.

Macro averages: M. Sokolova and G. Lapalme, "A systematic analysis of performance measures for classification tasks",
Information Processing & Management 45 (2009).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from firnflow.models.evaluation.base import Metric, additive, divide, mean

if TYPE_CHECKING:
    from firnflow.models.evaluation.base import Array, Scored, Statistic


def _accuracy(scored: Scored) -> Statistic:
    return mean((scored.scores.argmax(axis=1) == scored.labels).astype(np.float64))


def _cells(scored: Scored) -> Array:
    """Return 3k × n: per class the rows that have it, those it is decided for, those where both is so."""
    classes = np.arange(scored.scores.shape[1])[:, None]
    true, decided = scored.labels == classes, scored.scores.argmax(axis=1) == classes
    return np.concatenate([true, decided, true & decided]).astype(np.float64)


def _mean_over_classes(values: Array) -> Array:
    """Return the mean of k × r values over the classes that have one."""
    known = ~np.isnan(values)
    return divide(np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0))


def _balanced_accuracy(scored: Scored) -> Statistic:
    def finish(sums: Array) -> Array:
        true, _, both = np.split(sums, 3)
        return _mean_over_classes(divide(both, true))

    return additive(_cells(scored), finish)


def _macro_f1(scored: Scored) -> Statistic:
    def finish(sums: Array) -> Array:
        true, decided, both = np.split(sums, 3)
        return _mean_over_classes(divide(2 * both, true + decided))

    return additive(_cells(scored), finish)


def _log_loss(scored: Scored) -> Statistic:
    """Prepare the mean negative log-likelihood; probabilities are kept 1e-7 away from 0."""
    chosen = scored.scores[np.arange(len(scored.labels)), scored.labels.astype(np.int64)]
    return mean(-np.log(np.clip(chosen.astype(np.float64), 1e-7, 1.0)))


METRICS: tuple[Metric, ...] = (
    Metric("accuracy", "higher", _accuracy),
    Metric("balanced_accuracy", "higher", _balanced_accuracy),
    Metric("macro_f1", "higher", _macro_f1),
    Metric("log_loss", "lower", _log_loss),
)
