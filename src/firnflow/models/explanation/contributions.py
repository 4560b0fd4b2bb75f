"""What each feature contributes to what a model says of a row: SHAP values, by the best way that the model allows.

Base and contributions of a row add up to what the model says of it, on the scale that is named: always. XGBoost and
LightGBM compute theirs themselves, exactly; linear models need a subtraction; trees of scikit-learn go through the
library `shap`, exactly; any other model through its permutations against some background rows, a good approximation.

S. M. Lundberg, S.-I. Lee, "A unified approach to interpreting model predictions" (2017); S. M. Lundberg et al., "From
local explanations to global understanding with explainable AI for trees" (2020).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from firnflow.errors import DataError, MissingExtraError
from firnflow.graph.annotations import class_name
from firnflow.models.arrow import doubles, matrix
from firnflow.models.estimators import LightGBM, Sklearn, XGBoost
from firnflow.models.explanation.budget import PREDICTIONS, tree_cost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from firnflow.models.estimators import Estimator

    Floats = npt.NDArray[np.floating[Any]]
    Doubles = npt.NDArray[np.float64]

Scale = Literal["log-odds", "probability", "prediction", "margin"]
"""What base and contributions add up to. `margin`: what a link function is applied to; mostly a logarithm."""

BACKGROUND = 50
"""Rows that stand for "not known" where a model is only asked."""
_PERMUTATIONS = 5


class Effects(NamedTuple):
    """Contributions, n rows × m features, and what the model says on average (of its training, or of a background)."""

    values: Doubles
    base: float


class Contributor(Protocol):
    """A way to compute contributions of one model."""

    @property
    def scale(self) -> Scale:
        """What they add up to."""

    @property
    def needs_background(self) -> bool:
        """Whether contributions are differences from some background rows."""

    @property
    def cost(self) -> float:
        """The seconds that a row is estimated to take."""

    def effects(self, table: pa.Table, background: pa.Table) -> Effects:
        """Return the contributions of rows of features."""


def contributor_of(estimator: Estimator, seed: int = 0) -> Contributor:
    """Return the best way to explain an estimator. Raises MissingExtraError where it takes shap, which is not there."""
    if isinstance(estimator, XGBoost):
        return OfXGBoost(estimator)
    if isinstance(estimator, LightGBM):
        return OfLightGBM(estimator)
    if isinstance(estimator, Sklearn):
        last, before = _columnwise(estimator.estimator)
        if before is not None and _name(last) in _LINEAR | _LOGISTIC and _is_plain(last):
            return Linear(estimator, last, before)
        if before is not None and _name(last) in _TREES and _is_plain(last):
            return Trees(estimator, last, before)
    return Sampled(estimator, seed)


# -- trees that explain themselves -----------------------------------------------------------------------------------


class OfXGBoost:
    """XGBoost's own `pred_contribs`."""

    needs_background = False

    def __init__(self, estimator: XGBoost) -> None:
        self._of = estimator
        self.scale = _scale_of(estimator.objective, estimator.task)
        self.cost = xgboost_cost(estimator.booster)

    def effects(self, table: pa.Table, background: pa.Table) -> Effects:  # noqa: ARG002 - the trees know their own
        """Return the contributions of rows of features."""
        found = xgboost_effects(self._of.booster, matrix(table, self._of.features), self._of.range)
        return _split(found, len(self._of.features))


def xgboost_effects(booster: Any, features: Floats, trees: tuple[int, int] = (0, 0)) -> Floats:
    """Return n × (m + 1) contributions, the last column the base; `trees`: from and up to which, (0, 0) for all."""
    import xgboost

    data = xgboost.DMatrix(features)
    found: Floats = booster.predict(data, pred_contribs=True, iteration_range=trees, validate_features=False)
    return found


def xgboost_cost(booster: Any) -> float:
    """Return the seconds that a row is estimated to take."""
    return tree_cost(_shape(text) for text in booster.get_dump())


def _shape(text: str) -> tuple[int, int]:
    """Return leaves and depth of a tree as XGBoost writes it: a line a node, a tab a level."""
    lines = text.splitlines()
    return sum("leaf=" in line for line in lines), max((line.count("\t") for line in lines), default=0)


