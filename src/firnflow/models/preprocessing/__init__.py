"""Fitted preprocessing, applied: what a model does to raw rows before it looks at them. `firnflow.steps` fits it."""

from __future__ import annotations

from firnflow.models.preprocessing.capping import FittedCap
from firnflow.models.preprocessing.chain import FittedStep, Input, Preprocessing
from firnflow.models.preprocessing.deriving import FittedDerive, FittedFlag, GroupMeans
from firnflow.models.preprocessing.encoding import FittedEncode, OneHot
from firnflow.models.preprocessing.imputing import FittedImpute

__all__ = [
    "FittedCap",
    "FittedDerive",
    "FittedEncode",
    "FittedFlag",
    "FittedImpute",
    "FittedStep",
    "GroupMeans",
    "Input",
    "OneHot",
    "Preprocessing",
]
