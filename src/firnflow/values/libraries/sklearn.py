"""scikit-learn by skops: the estimator as JSON and arrays. Types that are not on an allow-list are refused, both ways.

skops names objects by their address; here they are numbered in the order in which they occur, so that equal estimators
give equal bytes.
"""

from __future__ import annotations

import io
import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

from firnflow._text import listing
from firnflow.errors import DataError, UnsafeFormatError
from firnflow.graph.annotations import class_name
from firnflow.values import archive
from firnflow.values.libraries import Packed

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.values.base import Trust

TRUSTED = frozenset(
    {
        "collections.OrderedDict",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "lightgbm.sklearn.LGBMRanker",
        "lightgbm.sklearn.LGBMRegressor",
        "numpy.dtype",
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.feature_selection._univariate_selection.f_regression",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.metrics._scorer._PassthroughScorer",
        "sklearn.model_selection._split.KFold",
        "sklearn.model_selection._split.StratifiedKFold",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.tree._tree.Tree",
        "xgboost.core.Booster",
        "xgboost.sklearn.XGBClassifier",
        "xgboost.sklearn.XGBRanker",
        "xgboost.sklearn.XGBRegressor",
    }
)
"""Types beyond skops' own list that estimators are made of: data, no code."""


class Sklearn:
    """Estimators and pipelines of scikit-learn, and of libraries with its interface."""

    name: ClassVar[str] = "sklearn"
    types: ClassVar[tuple[str, ...]] = ("sklearn.BaseEstimator",)

    def pack(self, estimator: Any, trust: Trust) -> Packed:
        """Return the estimator."""
        import skops.io

        found = class_name(type(estimator))
        try:
            content = skops.io.dumps(estimator)
        except Exception as error:  # of skops and of whatever the estimator holds
            raise DataError(
                f"The {found} cannot be stored by skops: {error}. Mend: use another estimator, or convert it to ONNX"
            ) from error
        _check(content, trust)
        return Packed(_renumbered(content), "skops", {"class": type(estimator).__name__})

    def unpack(self, packed: Packed, trust: Trust) -> Any:
        """Return the estimator. Nothing of it is built before all its types are checked."""
        import skops.io

        archive.read(io.BytesIO(packed.content))
        return skops.io.loads(packed.content, trusted=_check(packed.content, trust))

    def version(self) -> str:
        """Return scikit-learn's version."""
        import sklearn

        return str(sklearn.__version__)


def _check(content: bytes, trust: Trust) -> list[str]:
    """Return the types that need trust and have it. Raises UnsafeFormatError if there are others."""
    import skops.io

    needed = set(skops.io.get_untrusted_types(data=content))
    foreign = sorted(needed - TRUSTED - trust.skops_trusted)
    if foreign:
        names = ", ".join(f'"{name}"' for name in foreign)
        raise UnsafeFormatError(
            f"The scikit-learn model holds types that are not known to be safe: {listing(foreign)}. "
            f"Mend: leave them out; or, if you trust them, in firnflow.toml: [models] skops_trusted = [{names}]"
        )
    return sorted(needed)


def _renumbered(content: bytes) -> bytes:
    """Return a skops file whose objects and members are numbered as they occur, without dates."""
    members = archive.read(io.BytesIO(content))
    schema = json.loads(members.pop("schema.json"))
    files: dict[str, str] = {}
    ids: dict[Any, int] = {}

    def file(old: str) -> str:
        return files.setdefault(old, f"{len(files)}{PurePosixPath(old).suffix}")

    def number(old: Any) -> int:
        return ids.setdefault(old, len(ids))

    _renumber(schema, members, file, number)
    text = json.dumps(schema, ensure_ascii=False, separators=(",", ":")).encode()
    target = io.BytesIO()
    archive.write(target, {"schema.json": text, **{new: _unpadded(members[old]) for old, new in files.items()}})
    return target.getvalue()


def _unpadded(content: bytes) -> bytes:
    """Return an array's file with zeros between its fields: nodes of trees have whatever was in memory there."""
    if not content.startswith(b"\x93NUMPY"):
        return content
    import numpy as np

    array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    target = io.BytesIO()
    np.lib.format.write_array(target, clean, allow_pickle=False)
    return target.getvalue()


def _renumber(node: Any, members: dict[str, bytes], file: Callable[[str], str], number: Callable[[Any], int]) -> None:
    if isinstance(node, list):
        for item in node:
            _renumber(item, members, file, number)
    elif isinstance(node, dict):
        if "__loader__" in node and "__id__" in node:
            # texts and numbers are shared or not as Python pleases: each counts as one of its own
            node["__id__"] = number(object() if node["__loader__"] == "JsonNode" else node["__id__"])
        if isinstance(node.get("file"), str) and node["file"] in members:
            node["file"] = file(node["file"])
        for item in node.values():
            _renumber(item, members, file, number)
