"""Contributions add up, agree with shap's own, and a budget bounds the rows, not the digest."""

from __future__ import annotations

import logging
import sys
import warnings

import ibis
import numpy as np
import pyarrow as pa
import pytest

import firnflow as ff
from firnflow import models, steps
from firnflow.errors import DataError, MissingExtraError, SignatureError, UsageError
from firnflow.models.estimators import estimator_of
from firnflow.models.explanation.budget import TREE_STEPS, Watch, affordable, tree_cost
from firnflow.models.explanation.contributions import Linear, OfLightGBM, OfXGBoost, Sampled, Trees, contributor_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import lightgbm as lgb
    import shap
    import xgboost as xgb
    from sklearn import ensemble, linear_model, tree
    from sklearn.compose import ColumnTransformer
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

NAMES = ("spend", "calls", "age")


def rows(count=400, seed=0):
    rng = np.random.default_rng(seed)
    found = {
        "spend": rng.gamma(2.0, 30.0, count),
        "calls": rng.poisson(2.0, count) * 1.0,
        "age": rng.normal(50, 9, count),
    }
    return pa.table({"id": np.arange(count), **found})


def labels(table):
    spend, calls = table["spend"].to_numpy(), table["calls"].to_numpy()
    return ((spend - 60) / 30 + (calls - 2) * (spend > 40) + np.sin(spend) > 0).astype(int)


TABLE = rows()
X = np.column_stack([TABLE[name].to_numpy() for name in NAMES])
Y = labels(TABLE)
NUMBERS = X[:, 0] / 30 + X[:, 1] * (X[:, 2] > 50)


def sklearn_model(estimator, target=Y):
    return ff.Model(estimator.fit(X, target), features=NAMES)


def xgboost_model(objective="binary:logistic", target=Y, rounds=20):
    data = xgb.DMatrix(X, label=target)
    settings = {"objective": objective, "max_depth": 3, "eta": 0.3, "nthread": 1, "base_score": 0.4}
    return ff.Model(xgb.train(settings, data, rounds), features=NAMES)


def lightgbm_model(objective="binary", target=Y):
    data = lgb.Dataset(X, label=target)
    settings = {"objective": objective, "num_leaves": 7, "verbose": -1, "num_threads": 1}
    return ff.Model(lgb.train(settings, data, 20), features=NAMES)


def log_odds(p):
    return np.log(p / (1 - p))


CASES = {
    "xgboost": (xgboost_model, OfXGBoost, "log-odds"),
    "xgboost, numbers": (lambda: xgboost_model("reg:squarederror", NUMBERS), OfXGBoost, "prediction"),
    "xgboost, counts": (lambda: xgboost_model("count:poisson", X[:, 1]), OfXGBoost, "margin"),
    "lightgbm": (lightgbm_model, OfLightGBM, "log-odds"),
    "lightgbm, numbers": (lambda: lightgbm_model("regression", NUMBERS), OfLightGBM, "prediction"),
    "logistic": (lambda: sklearn_model(linear_model.LogisticRegression(max_iter=1000)), Linear, "log-odds"),
    "scaled logistic": (
        lambda: sklearn_model(make_pipeline(StandardScaler(), linear_model.LogisticRegression())),
        Linear,
        "log-odds",
    ),
    "ridge": (lambda: sklearn_model(linear_model.Ridge(), NUMBERS), Linear, "prediction"),
    "tree": (lambda: sklearn_model(tree.DecisionTreeClassifier(max_depth=4, random_state=0)), Trees, "probability"),
    "forest": (
        lambda: sklearn_model(ensemble.RandomForestClassifier(9, max_depth=4, random_state=0)),
        Trees,
        "probability",
    ),
    "forest, numbers": (
        lambda: sklearn_model(ensemble.ExtraTreesRegressor(9, max_depth=4, random_state=0), NUMBERS),
        Trees,
        "prediction",
    ),
    "boosted": (
        lambda: sklearn_model(ensemble.GradientBoostingClassifier(n_estimators=20, random_state=0)),
        Trees,
        "log-odds",
    ),
    "boosted histograms": (
        lambda: sklearn_model(ensemble.HistGradientBoostingClassifier(max_iter=20, random_state=0)),
        Trees,
        "log-odds",
    ),
    "neighbours": (lambda: sklearn_model(KNeighborsRegressor(5), NUMBERS), Sampled, "prediction"),
    "adaboost": (lambda: sklearn_model(ensemble.AdaBoostClassifier(n_estimators=5)), Sampled, "probability"),
}


