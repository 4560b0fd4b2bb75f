"""How sure a figure is: the percentile bootstrap, and the paired one for two models on the same rows.

B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 13 and 16. Each resample is a row of
weights (see `base`), made in blocks: memory does not grow with the number of resamples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firnflow.models.evaluation.base import Array, Metric, Scored, Statistic

RESAMPLES = 1000
_BLOCK = 500_000
"""Weights that are in memory at a time."""


class Interval(NamedTuple):
    """A figure and the bounds of its confidence interval; NaN where they are not known."""

    value: float
    low: float
    high: float


class Draws(NamedTuple):
    """A statistic of the rows as they are, and of each resample."""

    value: float
    resampled: Array

    def minus(self, other: Draws) -> Draws:
        """Return the difference, resample by resample: paired where both are of the same rows and seed."""
        return Draws(self.value - other.value, self.resampled - other.resampled)

    def interval(self, confidence: float = 0.95) -> Interval:
        """Return the two-sided percentile interval: each of its ends is a one-sided bound at `(1 + confidence) / 2`.

        Where more than one resample in twenty has no value (a class is missing in it), there is no interval.
        """
        defined = self.resampled[~np.isnan(self.resampled)]
        if np.isnan(self.value) or len(defined) < 0.95 * len(self.resampled):
            return Interval(self.value, float("nan"), float("nan"))
        low, high = np.quantile(defined, ((1 - confidence) / 2, (1 + confidence) / 2))
        return Interval(self.value, float(low), float(high))


def weights(rows: int, resamples: int = RESAMPLES, seed: int = 0, *, counts: Array | None = None) -> Iterator[Array]:
    """Yield blocks of weights, r × `rows`: how often each row was drawn. The same seed gives the same resamples.

    Args:
        rows: how many.
        resamples: how many.
        seed: of the resamples.
        counts: how many rows each of the `rows` stands for; None: itself.
    """
    rng = np.random.default_rng(seed)
    size = max(1, min(resamples, _BLOCK // max(rows, 1)))
    for start in range(0, resamples, size):
        many = min(size, resamples - start)
        if counts is not None:
            yield rng.multinomial(counts.sum(), counts / counts.sum(), many).astype(np.float64)
            continue
        block = np.empty((many, rows))
        for row in block:
            row[:] = np.bincount(rng.integers(0, rows, rows), minlength=rows)
        yield block


def draw(
    statistics: Mapping[str, Statistic],
    rows: int,
    *,
    counts: Array | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Draws]:
    """Return several statistics of the same rows and resamples, by name.

    Args:
        statistics: name → statistic, each made ready for the same rows.
        rows: how many.
        counts: how many rows each of them stands for; None: itself.
        resamples: how many.
        seed: of the resamples.
    """
    whole = np.ones((1, rows)) if counts is None else counts.astype(np.float64)[None, :]
    values = {name: float(statistic(whole)[0]) for name, statistic in statistics.items()}
    found: dict[str, list[Array]] = {name: [] for name in statistics}
    for block in weights(rows, resamples, seed, counts=counts) if statistics else ():
        for name, statistic in statistics.items():
            found[name].append(statistic(block))
    return {name: Draws(values[name], np.concatenate(parts)) for name, parts in found.items()}


def interval(
    metric: Metric, scored: Scored, *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Return a metric with its two-sided interval."""
    statistic = {metric.name: metric.prepare(scored)}
    return draw(statistic, len(scored.labels), resamples=resamples, seed=seed)[metric.name].interval(confidence)


def difference(
    metric: Metric,
    first: Scored,
    second: Scored,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return a metric of the first model less that of the second on the same rows, with its two-sided interval."""
    statistics = {"first": metric.prepare(first), "second": metric.prepare(second)}
    found = draw(statistics, len(first.labels), resamples=resamples, seed=seed)
    return found["first"].minus(found["second"]).interval(confidence)
