"""The metrics by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow._text import listing, nearest
from firnflow.errors import UsageError
from firnflow.models.evaluation import binary, multiclass, regression

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.models.evaluation.base import Kind, Metric, Scored

METRICS: dict[Kind, dict[str, Metric]] = {
    "binary": {metric.name: metric for metric in binary.METRICS},
    "multiclass": {metric.name: metric for metric in multiclass.METRICS},
    "regression": {metric.name: metric for metric in regression.METRICS},
}
ALIASES = {"auc": "roc_auc"}
"""What people write for a name."""
NAMES = sorted({name for metrics in METRICS.values() for name in metrics} | set(ALIASES))


def metric(kind: Kind, name: str) -> Metric:
    """Return a metric.

    Raises:
        UsageError: there is none of that name for models of this kind; the message names the nearest.
    """
    known = METRICS[kind]
    found = known.get(ALIASES.get(name, name))
    if found is None:
        raise UsageError(
            f"{name!r} is no metric of {kind} models.{nearest(name, known)} They have: {listing(known, 20)}."
        )
    return found


def values(kind: Kind, scored: Scored, names: Iterable[str] | None = None) -> dict[str, float]:
    """Return metrics of the rows by name, all of the kind's unless `names` are given; NaN where one is not defined."""
    return {name: metric(kind, name).value(scored) for name in names or METRICS[kind]}
