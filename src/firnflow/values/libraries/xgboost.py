"""XGBoost in its own format, UBJ: the Booster, and the classes with scikit-learn's interface."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from firnflow.errors import DataError
from firnflow.graph.annotations import class_name
from firnflow.values.libraries import Packed

if TYPE_CHECKING:
    from firnflow.values.base import Trust

CLASSES = ("XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor")


class XGBoost:
    """`xgboost.Booster` and the XGB… classes."""

    name: ClassVar[str] = "xgboost"
    types: ClassVar[tuple[str, ...]] = ("xgboost.Booster", "xgboost.XGBModel")

    def pack(self, estimator: Any, trust: Trust) -> Packed:  # noqa: ARG002 - the protocol's
        """Return the model; of the classes their parameters too."""
        import xgboost

        if isinstance(estimator, xgboost.Booster):
            return Packed(bytes(estimator.save_raw("ubj")), "ubj", {"class": "Booster"})
        found = type(estimator).__name__
        if class_name(type(estimator)) not in {f"xgboost.{name}" for name in CLASSES}:
            raise DataError(f"{class_name(type(estimator))} cannot be stored. Mend: return its `.get_booster()`")
        try:
            params = {name: _plain(value) for name, value in estimator.get_params().items()}
            json.dumps(params)
        except TypeError as error:
            raise DataError(
                f"{found} has a parameter that is no plain value ({error}): a function would have to be pickled. "
                "Mend: return its `.get_booster()`"
            ) from error
        try:
            booster = estimator.get_booster()
        except Exception as error:
            raise DataError(f"The {found} is not fitted: there is no model to store") from error
        return Packed(bytes(booster.save_raw("ubj")), "ubj", {"class": found, "params": params})

    def unpack(self, packed: Packed, trust: Trust) -> Any:  # noqa: ARG002 - the protocol's
        """Return the Booster or the class."""
        import xgboost

        found = packed.info["class"]
        if found == "Booster":
            booster = xgboost.Booster()
            booster.load_model(bytearray(packed.content))
            return booster
        if found not in CLASSES:
            raise ValueError(f"{found!r} is no class of XGBoost")
        estimator = getattr(xgboost, found)(**packed.info["params"])
        estimator.load_model(bytearray(packed.content))
        for name, value in packed.info["params"].items():  # loading overwrites some, such as base_score
            setattr(estimator, name, value)
        return estimator

    def version(self) -> str:
        """Return XGBoost's version."""
        import xgboost

        return str(xgboost.__version__)


def _plain(value: Any) -> Any:
    return value.item() if type(value).__module__ == "numpy" and hasattr(value, "item") else value
