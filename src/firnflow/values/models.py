"""Models: one zip file each, with `manifest.json` and the estimator in its library's own safe format."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from firnflow.errors import DataError, FirnflowError, MissingExtraError
from firnflow.graph.annotations import class_name, readable
from firnflow.values import archive, digest
from firnflow.values.base import Saved, ValueType
from firnflow.values.data import plain, same
from firnflow.values.libraries import Library, Packed
from firnflow.values.model import Model
from firnflow.values.pickles import is_allowed
from firnflow.values.refusal import refusal

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.values.base import Storage
    from firnflow.values.ref import Ref

FORMAT = "firnflow.model"
VERSION = 1


class ModelType(ValueType):
    """`ff.Model`, and estimators as they are."""

    kind = "model"
    name = "model"
    suffix = "zip"
    types = (
        "firnflow.Model",
        "lightgbm.Booster",
        "onnx.ModelProto",
        "sklearn.BaseEstimator",
        "xgboost.Booster",
        "xgboost.XGBModel",
    )

    def save(self, value: Any, path: Path, storage: Storage) -> Saved:
        """Write the model."""
        model = value if isinstance(value, Model) else Model(value)
        library = library_of(model.estimator, storage)
        packed = library.pack(model.estimator, storage)
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "library": library.name,
            "library_version": library.version(),
            "file": f"model.{packed.suffix}",
            "info": packed.info,
            "wrapped": value is model,
            "features": list(model.features),
            "preprocessing": _json("preprocessing", model.preprocessing),
            "metadata": _json("metadata", model.metadata),
        }
        text = json.dumps(manifest, ensure_ascii=False, indent=1).encode()
        archive.write(path, {"manifest.json": text, manifest["file"]: packed.content})
        meta = {
            "library": library.name,
            "version": manifest["library_version"],
            "class": packed.info.get("class", class_name(type(model.estimator))),
            "features": len(model.features),
        }
        if library.name == "pickle":
            meta["pickle"] = packed.info["class"]
        return Saved(meta)

    def load(self, path: Path, ref: Ref, annotation: Any, storage: Storage) -> Any:
        """Return the model, as `ff.Model` or as the bare estimator, as the annotation says."""
        try:
            manifest, packed = _read(path)
            estimator = libraries()[manifest["library"]].unpack(packed, storage)
            model = Model(estimator, tuple(manifest["features"]), manifest["preprocessing"], manifest["metadata"])
        except FirnflowError:
            raise
        except ImportError as error:
            raise MissingExtraError(manifest["library"], EXTRAS.get(manifest["library"], "train")) from error
        except Exception as error:  # each library has errors of its own
            raise digest.damaged(ref, error) from error
        if annotation is Model:
            return model
        if annotation in (Any, object):
            return model if manifest["wrapped"] else estimator
        if isinstance(annotation, type) and isinstance(estimator, annotation):
            return estimator
        raise DataError(
            f"The stored model is a {class_name(type(estimator))}; it cannot be loaded as {readable(annotation)}. "
            "Mend: annotate the argument `ff.Model`, or the class of the estimator"
        )

    def describe(self, ref: Ref) -> str:
        """Return e.g. `model xgboost Booster 34 features`."""
        meta = ref.meta or {}
        features = f" {meta['features']} features" if meta.get("features") else ""
        return f"model {meta.get('library')} {meta.get('class')}{features}"


EXTRAS = {"lightgbm": "lightgbm", "onnx": "onnx"}


@cache
def libraries() -> dict[str, Library]:
    """Return the known libraries by name."""
    from firnflow.values.libraries.lightgbm import LightGBM
    from firnflow.values.libraries.onnx import Onnx
    from firnflow.values.libraries.pickled import Pickled
    from firnflow.values.libraries.sklearn import Sklearn
    from firnflow.values.libraries.xgboost import XGBoost

    return {library.name: library for library in (LightGBM(), Onnx(), Pickled(), Sklearn(), XGBoost())}


def library_of(estimator: Any, storage: Storage) -> Library:
    """Return the library that packs the estimator: the one that knows the nearest class of its MRO.

    Raises:
        UnsafeFormatError: none does; it could only be pickled.
    """
    if is_allowed(estimator, storage):
        return libraries()["pickle"]
    known = {name: library for library in libraries().values() for name in library.types}
    for cls in type(estimator).__mro__:
        if class_name(cls) in known:
            return known[class_name(cls)]
    raise refusal(type(estimator))


def _read(path: Path) -> tuple[dict[str, Any], Packed]:
    members = archive.read(path)
    manifest = json.loads(members.pop("manifest.json"))
    if (manifest["format"], manifest["version"]) != (FORMAT, VERSION):
        raise ValueError(f"its format is {manifest['format']} {manifest['version']}")
    if list(members) != [manifest["file"]]:
        raise ValueError(f"its members are {sorted(members)}")
    if not members[manifest["file"]]:
        raise ValueError("the model is empty")  # XGBoost would abort the process
    return manifest, Packed(members[manifest["file"]], manifest["file"].rpartition(".")[2], manifest["info"])


def _json(name: str, data: Any) -> Any:
    """Return plain JSON data. Raises DataError where it is not."""
    found = plain(data)
    try:
        text = json.dumps(found, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"Model.{name} is no plain JSON: {error}") from error
    if not same(json.loads(text), found):
        raise DataError(f"Model.{name} is no plain JSON: use dicts with text keys, lists, texts, numbers")
    return found
