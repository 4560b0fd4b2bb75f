"""The pictures of a binary classification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.steps._figures import FIRST, INK, MUTED, SECOND, beside

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.steps.evaluation import BinaryEvaluation

_DASHED = {"color": MUTED, "linewidth": 1, "linestyle": (0, (4, 4))}


def roc(found: BinaryEvaluation) -> Callable[[Any], None]:
    """Draw the ROC curve, the diagonal, and the chosen threshold."""

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], **_DASHED)
        axes.fill_between(found.roc.x, found.roc.y, color=FIRST, alpha=0.1, linewidth=0)
        axes.plot(found.roc.x, found.roc.y, color=FIRST, linewidth=2)
        mark(axes, found.false_positive_rate, found.recall)
        axes.text(0.97, 0.06, f"AUC {found.roc_auc:.3f}", ha="right", fontsize=14, fontweight="bold")
        _unit_square(axes, "false positive rate", "recall (true positive rate)")

    return draw


def precision_recall(found: BinaryEvaluation) -> Callable[[Any], None]:
    """Draw precision over recall, the share of positives, and the chosen threshold."""

    def draw(axes: Any) -> None:
        axes.axhline(found.positives / found.rows, **_DASHED)
        axes.plot(found.precision_recall.x, found.precision_recall.y, color=FIRST, linewidth=2)
        axes.fill_between(found.precision_recall.x, found.precision_recall.y, color=FIRST, alpha=0.1, linewidth=0)
        mark(axes, found.recall, found.precision)
        # Where the curve is not: a good one leaves the lower left free, a poor one the upper right.
        x, y, align = (0.03, 0.06, "left") if found.average_precision > 0.5 else (0.97, 0.93, "right")
        axes.text(x, y, f"AP {found.average_precision:.3f}", ha=align, fontsize=14, fontweight="bold")
        _unit_square(axes, "recall", "precision")

    return draw


def mark(axes: Any, x: float, y: float) -> None:
    """Draw the dot of the model's threshold."""
    axes.plot([x], [y], marker="o", markersize=8, color=SECOND, markeredgecolor=INK, markeredgewidth=0.8)


def _unit_square(axes: Any, x: str, y: str) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), xlabel=x, ylabel=y)


def calibration(found: BinaryEvaluation) -> Callable[[Any], None]:
    """Draw the share of positives over the mean probability, by tenths of the rows, with what chance leaves open."""

    def draw(axes: Any) -> None:
        bins = found.calibration
        predicted, observed = [b.predicted for b in bins], [b.observed for b in bins]
        top = min(1.0, 1.08 * max(*predicted, *(b.high for b in bins), 0.01))
        axes.plot([0, top], [0, top], **_DASHED)
        axes.vlines(predicted, [b.low for b in bins], [b.high for b in bins], color=FIRST, linewidth=1.4, alpha=0.6)
        axes.plot(predicted, observed, color=FIRST, linewidth=2, marker="o", markersize=5)
        axes.set(xlim=(0, top), ylim=(0, top), xlabel="mean predicted probability", ylabel="observed share")

    return draw


def distribution(found: BinaryEvaluation, positive: str) -> Callable[[Any], None]:
    """Draw how probabilities are spread, by label, each as a share of its label."""

    def draw(axes: Any) -> None:
        edges = found.histogram.edges
        for counts, color, name in (
            (found.histogram.negatives, FIRST, "others"),
            (found.histogram.positives, SECOND, positive),
        ):
            total = sum(counts) or 1
            axes.stairs([c / total for c in counts], edges, fill=True, color=color, alpha=0.55, label=name)
        axes.axvline(found.threshold, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
        beside(axes, found.threshold, axes.get_ylim()[1] * 0.96, f"threshold {found.threshold:.2f}")
        axes.set(xlim=(0, 1), xlabel="predicted probability", ylabel="share of its label")
        axes.legend(loc="best")

    return draw