class OfLightGBM:
    """LightGBM's own `pred_contrib`."""

    needs_background = False

    def __init__(self, estimator: LightGBM) -> None:
        self._of = estimator
        dumped = estimator.booster.dump_model()
        self.scale = _scale_of(str(dumped["objective"]).partition(" ")[0], estimator.task)
        self.cost = tree_cost((tree["num_leaves"], _depth(tree["tree_structure"])) for tree in dumped["tree_info"])

    def effects(self, table: pa.Table, background: pa.Table) -> Effects:  # noqa: ARG002 - the trees know their own
        """Return the contributions of rows of features."""
        rows = doubles(table, self._of.features)
        found = self._of.booster.predict(rows, pred_contrib=True, num_threads=self._of.threads)
        return _split(found, len(self._of.features))


def _depth(node: dict[str, Any]) -> int:
    """Return the levels below a node of LightGBM's."""
    deepest, level = 0, [node]
    while level := [child for each in level for child in (each.get("left_child"), each.get("right_child")) if child]:
        deepest += 1
    return deepest


def _scale_of(objective: str, task: str | None) -> Scale:
    if task == "binary":
        return "log-odds"
    logarithmic = ("count:", "poisson", "gamma", "reg:gamma", "tweedie", "reg:tweedie", "reg:logistic", "survival:")
    return "margin" if objective.startswith(logarithmic) else "prediction"


def _split(found: Floats, count: int) -> Effects:
    """Return values and base of n × (m + 1) numbers, m being `count`; of no rows libraries return another shape."""
    import numpy as np

    whole = np.asarray(found, dtype=np.float64).reshape(-1, count + 1)
    return Effects(whole[:, :-1], float(whole[0, -1]) if len(whole) else 0.0)


# -- scikit-learn -----------------------------------------------------------------------------------------------------

