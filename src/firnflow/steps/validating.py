"""Cross-validation: how good settings are, on rows of the training part that were not learnt from.

One pass over the folds does everything: early stopping, the metrics, and the threshold, which is chosen on rows that
the fold's model did not learn from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import ibis

from firnflow._text import counted
from firnflow.context import log_metric
from firnflow.errors import DataError
from firnflow.graph.task import task
from firnflow.models.evaluation.base import Scored
from firnflow.models.evaluation.binary import best_threshold, ladder
from firnflow.models.evaluation.catalog import values
from firnflow.models.evaluation.thresholds import Costs, cost_curve
from firnflow.models.section import Columns, Section
from firnflow.steps._boosting import boost_until, predict
from firnflow.steps._hash import sample
from firnflow.steps._matrix import Examples, times, training_examples
from firnflow.steps._tables import log, rounded
from firnflow.steps.config import SCORES, Training

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    import numpy.typing as npt

    Mask = npt.NDArray[np.bool_]


class Scores(Section):
    """Metrics of probabilities on held-out rows; precision, recall, F1 and accuracy at the chosen threshold."""

    accuracy: float
    precision: float
    recall: float
    f1: float
    roc_auc: float
    average_precision: float
    log_loss: float


class NumberScores(Section):
    """Metrics of predicted numbers on held-out rows, in the unit of the label, and the share of its variance."""

    rmse: float
    mae: float
    r2: float


class CrossValidation(Section):
    """What cross-validation found out about one candidate.

    Attributes:
        training: the candidate.
        rows: how many rows were used, of `total_rows`.
        total_rows: how many rows there are.
        trees: the mean of the folds' best numbers of trees.
        threshold: the probability from which a row counts as positive; None: the label is a number.
        folds: scores by fold.
        mean: their mean.
        deviation: their standard deviation.
    """

    training: Training
    rows: int
    total_rows: int
    trees: int
    threshold: float | None
    folds: tuple[Scores | NumberScores, ...]
    mean: Scores | NumberScores
    deviation: Scores | NumberScores

    @property
    def value(self) -> float:
        """The mean of the metric by which candidates are compared."""
        return float(getattr(self.mean, self.training.judge))


class GivenUp(NamedTuple):
    """A cross-validation that was not finished: its metric on the folds that it saw."""

    steps: tuple[float, ...]


def best_of(trials: list[CrossValidation]) -> int:
    """Return the place of the best candidate, of equals the first. Raises DataError for an empty list."""
    if not trials:
        raise DataError("There are no candidates. Mend: pass [cross_validate(…)], or the `trials` that `tune` returns.")
    sign = 1 if trials[0].training.direction == "maximize" else -1
    return max(range(len(trials)), key=lambda place: (sign * trials[place].value, -place))


@task
def cross_validate(train_features: ibis.Table, columns: Columns, training: Training) -> CrossValidation:
    """Return how well trees with these settings do on rows that they did not learn from.

    Metrics: `cv_…`, the means over the folds.

    Raises:
        DataError: a feature is no number, the label is not what `training.objective` wants, or a class has fewer rows
            than there are folds.
        MissingExtraError: xgboost is not installed.
    """
    found, _ = validate(train_features, columns, training, lambda _steps: False)
    assert isinstance(found, CrossValidation)  # noqa: S101 - it is never given up
    return found


def validate(
    train_features: ibis.Table,
    columns: Columns,
    training: Training,
    give_up: Callable[[tuple[float, ...]], bool],
) -> tuple[CrossValidation | GivenUp, tuple[float, ...]]:
    """Return what cross-validation found, and the metric on each fold as it was known then.

    Args:
        train_features: what `transform` made of the training part.
        columns: which column is what.
        training: the candidate.
        give_up: asked after each fold but the last, with the metric on the folds so far.
    """
    table, total = sample(train_features, columns.key, training.cv_rows, training.seed, "cross-validation")
    rows = training_examples(table, columns, training.objective)
    divided = list(_divided(rows, table, columns, training))
    said = rows.labels.copy()
    trees: list[int] = []
    steps: tuple[float, ...] = ()
    for number, (learnt, held_out) in enumerate(divided):
        booster = boost_until(rows, learnt, held_out, training)
        trees.append(booster.best_iteration + 1)
        said[held_out] = predict(booster, rows.features[held_out], training.threads)
        steps = (*steps, _step(rows, said, [each for _, each in divided[: number + 1]], training))
        log_metric(f"fold_{training.judge}", steps[-1], step=number)
        if number + 1 < len(divided) and give_up(steps):
            log.info("given up after fold %s of %s: %s", number + 1, len(divided), training.judge)
            return GivenUp(steps), steps
    found = _found(rows, said, [each for _, each in divided], training=training, trees=trees, total=total)
    for name, value in found.mean.model_dump().items():
        log_metric(f"cv_{name}", value)
    deviation = getattr(found.deviation, training.judge)
    log.info("cross-validation: %s %.4f ± %.4f, %s trees", training.judge, found.value, deviation, found.trees)
    return found, steps


def _divided(rows: Examples, table: ibis.Table, columns: Columns, training: Training) -> Iterator[tuple[Mask, Mask]]:
    """Yield for each fold which rows are learnt from, and which are held out."""
    if training.validation == "time":
        yield from _in_time(rows.labels, times(table, columns), training)
        return
    fold_of = _folds(rows.labels, training)
    for fold in range(training.folds):
        yield fold_of != fold, fold_of == fold


def _folds(labels: npt.NDArray[np.float32], training: Training) -> npt.NDArray[np.int64]:
    """Return the fold of each row, dealt by the seed; of a label with two values equally many of each in each fold."""
    import numpy as np

    rng = np.random.default_rng(training.seed)
    folds = np.empty(len(labels), dtype=np.int64)
    groups: Iterable[Any] = (0.0, 1.0) if training.objective == "binary" else (None,)
    for value in groups:
        places = np.flatnonzero(labels == value) if value is not None else np.arange(len(labels))
        if len(places) < training.folds:
            one = len(places) == 1
            there = "is there" if one else "are there"
            what = f"{'has' if one else 'have'} the label {value:g}" if value is not None else there
            raise DataError(
                f"Only {counted(len(places), 'row')} {what}, but training.folds is {training.folds}."
                " Mend: fewer folds, or more rows."
            )
        folds[places] = rng.permutation(len(places)) % training.folds
    return folds


def _in_time(labels: npt.NDArray[np.float32], when: Any, training: Training) -> Iterator[tuple[Mask, Mask]]:
    """Yield folds that learn from the past: of `folds` + 1 stretches of time each but the first is held out once.

    Rows of one moment are never divided. As in R. Hyndman, G. Athanasopoulos, "Forecasting: principles and practice"
    (2021), section 5.10, with stretches instead of single moments.
    """
    import numpy as np

    ranked = np.sort(when)
    cuts = [ranked[len(ranked) * number // (training.folds + 1)] for number in range(1, training.folds + 1)]
    for number, (begin, end) in enumerate(zip(cuts, [*cuts[1:], None], strict=True)):
        learnt = when < begin
        held_out = (when >= begin) & (when < end) if end is not None else when >= begin
        kinds = 2 if training.objective == "binary" else 1
        if any(len(np.unique(labels[part])) < kinds for part in (learnt, held_out)):
            raise DataError(
                f"Fold {number + 1} of {training.folds} in time has too few rows, or one value of the label only. "
                "Mend: fewer training.folds, or more moments in columns.time."
            )
        yield learnt, held_out


def _threshold(labels: Any, said: Any, training: Training) -> float | None:
    rule = training.threshold
    if training.objective != "binary":
        return None
    if isinstance(rule, Costs):
        return cost_curve(labels, said, rule).cheapest()[0]
    return rule if isinstance(rule, float) else best_threshold(ladder(labels, said), rule)


def _step(rows: Examples, said: Any, seen: list[Mask], training: Training) -> float:
    """Return the metric on the last fold, with the threshold that is best on all folds so far."""
    import numpy as np

    known = np.logical_or.reduce(seen)
    threshold = _threshold(rows.labels[known], said[known], training)
    scored = Scored(rows.labels[seen[-1]], said[seen[-1]], 0.5 if threshold is None else threshold)
    return rounded(values(training.objective, scored, [training.judge])[training.judge]) or 0.0


def _found(
    rows: Examples, said: Any, folds: list[Mask], *, training: Training, trees: list[int], total: int
) -> CrossValidation:
    import numpy as np

    known = np.logical_or.reduce(folds)
    threshold = _threshold(rows.labels[known], said[known], training)
    made = Scores if training.objective == "binary" else NumberScores
    names = list(made.model_fields)
    assert set(names) == set(SCORES[training.objective])  # noqa: S101 - the two lists are one
    table = [
        values(training.objective, Scored(rows.labels[fold], said[fold], threshold or 0.5), names) for fold in folds
    ]
    numbers = np.array([[rounded(each[name]) or 0.0 for name in names] for each in table])

    def scores(row: Any) -> Scores | NumberScores:
        return made(**{name: rounded(value) or 0.0 for name, value in zip(names, row, strict=True)})

    return CrossValidation(
        training=training,
        rows=len(rows.labels),
        total_rows=total,
        trees=max(1, round(sum(trees) / len(trees))),
        threshold=threshold,
        folds=tuple(map(scores, numbers)),
        mean=scores(numbers.mean(axis=0)),
        deviation=scores(numbers.std(axis=0)),
    )
