"""How good probabilities are: the usual figures of binary classification, from labels (0, 1) and probabilities.

Definitions as in T. Fawcett, "An introduction to ROC analysis" (2006). All arrays have one value per row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.floating[Any]]


class Counts(NamedTuple):
    """Rows by label and decision."""

    true_negatives: int
    false_positives: int
    false_negatives: int
    true_positives: int


class Ladder(NamedTuple):
    """For each distinct probability, highest first: the rows at or above it, by label."""

    thresholds: Any
    true_positives: Any
    false_positives: Any


def ratio(part: float, whole: float) -> float:
    """Return part / whole, 0 where whole is 0."""
    return float(part) / float(whole) if whole else 0.0


def confusion(labels: Array, probabilities: Array, threshold: float) -> Counts:
    """Count rows; a probability of at least `threshold` is a decision for 1."""
    positive, decided = labels == 1, probabilities >= threshold
    return Counts(
        int((~positive & ~decided).sum()),
        int((~positive & decided).sum()),
        int((positive & ~decided).sum()),
        int((positive & decided).sum()),
    )


def rates(counts: Counts) -> dict[str, float]:
    """Return accuracy, precision, recall, f1, specificity, false positive and false negative rate."""
    tn, fp, fn, tp = counts
    return {
        "accuracy": ratio(tp + tn, sum(counts)),
        "precision": ratio(tp, tp + fp),
        "recall": ratio(tp, tp + fn),
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "specificity": ratio(tn, tn + fp),
        "false_positive_rate": ratio(fp, fp + tn),
        "false_negative_rate": ratio(fn, fn + tp),
    }


def ladder(labels: Array, probabilities: Array) -> Ladder:
    """Return the cumulated counts from which curves and thresholds are read."""
    import numpy as np

    order = np.argsort(-probabilities, kind="stable")
    ranked, positive = probabilities[order], labels[order] == 1
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    true = np.cumsum(positive)[ends]
    return Ladder(ranked[ends], true, ends + 1 - true)


def roc_auc(steps: Ladder) -> float:
    """Return the area under the ROC curve by the trapezoidal rule: ties count half."""
    import numpy as np

    rates_false = np.append(0.0, steps.false_positives / steps.false_positives[-1])
    rates_true = np.append(0.0, steps.true_positives / steps.true_positives[-1])
    return float(np.trapezoid(rates_true, rates_false))


def average_precision(steps: Ladder) -> float:
    """Return the sum of precision over the steps of recall."""
    import numpy as np

    precision = steps.true_positives / (steps.true_positives + steps.false_positives)
    recall = np.append(0.0, steps.true_positives / steps.true_positives[-1])
    return float(np.sum(np.diff(recall) * precision))


def best_threshold(steps: Ladder, rule: Literal["f1", "youden"]) -> float:
    """Return the probability to decide from: largest F1, or largest recall - false positive rate (Youden)."""
    import numpy as np

    tp, fp = steps.true_positives, steps.false_positives
    gain = 2 * tp / (tp[-1] + tp + fp) if rule == "f1" else tp / tp[-1] - fp / fp[-1]
    best = int(np.argmax(gain))
    # Half-way to the next probability below, so that the last bit of a probability decides nothing.
    after = steps.thresholds[best + 1] if best + 1 < len(steps.thresholds) else 0.0
    return round(float(steps.thresholds[best] + after) / 2, 6)


def log_loss(labels: Array, probabilities: Array) -> float:
    """Return the mean negative log-likelihood."""
    import numpy as np

    clipped = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)
    return float(-np.mean(np.where(labels == 1, np.log(clipped), np.log1p(-clipped))))


def brier(labels: Array, probabilities: Array) -> float:
    """Return the mean squared distance of probability and label (G. W. Brier, 1950)."""
    import numpy as np

    return float(np.mean((probabilities.astype(np.float64) - labels) ** 2))


def calibration(labels: Array, probabilities: Array, bins: int = 10) -> list[tuple[float, float, int]]:
    """Return (mean probability, share of positives, rows) for groups of equally many rows, by rising probability."""
    import numpy as np

    order = np.argsort(probabilities, kind="stable")
    groups = [group for group in np.array_split(order, bins) if len(group)]
    return [(float(probabilities[g].mean(dtype=np.float64)), float(labels[g].mean()), len(g)) for g in groups]
