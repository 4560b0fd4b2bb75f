"""What `evaluate` finds out about a regression: figures and residuals, in the unit of the label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from firnflow.errors import DataError
from firnflow.models.evaluation.catalog import metric
from firnflow.models.evaluation.regression import residuals
from firnflow.steps import _explain
from firnflow.steps._explain import short
from firnflow.steps.evaluation import REGRESSION, Curve, Miss, RegressionEvaluation, ResidualBin, Residuals

if TYPE_CHECKING:
    from firnflow.models.evaluation.base import Array, Metric, Scored
    from firnflow.models.evaluation.thresholds import Costs
    from firnflow.steps._matrix import Examples
    from firnflow.steps.config import Evaluating

PRIMARY = "rmse"
FIRST = "that the model is farthest off"
_POINTS = 1_500


def check(labels: Array, name: str) -> None:
    """Raise DataError where a label is missing or no finite number."""
    import numpy as np

    if not np.isfinite(labels).all():
        raise DataError(f"The label {name!r} of the test part must be numbers, none of them missing.")


def metrics(_evaluating: Evaluating) -> list[Metric]:
    """Return the metrics that have an interval."""
    return [metric("regression", name) for name in REGRESSION]


def urgency(scored: Scored) -> Array:
    """Return a number per row: those with the largest ones are explained first."""
    return abs(scored.labels - scored.scores)


def said(scored: Scored) -> dict[str, pa.Array[Any]]:
    """Return the columns of the predictions, beside the key: the label first."""
    return {
        "label": pa.array(scored.labels),
        "prediction": pa.array(scored.scores),
        "residual": pa.array(scored.labels - scored.scores),
    }


def shown(rows: Examples, effects: Any, scores: Array, most: int) -> tuple[Miss, ...]:
    """Return the rows that the model is farthest off, with their reasons."""
    import numpy as np

    residual = rows.labels - scores
    return tuple(
        Miss(
            key=str(rows.keys[int(row)].as_py()),
            label=short(rows.labels[row]),
            prediction=short(scores[row]),
            residual=short(residual[row]),
            reasons=_explain.reasons(rows, effects, int(row)),
        )
        for row in np.argsort(-abs(residual), kind="stable")[:most]
    )


def evaluation(common: dict[str, Any], values: dict[str, float], scored: Scored, _costs: Costs | None) -> Any:
    """Return what is known, given what there is for models of every kind."""
    import numpy as np

    labels = scored.labels.astype(np.float64)
    merits: dict[str, Any] = {name: None if np.isnan(values[name]) else short(values[name]) for name in REGRESSION}
    chosen = np.sort(np.random.default_rng(0).permutation(len(labels))[:_POINTS])
    return RegressionEvaluation(
        **common,
        **merits,
        mean=short(labels.mean()),
        deviation=short(labels.std()),
        residuals=_residuals(labels, scored.scores.astype(np.float64)),
        sample=Curve(x=tuple(map(short, scored.scores[chosen])), y=tuple(map(short, labels[chosen]))),
    )


def _residuals(labels: Array, predictions: Array) -> Residuals:
    found = residuals(labels, predictions)
    return Residuals(
        edges=tuple(map(short, found.edges)),
        counts=found.counts,
        bins=tuple(
            ResidualBin(
                predicted=short(each.predicted),
                observed=short(each.observed),
                rows=each.rows,
                low=short(each.low),
                middle=short(each.middle),
                high=short(each.high),
            )
            for each in found.bins
        ),
        low=short(found.quantiles[0.05]),
        high=short(found.quantiles[0.95]),
    )
