"""How the estimators of each library are asked: the columns that they read in, one number a row out.

The same number of rows at a time, and one thread where a library adds up in the order in which threads finish: the same
rows give the same bits, in every process and with any number of threads.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Literal, Protocol

from firnflow.errors import MissingExtraError, SignatureError, UsageError
from firnflow.graph.annotations import class_name
from firnflow.models.arrow import doubles, matrix

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from firnflow.values.model import Model

Task = Literal["binary", "regression"]


class Estimator(Protocol):
    """An estimator, ready to be asked."""

    @property
    def task(self) -> Task | None:
        """What it was made for; None: nobody can tell."""

    @property
    def dtype(self) -> Literal["float32", "float64"]:
        """The type of what it says."""

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that it reads, in their order."""

    def predict(self, table: pa.Table) -> Any:
        """Return an array of n probabilities of the positive class, or of n numbers."""


def estimator_of(model: Model, *, positive: Any = None, threads: int = 1) -> Estimator:
    """Return the model's estimator, ready to be asked.

    Args:
        model: the model.
        positive: the class whose probability is wanted; None, or no class: the second one.
        threads: of a prediction, where its bits do not depend on it.

    Raises:
        UsageError: it predicts neither two classes nor a number, or it does not know its columns.
        SignatureError: it reads another number of columns than the model says.
    """
    estimator = model.estimator
    names = {class_name(cls) for cls in type(estimator).__mro__}
    if "xgboost.Booster" in names or "xgboost.XGBModel" in names:
        return XGBoost(estimator, model.features, threads)
    if "lightgbm.Booster" in names:
        return LightGBM(estimator, model.features, threads)
    if "onnx.ModelProto" in names:
        return Onnx(estimator, model.features)
    if hasattr(estimator, "predict"):
        return Sklearn(estimator, model.features, positive)
    raise UsageError(f"A {class_name(type(estimator))} cannot predict. Mend: see docs/models.md for the libraries")


class XGBoost:
    """Boosters and the XGB… classes."""

    dtype: Literal["float32", "float64"] = "float32"

    def __init__(self, estimator: Any, features: tuple[str, ...], threads: int) -> None:
        self.range = (0, 0)
        if hasattr(estimator, "get_booster"):
            found = estimator.get_booster()
            best = found.attr("best_iteration")
            self.range = (0, int(best) + 1 if best is not None else 0)
            estimator = found
        self.booster = estimator
        self.features = _features(features or tuple(estimator.feature_names or ()), estimator.num_features())
        self.objective = json.loads(estimator.save_config())["learner"]["objective"]["name"]
        if self.objective.startswith(("multi:", "rank:", "binary:logitraw", "binary:hinge")):
            raise UsageError(
                f"XGBoost's objective {self.objective} is neither two classes with a probability nor a number"
            )
        self.task: Task = "binary" if self.objective.startswith("binary:") else "regression"
        estimator.set_param({"nthread": threads})

    def predict(self, table: pa.Table) -> Any:
        """Return what the trees say."""
        features = matrix(table, self.features)
        return self.booster.inplace_predict(features, iteration_range=self.range, validate_features=False)


class LightGBM:
    """`lightgbm.Booster`."""

    dtype: Literal["float32", "float64"] = "float64"

    def __init__(self, estimator: Any, features: tuple[str, ...], threads: int) -> None:
        self.booster, self.threads = estimator, threads
        self.features = _features(features or tuple(estimator.feature_name()), estimator.num_feature())
        objective = str(estimator.dump_model(num_iteration=1)["objective"]).partition(" ")[0]
        if objective.startswith(("multiclass", "lambdarank", "rank")):
            raise UsageError(f"LightGBM's objective {objective} is neither two classes nor a number")
        self.task: Task = "binary" if objective in ("binary", "cross_entropy") else "regression"

    def predict(self, table: pa.Table) -> Any:
        """Return what the trees say."""
        return self.booster.predict(doubles(table, self.features), num_threads=self.threads)


