"""The tasks of `cookies_train`: compare families, learn, measure, and say what came of it."""

from __future__ import annotations

import ibis
import pyarrow as pa
from pydantic import BaseModel

import firnflow as ff
from cookies.families import FAMILIES, Family, Learning, cross_validated, examples, fresh, roles
from cookies.names import TARGETS, model_name
from firnflow import models, steps
from firnflow.models.evaluation.base import Scored
from firnflow.models.evaluation.catalog import values
from firnflow.models.preprocessing import Preprocessing
from firnflow.models.signature import Output, Signature


class Trial(BaseModel):
    """A family on a target: R² on each fold of the training part."""

    target: str
    family: Family
    folds: list[float]

    @property
    def r2(self) -> float:
        """The mean."""
        return sum(self.folds) / len(self.folds)


class Choice(BaseModel):
    """The family that a target is learnt with, and what led to it."""

    target: str
    family: Family
    r2: dict[str, float] = {}


@ff.task
def try_out(
    train_set: ibis.Table, preprocessing: Preprocessing, target: str, family: Family, learning: Learning
) -> Trial:
    """Cross-validate one family on one target, inside the training part. Metric: `r2`, the mean."""
    trial = Trial(
        target=target,
        family=family,
        folds=cross_validated(*examples(train_set, preprocessing, target), family, learning),
    )
    ff.log_metric("r2", trial.r2)
    return trial


@ff.task
def choose(trials: list[Trial]) -> list[Choice]:
    """Choose for each target the family with the best mean; of equals the simplest. The holdout has no say in it."""
    choices = []
    for target in TARGETS:
        found = {trial.family: trial.r2 for trial in trials if trial.target == target}
        best = max(FAMILIES, key=lambda family: found[family])
        choices.append(Choice(target=target, family=best, r2=found))
    return choices


@ff.task
def fit(
    train_set: ibis.Table,
    preprocessing: Preprocessing,
    choice: Choice,
    quality: steps.SplitQuality,
    learning: Learning,
) -> ff.Model:
    """Learn one target from the whole training part. The model carries its preprocessing, and which rows it knows."""
    features, labels = examples(train_set, preprocessing, choice.target)
    own = preprocessing.model_copy(update={"columns": roles(choice.target)})
    holdout = quality.holdout.model_copy(update={"label": choice.target})
    return ff.Model(
        estimator=fresh(choice.family, learning).fit(features, labels),
        features=tuple(features.columns),
        preprocessing=own.model_dump(mode="json"),
        metadata={
            "target": choice.target,
            "family": choice.family,
            "cross_validated_r2": dict(choice.r2),
            "train_rows": len(labels),
            "holdout": holdout.model_dump(mode="json"),
        },
        signature=Signature.fitted(own, Output(task="regression", label=choice.target)).to_json(),
    )


@ff.task
def measure(model: ff.Model, plain: ff.Model, test_set: ibis.Table) -> dict[str, float]:
    """Return how good a model is on customers that it does not know, and R² of the plain lasso on the same ones.

    Metrics: `r2`, `rmse`, `mae`, `plain_r2`.
    """
    target = str(model.metadata["target"])
    found = {}
    for who, each, names in (("", model, ["r2", "rmse", "mae"]), ("plain_", plain, ["r2"])):
        said = models.predict(each, test_set, keep=[target])
        scored = Scored(said[target].to_numpy().astype("float64"), said["prediction"].to_numpy())
        found |= {who + name: float(value) for name, value in values("regression", scored, names).items()}
    for name, value in found.items():
        ff.log_metric(name, value)
    return found


@ff.task
def rules_of(gating: steps.Gating) -> list[steps.Gating]:
    """Return the same rules for the model of each target."""
    return [gating.model_copy(update={"name": model_name(target)}) for target in TARGETS]


@ff.task
def score(choices: list[Choice], figures: list[dict[str, float]], promoted: list[steps.Promoted]) -> pa.Table:
    """Return how good the model of each target is, what became of it, and which one is in production now.

    Columns: target, model (`cookies_laeckerli/3`), family; on customers that it does not know r2 and plain_r2; action,
    champion (null: there is none).
    """
    text, number = pa.string(), pa.float64()
    kinds = {"target": text, "model": text, "family": text, "r2": number, "plain_r2": number}
    rows = [
        {
            "target": choice.target,
            "model": _place(done.name, done.version),
            "family": choice.family,
            "r2": found["r2"],
            "plain_r2": found["plain_r2"],
            "action": done.action,
            "champion": _place(done.name, done.champion),
        }
        for choice, found, done in zip(choices, figures, promoted, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema({**kinds, "action": text, "champion": text}))


def _place(name: str, version: int | None) -> str | None:
    return None if version is None else f"{name}/{version}"