@pytest.mark.parametrize("name", CASES)
def test_base_and_contributions_add_up_to_what_the_model_says(name):
    make, way, scale = CASES[name]
    model = make()
    assert type(contributor_of(estimator_of(model))) is way
    found = models.Explainer(model, background=TABLE).contributions(TABLE.slice(0, 40))
    assert found.scale == scale
    said = models.predict(model, TABLE.slice(0, 40)).column(0).to_numpy().astype(float)
    expected = {"log-odds": log_odds, "margin": np.log}.get(scale, lambda given: given)(said)
    assert found.base + found.values.sum(axis=1) == pytest.approx(expected, abs=2e-4)
    assert found.values.shape == (40, 3)
    assert np.abs(found.values).max() > 0.01


@pytest.mark.parametrize("name", ["xgboost", "lightgbm"])
def test_boosted_trees_agree_with_shap(name):
    model = CASES[name][0]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # shap tells of LightGBM what it once returned
        expected = shap.TreeExplainer(model.estimator).shap_values(X.astype("float32"))
    assert models.Explainer(model).contributions(TABLE).values == pytest.approx(expected, abs=1e-4)


def test_linear_models_agree_with_shap():
    model = CASES["logistic"][0]()
    expected = shap.LinearExplainer(model.estimator, shap.maskers.Independent(X, max_samples=len(X))).shap_values(X)
    assert models.Explainer(model, background=TABLE).contributions(TABLE).values == pytest.approx(expected, abs=1e-9)


