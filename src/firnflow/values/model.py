"""`ff.Model`: an estimator with what is needed to use it; `Document`: an estimator that is plain JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import JsonValue


@dataclass(frozen=True)
class Document:
    """What somebody's own code predicts from: thresholds, rules, a table of weights, as plain data.

    It can be registered and promoted like any estimator; what it says of a row is its owner's to know.

    Attributes:
        data: a JSON object.
    """

    data: dict[str, JsonValue]


@dataclass(frozen=True)
class Model:
    """An estimator of any supported library, with what is needed to use it.

    Attributes:
        estimator: XGBoost's Booster or one of its scikit-learn classes, LightGBM's Booster or one of its classes, a
            scikit-learn estimator, an `onnx.ModelProto`, or a `Document`.
        features: the columns that the estimator expects, in their order.
        preprocessing: what was fitted on the training data (medians, categories), as JSON.
        metadata: what else people want to know, as JSON.
        signature: which columns it reads and what it says, as JSON; see `firnflow.models.Signature`.
    """

    estimator: Any
    features: tuple[str, ...] = ()
    preprocessing: dict[str, JsonValue] | None = None
    metadata: dict[str, JsonValue] = field(default_factory=dict)
    signature: dict[str, JsonValue] | None = None
