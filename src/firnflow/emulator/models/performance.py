"""How good predictions were, once it is known what has happened.

Which metrics there are: https://docs.snowflake.com/en/sql-reference/functions/model-monitor-performance-metric. What
they are is textbook: means of errors; T. Fawcett, "An introduction to ROC analysis", 2006, where the area under the
curve is the chance that a positive has the higher score, equal ones counting half; precision and recall of several
classes averaged as in M. Sokolova, G. Lapalme, "A systematic analysis of performance measures", 2009.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        predicted: the columns that it compares, those of a `score` or a `class`.
        compute: called with what was predicted and what has happened, which are not empty; None where they do not
            tell, as of one class only.
    """

    predicted: str
    compute: Callable[[Any, Any], float | None]


def _errors(said: Any, true: Any) -> Any:
    return np.abs(said - true)


def _mape(said: Any, true: Any) -> float | None:
    used = true != 0
    return float(np.mean(_errors(said, true)[used] / np.abs(true[used]))) if used.any() else None


def _roc_auc(score: Any, true: Any) -> float | None:
    positive = true == 1
    ups, downs = int(positive.sum()), int((~positive).sum())
    if not ups or not downs:
        return None
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[positive].sum() - ups * (ups + 1) / 2) / (ups * downs))


def _accuracy(said: Any, true: Any) -> float:
    return float(np.mean(said == true))


def _ratio(part: Any, whole: Any) -> float | None:
    return float(part / whole) if whole else None


def _precision(said: Any, true: Any, of: Any = 1) -> float | None:
    return _ratio(((said == of) & (true == of)).sum(), (said == of).sum())


def _recall(said: Any, true: Any, of: Any = 1) -> float | None:
    return _precision(true, said, of)


def _f1(said: Any, true: Any) -> float | None:
    return _ratio(2 * ((said == 1) & (true == 1)).sum(), (said == 1).sum() + (true == 1).sum())


def _macro(each: Callable[[Any, Any, Any], float | None]) -> Callable[[Any, Any], float | None]:
    """Return the mean over all classes; one that a ratio does not know counts 0."""
    return lambda said, true: float(
        np.mean([each(said, true, of) or 0.0 for of in np.unique(np.concatenate([said, true]))])
    )


_REGRESSION = {
    "RMSE": Metric("score", lambda said, true: float(np.sqrt(np.mean((said - true) ** 2)))),
    "MAE": Metric("score", lambda said, true: float(np.mean(_errors(said, true)))),
    "MAPE": Metric("score", _mape),
    "MSE": Metric("score", lambda said, true: float(np.mean((said - true) ** 2))),
}
_BINARY = {
    "ROC_AUC": Metric("score", _roc_auc),
    "CLASSIFICATION_ACCURACY": Metric("class", _accuracy),
    "PRECISION": Metric("class", _precision),
    "RECALL": Metric("class", _recall),
    "F1_SCORE": Metric("class", _f1),
}
_SEVERAL = {
    "CLASSIFICATION_ACCURACY": Metric("class", _accuracy),
    "MACRO_AVERAGE_PRECISION": Metric("class", _macro(_precision)),
    "MACRO_AVERAGE_RECALL": Metric("class", _macro(_recall)),
    # over all classes together, each wrong one is once a class that was said and once one that was not
    "MICRO_AVERAGE_PRECISION": Metric("class", _accuracy),
    "MICRO_AVERAGE_RECALL": Metric("class", _accuracy),
}
OF_TASK = {
    "TABULAR_REGRESSION": _REGRESSION,
    "TABULAR_BINARY_CLASSIFICATION": _BINARY,
    "TABULAR_MULTI_CLASSIFICATION": _SEVERAL,
}
"""Task of a model → metric → what computes it."""
