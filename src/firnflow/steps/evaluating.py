"""`evaluate`: a model on the test part, which nothing was learnt from, not even the threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import ibis
import pyarrow as pa

from firnflow.context import log_metric
from firnflow.errors import DataError, UsageError
from firnflow.graph.task import task
from firnflow.models.evaluation.base import Kind, Scored
from firnflow.models.evaluation.intervals import intervals
from firnflow.models.explanation.budget import affordable
from firnflow.models.explanation.contributions import xgboost_cost
from firnflow.models.preprocessing import Preprocessing
from firnflow.models.signature import Signature
from firnflow.steps import _evaluate_binary, _evaluate_regression, _explain
from firnflow.steps._hash import sample
from firnflow.steps._matrix import Examples, batches, examples, feature_names, xgboost
from firnflow.steps._segmenting import Cut, bounds, segmentations, source
from firnflow.steps._tables import log
from firnflow.steps.config import Evaluating
from firnflow.steps.evaluation import Evaluation  # noqa: TC001 - the annotations of Evaluated are resolved
from firnflow.values.model import Model

if TYPE_CHECKING:
    from types import ModuleType

    from firnflow.models.section import Columns

_KINDS: dict[Kind, ModuleType] = {"binary": _evaluate_binary, "regression": _evaluate_regression}
_EXAMPLES = 10


class Evaluated(NamedTuple):
    """What is known about the model, and what it says about each row.

    `predictions` has one row per key, in its order: key, label; of a binary classification `probability` and
    `predicted` (0 or 1), of a regression `prediction` and `residual` (label less prediction); and for the rows with the
    highest probabilities, or the largest residuals, `reason_1`, `effect_1`, … `effect_3`: the features that moved the
    log-odds, or the prediction, most, and by how much.
    """

    evaluation: Evaluation
    predictions: pa.Table


class _Subject(NamedTuple):
    """A model, taken apart."""

    booster: Any
    features: tuple[str, ...]
    columns: Columns
    kind: Kind
    threshold: float


class _Looked(NamedTuple):
    """Rows with what moved the model, n × m."""

    rows: Examples
    effects: Any


@task
def evaluate(
    model: Model, test_features: ibis.Table, evaluating: Evaluating, rows: ibis.Table | None = None
) -> Evaluated:
    """Score the test part, say how good the scores are, and explain them.

    Metrics: those of `Evaluation.figures`.

    Args:
        model: as `train` returned it.
        test_features: what `transform` made of the test part.
        evaluating: how to look at it.
        rows: the test part before any preprocessing, for `evaluating.segments`; found by the key.

    Raises:
        DataError: a feature or a column of a segment is missing, a feature is no number, or the label is not what the
            model predicts.
        UsageError: the model is not one that `train` returned, or segments need `rows`.
    """
    subject = _subject(model)
    of, columns = _KINDS[subject.kind], subject.columns
    _check_features(subject, test_features)
    segments_of = source(rows, test_features, evaluating)
    keys, scored = _score(subject, test_features)
    of.check(scored.labels, columns.label)
    most = _affordable(subject, evaluating, min(evaluating.reason_rows, len(keys)))
    explained = _explained(subject, keys, of.urgency(scored), test_features, most)
    summary = _summary(subject, explained, len(keys), test_features, evaluating)
    found = intervals(
        subject.kind,
        of.metrics(evaluating),
        scored,
        confidence=evaluating.confidence,
        resamples=evaluating.resamples,
        seed=evaluating.seed,
    )
    cut = Cut(keys, scored, subject.kind, evaluating.segment_metric or of.PRIMARY)
    common = {
        "label": columns.label,
        "rows": len(keys),
        "confidence": evaluating.confidence,
        "intervals": {name: ends for name, each in found.items() if (ends := bounds(each)) is not None},
        "segments": segmentations(cut, columns.key, evaluating, segments_of),
        "features": len(subject.features),
        "importance": _explain.importance(subject.booster, summary.rows, summary.effects, evaluating.top),
        "explained": len(explained.rows.labels),
        "examples": of.shown(*explained, _predict(subject, explained.rows.features), _EXAMPLES),
        "notes": _notes(model, len(keys), len(explained.rows.labels), len(summary.rows.labels), of.FIRST),
    }
    values = {name: each.value for name, each in found.items()}
    evaluation = of.evaluation(common, values, scored, evaluating.costs)
    for name, value in evaluation.figures.items():
        log_metric(name, value)
    said = of.said(scored)
    table = {columns.key: keys, columns.label: said.pop("label"), **said, **_reasons(keys, explained)}
    return Evaluated(evaluation, pa.table(table))


def _subject(model: Model) -> _Subject:
    booster = model.estimator.get_booster() if hasattr(model.estimator, "get_booster") else model.estimator
    signature = Signature.of(model)
    kind: Kind | None = signature.output.task if signature else "binary" if "threshold" in model.metadata else None
    threshold = model.metadata.get("threshold")
    usable = isinstance(booster, xgboost().Booster) and model.preprocessing is not None
    if not usable or kind is None or (kind == "binary" and threshold is None):
        raise UsageError(
            "`evaluate` reads models that `steps.train` returned: an XGBoost model with its preprocessing, its"
            f" signature and, of a binary classification, its threshold. This one holds a"
            f" {type(model.estimator).__name__}."
        )
    columns = Preprocessing.model_validate(model.preprocessing).columns
    return _Subject(booster, model.features, columns, kind, float(str(threshold)) if threshold is not None else 0.5)


def _check_features(subject: _Subject, table: ibis.Table) -> None:
    names = feature_names(table, subject.columns)
    missing = [name for name in subject.features if name not in names]
    if missing:
        raise DataError(
            f"The test part lacks the model's features {', '.join(missing[:5])}."
            " Mend: transform it with the preprocessing that the model was trained with."
        )


def _predict(subject: _Subject, features: Any) -> Any:
    if not len(features):
        return features[:, 0]
    return subject.booster.inplace_predict(features, validate_features=False)


def _score(subject: _Subject, table: ibis.Table) -> tuple[pa.Array[Any], Scored]:
    """Return the key and what the model says of every row, in the order of the key; a batch of features at a time."""
    import numpy as np
    import pyarrow.compute as pc

    columns = subject.columns
    parts = [
        (rows.keys, rows.labels, _predict(subject, rows.features))
        for rows in batches(table, columns.key, columns.label, subject.features)
    ]
    if not parts:
        raise DataError("The test part has no rows.")
    keys = pa.chunked_array([part[0] for part in parts]).combine_chunks()
    order = pc.sort_indices(keys).to_numpy()
    labels, scores = (np.concatenate([part[i] for part in parts])[order] for i in (1, 2))
    return keys.take(pa.array(order, pa.int64())), Scored(labels, scores, subject.threshold)


def _explained(subject: _Subject, keys: Any, urgency: Any, table: ibis.Table, most: int) -> _Looked:
    """Return the `most` rows with the highest urgency, and why the model says of them what it says."""
    import numpy as np

    columns = subject.columns
    if most < len(keys):
        order = np.argsort(-urgency, kind="stable")[:most]
        chosen = ibis.memtable(pa.table({columns.key: keys.take(pa.array(order, pa.int64()))}))
        table = table.semi_join(chosen, columns.key)
    return _looked(subject, table)


def _summary(subject: _Subject, explained: _Looked, total: int, table: ibis.Table, evaluating: Evaluating) -> _Looked:
    """Return the rows that the summary is made from: all of them, where all of them are explained."""
    if len(explained.rows.labels) == total:
        return explained
    most = _affordable(subject, evaluating, evaluating.summary_rows)
    few, _ = sample(table, subject.columns.key, most, 0, "summary of contributions")
    return _looked(subject, few)


def _affordable(subject: _Subject, evaluating: Evaluating, rows: int) -> int:
    return affordable(evaluating.explain_seconds, xgboost_cost(subject.booster), rows)


def _looked(subject: _Subject, table: ibis.Table) -> _Looked:
    import numpy as np

    rows = examples(table, subject.columns.key, subject.columns.label, subject.features)
    if not len(rows.labels):
        return _Looked(rows, np.empty((0, len(subject.features)), dtype=np.float32))
    return _Looked(rows, _explain.contributions(subject.booster, rows))


def _reasons(keys: Any, explained: _Looked) -> dict[str, Any]:
    """Return the columns with the reasons, null for rows that are not explained; none where no row is."""
    import numpy as np
    import pyarrow.compute as pc

    rows, effects = explained
    if not len(rows.labels):
        return {}
    strongest = _explain.strongest(effects)
    place = pc.index_in(keys, value_set=rows.keys)
    names = pa.array(rows.names)
    columns = {}
    for rank in range(strongest.shape[1]):
        feature = strongest[:, rank]
        columns[f"reason_{rank + 1}"] = names.take(pa.array(feature, pa.int64())).take(place)
        columns[f"effect_{rank + 1}"] = pa.array(effects[np.arange(len(feature)), feature]).take(place)
    return columns


def _notes(model: Model, rows: int, explained: int, summarised: int, first: str) -> tuple[str, ...]:
    notes = []
    learnt, available = (int(str(model.metadata.get(n, 0))) for n in ("train_rows", "train_rows_available"))
    if learnt < available:
        notes.append(f"The model learnt from a sample of {learnt:,} of {available:,} training rows.")
    if explained < rows:
        notes.append(f"Reasons are given for the {explained:,} of {rows:,} test rows {first}.")
    if summarised < rows:
        notes.append(f"The summary of contributions is made from a sample of {summarised:,} of {rows:,} test rows.")
    for note in notes:
        log.info("%s", note)
    return tuple(notes)
