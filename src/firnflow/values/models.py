"""Models as values: `ff.Model`, and the estimators of the libraries that `modelfile` knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from firnflow.errors import DataError
from firnflow.graph.annotations import class_name, readable
from firnflow.values import digest, modelfile
from firnflow.values.base import Saved, ValueType
from firnflow.values.model import Model

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.values.base import Storage
    from firnflow.values.ref import Ref


class ModelType(ValueType):
    """`ff.Model`, and estimators as they are."""

    kind = "model"
    name = "model"
    suffix = "zip"
    types: ClassVar = {
        "firnflow.Model": (),  # whose library is named by the code that makes it, and by the file that a task reads
        "lightgbm.Booster": ("lightgbm",),
        "onnx.ModelProto": ("onnx",),
        "sklearn.BaseEstimator": ("sklearn", "skops"),
        "xgboost.Booster": ("xgboost",),
        "xgboost.XGBModel": ("xgboost",),
    }

    def save(self, value: Any, path: Path, storage: Storage) -> Saved:
        """Write the model."""
        wrapped = isinstance(value, Model)
        manifest = modelfile.write(value if wrapped else Model(value), path, storage, wrapped=wrapped)
        meta = {
            "library": manifest.library,
            "version": manifest.library_version,
            "class": manifest.info.get("class", ""),
            "features": len(manifest.features),
        }
        if manifest.library == "pickle":
            meta["pickle"] = manifest.info["class"]
        return Saved(meta)

    def load(self, path: Path, ref: Ref, annotation: Any, storage: Storage) -> Any:
        """Return the model, as `ff.Model` or as the bare estimator, as the annotation says."""
        model, manifest = modelfile.read(path, storage, lambda why: digest.damaged(ref, why))
        if annotation is Model:
            return model
        if annotation in (Any, object):
            return model if manifest.wrapped else model.estimator
        if isinstance(annotation, type) and isinstance(model.estimator, annotation):
            return model.estimator
        found = class_name(type(model.estimator))
        raise DataError(
            f"The stored model is a {found}; it cannot be loaded as {readable(annotation)}. "
            "Mend: annotate the argument `ff.Model`, or the class of the estimator"
        )

    def describe(self, ref: Ref) -> str:
        """Return e.g. `model xgboost Booster 34 features`."""
        meta = ref.meta or {}
        features = f" {meta['features']} features" if meta.get("features") else ""
        return f"model {meta.get('library')} {meta.get('class')}{features}"
