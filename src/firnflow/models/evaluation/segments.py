"""A metric per value of a column: no county, region or group should be left behind unseen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from firnflow.models.evaluation.bootstrap import RESAMPLES, Interval, interval

if TYPE_CHECKING:
    from firnflow.models.evaluation.base import Array, Metric, Scored

MISSING = "(missing)"


class Segment(NamedTuple):
    """A value of the column; the figure is NaN where the metric is not defined, as AUC without positives."""

    name: str
    rows: int
    figure: Interval


def groups_of(values: Any) -> tuple[list[str], Array]:
    """Return the values of a column as text, in order, and the number of each row's; null and NaN are one of them."""
    import pandas as pd

    codes, found = pd.factorize(np.asarray(values, dtype=object), use_na_sentinel=True)
    names = [str(value) for value in found]
    if (codes < 0).any():
        codes, names = np.where(codes < 0, len(names), codes), [*names, MISSING]
    order = sorted(range(len(names)), key=names.__getitem__)
    places = np.empty(len(names), dtype=np.int64)
    places[order] = np.arange(len(names))
    return [names[place] for place in order], places[codes] if names else codes


def segments(
    metric: Metric,
    scored: Scored,
    values: Any,
    *,
    min_rows: int = 1,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Segment]:
    """Return the metric in each segment of at least `min_rows` rows, with its interval, by name.

    Args:
        metric: what is computed.
        scored: n rows.
        values: n values of the column.
        min_rows: smaller segments are left out.
        confidence: of the intervals, two-sided.
        resamples: of each segment.
        seed: of the resamples.
    """
    names, codes = groups_of(values)
    counts = np.bincount(codes, minlength=len(names))
    found = []
    for number, name in enumerate(names):
        if counts[number] >= min_rows:
            rows = scored.take(np.flatnonzero(codes == number))
            figure = interval(metric, rows, confidence=confidence, resamples=resamples, seed=seed)
            found.append(Segment(name, int(counts[number]), figure))
    return found
