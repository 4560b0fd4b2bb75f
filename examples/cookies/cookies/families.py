"""The families of models that compete for each target, and how they are compared: inside the training part alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import Field

import firnflow as ff
from cookies.names import COOKIES, DAY, KEY, TOTAL
from firnflow import steps

if TYPE_CHECKING:
    import ibis
    import numpy as np
    import pandas as pd

    from firnflow.models.preprocessing import Preprocessing

Family = Literal["ridge", "lasso", "boosting"]
FAMILIES: tuple[Family, ...] = get_args(Family)
"""From the simplest on: of equals the first wins."""
PLAIN: Family = "lasso"
"""What every model must bear comparison with."""
ALL = steps.Columns(key=KEY, label=TOTAL, ignore=(DAY,))
"""The roles of the columns before the targets part."""


class Learning(ff.Params):
    """How models are made and compared.

    Attributes:
        folds: of the cross-validation.
        seed: of the folds, and of the boosting.
        trees: of the boosting.
        learning_rate: likewise.
        leaves: of each tree.
    """

    folds: int = Field(default=5, ge=2)
    seed: int = 42
    trees: int = Field(default=150, ge=1)
    learning_rate: float = Field(default=0.06, gt=0, le=1)
    leaves: int = Field(default=8, ge=2)


def roles(target: str) -> steps.Columns:
    """Return which column is what where one target is learnt: other boxes are no features."""
    return steps.Columns(key=KEY, label=target, ignore=(DAY, *(each for each in (*COOKIES, TOTAL) if each != target)))


def fresh(family: Family, learning: Learning) -> Any:
    """Return an estimator that has learnt nothing yet."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import LassoCV, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if family == "ridge":
        return make_pipeline(StandardScaler(), RidgeCV(alphas=(0.1, 1.0, 10.0, 100.0, 1000.0)))
    if family == "lasso":
        alphas = (0.01, 0.03, 0.1, 0.3, 1.0, 5.0)
        return make_pipeline(StandardScaler(), LassoCV(alphas=alphas, cv=5, max_iter=50_000))
    return HistGradientBoostingRegressor(
        max_iter=learning.trees,
        learning_rate=learning.learning_rate,
        max_leaf_nodes=learning.leaves,
        early_stopping=False,
        random_state=learning.seed,
    )


def examples(table: ibis.Table, preprocessing: Preprocessing, target: str) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """Return the features and the labels of raw rows, in the order of the key: the same for any order of the rows."""
    applied = preprocessing.model_copy(update={"columns": roles(target)}).apply(table)
    frame = applied.order_by(KEY).to_pandas()
    return frame.drop(columns=[KEY, target]), frame[target].to_numpy(dtype="float64")


def cross_validated(
    features: pd.DataFrame, labels: np.ndarray[Any, Any], family: Family, learning: Learning
) -> list[float]:
    """Return R² on each fold that was held out."""
    from sklearn.model_selection import KFold, cross_val_score

    folds = KFold(learning.folds, shuffle=True, random_state=learning.seed)
    scores = cross_val_score(fresh(family, learning), features, labels, cv=folds, scoring="r2", error_score="raise")
    return [round(float(each), 6) for each in scores]
