"""Models of every library: what comes back, what is refused, and that equal ones have equal bytes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from firnflow import values
from firnflow.errors import DamagedArtifactError, DataError, UnsafeFormatError
from firnflow.values.model import Model
from firnflow.values.ref import Ref

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import lightgbm as lgb
    import onnx
    import xgboost as xgb
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)


class Custom(BaseEstimator):
    pass


def booster() -> xgb.Booster:
    return xgb.train({"objective": "binary:logistic", "seed": 1, "nthread": 1}, xgb.DMatrix(X, Y), 5)


def lightgbm_booster() -> lgb.Booster:
    params = {"objective": "binary", "verbose": -1, "num_threads": 1, "deterministic": True}
    return lgb.train(params, lgb.Dataset(X, Y), 5)


ESTIMATORS = {
    "xgboost classifier": lambda: xgb.XGBClassifier(n_estimators=4, max_depth=2, n_jobs=1).fit(X, Y),
    "xgboost regressor": lambda: xgb.XGBRegressor(n_estimators=4, monotone_constraints=(1, 0, -1)).fit(X, Y),
    "early stopping": lambda: xgb.XGBClassifier(n_estimators=40, early_stopping_rounds=2, eval_metric="auc").fit(
        X[:40], Y[:40], eval_set=[(X[40:], Y[40:])], verbose=False
    ),
    "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y),
    "columns": lambda: make_pipeline(
        ColumnTransformer([("one", OneHotEncoder(handle_unknown="ignore"), [0])], remainder="passthrough"),
        LogisticRegression(),
    ).fit(X, Y),
    "forest": lambda: RandomForestClassifier(3, random_state=0).fit(X, Y),
    "histograms": lambda: HistGradientBoostingClassifier(max_iter=3, random_state=0).fit(X, Y),
    "search": lambda: GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2).fit(X, Y),
    "neighbours": lambda: KNeighborsClassifier().fit(X, Y),
    "lightgbm classifier": lambda: lgb.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(X, Y),
    "xgboost in a pipeline": lambda: make_pipeline(StandardScaler(), xgb.XGBClassifier(n_estimators=3)).fit(X, Y),
}


@pytest.mark.parametrize("make", ESTIMATORS.values(), ids=ESTIMATORS)
def test_estimators_come_back(storage, make):
    estimator = make()
    ref = values.save(estimator, type(estimator), storage)
    assert ref.kind == "model"
    assert ref.where.endswith(".zip")
    back = values.load(Ref.from_json(ref.to_json()), type(estimator), storage)
    assert type(back) is type(estimator)
    np.testing.assert_array_equal(back.predict(X), estimator.predict(X))
    # a loaded NaN parameter is another object
    assert repr(back.get_params(deep=False)) == repr(estimator.get_params(deep=False)) or "step" in repr(back)


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "search"])  # a search keeps how long it took
def test_equal_estimators_have_equal_bytes(storage, name):
    make = ESTIMATORS[name]
    first, second = (values.save(make(), Any, storage) for _ in range(2))
    assert first.digest == second.digest


def test_what_memory_held_between_the_fields_of_a_tree_is_not_stored(storage):
    """Nodes of trees are padded to whole words with whatever was there: other bytes each time, and maybe a secret."""
    estimator = ESTIMATORS["forest"]()
    tree = estimator.estimators_[0].tree_
    clean = values.save(estimator, Any, storage).digest
    state = tree.__getstate__()
    raw = state["nodes"].view(np.uint8).reshape(len(state["nodes"]), -1)
    used = sum(kind.itemsize for kind, *_ in state["nodes"].dtype.fields.values())
    assert used < raw.shape[1]
    raw[:, used:] = 0x55
    tree.__setstate__(state)
    assert values.save(estimator, Any, storage).digest == clean


def test_early_stopping_is_remembered(storage):
    estimator = ESTIMATORS["early stopping"]()
    back = values.load(values.save(estimator, Any, storage), Model, storage).estimator
    assert (back.best_iteration, back.best_score) == (estimator.best_iteration, estimator.best_score)
    np.testing.assert_array_equal(back.predict_proba(X), estimator.predict_proba(X))
    assert values.save(back, Any, storage).digest == values.save(estimator, Any, storage).digest


def test_boosters_come_back(storage):
    one = booster()
    back = values.load(values.save(one, xgb.Booster, storage), xgb.Booster, storage)
    np.testing.assert_array_equal(back.predict(xgb.DMatrix(X)), one.predict(xgb.DMatrix(X)))
    assert values.save(booster(), Any, storage).digest == values.save(back, Any, storage).digest
    other = lightgbm_booster()
    other.best_iteration = 2
    ref = values.save(other, lgb.Booster, storage)
    back = values.load(ref, lgb.Booster, storage)
    assert (back.best_iteration, back.num_trees()) == (2, 5)
    np.testing.assert_array_equal(back.predict(X), other.predict(X))
    assert values.save(back, Any, storage).digest == ref.digest
    assert values.describe(ref) == "model lightgbm Booster"


def onnx_model(**tensor: Any) -> onnx.ModelProto:
    weight = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], [2.0])
    for name, value in tensor.items():
        setattr(weight, name, value)
    one, other = (onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1]) for n in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Mul", ["x", "w"], ["y"])], "g", [one], [other], [weight])
    return onnx.helper.make_model(graph)


def test_onnx(storage):
    ref = values.save(onnx_model(), onnx.ModelProto, storage)
    back = values.load(ref, onnx.ModelProto, storage)
    assert back == onnx_model()
    assert isinstance(values.load(ref, Model, storage).estimator, onnx.ModelProto)


def test_onnx_with_weights_elsewhere_is_refused(storage):
    with pytest.raises(DataError, match="weights in other files"):
        values.save(onnx_model(data_location=onnx.TensorProto.EXTERNAL), onnx.ModelProto, storage)


def full() -> Model:
    return Model(
        booster(),
        features=("é", "b", "c"),
        preprocessing={"medians": {"b": np.float64(0.5), "c": float("nan")}, "caps": [1, None]},
        metadata={"trained": "2026-01-01", "rows": np.int64(60)},
    )


def test_a_model_with_its_preprocessing(storage):
    ref = values.save(full(), Model, storage)
    assert values.describe(ref) == "model xgboost Booster 3 features"
    assert values.save(full(), Model, storage).digest == ref.digest
    back = values.load(ref, Model, storage)
    assert back.features == ("é", "b", "c")
    assert repr(back.preprocessing) == "{'medians': {'b': 0.5, 'c': nan}, 'caps': [1, None]}"
    assert back.metadata == {"trained": "2026-01-01", "rows": 60}
    assert isinstance(values.load(ref, Any, storage), Model)
    assert isinstance(values.load(ref, xgb.Booster, storage), xgb.Booster)


def test_parts_of_a_model_change_its_digest(storage):
    one = booster()
    models = [
        Model(one),
        Model(one, ("a",)),
        Model(one, preprocessing={}),
        Model(one, metadata={"a": 1}),
        Model(one, metadata={"a": 1.0}),
    ]
    assert len({values.save(model, Model, storage).digest for model in models}) == len(models)


def test_what_is_saved_bare_is_loaded_bare_or_as_a_model(storage):
    ref = values.save(booster(), xgb.Booster, storage)
    assert isinstance(values.load(ref, Any, storage), xgb.Booster)
    assert values.load(ref, Model, storage).features == ()
    assert isinstance(values.load(ref, Model | None, storage), Model)
    assert isinstance(values.load(values.save(booster(), Model, storage), Model, storage), Model)


@pytest.mark.parametrize("wrap", [Model, lambda estimator: estimator])
def test_a_consumer_may_ask_for_a_mixin(storage, wrap):
    ref = values.save(wrap(LogisticRegression().fit(X, Y)), Any, storage)
    assert isinstance(values.load(ref, ClassifierMixin, storage), LogisticRegression)


def test_the_wrong_class_is_said(storage):
    ref = values.save(booster(), Any, storage)
    with pytest.raises(DataError, match=r"is a xgboost\.Booster; it cannot be loaded as sklearn\.LogisticRegression"):
        values.load(ref, LogisticRegression, storage)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"preprocessing": {"a": {1, 2}}}, r"Model\.preprocessing is no plain JSON"),
        ({"preprocessing": {1: 2}}, r"Model\.preprocessing is no plain JSON"),
        ({"metadata": {"a": (1, 2)}}, r"Model\.metadata is no plain JSON"),
        ({"metadata": {"a": "\ud800"}}, r"Model\.metadata is no plain JSON"),
    ],
)
def test_parts_that_are_no_json_are_refused(storage, part, says):
    with pytest.raises(DataError, match=says):
        values.save(Model(booster(), **part), Model, storage)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (xgb.XGBClassifier, "is not fitted"),
        (lambda: xgb.XGBRegressor(objective=lambda y, p: (p - y, p)).fit(X, Y), "no plain value"),
        (lambda: type("Mine", (xgb.XGBClassifier,), {})(n_estimators=2).fit(X, Y), "cannot be stored"),
    ],
)
def test_what_xgboost_cannot_write_is_refused(storage, make, says):
    with pytest.raises(DataError, match=says):
        values.save(make(), Any, storage)


def test_foreign_types_need_trust_by_name(storage):
    with pytest.raises(UnsafeFormatError, match=r'Custom\. Mend: .*skops_trusted = \["[\w.]*Custom"\]'):
        values.save(Custom(), Custom, storage)
    name = f"{Custom.__module__}.Custom"
    storage.skops_trusted = frozenset({name})
    ref = values.save(Custom(), Custom, storage)
    storage.skops_trusted = frozenset()
    with pytest.raises(UnsafeFormatError, match="not known to be safe"):
        values.load(ref, Custom, storage)


def test_functions_in_a_model_are_refused(storage):
    model = make_pipeline(FunctionTransformer(lambda x: x), LogisticRegression()).fit(X, Y)
    with pytest.raises(UnsafeFormatError, match="lambda"):
        values.save(Model(model), Model, storage)


def test_a_damaged_model_is_found_before_its_library_reads_it(storage, monkeypatch):
    ref = values.save(booster(), Any, storage)
    path = storage.local(ref.where)
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[-200] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(xgb.Booster, "load_model", lambda *_: pytest.fail("the library was reached"))
    with pytest.raises(DamagedArtifactError, match="SHA-256 differs"):
        values.load(ref, Any, storage)
