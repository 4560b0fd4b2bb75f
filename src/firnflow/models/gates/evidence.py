"""What a verdict rests on: labels, what each model says of the rows, and what the rows are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from firnflow.models.evaluation import bootstrap
from firnflow.models.evaluation.base import Scored
from firnflow.models.evaluation.catalog import metric

if TYPE_CHECKING:
    import pyarrow as pa

    from firnflow.models.evaluation.base import Array, Kind
    from firnflow.models.evaluation.bootstrap import Draws, Interval
    from firnflow.models.gates.settings import Gating
    from firnflow.models.gates.verdict import Bounds, HoldoutUse
    from firnflow.models.prediction import Predictor
    from firnflow.values.model import Model


class Champion(NamedTuple):
    """The model in production."""

    version: int
    model: Model


@dataclass
class Evidence:
    """The rows that neither model has seen.

    Attributes:
        gating: the settings.
        kind: of the models.
        predictor: the challenger, ready to predict.
        rows: n raw rows, by key; the label as 0 and 1, or as a number.
        challenger: what the challenger says of them.
        champion: what the champion does; None: there is none, or it could not be asked.
        trouble: why it could not; None: it was asked, or there is none.
        use: how many rows there were.
        baseline: what another model says of them, which the challenger must bear comparison with, if there is one.
        notes: what a reader must know.
    """

    gating: Gating
    kind: Kind
    predictor: Predictor
    rows: pa.Table
    challenger: Scored
    champion: Scored | None
    trouble: str | None
    use: HoldoutUse
    baseline: Scored | None = None
    notes: tuple[str, ...] = ()
    _draws: dict[tuple[str, str, str], Draws] = field(default_factory=dict)
    _weights: dict[int, Array | None] = field(default_factory=dict)

    @property
    def level(self) -> float:
        """The confidence of a two-sided interval whose ends are one-sided bounds at `gating.confidence`."""
        return 2 * self.gating.confidence - 1

    @property
    def labels(self) -> Array:
        """The labels of the rows."""
        return self.challenger.labels

    def alone(self, name: str) -> Interval:
        """Return a metric of the challenger with its bounds."""
        return self._drawn("challenger", name, "", self.challenger).interval(self.level)

    def pair(self, name: str, reference: str) -> tuple[Draws, Draws]:
        """Return a metric of the challenger and of a baseline on the same rows and resamples.

        Args:
            name: of the metric.
            reference: of the baseline; champion or baseline model must have been asked.
        """
        where, ours = "", self.challenger
        if reference == "champion" and self.champion is not None:
            theirs = self.champion
        elif reference == "baseline" and self.baseline is not None:
            theirs = self.baseline
        elif reference == "last":
            known, before = self._before()
            where, ours, theirs = "known", self.challenger.take(known), Scored(self.labels[known], before[known])
        else:
            theirs = Scored(self.labels, np.full(len(self.labels), self.labels.mean()))
        return self._drawn("challenger", name, where, ours), self._drawn(reference, name, where, theirs)

    def _drawn(self, who: str, name: str, where: str, scored: Scored) -> Draws:
        key = (who, name, where)
        if key not in self._draws:
            statistic = {name: metric(self.kind, name).prepare(scored)}
            rows, resamples, seed = len(scored.labels), self.gating.resamples, self.gating.seed
            if rows not in self._weights:
                self._weights[rows] = bootstrap.keep(rows, resamples, seed)
            found = bootstrap.draw(statistic, rows, resamples=resamples, seed=seed, kept=self._weights[rows])
            self._draws[key] = found[name]
        return self._draws[key]

    def _before(self) -> tuple[Array, Array]:
        """Return which rows have one before them in time, in their series, and the label of that one."""
        import pandas as pd

        time, series = str(self.gating.time), self.gating.series
        frame = self.rows.select([time, *([series] if series else [])]).to_pandas()
        ordered = frame.assign(label=self.labels)[frame[time].notna()].sort_values(time, kind="stable")
        groups = ordered.groupby(series, dropna=False)["label"] if series else ordered["label"]
        before: Array = pd.Series(groups.shift(), index=ordered.index).reindex(frame.index).to_numpy(np.float64)
        return ~np.isnan(before), before


def bounds(found: Interval) -> Bounds | None:
    """Return the ends of an interval, None where they are not known."""
    return None if np.isnan(found.low) else (found.low, found.high)


def number(value: float) -> float | None:
    """Return a figure, None where it is not defined."""
    return None if np.isnan(value) else value
