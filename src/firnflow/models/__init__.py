"""What a model needs after training: prediction, evaluation, gates, registry, tracking.

`load`, `predict` and `explain` need neither a project nor what a model was trained with. The names are loaded when they
are used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firnflow.models.explanation.explain import Explainer as Explainer
    from firnflow.models.explanation.explain import explain as explain
    from firnflow.models.loading import load as load
    from firnflow.models.loading import save as save
    from firnflow.models.prediction import Predictor as Predictor
    from firnflow.models.prediction import predict as predict
    from firnflow.models.signature import Output as Output
    from firnflow.models.signature import Signature as Signature

_PUBLIC = {
    "Explainer": "firnflow.models.explanation.explain",
    "explain": "firnflow.models.explanation.explain",
    "Output": "firnflow.models.signature",
    "Predictor": "firnflow.models.prediction",
    "Signature": "firnflow.models.signature",
    "load": "firnflow.models.loading",
    "predict": "firnflow.models.prediction",
    "save": "firnflow.models.loading",
}
__all__ = [*_PUBLIC]  # noqa: PLE0604 - names, all of them strings


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'firnflow.models' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
