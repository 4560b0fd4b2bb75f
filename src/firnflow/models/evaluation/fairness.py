"""How differently groups are treated by the decisions of a binary model.

M. Hardt, E. Price and N. Srebro, "Equality of opportunity in supervised learning", NeurIPS 2016. Both measures are 0
where all groups are treated alike and 1 at most; with several groups the largest difference of any two counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np

from firnflow.models.evaluation.base import additive, divide
from firnflow.models.evaluation.bootstrap import RESAMPLES, Interval, draw
from firnflow.models.evaluation.segments import groups_of

if TYPE_CHECKING:
    from firnflow.models.evaluation.base import Array, Scored, Statistic

Measure: TypeAlias = Literal["demographic_parity", "equal_opportunity"]


class Group(NamedTuple):
    """A group: how often it is decided for, among all of its rows or among its positives."""

    name: str
    rows: int
    rate: float


class Fairness(NamedTuple):
    """The largest difference of two groups' rates, and the groups by name."""

    difference: Interval
    groups: tuple[Group, ...]


def fairness(
    measure: Measure,
    scored: Scored,
    values: Any,
    *,
    min_rows: int = 1,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Fairness:
    """Return how differently the groups of a column are decided for.

    Args:
        measure: `demographic_parity`: share of decisions for 1; `equal_opportunity`: the same among rows of label 1.
        scored: n rows.
        values: n values of the column.
        min_rows: groups with fewer rows that count (all; those of label 1) are left out.
        confidence: of the interval, two-sided. Chance makes groups differ, so the interval lies high for small groups.
        resamples: how many.
        seed: of the resamples.
    """
    names, codes = groups_of(values)
    counted = np.ones(len(codes), dtype=bool) if measure == "demographic_parity" else scored.labels == 1
    rows = np.bincount(codes[counted], minlength=len(names))
    kept = np.flatnonzero(rows >= max(min_rows, 1))
    statistic, rates = _gap(scored.scores >= scored.threshold, counted, codes, kept)
    found = draw({"gap": statistic}, len(codes), resamples=resamples, seed=seed)["gap"].interval(confidence)
    groups = tuple(Group(names[g], int(rows[g]), float(r)) for g, r in zip(kept, rates, strict=True))
    return Fairness(found, groups)


def _gap(decided: Array, counted: Array, codes: Array, kept: Array) -> tuple[Statistic, Array]:
    """Return the largest difference of two groups' rates as a statistic, and the rates of the rows as they are."""
    of_group = (codes == kept[:, None]) & counted
    columns = np.concatenate([of_group & decided, of_group]).astype(np.float64)

    def finish(sums: Array) -> Array:
        rates = divide(*np.split(sums, 2))
        if len(rates) < 2:
            return np.full(sums.shape[1], np.nan)
        gap: Array = rates.max(axis=0) - rates.min(axis=0)
        return gap

    parts = np.split(columns.sum(axis=1), 2)
    return additive(columns, finish), divide(*parts)
