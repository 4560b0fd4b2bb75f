"""`evaluate`: a model on the test part, which nothing was learnt from, not even the threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import ibis
import pyarrow as pa

from firnflow.context import log_metric
from firnflow.errors import DataError, UsageError
from firnflow.graph.task import task
from firnflow.models.evaluation import binary, curves
from firnflow.models.evaluation.base import Scored
from firnflow.models.evaluation.calibration import calibration_curve
from firnflow.models.evaluation.catalog import values
from firnflow.models.preprocessing import Preprocessing
from firnflow.steps import _explain
from firnflow.steps._explain import short
from firnflow.steps._hash import sample
from firnflow.steps._matrix import Examples, batches, examples, feature_names, xgboost
from firnflow.steps._tables import log
from firnflow.steps.config import Evaluating
from firnflow.steps.evaluation import CalibrationBin, Confusion, Curve, Evaluation, Histogram
from firnflow.values.model import Model

if TYPE_CHECKING:
    from firnflow.models.section import Columns

FIGURES = (
    *("roc_auc", "average_precision", "accuracy", "precision", "recall", "f1", "specificity"),
    *("false_positive_rate", "false_negative_rate", "log_loss", "brier"),
)
LOGGED = (*FIGURES, "threshold")
_EXAMPLES = 10


class Evaluated(NamedTuple):
    """What is known about the model, and what it says about each row.

    `predictions` has one row per key, in its order: key, label, `probability`, `predicted` (0 or 1), and for the rows
    with the highest probabilities `reason_1`, `effect_1`, … `effect_3`: the features that moved the log-odds most, and
    by how much.
    """

    evaluation: Evaluation
    predictions: pa.Table


class _Scored(NamedTuple):
    keys: pa.Array[Any]
    labels: Any
    probabilities: Any


@task
def evaluate(model: Model, test_features: ibis.Table, evaluating: Evaluating) -> Evaluated:
    """Score the test part, and explain the scores.

    Metrics: AUC, average precision, accuracy, precision, recall, F1, specificity, error rates, log-loss, Brier score.

    Raises:
        DataError: a feature is missing or no number, or the label is not 0 and 1, both of them.
        UsageError: the model is not one that `train` returned.
    """
    booster, columns, threshold = _parts(model)
    _check_features(model, test_features, columns)
    scored = _score(booster, test_features, columns, model.features)
    explained = _explained(scored, test_features, model.features, columns, evaluating.reason_rows)
    effects = _explain.contributions(booster, explained) if len(explained.labels) else None
    predictions = _predictions(scored, explained, effects, columns, threshold)
    few, _ = sample(test_features, columns.key, evaluating.summary_rows, 0, "summary of contributions")
    summary = examples(few, columns.key, columns.label, model.features)
    weights = _explain.importance(booster, summary, _explain.contributions(booster, summary), evaluating.top)
    shown: Any = ()
    if effects is not None:
        shown = _explain.surest(explained, effects, _predict(booster, explained.features), _EXAMPLES)
    evaluation = Evaluation(
        **_figures(scored, threshold),
        features=len(model.features),
        importance=weights,
        examples=shown,
        explained=len(explained.labels),
        notes=_notes(model, len(scored.labels), len(explained.labels), len(summary.labels)),
    )
    for name in LOGGED:
        log_metric(name, getattr(evaluation, name))
    return Evaluated(evaluation, predictions)


def _parts(model: Model) -> tuple[Any, Columns, float]:
    booster = model.estimator.get_booster() if hasattr(model.estimator, "get_booster") else model.estimator
    if not isinstance(booster, xgboost().Booster) or model.preprocessing is None or "threshold" not in model.metadata:
        raise UsageError(
            "`evaluate` reads models that `steps.train` returned: an XGBoost model for binary classification with its"
            f" preprocessing and threshold. This one holds a {type(model.estimator).__name__}."
        )
    preprocessing = Preprocessing.model_validate(model.preprocessing)
    return booster, preprocessing.columns, float(str(model.metadata["threshold"]))


def _check_features(model: Model, table: ibis.Table, columns: Columns) -> None:
    names = feature_names(table, columns)
    missing = [name for name in model.features if name not in names]
    if missing:
        raise DataError(
            f"The test part lacks the model's features {', '.join(missing[:5])}."
            " Mend: transform it with the preprocessing that the model was trained with."
        )


def _predict(booster: Any, features: Any) -> Any:
    return booster.inplace_predict(features, validate_features=False)


def _score(booster: Any, table: ibis.Table, columns: Columns, names: tuple[str, ...]) -> _Scored:
    """Return label and probability of every row, in the order of the key; a batch of features at a time."""
    import numpy as np
    import pyarrow.compute as pc

    parts = [
        (rows.keys, rows.labels, _predict(booster, rows.features))
        for rows in batches(table, columns.key, columns.label, names)
    ]
    if not parts:
        raise DataError("The test part has no rows.")
    keys = pa.chunked_array([part[0] for part in parts]).combine_chunks()
    order = pc.sort_indices(keys).to_numpy()
    labels, probabilities = (np.concatenate([part[i] for part in parts])[order] for i in (1, 2))
    if not (np.isin(labels, (0.0, 1.0)).all() and 0 < labels.sum() < len(labels)):
        raise DataError(f"The label {columns.label!r} of the test part must be 0 and 1, both of them.")
    return _Scored(keys.take(pa.array(order, pa.int64())), labels, probabilities)


def _explained(scored: _Scored, table: ibis.Table, names: tuple[str, ...], columns: Columns, most: int) -> Examples:
    """Return the features of the `most` rows with the highest probabilities."""
    import numpy as np

    if most < len(scored.labels):
        order = np.argsort(-scored.probabilities, kind="stable")[:most]
        keys = ibis.memtable(pa.table({columns.key: scored.keys.take(pa.array(order, pa.int64()))}))
        table = table.semi_join(keys, columns.key)
    return examples(table, columns.key, columns.label, names)


def _predictions(scored: _Scored, explained: Examples, effects: Any, columns: Columns, threshold: float) -> pa.Table:
    import numpy as np
    import pyarrow.compute as pc

    table = {
        columns.key: scored.keys,
        columns.label: pa.array(scored.labels.astype(np.int8)),
        "probability": pa.array(scored.probabilities),
        "predicted": pa.array((scored.probabilities >= threshold).astype(np.int8)),
    }
    if effects is None:
        return pa.table(table)
    strongest = _explain.strongest(effects)
    place = pc.index_in(scored.keys, value_set=explained.keys)
    names = pa.array(explained.names)
    for rank in range(strongest.shape[1]):
        feature = strongest[:, rank]
        table[f"reason_{rank + 1}"] = names.take(pa.array(feature, pa.int64())).take(place)
        table[f"effect_{rank + 1}"] = pa.array(effects[np.arange(len(feature)), feature]).take(place)
    return pa.table(table)


def _figures(scored: _Scored, threshold: float) -> dict[str, Any]:
    labels, probabilities = scored.labels, scored.probabilities
    steps = binary.ladder(labels, probabilities)
    counts = binary.confusion(labels, probabilities, threshold)
    figures = values("binary", Scored(labels, probabilities, threshold), FIGURES)
    return {
        **{name: short(value) for name, value in figures.items()},
        "rows": len(labels),
        "positives": int(labels.sum()),
        "threshold": threshold,
        "confusion": Confusion(**counts._asdict()),
        "roc": _curve(curves.roc(steps)),
        "precision_recall": _curve(curves.precision_recall(steps)),
        "calibration": tuple(
            CalibrationBin(predicted=short(point.predicted), observed=short(point.observed), rows=point.rows)
            for point in calibration_curve(labels, probabilities)
        ),
        "histogram": _histogram(labels, probabilities),
    }


def _curve(points: curves.Points) -> Curve:
    return Curve(x=tuple(map(short, points.x)), y=tuple(map(short, points.y)))


def _histogram(labels: Any, probabilities: Any) -> Histogram:
    import numpy as np

    edges = np.linspace(0, 1, 41)
    by_label = [np.histogram(probabilities[labels == value], edges)[0] for value in (0, 1)]
    return Histogram(
        edges=tuple(short(edge) for edge in edges),
        negatives=tuple(map(int, by_label[0])),
        positives=tuple(map(int, by_label[1])),
    )


def _notes(model: Model, rows: int, explained: int, summarised: int) -> tuple[str, ...]:
    notes = []
    learnt, available = (int(str(model.metadata.get(n, 0))) for n in ("train_rows", "train_rows_available"))
    if learnt < available:
        notes.append(f"The model learnt from a sample of {learnt:,} of {available:,} training rows.")
    if explained < rows:
        notes.append(f"Reasons are given for the {explained:,} of {rows:,} test rows with the highest probabilities.")
    if summarised < rows:
        notes.append(f"The summary of contributions is made from a sample of {summarised:,} of {rows:,} test rows.")
    for note in notes:
        log.info("%s", note)
    return tuple(notes)
