"""Regression: labels and predictions are numbers in the unit of the label.

sMAPE: S. Makridakis, "Accuracy measures: theoretical and practical concerns", International Journal of Forecasting 9
(1993), as a share from 0 to 2; pinball loss: R. Koenker and G. Bassett, "Regression quantiles", Econometrica 46 (1978).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from firnflow.models.evaluation.base import Metric, additive, divide, mean

if TYPE_CHECKING:
    from firnflow.models.evaluation.base import Array, Scored, Statistic


def _errors(scored: Scored) -> Array:
    return scored.scores.astype(np.float64) - scored.labels.astype(np.float64)


def _rmse(scored: Scored) -> Statistic:
    squared = mean(_errors(scored) ** 2)
    return lambda weights: np.sqrt(squared(weights))


def _mae(scored: Scored) -> Statistic:
    return mean(np.abs(_errors(scored)))


def _bias(scored: Scored) -> Statistic:
    """Prepare the mean of prediction less label."""
    return mean(_errors(scored))


def _r2(scored: Scored) -> Statistic:
    """Prepare 1 - squared errors / squared distances to the mean label; not defined for a constant label."""
    labels = scored.labels.astype(np.float64)
    labels = labels - labels.mean()  # sums of squares of large numbers would lose digits

    def finish(sums: Array) -> Array:
        count, total, squares, errors = sums
        return 1 - divide(errors, squares - divide(total**2, count))

    if not labels.any():
        return lambda weights: np.full(len(weights), np.nan)
    return additive(np.stack([np.ones(len(labels)), labels, labels**2, _errors(scored) ** 2]), finish)


def _mape(scored: Scored) -> Statistic:
    """Prepare the mean of |error| / |label|, a share, over the rows whose label is not 0."""
    size = np.abs(scored.labels.astype(np.float64))
    relative = np.divide(np.abs(_errors(scored)), size, out=np.zeros_like(size), where=size > 0)
    return mean(relative, size > 0)


def _smape(scored: Scored) -> Statistic:
    """Prepare the mean of 2 |error| / (|label| + |prediction|); 0 where both are 0."""
    size = np.abs(scored.labels.astype(np.float64)) + np.abs(scored.scores.astype(np.float64))
    return mean(np.divide(2 * np.abs(_errors(scored)), size, out=np.zeros_like(size), where=size > 0))


def _pinball(level: float) -> Any:
    def prepare(scored: Scored) -> Statistic:
        short = -_errors(scored)
        return mean(np.maximum(level * short, (level - 1) * short))

    return prepare


METRICS: tuple[Metric, ...] = (
    Metric("rmse", "lower", _rmse),
    Metric("mae", "lower", _mae),
    Metric("r2", "higher", _r2),
    Metric("mape", "lower", _mape),
    Metric("smape", "lower", _smape),
    Metric("bias", "nearer to 0", _bias),
    *(Metric(f"pinball_{percent}", "lower", _pinball(percent / 100)) for percent in (10, 50, 90)),
)


class ResidualBin(NamedTuple):
    """Rows with similar predictions: their mean prediction and label, and the residuals' quartiles."""

    predicted: float
    observed: float
    rows: int
    low: float
    middle: float
    high: float


class Residuals(NamedTuple):
    """Label less prediction: its quantiles, a histogram (one edge more than counts), and how it changes with size."""

    quantiles: dict[float, float]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    bins: tuple[ResidualBin, ...]


def residuals(labels: Array, predictions: Array, bins: int = 10) -> Residuals:
    """Return how labels differ from predictions.

    Args:
        labels: n numbers.
        predictions: n numbers.
        bins: how many groups of equally many rows, by rising prediction.
    """
    found = labels.astype(np.float64) - predictions
    levels = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
    quantiles = np.quantile(found, levels)
    counts, edges = np.histogram(found, bins=30, range=(quantiles[0], quantiles[-1]))
    groups = [group for group in np.array_split(np.argsort(predictions, kind="stable"), bins) if len(group)]
    return Residuals(
        dict(zip(levels, map(float, quantiles), strict=True)),
        tuple(map(float, edges)),
        tuple(map(int, counts)),
        tuple(
            ResidualBin(
                float(predictions[g].mean()),
                float(labels[g].mean()),
                len(g),
                *map(float, np.quantile(found[g], (0.25, 0.5, 0.75))),
            )
            for g in groups
        ),
    )