@pytest.mark.slow
def test_of_two_features_the_permutations_are_exact():
    """With two features every permutation is gone through, so that the definition can be written down."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 2))
    model = ff.Model(KNeighborsRegressor(3).fit(x, x[:, 0] * x[:, 1]), features=("a", "b"))
    table = pa.table({"a": x[:, 0], "b": x[:, 1]})
    few = table.slice(0, 50)
    found = models.Explainer(model, background=few).contributions(table.slice(55, 3))

    def mean(a, b):
        background = x[:50].copy()
        if a is not None:
            background[:, 0] = a
        if b is not None:
            background[:, 1] = b
        return model.estimator.predict(background).mean()

    for (a, b), values in zip(x[55:58], found.values, strict=True):
        first = ((mean(a, None) - mean(None, None)) + (mean(a, b) - mean(None, b))) / 2
        assert values == pytest.approx([first, mean(a, b) - mean(None, None) - first], abs=1e-9)


def test_another_positive_class_turns_the_signs():
    words = np.where(Y == 1, "yes", "no")
    output = models.Output(task="binary", label="left", positive="no")
    signature = models.Signature.infer(TABLE, NAMES, output).to_json()
    for estimator in (
        linear_model.LogisticRegression(max_iter=1000),
        ensemble.GradientBoostingClassifier(n_estimators=5),
    ):
        fitted = estimator.fit(X, words)
        yes, no = ff.Model(fitted, features=NAMES), ff.Model(fitted, features=NAMES, signature=signature)
        first, second = (models.Explainer(model, background=TABLE).contributions(TABLE) for model in (yes, no))
        assert first.values == pytest.approx(-second.values)
        assert first.base == pytest.approx(-second.base)


def test_columns_of_text_are_explained():
    plan = np.random.default_rng(2).choice(["basic", "plus", None], 400)
    table = TABLE.append_column("plan", pa.array(plan, pa.string()))
    frame = table.select([*NAMES, "plan"]).to_pandas()
    encoded = ColumnTransformer([("plan", OneHotEncoder(), ["plan"])], remainder="passthrough")
    fitted = make_pipeline(encoded, linear_model.LogisticRegression(max_iter=2000)).fit(frame, plan == "basic")
    found = models.explain(ff.Model(fitted), table.slice(0, 4), background=table, top=1)
    assert found["reason_1"].to_pylist() == ["plan"] * 4
    assert [effect > 0 for effect in found["effect_1"].to_pylist()] == [p == "basic" for p in plan[:4]]


@pytest.mark.slow
def test_a_row_has_the_same_reasons_in_any_company():
    model = CASES["neighbours"][0]()
    explainer = models.Explainer(model, background=TABLE, seed=3)
    np.random.seed(5)  # noqa: NPY002 - the state that shap changes
    together = explainer.contributions(TABLE.slice(0, 6)).values
    drawn = np.random.random()  # noqa: NPY002 - likewise
    assert drawn == np.random.RandomState(5).random()
    alone = [explainer.contributions(TABLE.slice(place, 1)).values[0] for place in range(6)]
    assert (together == alone).all()
    assert (models.Explainer(model, background=TABLE, seed=3).contributions(TABLE.slice(0, 6)).values == together).all()


@pytest.fixture(scope="module")
def trained():
    """A model with a preprocessing, and raw rows."""
    plan = np.random.default_rng(3).choice(["basic", "plus"], 400)
    raw = TABLE.append_column("plan", pa.array(plan)).append_column("left", pa.array(Y | (plan == "basic")))
    table = ibis.duckdb.connect().create_table("people", raw)
    columns = steps.Columns(key="id", label="left")
    found = steps.encode(table, columns, steps.Encoding())
    features = found.apply(table)
    trial = steps.cross_validate(features, columns, steps.Training(rounds=30, folds=2, learning_rate=0.3))
    return steps.train(features, found, [trial]), raw


class TestExplain:
    def test_raw_rows_with_reasons(self, trained):
        model, raw = trained
        found = models.explain(model, raw.slice(0, 50).drop_columns(["left"]), keep=["plan"])
        assert found.column_names == [
            *("id", "plan", "probability", "predicted"),
            *("reason_1", "effect_1", "reason_2", "effect_2", "reason_3", "effect_3"),
        ]
        assert found["id"].to_pylist() == raw["id"].to_pylist()[:50]
        assert found.select([0, 1, 2, 3]).equals(models.predict(model, raw.slice(0, 50), keep=["plan"]))
        strengths = [np.abs(found[f"effect_{rank}"].to_numpy()) for rank in (1, 2, 3)]
        assert (strengths[0] >= strengths[1]).all()
        assert (strengths[1] >= strengths[2]).all()
        assert set(found["reason_1"].to_pylist()) <= set(model.features)

    def test_any_table_and_one_row(self, trained):
        model, raw = trained
        first = models.explain(model, raw.slice(0, 1))
        row = raw.slice(0, 1).to_pylist()[0]
        for table in (
            row,
            [row],
            raw.slice(0, 1).to_pandas(),
            raw.slice(0, 1).to_reader(),
            ibis.memtable(raw.slice(0, 1)),
        ):
            assert models.explain(model, table).equals(first)
        assert models.explain(model, raw.slice(0, 0)).num_rows == 0

    def test_all_features_can_be_named(self, trained):
        model, raw = trained
        found = models.explain(model, raw, top=99)
        assert len(found.column_names) == 3 + 2 * len(model.features)

    def test_importance_is_the_mean_strength(self, trained):
        model, raw = trained
        found = models.Explainer(model).contributions(raw)
        importance = found.importance()
        assert list(importance.values()) == sorted(importance.values(), reverse=True)
        place = found.features.index("spend")
        assert importance["spend"] == pytest.approx(np.abs(found.values[:, place]).mean())

    def test_threads_do_not_change_bits(self, trained):
        model, raw = trained
        assert models.explain(model, raw, threads=4).equals(models.explain(model, raw))


class TestBudget:
    def test_as_many_of_the_first_rows_as_fit(self, trained, caplog):
        model, raw = trained
        explainer = models.Explainer(model)
        with caplog.at_level(logging.WARNING, "firnflow.models"):
            found = explainer(raw, seconds=100.5 * explainer.cost)
        assert found["reason_1"].null_count == 300
        assert found["effect_3"].null_count == 300
        assert found["reason_1"].to_pylist()[:100] == explainer(raw)["reason_1"].to_pylist()[:100]
        assert found["probability"].null_count == 0
        assert "explaining the first 100 of 400 rows" in caplog.text

    def test_the_clock_does_not_count(self, trained, monkeypatch, caplog):
        model, raw = trained
        explainer = models.Explainer(model)
        times = iter([0.0, 1e6])
        monkeypatch.setattr("firnflow.models.explanation.budget.time.perf_counter", lambda: next(times))
        with caplog.at_level(logging.WARNING, "firnflow.models"):
            found = explainer.contributions(raw, seconds=1.0)
        assert len(found.values) == 400
        assert "took 1000000.0 s, where 1 s were planned" in caplog.text

    def test_larger_models_cost_more(self):
        costs = [models.Explainer(xgboost_model(rounds=rounds)).cost for rounds in (5, 10, 20)]
        assert costs == sorted(costs)
        assert len(set(costs)) == 3
        assert models.Explainer(CASES["neighbours"][0](), background=TABLE).cost > costs[-1]

    def test_what_a_tree_costs(self):
        assert tree_cost([(8, 3), (4, 2)]) == (8 * 9 + 4 * 4) / TREE_STEPS
        assert tree_cost([(1, 0)]) > 0

    @pytest.mark.parametrize(
        ("seconds", "cost", "count", "expected"),
        [(None, 1.0, 5, 5), (10, 1.0, 5, 5), (3.5, 1.0, 5, 3), (0.1, 1.0, 5, 1), (0.1, 1.0, 0, 0), (5, 1.0, 5, 5)],
    )
    def test_how_many_fit(self, seconds, cost, count, expected):
        assert affordable(seconds, cost, count) == expected

    def test_without_a_budget_nobody_watches(self, caplog):
        with Watch(None, 3):
            pass
        assert not caplog.records


class TestRefusals:
    def test_one_row_without_company(self):
        with pytest.raises(UsageError, match=r"only in comparison with other rows. Mend: background"):
            models.explain(CASES["ridge"][0](), TABLE.slice(0, 1))

    @pytest.mark.parametrize("wrong", [0, -3])
    def test_no_reasons(self, trained, wrong):
        with pytest.raises(UsageError, match="names no reason"):
            models.explain(trained[0], trained[1], top=wrong)

    @pytest.mark.parametrize("seconds", [0, -1, float("nan")])
    def test_no_time(self, trained, seconds):
        with pytest.raises(UsageError, match="explains nothing"):
            models.explain(trained[0], trained[1], seconds=seconds)

    def test_a_missing_column(self, trained):
        model, raw = trained
        with pytest.raises(SignatureError, match="reads column 'plan'"):
            models.explain(model, raw.drop_columns(["plan"]))
        with pytest.raises(SignatureError, match="reads column 'plan'"):
            models.Explainer(model).contributions(raw.drop_columns(["plan"]))

    def test_gaps_in_front_of_a_linear_model(self):
        table = TABLE.set_column(1, "spend", pa.array([None, *X[1:, 0]]))
        explainer = models.Explainer(CASES["ridge"][0](), background=TABLE)
        with pytest.raises(DataError, match="missing or infinite"):
            explainer.contributions(table)

    def test_a_column_with_the_name_of_a_result(self, trained):
        model, raw = trained
        table = raw.append_column("reason_1", raw["id"])
        with pytest.raises(UsageError, match="reason_1 has the name of a result"):
            models.explain(model, table, keep=["reason_1"])

    def test_no_table(self, trained):
        with pytest.raises(UsageError, match="is no table"):
            models.explain(trained[0], 3)

    def test_without_shap_it_is_said_how_to_install_it(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "shap", None)
        with pytest.raises(MissingExtraError, match=r"shap is not installed. Mend: pip install .*\[explain\]"):
            models.explain(CASES["forest"][0](), TABLE)
        assert models.explain(xgboost_model(), TABLE).num_rows == 400
