"""Binary classification: metrics of labels (0, 1) and probabilities, and the ladder that curves are read from.

Definitions: T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27 (2006); balanced accuracy:
K. H. Brodersen et al., "The balanced accuracy and its posterior distribution", ICPR 2010; Brier score: G. W. Brier,
"Verification of forecasts expressed in terms of probability", Monthly Weather Review 78 (1950).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from firnflow.models.evaluation.base import Metric, additive, divide, mean
from firnflow.models.evaluation.calibration import calibration_error

if TYPE_CHECKING:
    from firnflow.models.evaluation.base import Array, Scored, Statistic


class Counts(NamedTuple):
    """Rows by label and decision: integers, or arrays of them."""

    true_negatives: Any
    false_positives: Any
    false_negatives: Any
    true_positives: Any


class Ladder(NamedTuple):
    """For each distinct probability, highest first: the rows at or above it, by label."""

    thresholds: Array
    true_positives: Array
    false_positives: Array


def _cells(labels: Array, probabilities: Array, threshold: float) -> Array:
    """Return 4 × n: which of the four counts a row belongs to."""
    positive, decided = labels == 1, probabilities >= threshold
    return np.stack([~positive & ~decided, ~positive & decided, positive & ~decided, positive & decided])


def confusion(labels: Array, probabilities: Array, threshold: float) -> Counts:
    """Count rows; a probability of at least `threshold` is a decision for 1."""
    return Counts(*map(int, _cells(labels, probabilities, threshold).sum(axis=1)))


def rates(counts: Counts) -> dict[str, Array]:
    """Return what follows from the counts, NaN where it is not defined: recall without positives, for example.

    Who decides for nobody has precision 0 where there are positives.
    """
    tn, fp, fn, tp = counts
    recall, specificity = divide(tp, tp + fn), divide(tn, tn + fp)
    none_decided = (np.asarray(tp + fp) == 0) & (np.asarray(tp + fn) > 0)
    return {
        "accuracy": divide(tp + tn, tn + fp + fn + tp),
        "balanced_accuracy": (recall + specificity) / 2,
        "precision": np.where(none_decided, 0.0, divide(tp, tp + fp)),
        "recall": recall,
        "f1": divide(2 * tp, 2 * tp + fp + fn),
        "specificity": specificity,
        "false_positive_rate": 1 - specificity,
        "false_negative_rate": 1 - recall,
    }


def ladder(labels: Array, probabilities: Array) -> Ladder:
    """Return the cumulated counts from which curves and thresholds are read."""
    order = np.argsort(-probabilities, kind="stable")
    ranked, positive = probabilities[order], labels[order] == 1
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    true = np.cumsum(positive)[ends]
    return Ladder(ranked[ends], true, ends + 1 - true)


def best_threshold(steps: Ladder, rule: Literal["f1", "youden"]) -> float:
    """Return the probability to decide from: largest F1, or largest recall - false positive rate (Youden)."""
    tp, fp = steps.true_positives, steps.false_positives
    gain = 2 * tp / (tp[-1] + tp + fp) if rule == "f1" else tp / tp[-1] - fp / fp[-1]
    return between(steps, int(np.argmax(gain)))


def between(steps: Ladder, step: int) -> float:
    """Return a threshold half-way from a step's probability to the next one below.

    So the last bit of a probability decides nothing.
    """
    after = steps.thresholds[step + 1] if step + 1 < len(steps.thresholds) else 0.0
    return round(float(steps.thresholds[step] + after) / 2, 6)


def _rate(name: str) -> Any:
    def prepare(scored: Scored) -> Statistic:
        cells = _cells(scored.labels, scored.scores, scored.threshold).astype(np.float64)
        return additive(cells, lambda sums: rates(Counts(*sums))[name])

    return prepare


def _roc_auc(scored: Scored) -> Statistic:
    """Prepare the share of pairs of a positive and a negative row that are in the right order; ties count half.

    J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a ROC curve", Radiology 143 (1982).
    """
    order = np.argsort(scored.scores, kind="stable")
    positive = scored.labels[order] == 1
    positives, negatives = order[positive], order[~positive]
    found, among = scored.scores[positives], scored.scores[negatives]
    low, high = np.searchsorted(among, found, "left"), np.searchsorted(among, found, "right")

    def statistic(weights: Array) -> Array:
        below = np.zeros((len(weights), len(negatives) + 1))
        np.cumsum(weights[:, negatives], axis=1, out=below[:, 1:])
        drawn = weights[:, positives]
        won = np.einsum("rp,rp->r", below[:, low] + below[:, high], drawn) / 2
        return divide(won, below[:, -1] * drawn.sum(axis=1))

    return statistic


def _average_precision(scored: Scored) -> Statistic:
    """Prepare the sum of precision over the steps of recall (no interpolation), as scikit-learn has it."""
    order = np.argsort(-scored.scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scored.scores[order])), len(order) - 1)
    positive = (scored.labels[order] == 1).astype(np.float64)

    def statistic(weights: Array) -> Array:
        drawn = weights[:, order]
        decided = np.cumsum(drawn, axis=1)[:, ends]
        drawn *= positive
        true = np.cumsum(drawn, axis=1, out=drawn)[:, ends]
        precision = np.divide(true, decided, out=np.zeros_like(true), where=decided > 0)
        gained = np.diff(true, axis=1, prepend=0.0)
        return divide(np.einsum("rk,rk->r", gained, precision), true[:, -1])

    return statistic


def _losses(scored: Scored) -> Array:
    """Return the negative log-likelihood of each row; probabilities are kept 1e-7 away from 0 and 1."""
    clipped = np.clip(scored.scores.astype(np.float64), 1e-7, 1 - 1e-7)
    return -np.where(scored.labels == 1, np.log(clipped), np.log1p(-clipped))


def _log_loss(scored: Scored) -> Statistic:
    """Prepare the mean negative log-likelihood."""
    return mean(_losses(scored))


def _d2_log_loss(scored: Scored) -> Statistic:
    """Prepare the share of the log-loss that the model takes away from who always says the share of positives.

    D. McFadden, "Conditional logit analysis of qualitative choice behavior" (1974); 0: nothing, 1: all of it.
    """
    labels = (scored.labels == 1).astype(np.float64)

    def finish(sums: Array) -> Array:
        loss, positives, count = sums
        share = divide(positives, count)
        with np.errstate(divide="ignore", invalid="ignore"):
            least = -(share * np.log(share) + (1 - share) * np.log1p(-share))
        return 1 - divide(divide(loss, count), np.where(np.isnan(least), 0.0, least))

    return additive(np.stack([_losses(scored), labels, np.ones(len(labels))]), finish)


def _brier(scored: Scored) -> Statistic:
    """Prepare the mean squared distance of probability and label."""
    return mean((scored.scores.astype(np.float64) - scored.labels) ** 2)


def _ece(scored: Scored) -> Statistic:
    return calibration_error(scored.labels, scored.scores)


_LOWER = ("false_positive_rate", "false_negative_rate")
METRICS: tuple[Metric, ...] = (
    Metric("roc_auc", "higher", _roc_auc),
    Metric("average_precision", "higher", _average_precision),
    *(
        Metric(name, "lower" if name in _LOWER else "higher", _rate(name))
        for name in (
            *("accuracy", "balanced_accuracy", "precision", "recall", "f1", "specificity"),
            *("false_positive_rate", "false_negative_rate"),
        )
    ),
    Metric("log_loss", "lower", _log_loss),
    Metric("d2_log_loss", "higher", _d2_log_loss),
    Metric("brier", "lower", _brier),
    Metric("ece", "lower", _ece),
)
