"""XGBoost, told of by `Training`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from firnflow.steps._matrix import xgboost

if TYPE_CHECKING:
    from firnflow.steps._matrix import Examples
    from firnflow.steps.config import Training

_OBJECTIVES = {"binary": ("binary:logistic", "logloss"), "regression": ("reg:squarederror", "rmse")}
"""Objective → XGBoost's, and the loss that early stopping looks at."""


class Learnt(NamedTuple):
    """A model, the features that it reads, in order, and how many rows it has learnt from."""

    booster: Any
    features: tuple[str, ...]
    rows: int


def settings_of(training: Training) -> dict[str, Any]:
    """Return XGBoost's parameters."""
    objective, loss = _OBJECTIVES[training.objective]
    return {
        **training.settings(),
        "objective": objective,
        "eval_metric": loss,
        "tree_method": "hist",
        "seed": training.seed,
        "nthread": training.threads,
    }


def boost(rows: Examples, training: Training, trees: int) -> Any:
    """Return the model of all rows, with so many trees."""
    return xgboost().train(settings_of(training), _matrix(rows, slice(None), training), num_boost_round=trees)


def boost_until(rows: Examples, chosen: Any, held_out: Any, training: Training) -> Any:
    """Return the model of the chosen rows with as many trees as the held-out rows see a smaller loss from."""
    data = _matrix(rows, chosen, training)
    return xgboost().train(
        settings_of(training),
        data,
        num_boost_round=training.rounds,
        evals=[(_matrix(rows, held_out, training, ref=data), "held_out")],
        early_stopping_rounds=training.early_stopping,
        verbose_eval=False,
    )


def _matrix(rows: Examples, chosen: Any, training: Training, **more: Any) -> Any:
    return xgboost().QuantileDMatrix(
        rows.features[chosen],
        label=rows.labels[chosen],
        feature_names=list(rows.names),
        nthread=training.threads,
        **more,
    )


def predict(booster: Any, features: Any, threads: int) -> Any:
    """Return what a model of `boost_until` says, with its best number of trees."""
    booster.set_param({"nthread": threads})
    return booster.inplace_predict(features, iteration_range=(0, booster.best_iteration + 1))
