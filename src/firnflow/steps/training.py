"""Gradient-boosted trees (XGBoost): candidates, cross-validation, the model.

Cross-validation does everything in one pass over the folds: early stopping, five metrics, and the threshold, which is
chosen on rows that the fold's model did not learn from. The model is then trained once, on all rows, with as many trees
as the folds needed on average.
"""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

import ibis
from pydantic import ValidationError

from firnflow._text import listing, nearest
from firnflow.context import log_metric
from firnflow.errors import DataError, ParameterError
from firnflow.graph.task import task
from firnflow.models.evaluation.base import Scored
from firnflow.models.evaluation.binary import best_threshold, ladder
from firnflow.models.evaluation.catalog import values
from firnflow.models.preprocessing import Preprocessing
from firnflow.models.section import Columns, Section
from firnflow.models.signature import Output, Signature
from firnflow.steps._hash import sample
from firnflow.steps._matrix import Examples, training_examples, xgboost
from firnflow.steps._tables import log, rounded
from firnflow.steps.config import Training, Tuning
from firnflow.steps.splitting import SplitQuality
from firnflow.values.model import Model

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_FIXED = ("rounds", "early_stopping", "folds", "threshold", "seed", "max_rows", "cv_rows", "threads")


class Scores(Section):
    """Five metrics on held-out rows; all but `roc_auc` at the chosen threshold."""

    accuracy: float
    precision: float
    recall: float
    f1: float
    roc_auc: float


class CrossValidation(Section):
    """What cross-validation found out about one candidate.

    Attributes:
        training: the candidate.
        rows: how many rows were used, of `total_rows`.
        total_rows: how many rows there are.
        trees: the mean of the folds' best numbers of trees.
        threshold: the probability from which a row counts as positive.
        folds: scores by fold.
        mean: their mean.
        deviation: their standard deviation.
    """

    training: Training
    rows: int
    total_rows: int
    trees: int
    threshold: float
    folds: tuple[Scores, ...]
    mean: Scores
    deviation: Scores


@task
def candidates(training: Training, tuning: Tuning) -> list[Training]:
    """Return the settings to try: every combination of the grid, or a seeded choice of `tuning.trials` of them.

    Raises:
        ParameterError: the grid names no setting of the trees, or a value that it cannot have.
    """
    tunable = [name for name in Training.model_fields if name not in _FIXED]
    for name in tuning.grid:
        if name not in tunable:
            raise ParameterError(
                f"tuning.grid: {name!r} cannot be searched.{nearest(name, tunable)} It may hold: {listing(tunable)}."
            )
    combinations = list(itertools.product(*tuning.grid.values()))
    if len(combinations) > tuning.trials:
        combinations = random.Random(tuning.seed).sample(combinations, tuning.trials)  # noqa: S311 - no secret
    try:
        return [
            Training.model_validate({**training.model_dump(), **dict(zip(tuning.grid, values, strict=True))})
            for values in combinations
        ]
    except ValidationError as error:
        first = error.errors()[0]
        raise ParameterError(f"tuning.grid: {first['loc'][0]}: {first['msg']}, got {first['input']}.") from None


@task
def cross_validate(train_features: ibis.Table, columns: Columns, training: Training) -> CrossValidation:
    """Return how well trees with these settings do on rows that they did not learn from.

    Metric: `cv_roc_auc`, the mean over the folds.

    Raises:
        DataError: a feature is no number, the label is not 0 and 1, or a class has fewer rows than there are folds.
        MissingExtraError: xgboost is not installed.
    """
    table, total = sample(train_features, columns.key, training.cv_rows, training.seed, "cross-validation")
    rows = training_examples(table, columns.key, columns.label)
    fold_of = _folds(rows.labels, training)
    probabilities = rows.labels.copy()
    trees = []
    for fold in range(training.folds):
        held_out = fold_of == fold
        booster = _boost(rows, ~held_out, training, held_out)
        trees.append(booster.best_iteration + 1)
        probabilities[held_out] = _predict(booster, rows.features[held_out], training.threads)
    found = _scored(rows, probabilities, fold_of, training=training, trees=trees, total=total)
    log_metric("cv_roc_auc", found.mean.roc_auc)
    log.info("cross-validation: AUC %.4f ± %.4f, %s trees", found.mean.roc_auc, found.deviation.roc_auc, found.trees)
    return found


def _folds(labels: npt.NDArray[np.float32], training: Training) -> npt.NDArray[np.int64]:
    """Return the fold of each row: equally many rows of each class in each, dealt by the seed."""
    import numpy as np

    rng = np.random.default_rng(training.seed)
    folds = np.empty(len(labels), dtype=np.int64)
    for value in (0.0, 1.0):
        places = np.flatnonzero(labels == value)
        if len(places) < training.folds:
            raise DataError(
                f"Only {len(places)} rows have the label {value:g}, but training.folds is {training.folds}."
                " Mend: fewer folds, or more rows."
            )
        folds[places] = rng.permutation(len(places)) % training.folds
    return folds