class Onnx:
    """ONNX models, run by onnxruntime: one input that takes all columns, or one input a column."""

    task: Task | None = None
    dtype: Literal["float32", "float64"] = "float64"

    def __init__(self, estimator: Any, features: tuple[str, ...]) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError("onnxruntime", "onnx") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            estimator.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.inputs = self.session.get_inputs()
        names = tuple(each.name for each in self.inputs)
        if not features and len(names) == 1:
            raise UsageError("The ONNX model does not name its columns. Mend: ff.Model(estimator, features=(…))")
        self.features = features or names
        if len(names) > 1 and set(names) != set(self.features):
            raise SignatureError(f"The ONNX model reads {sorted(names)}, but the model's features are {features}")
        outputs = [each.name for each in self.session.get_outputs()]
        self.output = next((name for name in outputs if "prob" in name.lower()), outputs[-1])

    def predict(self, table: pa.Table) -> Any:
        """Return the model's output; of two columns the second one, which is the positive class."""
        import numpy as np

        if len(self.inputs) == 1:
            feed = {self.inputs[0].name: doubles(table, self.features).astype(_dtype(self.inputs[0].type))}
        else:
            feed = {each.name: _column(table[each.name], each.type) for each in self.inputs}
        (found,) = self.session.run([self.output], feed)
        if not isinstance(found, np.ndarray):
            raise UsageError("The ONNX model gives its probabilities as maps. Mend: export it with zipmap=False")
        return found[:, 1] if found.ndim == 2 and found.shape[1] == 2 else found.reshape(-1)


class Sklearn:
    """Whatever has scikit-learn's interface: a frame of columns in, `predict_proba` or `predict` out."""

    dtype: Literal["float32", "float64"] = "float64"

    def __init__(self, estimator: Any, features: tuple[str, ...], positive: Any) -> None:
        self.estimator = estimator
        named = tuple(map(str, getattr(estimator, "feature_names_in_", ())))
        if not (features or named):
            raise UsageError("The model does not name its columns. Mend: return ff.Model(estimator, features=(…))")
        self.features = _features(features or named, getattr(estimator, "n_features_in_", None))
        self.named = bool(named)
        self.task: Task = "regression"
        if hasattr(estimator, "predict_proba"):
            classes = list(estimator.classes_)
            if len(classes) != 2:
                raise UsageError(f"The model knows {len(classes)} classes; `predict` is for two, or for a number")
            self.task = "binary"
            self.column = classes.index(positive) if positive in classes else 1

    def predict(self, table: pa.Table) -> Any:
        """Return the probability of the positive class, or the number."""
        rows = self.frame(table)
        with _one_thread(self.estimator):
            if self.task == "binary":
                return self.estimator.predict_proba(rows)[:, self.column]
            return self.estimator.predict(rows).reshape(-1)

    def frame(self, table: pa.Table) -> Any:
        """Return rows as the estimator takes them: a frame if it was trained with one, else an array."""
        found = table.select(list(self.features)).to_pandas()
        return found if self.named else found.to_numpy()


def _features(names: tuple[str, ...], count: int | None) -> tuple[str, ...]:
    if not names:
        raise UsageError("The model does not name its columns. Mend: return ff.Model(estimator, features=(…))")
    if count is not None and len(names) != count:
        raise SignatureError(
            f"The estimator reads {count} columns, but the model names {len(names)} features. "
            "Mend: the file is not as it was written; train the model anew"
        )
    return names


def _dtype(kind: str) -> str:
    found = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64"}.get(kind)
    if found is None:
        raise UsageError(f"The ONNX model reads {kind}; `predict` can give it float, double and int64")
    return found


def _column(column: pa.ChunkedArray[Any], kind: str) -> Any:
    if kind == "tensor(string)":
        return column.to_numpy(zero_copy_only=False).astype(object).reshape(-1, 1)
    return column.to_numpy().astype(_dtype(kind)).reshape(-1, 1)


@contextlib.contextmanager
def _one_thread(estimator: Any) -> Iterator[None]:
    """Let scikit-learn compute in one thread: forests add up their trees in the order in which threads finish."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # comes with scikit-learn

    given = estimator.get_params() if hasattr(estimator, "get_params") else {}
    threads = {name: each for name, each in given.items() if name.rpartition("__")[2] == "n_jobs" and each != 1}
    if threads:
        estimator.set_params(**dict.fromkeys(threads, 1))
    try:
        with threadpool_limits(1):
            yield
    finally:
        if threads:
            estimator.set_params(**threads)
