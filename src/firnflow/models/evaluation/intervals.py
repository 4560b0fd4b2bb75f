"""Intervals of several metrics of one model, in a time that does not grow with the rows.

Of a binary model a metric depends on labels and probabilities only. So rows of one label, one decision and nearly one
probability are drawn together, as a cell: a resample of the bootstrap is how often each cell was drawn, which is
multinomial. Up to about `CELLS` rows each is a cell of its own, and this is the plain bootstrap.

Of other models a sample of `SAMPLE` rows is resampled. The spread that it shows is that of so many rows, so it is
narrowed by the root of the sample's share (P. J. Bickel, F. Götze and W. R. van Zwet, "Resampling fewer than n
observations", Statistica Sinica 7, 1997).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from firnflow.models.evaluation.base import Scored
from firnflow.models.evaluation.bootstrap import RESAMPLES, Draws, draw
from firnflow.models.evaluation.calibration import bins_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.models.evaluation.base import Array, Kind, Metric
    from firnflow.models.evaluation.bootstrap import Interval

CELLS = 100
"""Groups of rows by probability; each is divided by label."""
SAMPLE = 10_000


def intervals(
    kind: Kind,
    metrics: Iterable[Metric],
    scored: Scored,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return metrics of all rows with their two-sided intervals, by name.

    Args:
        kind: of the model.
        metrics: of that kind.
        scored: n rows.
        confidence: of each interval.
        resamples: how many; the metrics share them.
        seed: of the resamples, and of the sample.
    """
    rows, counts, share = _cells(scored) if kind == "binary" else _sample(scored, seed)
    chosen = {metric.name: metric for metric in metrics}
    found = draw(
        {name: metric.prepare(rows) for name, metric in chosen.items()},
        len(rows.labels),
        counts=counts,
        resamples=resamples,
        seed=seed,
    )
    return {
        name: _around(metric.value(scored), found[name], share).interval(confidence) for name, metric in chosen.items()
    }


def _around(value: float, draws: Draws, share: float) -> Draws:
    """Return draws around the value of all rows, as far apart as resamples of all rows would be."""
    return Draws(value, value + (draws.resampled - draws.value) * np.sqrt(share))


def _cells(scored: Scored) -> tuple[Scored, Array, float]:
    """Return the cells as rows, how many rows each stands for, and that all rows are in them."""
    decided, positive = scored.scores >= scored.threshold, scored.labels == 1
    codes = 4 * bins_of(scored.scores, CELLS) + 2 * decided + positive
    found, places, counts = np.unique(codes, return_inverse=True, return_counts=True)
    means = np.bincount(places, weights=scored.scores) / counts
    # Any threshold between the two kinds of cells: the mean of float32s may lie a bit beside the one that they keep.
    threshold = float(means[found % 4 >= 2].min(initial=np.inf))
    return Scored((found % 2).astype(np.float64), means, threshold), counts, 1.0


def _sample(scored: Scored, seed: int) -> tuple[Scored, None, float]:
    """Return at most `SAMPLE` rows, and their share of all."""
    rows = len(scored.labels)
    if rows <= SAMPLE:
        return scored, None, 1.0
    chosen = np.sort(np.random.default_rng([seed, rows]).choice(rows, SAMPLE, replace=False))
    return scored.take(chosen), None, SAMPLE / rows
