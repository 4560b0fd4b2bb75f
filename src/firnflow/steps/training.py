"""`train`: the model of the best candidate, learnt from all rows, with as many trees as the folds needed on average."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

from firnflow import context
from firnflow.context import log_metric
from firnflow.graph.task import task
from firnflow.models.preprocessing import Preprocessing
from firnflow.models.signature import Output, Signature
from firnflow.steps._boosting import Learnt, boost
from firnflow.steps._hash import sample
from firnflow.steps._matrix import training_examples
from firnflow.steps._nodes import boost_on_nodes
from firnflow.steps.splitting import SplitQuality
from firnflow.steps.validating import CrossValidation, best_of
from firnflow.values.model import Model

if TYPE_CHECKING:
    from firnflow.models.section import Columns
    from firnflow.steps.config import Training


@task
def train(
    train_features: ibis.Table,
    preprocessing: Preprocessing,
    trials: list[CrossValidation],
    quality: SplitQuality | None = None,
) -> Model:
    """Return the model of the best candidate (by `training.metric`), trained on all rows; it carries its preprocessing.

    `metadata` holds the threshold, the number of trees, the rows, what cross-validation found of each candidate, and,
    given the third output of `split`, as `holdout` which rows were kept from the model: `gate` compares two models on
    rows that neither has seen. `signature` says which raw columns it reads, and what it says.
    Above `training.max_rows` the model learns from a sample, which the log, the metrics and the metadata say.
    With `Resources(nodes=…)` above 1 that many nodes of a Ray cluster train it together (docs/ray.md).
    Metrics: `train_rows`, `train_rows_available`, `trees`, `threshold`, and the best candidate's scores as `cv_…`.

    Raises:
        DataError: a feature is no number, or the label is not what `training.objective` wants; there are no candidates.
        MissingExtraError: xgboost is not installed, or for several nodes ray.
        RunError: the cluster lacks nodes, or one of them died.
    """
    place = best_of(trials)
    best = trials[place]
    training, columns = best.training, preprocessing.columns
    table, total = sample(train_features, columns.key, training.max_rows, training.seed, "training")
    learnt = _learn(table, columns, training, best.trees)
    figures: dict[str, float] = {"train_rows": learnt.rows, "train_rows_available": total, "trees": best.trees}
    if best.threshold is not None:
        figures["threshold"] = best.threshold
    scores = {f"cv_{name}": value for name, value in best.mean.model_dump().items()}
    for name, value in {**figures, **scores}.items():
        log_metric(name, value)
    positive = columns.positive if training.objective == "binary" else None
    output = Output(task=training.objective, label=columns.label, positive=positive, threshold=best.threshold)
    return Model(
        estimator=learnt.booster,
        features=learnt.features,
        preprocessing=preprocessing.model_dump(mode="json"),
        metadata={
            **figures,
            "trials": [trial.model_dump(mode="json") for trial in trials],
            "best": place,
            **({"holdout": quality.holdout.model_dump(mode="json")} if quality else {}),
        },
        signature=Signature.fitted(preprocessing, output).to_json(),
    )


def _learn(table: ibis.Table, columns: Columns, training: Training, trees: int) -> Learnt:
    running = context.current()
    if running is not None and running.resources.nodes > 1:
        return boost_on_nodes(table, columns, training, trees, running.resources)
    rows = training_examples(table, columns, training.objective)
    return Learnt(boost(rows, training, trees), rows.names, len(rows.labels))
