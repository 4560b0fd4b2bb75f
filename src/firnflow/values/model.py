"""`ff.Model`: an estimator with what is needed to use it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import JsonValue


@dataclass(frozen=True)
class Model:
    """An estimator of any supported library, with what is needed to use it.

    Attributes:
        estimator: XGBoost's Booster or one of its scikit-learn classes, LightGBM's Booster or one of its classes, a
            scikit-learn estimator, or an `onnx.ModelProto`.
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
