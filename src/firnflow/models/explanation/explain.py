"""Reasons for raw rows, by what the model itself carries: the twin of `models.prediction`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from firnflow._text import counted
from firnflow.errors import UsageError
from firnflow.models import arrow
from firnflow.models.estimators import estimator_of
from firnflow.models.explanation.budget import Watch, affordable, log
from firnflow.models.explanation.contributions import Scale, contributor_of
from firnflow.models.prediction import Predictor

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from firnflow.values.model import Model


def explain(
    model: Model,
    table: Any,
    *,
    keep: Iterable[str] = (),
    top: int = 3,
    background: Any = None,
    seconds: float | None = None,
    seed: int = 0,
    threads: int = 1,
) -> pa.Table:
    """Return what a model says of raw rows and why, in their order: an `Explainer` for one use.

    Args:
        model: as `firnflow.models.load` or a task returns it.
        table: raw rows, as `predict` takes them.
        keep: further columns of the table that go along.
        top: how many features are named for each row, the strongest first.
        background: raw rows that stand for "not known" where a model cannot explain itself (all but trees): ordinary
            ones, such as the training's. None: the rows of `table`.
        seconds: how long it may take, by an estimate; None: as long as it takes. The first rows are explained; the
            others have no reasons, and a warning of `firnflow.models` says how many.
        seed: of the sample of the background, and of permutations.
        threads: how many are used; the result does not depend on it.

    Returns:
        What `predict` returns, and `reason_1`, `effect_1`, `reason_2`, …: a feature as the estimator reads it, and
        what it contributes, on the scale that `Explainer.scale` names.

    Raises:
        SignatureError, DataError: as `predict`.
        UsageError: as `predict`; or `top` or `seconds` is not positive, or there is nothing to compare a row with.
        MissingExtraError: it takes shap, which is not installed.
    """
    return Explainer(model, background=background, seed=seed, threads=threads)(
        table, keep=keep, top=top, seconds=seconds
    )


class Contributions(NamedTuple):
    """What the features of some rows contribute.

    Attributes:
        values: n × m; with `base` a row adds up to what the model says of it.
        base: what the model says on average.
        scale: of both: `log-odds`, `probability`, `prediction`, or `margin` (a link function lies between).
        features: the names of the m features.
    """

    values: npt.NDArray[np.float64]
    base: float
    scale: Scale
    features: tuple[str, ...]

    def importance(self) -> dict[str, float]:
        """Return feature → mean absolute contribution, the largest first."""
        import numpy as np

        mean = np.abs(self.values).mean(axis=0) if len(self.values) else np.zeros(len(self.features))
        return {self.features[place]: float(mean[place]) for place in np.argsort(-mean, kind="stable")}

    def strongest(self, top: int) -> npt.NDArray[np.int64]:
        """Return n × top places of features, the strongest first; of equals the first feature."""
        import numpy as np

        return np.argsort(-np.abs(self.values), axis=1, kind="stable")[:, :top]


class Explainer:
    """A model, ready to explain. The arguments are those of `explain`.

    Attributes:
        predictor: the model, ready to predict.
        scale: what contributions add up to.
        cost: the seconds that a row is estimated to take.
    """

    def __init__(self, model: Model, *, background: Any = None, seed: int = 0, threads: int = 1) -> None:
        self.predictor = Predictor(model, threads=threads)
        self._estimator = estimator_of(model, positive=self.predictor.output.positive, threads=threads)
        self._contributor = contributor_of(self._estimator, seed)
        self.scale, self.cost = self._contributor.scale, self._contributor.cost
        self._background = None if background is None else self._features(_whole(background))

    def __call__(self, table: Any, *, keep: Iterable[str] = (), top: int = 3, seconds: float | None = None) -> pa.Table:
        """Return what the model says of each row and why; see `explain`."""
        import numpy as np
        import pyarrow as pa

        if top < 1:
            raise UsageError(f"top={top} names no reason. Mend: 1 or more")
        rows = _whole(table)
        said = self.predictor(rows, keep=keep)
        found = self.contributions(rows, seconds=seconds)
        strongest, names = found.strongest(top), pa.array(found.features)
        missing = pa.nulls(rows.num_rows - len(found.values))
        for rank in range(strongest.shape[1]):
            places = strongest[:, rank]
            effects = pa.array(found.values[np.arange(len(places)), places])
            for name, column in (("reason", names.take(pa.array(places, pa.int64()))), ("effect", effects)):
                if f"{name}_{rank + 1}" in said.column_names:
                    raise UsageError(f"The column {name}_{rank + 1} has the name of a result. Mend: rename the column")
                said = said.append_column(f"{name}_{rank + 1}", pa.concat_arrays([column, missing.cast(column.type)]))
        return said

    def contributions(self, table: Any, *, seconds: float | None = None) -> Contributions:
        """Return what each feature contributes, for as many of the first rows as fit into the budget."""
        features = self._features(_whole(table))
        rows = affordable(seconds, self.cost, features.num_rows)
        if rows < features.num_rows:
            log.warning(
                "explaining the first %s of %s: the others do not fit into %g s",
                f"{rows:,}",
                counted(features.num_rows, "row"),
                seconds,
            )
        background = features if self._background is None else self._background
        if self._contributor.needs_background and background.num_rows < 2:
            raise UsageError(
                "This model can be explained only in comparison with other rows. Mend: background=…, raw rows such as "
                "those of its training"
            )
        with Watch(seconds, rows):
            found = self._contributor.effects(features.slice(0, rows), background)
        return Contributions(found.values, found.base, self.scale, self._estimator.features)

    def _features(self, rows: pa.Table) -> pa.Table:
        if self.predictor.signature:
            self.predictor.signature.check(rows.schema)
        return self.predictor.features(rows)


def _whole(table: Any) -> pa.Table:
    """Return a table of any type as Arrow's."""
    import pyarrow as pa

    source = arrow.opened(table).source
    if isinstance(source, pa.RecordBatchReader):
        return source.read_all()
    return source if isinstance(source, pa.Table) else source.to_pyarrow()