_LINEAR = frozenset(
    {
        *("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "LassoLars", "LassoLarsCV", "LassoLarsIC"),
        *("ElasticNet", "ElasticNetCV", "Lars", "LarsCV", "BayesianRidge", "ARDRegression", "HuberRegressor"),
        *("TheilSenRegressor", "SGDRegressor", "QuantileRegressor", "LinearSVR"),
    }
)
_LOGISTIC = frozenset({"LogisticRegression", "LogisticRegressionCV"})
_TREES = frozenset(
    f"{kind}{what}"
    for kind in ("DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees", "GradientBoosting", "HistGradientBoosting")
    for what in ("Classifier", "Regressor")
)
_COLUMNWISE = frozenset(
    {"StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "PowerTransformer", "QuantileTransformer"}
)
"""Transformers that make each column of itself: what a transformed column contributes, the column does."""


def _name(estimator: Any) -> str:
    package, _, name = class_name(type(estimator)).rpartition(".")
    return name if package == "sklearn" else ""


def _columnwise(estimator: Any) -> tuple[Any, Callable[[Any], Any] | None]:
    """Return a pipeline's last step, and what turns rows into its rows; None where columns are mixed before it."""
    if _name(estimator) != "Pipeline":
        return estimator, lambda rows: rows
    if all(_name(step) in _COLUMNWISE for _, step in estimator.steps[:-1]) and len(estimator.steps) > 1:
        return estimator.steps[-1][1], estimator[:-1].transform
    return estimator, None


def _is_plain(last: Any) -> bool:
    """Whether a linear model or trees are of the usual make, of which shap and the formula know what they compute."""
    return getattr(last, "init", None) is None and getattr(last, "is_categorical_", None) is None


class _OfSklearn:
    def __init__(self, estimator: Sklearn, last: Any, before: Callable[[Any], Any]) -> None:
        self._of, self._last, self._before = estimator, last, before
        self.sign = -1.0 if estimator.task == "binary" and estimator.column == 0 else 1.0

    def _rows(self, table: pa.Table) -> Floats:
        import numpy as np

        frame = self._of.frame(table)
        found: Floats = np.asarray(self._before(frame), dtype=np.float64)
        return found


class Linear(_OfSklearn):
    """A linear model: coefficient times distance from the mean of the background; exact for independent features."""

    needs_background = True

    def __init__(self, estimator: Sklearn, last: Any, before: Callable[[Any], Any]) -> None:
        super().__init__(estimator, last, before)
        self.scale: Scale = "log-odds" if estimator.task == "binary" else "prediction"
        self.cost = 1e-6

    def effects(self, table: pa.Table, background: pa.Table) -> Effects:
        """Return the contributions of rows of features. Raises DataError where a value is missing."""
        import numpy as np

        weights = self.sign * np.asarray(self._last.coef_, dtype=np.float64).reshape(-1)
        start = self.sign * float(np.asarray(self._last.intercept_).reshape(-1)[0])
        mean = self._rows(background).mean(axis=0)
        values = (self._rows(table) - mean) * weights
        if not np.isfinite(values).all():
            raise DataError("A linear model cannot be explained for rows with missing or infinite values")
        return Effects(values, start + float(mean @ weights))


class Trees(_OfSklearn):
    """Trees of scikit-learn: exact, by `shap.TreeExplainer` on the rows that the trees have counted in training."""

    needs_background = False

    def __init__(self, estimator: Sklearn, last: Any, before: Callable[[Any], Any]) -> None:
        super().__init__(estimator, last, before)
        self._explainer = _shap().TreeExplainer(last)
        boosted = "Boosting" in _name(last) and estimator.task == "binary"
        self.scale: Scale = "log-odds" if boosted else "probability" if estimator.task == "binary" else "prediction"
        if "HistGradientBoosting" in _name(last) and last.loss in {"poisson", "gamma"}:
            self.scale = "margin"
        self.cost = tree_cost(
            (int((tree.children_left < 0).sum()), int(tree.max_depth)) for tree in self._explainer.model.trees
        )

    def effects(self, table: pa.Table, background: pa.Table) -> Effects:  # noqa: ARG002 - the trees know their own
        """Return the contributions of rows of features."""
        import numpy as np

        values = np.asarray(self._explainer.shap_values(self._rows(table), check_additivity=False))
        base = np.asarray(self._explainer.expected_value, dtype=np.float64).reshape(-1)
        if values.ndim == 3:  # a class each
            column = self._of.column
            return Effects(values[:, :, column], float(base[column]))
        return Effects(self.sign * values, self.sign * float(base[0]))


# -- any model --------------------------------------------------------------------------------------------------------


class Sampled:
    """Any model that can be asked: by shap's permutations, the same for each row, against background rows.

    Features are handed to shap as numbers of their distinct values, so that they may be of any type.
    """

    needs_background = True

    def __init__(self, estimator: Estimator, seed: int) -> None:
        self._of, self._seed = estimator, seed
        self.scale: Scale = "probability" if estimator.task == "binary" else "prediction"
        self.cost = _PERMUTATIONS * (2 * len(estimator.features) + 1) * BACKGROUND / PREDICTIONS
        _shap()

    def effects(self, table: pa.Table, background: pa.Table) -> Effects:
        """Return the contributions of rows of features."""
        import numpy as np

        names = self._of.features
        few = _some(background, self._seed)
        codes, ask = self._coded(few, table)
        masker = _shap().maskers.Independent(codes[: few.num_rows], max_samples=few.num_rows)
        values = np.zeros((table.num_rows, len(names)))
        most = _PERMUTATIONS * (2 * len(names) + 1)
        with _kept_randomness():
            for place, row in enumerate(codes[few.num_rows :]):
                explainer = _shap().explainers.Permutation(ask, masker, seed=self._seed)
                found = explainer(row.reshape(1, -1), max_evals=most, batch_size=most, silent=True)
                values[place] = found.values[0]
        return Effects(values, float(np.mean(ask(codes[: few.num_rows]))))

    def _coded(self, background: pa.Table, table: pa.Table) -> tuple[Floats, Callable[[Any], Any]]:
        """Return all rows as numbers of distinct values, the background first, and what asks the model of such rows."""
        import numpy as np
        import pyarrow as pa

        names = list(self._of.features)
        both = pa.concat_tables([background.select(names), table.select(names)]).combine_chunks()
        encoded = [both[name].combine_chunks().dictionary_encode() for name in names]
        codes = np.column_stack([each.indices.fill_null(-1).to_numpy() for each in encoded]).astype(np.float64)

        def ask(rows: Any) -> Any:
            asked = np.asarray(rows).astype(np.int64)
            columns = [
                each.dictionary.take(pa.array(asked[:, place], pa.int64(), mask=asked[:, place] < 0))
                for place, each in enumerate(encoded)
            ]
            return np.asarray(self._of.predict(pa.table(columns, names=names)), dtype=np.float64)

        return codes, ask


def _some(table: pa.Table, seed: int) -> pa.Table:
    """Return at most `BACKGROUND` rows, drawn by the seed."""
    import numpy as np

    if table.num_rows <= BACKGROUND:
        return table
    chosen = np.random.default_rng(seed).choice(table.num_rows, BACKGROUND, replace=False)
    return table.take(np.sort(chosen))


@contextlib.contextmanager
def _kept_randomness() -> Iterator[None]:
    """Leave numpy's global random numbers as they were: shap seeds them."""
    import numpy as np

    state = np.random.get_state()  # noqa: NPY002 - it is what shap uses
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002 - likewise


def _shap() -> Any:
    try:
        import shap
    except ImportError as error:
        raise MissingExtraError("shap", "explain") from error
    return shap