def _scored(
    rows: Examples, probabilities: Any, fold_of: Any, *, training: Training, trees: list[int], total: int
) -> CrossValidation:
    import numpy as np

    threshold = (
        training.threshold
        if isinstance(training.threshold, float)
        else best_threshold(ladder(rows.labels, probabilities), training.threshold)
    )
    folds = [
        _scores(rows.labels[fold_of == fold], probabilities[fold_of == fold], threshold)
        for fold in range(training.folds)
    ]
    table = np.array([list(fold.model_dump().values()) for fold in folds])
    names = list(Scores.model_fields)
    return CrossValidation(
        training=training,
        rows=len(rows.labels),
        total_rows=total,
        trees=max(1, round(sum(trees) / len(trees))),
        threshold=threshold,
        folds=tuple(folds),
        mean=Scores(**{n: rounded(v) or 0.0 for n, v in zip(names, table.mean(axis=0), strict=True)}),
        deviation=Scores(**{n: rounded(v) or 0.0 for n, v in zip(names, table.std(axis=0), strict=True)}),
    )


def _scores(labels: Any, probabilities: Any, threshold: float) -> Scores:
    found = values("binary", Scored(labels, probabilities, threshold), Scores.model_fields)
    return Scores(**{name: rounded(value) or 0.0 for name, value in found.items()})


def _boost(rows: Examples, chosen: Any, training: Training, held_out: Any = None, trees: int | None = None) -> Any:
    """Train on the chosen rows: `trees` trees, or until the held-out rows see no better log-loss."""
    library = xgboost()
    data = library.QuantileDMatrix(
        rows.features[chosen], label=rows.labels[chosen], feature_names=list(rows.names), nthread=training.threads
    )
    settings = {name: value for name, value in training.model_dump().items() if name not in _FIXED}
    settings |= {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "seed": training.seed,
        "nthread": training.threads,
    }
    if held_out is None:
        return library.train(settings, data, num_boost_round=trees)
    other = library.QuantileDMatrix(
        rows.features[held_out],
        label=rows.labels[held_out],
        feature_names=list(rows.names),
        ref=data,
        nthread=training.threads,
    )
    return library.train(
        settings,
        data,
        num_boost_round=training.rounds,
        evals=[(other, "held_out")],
        early_stopping_rounds=training.early_stopping,
        verbose_eval=False,
    )


def _predict(booster: Any, features: Any, threads: int) -> Any:
    booster.set_param({"nthread": threads})
    return booster.inplace_predict(features, iteration_range=(0, booster.best_iteration + 1))


@task
def train(
    train_features: ibis.Table,
    preprocessing: Preprocessing,
    trials: list[CrossValidation],
    quality: SplitQuality | None = None,
) -> Model:
    """Return the model of the best candidate (by mean AUC), trained on all rows; it carries its preprocessing.

    `metadata` holds the threshold, the number of trees, the rows, what cross-validation found of each candidate, and,
    given the third output of `split`, as `holdout` which rows were kept from the model: `gate` compares two models on
    rows that neither has seen.
    Above `training.max_rows` the model learns from a sample, which the log, the metrics and the metadata say.
    Metrics: `train_rows`, `train_rows_available`, `trees`, `threshold`, and the best candidate's scores as `cv_…`.

    Raises:
        DataError: a feature is no number, or the label is not 0 and 1.
        MissingExtraError: xgboost is not installed.
    """
    if not trials:
        raise DataError("train: `trials` is empty. Mend: pass [cross_validate(…)], or the result of its `.map(…)`.")
    best = max(trials, key=lambda trial: trial.mean.roc_auc)  # of equals the first
    training, columns = best.training, preprocessing.columns
    table, total = sample(train_features, columns.key, training.max_rows, training.seed, "training")
    rows = training_examples(table, columns.key, columns.label)
    booster = _boost(rows, slice(None), training, trees=best.trees)
    figures = {
        "train_rows": len(rows.labels),
        "train_rows_available": total,
        "trees": best.trees,
        "threshold": best.threshold,
    }
    scores = {f"cv_{name}": value for name, value in best.mean.model_dump().items()}
    for name, value in {**figures, **scores}.items():
        log_metric(name, value)
    output = Output(task="binary", label=columns.label, positive=columns.positive, threshold=best.threshold)
    return Model(
        estimator=booster,
        features=rows.names,
        preprocessing=preprocessing.model_dump(mode="json"),
        metadata={
            **figures,
            "trials": [trial.model_dump(mode="json") for trial in trials],
            "best": trials.index(best),
            **({"holdout": quality.holdout.model_dump(mode="json")} if quality else {}),
        },
        signature=Signature.fitted(preprocessing, output).to_json(),
    )
