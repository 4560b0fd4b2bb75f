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
_KEPT = 100_000_000
"""Weights that are kept, a byte each, for who draws the same again and again: making them takes half of the time."""


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


def keep(rows: int, resamples: int = RESAMPLES, seed: int = 0) -> Array | None:
    """Return the weights of all resamples, r × `rows`, for `draw`; None: they are too many to be kept.

    Each takes a byte: that a row is drawn more than 255 times will not be seen.
    """
    if rows * resamples > _KEPT:
        return None
    kept, at = np.empty((resamples, rows), np.uint8), 0
    for block in weights(rows, resamples, seed):
        kept[at : at + len(block)] = block
        at += len(block)
    return kept


def _again(kept: Array) -> Iterator[Array]:
    size = max(1, _BLOCK // max(kept.shape[1], 1))
    return (kept[start : start + size].astype(np.float64) for start in range(0, len(kept), size))


def draw(
    statistics: Mapping[str, Statistic],
    rows: int,
    *,
    counts: Array | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    kept: Array | None = None,
) -> dict[str, Draws]:
    """Return several statistics of the same rows and resamples, by name.

    Args:
        statistics: name → statistic, each made ready for the same rows.
        rows: how many.
        counts: how many rows each of them stands for; None: itself.
        resamples: how many.
        seed: of the resamples.
        kept: what `keep` has returned for the same rows, resamples and seed.
    """
    whole = np.ones((1, rows)) if counts is None else counts.astype(np.float64)[None, :]
    values = {name: float(statistic(whole)[0]) for name, statistic in statistics.items()}
    found: dict[str, list[Array]] = {name: [] for name in statistics}
    blocks = weights(rows, resamples, seed, counts=counts) if kept is None else _again(kept)
    for block in blocks if statistics else ():
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
