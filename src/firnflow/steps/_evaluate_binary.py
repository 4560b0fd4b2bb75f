"""What `evaluate` finds out about a binary classification: figures, curves, calibration, costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from firnflow.errors import DataError
from firnflow.models.evaluation import binary, curves
from firnflow.models.evaluation.calibration import calibration_curve
from firnflow.models.evaluation.catalog import metric
from firnflow.models.evaluation.thresholds import cost_curve
from firnflow.steps import _explain
from firnflow.steps._explain import short
from firnflow.steps.evaluation import (
    BINARY,
    BinaryEvaluation,
    CalibrationBin,
    Confusion,
    Curve,
    Example,
    Histogram,
    Price,
    Pricing,
)

if TYPE_CHECKING:
    from firnflow.models.evaluation.base import Array, Metric, Scored
    from firnflow.models.evaluation.thresholds import Costs
    from firnflow.steps._matrix import Examples
    from firnflow.steps.config import Evaluating

PRIMARY = "roc_auc"
FIRST = "with the highest probabilities"


def check(labels: Array, name: str) -> None:
    """Raise DataError where the label is not 0 and 1, both of them."""
    import numpy as np

    if not (np.isin(labels, (0.0, 1.0)).all() and 0 < labels.sum() < len(labels)):
        raise DataError(f"The label {name!r} of the test part must be 0 and 1, both of them.")


def metrics(evaluating: Evaluating) -> list[Metric]:
    """Return the metrics that have an interval."""
    found = [metric("binary", name) for name in BINARY]
    return [*found, evaluating.costs.metric] if evaluating.costs else found


def urgency(scored: Scored) -> Array:
    """Return a number per row: those with the largest ones are explained first."""
    return scored.scores


def said(scored: Scored) -> dict[str, pa.Array[Any]]:
    """Return the columns of the predictions, beside the key: the label first."""
    import numpy as np

    return {
        "label": pa.array(scored.labels.astype(np.int8)),
        "probability": pa.array(scored.scores),
        "predicted": pa.array((scored.scores >= scored.threshold).astype(np.int8)),
    }


def shown(rows: Examples, effects: Any, scores: Array, most: int) -> tuple[Example, ...]:
    """Return the surest rows with their reasons."""
    return _explain.surest(rows, effects, scores, most)


def evaluation(common: dict[str, Any], values: dict[str, float], scored: Scored, costs: Costs | None) -> Any:
    """Return what is known, given what there is for models of every kind."""
    labels, probabilities = scored.labels, scored.scores
    steps = binary.ladder(labels, probabilities)
    merits: dict[str, Any] = {name: short(values[name]) for name in BINARY}
    return BinaryEvaluation(
        **common,
        **merits,
        positives=int(labels.sum()),
        threshold=scored.threshold,
        ece=short(metric("binary", "ece").value(scored)),
        confusion=Confusion(**binary.confusion(labels, probabilities, scored.threshold)._asdict()),
        roc=_curve(curves.roc(steps)),
        precision_recall=_curve(curves.precision_recall(steps)),
        calibration=tuple(
            CalibrationBin(
                predicted=short(each.predicted),
                observed=short(each.observed),
                rows=each.rows,
                low=short(each.low),
                high=short(each.high),
            )
            for each in calibration_curve(labels, probabilities)
        ),
        histogram=_histogram(labels, probabilities),
        pricing=_pricing(scored, costs, values["cost"]) if costs else None,
    )


def _curve(points: curves.Points) -> Curve:
    return Curve(x=tuple(map(short, points.x)), y=tuple(map(short, points.y)))


def _histogram(labels: Array, probabilities: Array) -> Histogram:
    import numpy as np

    edges = np.linspace(0, 1, 41)
    by_label = [np.histogram(probabilities[labels == value], edges)[0] for value in (0, 1)]
    return Histogram(
        edges=tuple(short(edge) for edge in edges),
        negatives=tuple(map(int, by_label[0])),
        positives=tuple(map(int, by_label[1])),
    )


def _pricing(scored: Scored, costs: Costs, own: float) -> Pricing:
    import numpy as np

    curve = cost_curve(scored.labels, scored.scores, costs)
    kept = np.unique(np.linspace(0, len(curve.costs) - 1, curves.POINTS).astype(np.int64))[::-1]
    lowest, least = curve.cheapest()
    asked = costs.threshold
    return Pricing(
        costs=costs,
        curve=_curve(curves.Points(curve.thresholds[kept], curve.costs[kept])),
        own=Price(threshold=scored.threshold, cost=short(own)),
        by_costs=Price(threshold=short(asked), cost=short(costs.metric.value(scored._replace(threshold=asked)))),
        lowest=Price(threshold=short(lowest), cost=short(least)),
        nobody=short(curve.costs[0]),
        everybody=short(curve.costs[-1]),
    )
