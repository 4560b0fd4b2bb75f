"""Prediction from raw rows: the same bits as in training, for any type of table, library and number of threads."""

from __future__ import annotations

import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import ibis
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import firnflow as ff
from firnflow import models, steps
from firnflow.errors import DataError, SignatureError, UsageError
from firnflow.models import arrow

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import lightgbm as lgb
    import onnx
    import xgboost as xgb
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

COLUMNS = steps.Columns(key="id", label="left")


def people(count: int = 3000, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    spend, calls = rng.gamma(2.0, 30.0, count), rng.poisson(2.0, count)
    plan = rng.choice(["basic", "plus", "pro"], count)
    risk = 0.03 * (spend - 60) + 0.8 * (calls - 2) + (plan == "basic") - 1.5
    return pa.table(
        {
            "id": rng.permutation(count) + 1,
            "spend": pa.array(np.round(spend, 2), mask=rng.random(count) < 0.05),
            "calls": pa.array(calls, mask=rng.random(count) < 0.03),
            "plan": pa.array(plan, pa.string(), mask=rng.random(count) < 0.02),
            "age": rng.integers(18, 90, count),
            "left": (rng.random(count) < 1 / (1 + np.exp(-risk))).astype("int8"),
        }
    )


def train(table: ibis.Table) -> ff.Model:
    found = steps.impute(table, COLUMNS, steps.Imputing())
    found = steps.cap_outliers(table, COLUMNS, steps.Capping(columns=("spend",), flags=True), found)
    deriving = steps.Deriving(
        logs=("spend",), ratios=(("spend", "calls"),), bands={"age": 4}, groups={"plan": ("spend",)}, scores=("calls",)
    )
    found = steps.derive(table, COLUMNS, deriving, found)
    found = steps.encode(table, COLUMNS, steps.Encoding(), found)
    features = found.apply(table)
    trial = steps.cross_validate(features, COLUMNS, steps.Training(rounds=40, folds=2, learning_rate=0.3))
    return steps.train(features, found, [trial])


@pytest.fixture(scope="module")
def raw():
    return people()


@pytest.fixture(scope="module")
def table(raw):
    return ibis.duckdb.connect().create_table("people", raw)


@pytest.fixture(scope="module")
def model(table):
    return train(table)


@pytest.fixture(scope="module")
def expected(model, table):
    """What `evaluate` says of the features that training computed."""
    features = steps.transform(table, steps.Preprocessing.model_validate(model.preprocessing))
    return steps.evaluate(model, features, steps.Evaluating(reason_rows=0)).predictions


def test_the_same_bits_as_in_training(model, table, expected):
    found = models.predict(model, table).sort_by("id")
    assert found.column_names == ["id", "probability", "predicted"]
    assert found["probability"].equals(expected["probability"])
    assert found["predicted"].equals(expected["predicted"])


def test_any_table(model, raw):
    first = models.predict(model, raw)
    assert first["id"].equals(raw["id"])  # row order is kept
    others = {
        "reader": raw.to_reader(700),
        "batch": raw.combine_chunks().to_batches()[0],
        "pandas": raw.to_pandas(),
        "polars": pl.from_arrow(raw),
        "lazy": pl.from_arrow(raw).lazy(),
        "dicts": raw.to_pylist(),
        "dictionaries": raw.set_column(3, "plan", raw["plan"].combine_chunks().dictionary_encode()),
        "large text": raw.set_column(3, "plan", raw["plan"].cast(pa.large_string())),
        "integers as floats": raw.set_column(2, "calls", raw["calls"].cast(pa.float64())),
        "another order of columns": raw.select(["plan", "age", "id", "calls", "spend"]),
        "another column": raw.append_column("more", raw["spend"]),
    }
    for name, other in others.items():
        assert models.predict(model, other)["probability"].equals(first["probability"]), name


def test_threads_and_parts_do_not_change_bits(model, raw, monkeypatch):
    first = models.predict(model, raw)
    assert models.predict(model, raw, threads=4).equals(first)
    monkeypatch.setattr(arrow, "ROWS", 333)
    assert models.predict(model, raw).equals(first)
    assert models.predict(model, raw.to_reader(100)).equals(first)


def test_one_row_has_the_bits_of_many_and_a_predictor_may_be_shared(model, raw):
    predictor = models.Predictor(model)
    wanted = predictor(raw)["probability"].to_pylist()[:60]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda row: predictor(row)["probability"][0].as_py(), raw.slice(0, 60).to_pylist())
        assert list(found) == wanted


def test_columns_that_are_kept(model, raw):
    found = models.predict(model, raw, keep=("left", "plan"))
    assert found.column_names == ["id", "left", "plan", "probability", "predicted"]
    assert found["plan"].equals(raw["plan"])
    assert models.predict(model, raw.drop("id")).column_names == ["probability", "predicted"]
    with pytest.raises(SignatureError, match=r"no column 'plans'\. Did you mean 'plan'"):
        models.predict(model, raw, keep=("plans",))
    with pytest.raises(UsageError, match="'predicted' has the name of a result"):
        models.predict(model, raw.append_column("predicted", raw["age"]), keep=("predicted",))


def test_no_rows(model, raw):
    found = models.predict(model, raw.slice(0, 0))
    assert found.num_rows == 0
    assert found.schema == models.predict(model, raw).schema


def test_a_stream_holds_one_part_at_a_time(model):
    part = people(5000).combine_chunks().to_batches()[0]
    rows = 400_000

    def parts():
        for _ in range(rows // part.num_rows):
            yield part

    reader = pa.RecordBatchReader.from_batches(part.schema, parts())
    predictor = models.Predictor(model)
    predictor(part)
    before, highest, seen = pa.total_allocated_bytes(), 0, 0
    tracemalloc.start()
    for batch in predictor.stream(reader):
        seen += batch.num_rows
        highest = max(highest, pa.total_allocated_bytes() - before)
    own = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen == rows
    assert highest < 30_000_000  # all rows would be 400,000 × 45 bytes, features not counted
    assert own < 30_000_000


class TestSignature:
    def test_what_is_learnt(self, model):
        found = models.Signature.of(model)
        assert {name: each.type for name, each in found.inputs.items()} == {
            "spend": "float64",
            "calls": "int64",
            "plan": "string",
            "age": "int64",
        }
        assert found.output.task == "binary"
        assert (found.output.label, found.output.threshold) == ("left", model.metadata["threshold"])

    @pytest.mark.parametrize(
        ("change", "says", "column", "expected", "found"),
        [
            (
                lambda t: t.rename_columns({"spend": "spent"}),
                r"reads column 'spend' \(float64\), which the table does not have\. Did you mean 'spent'\? It has: age",
                "spend",
                "float64",
                None,
            ),
            (
                lambda t: t.set_column(1, "spend", t["spend"].cast(pa.string())),
                "Column 'spend': the model reads float64, but the table has string",
                "spend",
                "float64",
                "string",
            ),
            (
                lambda t: t.set_column(4, "age", pa.array([True] * t.num_rows)),
                "Column 'age': the model reads int64, but the table has bool",
                "age",
                "int64",
                "bool",
            ),
            (
                lambda t: t.set_column(2, "calls", pa.array([1.5] * t.num_rows)),
                "Column 'calls': the model reads int64, and a value of the table does not fit",
                "calls",
                "int64",
                "double",
            ),
        ],
    )
    def test_another_table_is_refused(self, model, raw, change, says, column, expected, found):
        for table in (change(raw), change(raw).to_reader(), ibis.memtable(change(raw))):
            with pytest.raises(SignatureError, match=says) as caught:
                models.predict(model, table)
            assert (caught.value.column, caught.value.expected, caught.value.found) == (column, expected, found)

    def test_a_gap_where_training_had_none_and_nothing_fills_it(self, table):
        found = steps.cap_outliers(table.drop("plan"), COLUMNS, steps.Capping(columns=("spend",)))
        features = found.apply(table)
        model = steps.train(features, found, [steps.cross_validate(features, COLUMNS, steps.Training(rounds=5))])
        row = {"spend": None, "calls": None, "age": 30}  # the first two were missing in training, too
        assert models.predict(model, row).num_rows == 1
        with pytest.raises(SignatureError, match=r"Column 'age' has 1 missing value\. In training it had none"):
            models.predict(model, {"spend": 1.0, "calls": 2, "age": None})

    def test_what_preprocessing_fills_may_be_missing(self, model):
        assert models.predict(model, dict.fromkeys(("spend", "calls", "plan", "age"))).num_rows == 1

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"inputs": {"spend": {"type": "float64"}}}, "reads spend, its preprocessing age, calls, plan, spend"),
            ({"version": 9}, "cannot be read: version"),
            ({"more": 1}, "cannot be read: more"),
            ({"inputs": {"spend": {"type": "os.system"}}}, "'spend' has no type 'os.system'"),
            ({"output": {"task": "regression"}}, "says regression, but its estimator is made for binary"),
        ],
    )
    def test_a_signature_that_is_not_the_models_own(self, model, raw, change, says):
        other = ff.Model(
            model.estimator, model.features, model.preprocessing, model.metadata, {**model.signature, **change}
        )
        with pytest.raises(SignatureError, match=says):
            models.predict(other, raw)

    def test_features_that_are_not_the_estimators(self, model, raw):
        other = ff.Model(model.estimator, model.features[:-1], model.preprocessing, {}, model.signature)
        with pytest.raises(SignatureError, match=r"reads \d+ columns, but the model names \d+ features"):
            models.predict(other, raw)
        renamed = ("nonsense", *model.features[1:])
        other = ff.Model(model.estimator, renamed, model.preprocessing, {}, model.signature)
        with pytest.raises(SignatureError, match="preprocessing makes no nonsense"):
            models.predict(other, raw)

    def test_it_reads_no_files(self, model, raw):
        """What is fitted becomes text in SQL: it must stay text."""
        evil = "x' || (SELECT content FROM read_text('/etc/passwd')) || '"
        preprocessing = {
            **model.preprocessing,
            "steps": [{"step": "impute", "fill": {"plan": evil}, "indicators": []}, *model.preprocessing["steps"]],
        }
        other = ff.Model(model.estimator, model.features, preprocessing, {}, model.signature)
        predictor = models.Predictor(other)
        assert predictor(raw).num_rows == raw.num_rows
        with pytest.raises(Exception, match="disabled"):
            predictor._database.execute("SELECT * FROM read_text('/etc/passwd')")


def test_rows_that_are_none(model):
    for table, says in (
        (3, "A int is no table"),
        ([1], "Row 0 is a int"),
        ([{"spend": 1.0}, {"calls": 1}], "Row 1 has other columns"),
    ):
        with pytest.raises((UsageError, DataError), match=says):
            models.predict(model, table)
    with pytest.raises(DataError, match="The rows are no table"):
        models.predict(model, [{"spend": "a"}, {"spend": 1}])


X = np.random.default_rng(0).normal(size=(500, 3)).astype("float32")
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=list("abc"))
NAMES = ("a", "b", "c")
Z = X[:, 2].copy()


def text_frame() -> pd.DataFrame:
    return FRAME.assign(word=np.where(Y == 1, "yes", "no"))


def onnx_model() -> onnx.ModelProto:
    """Return the logistic regression with weights 1, 2, 0."""
    weight = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [3, 1], [1.0, 2.0, 0.0])
    given = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, 3])
    said = onnx.helper.make_tensor_value_info("probability", onnx.TensorProto.FLOAT, [None, 1])
    nodes = [onnx.helper.make_node("MatMul", ["x", "w"], ["z"]), onnx.helper.make_node("Sigmoid", ["z"], [said.name])]
    graph = onnx.helper.make_graph(nodes, "g", [given], [said], [weight])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)


BINARY = models.Output(task="binary", label="y", threshold=0.5)
NUMBER = models.Output(task="regression", label="y")


def by_columns() -> ff.Model:
    frame = text_frame()
    encoder = ColumnTransformer([("word", OneHotEncoder(), ["word"])], remainder="passthrough")
    pipeline = make_pipeline(encoder, LogisticRegression()).fit(frame, Y)
    signature = models.Signature.infer(frame, [*NAMES, "word"], BINARY)
    return ff.Model(pipeline, (*NAMES, "word"), signature=signature.to_json())


LIBRARIES = {
    "xgboost": (
        lambda: xgb.train({"objective": "binary:logistic", "nthread": 1}, xgb.DMatrix(X, Y), 5),
        lambda m: m.predict(xgb.DMatrix(X)),
        "binary",
    ),
    "xgboost classifier": (
        lambda: xgb.XGBClassifier(n_estimators=50, early_stopping_rounds=2).fit(
            X[:300], Y[:300], eval_set=[(X[300:], Y[300:])], verbose=False
        ),
        lambda m: m.predict_proba(X)[:, 1],
        "binary",
    ),
    "xgboost regressor": (
        lambda: xgb.XGBRegressor(n_estimators=4).fit(X, Z),
        lambda m: m.predict(X),
        "regression",
    ),
    "lightgbm": (
        lambda: lgb.train({"objective": "binary", "verbose": -1}, lgb.Dataset(X, Y), 5),
        lambda m: m.predict(X),
        "binary",
    ),
    "lightgbm number": (
        lambda: lgb.train({"objective": "regression", "verbose": -1}, lgb.Dataset(X, Z), 5),
        lambda m: m.predict(X),
        "regression",
    ),
    "lightgbm classifier": (
        lambda: lgb.LGBMClassifier(n_estimators=3, verbose=-1).fit(FRAME, Y),
        lambda m: m.predict_proba(FRAME)[:, 1],
        "binary",
    ),
    "logistic": (lambda: LogisticRegression().fit(X, Y), lambda m: m.predict_proba(X)[:, 1], "binary"),
    "forest": (
        lambda: RandomForestClassifier(20, random_state=0, n_jobs=2).fit(FRAME, np.where(Y == 1, "yes", "no")),
        lambda m: m.set_params(n_jobs=1).predict_proba(FRAME)[:, 1],
        "binary",
    ),
    "forest of numbers": (
        lambda: RandomForestRegressor(5, random_state=0).fit(FRAME, X[:, 2]),
        lambda m: m.predict(FRAME),
        "regression",
    ),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", LIBRARIES)
def test_every_library(name):
    make, says, task = LIBRARIES[name]
    output = BINARY if task == "binary" else NUMBER
    for signature in (None, models.Signature.infer(FRAME, NAMES, output).to_json()):
        model = ff.Model(make(), NAMES, signature=signature)
        found = models.predict(model, FRAME)
        column = "probability" if task == "binary" else "prediction"
        np.testing.assert_array_equal(found[column].to_numpy(), says(model.estimator))
        if task == "binary":
            assert found["predicted"].to_pylist() == (found[column].to_numpy() >= 0.5).astype(int).tolist()


def test_onnx_has_to_be_told_its_columns():
    signature = models.Signature.infer(FRAME, NAMES, BINARY).to_json()
    found = models.predict(ff.Model(onnx_model(), NAMES, signature=signature), FRAME)
    np.testing.assert_allclose(found["probability"].to_numpy(), 1 / (1 + np.exp(-X @ [1.0, 2.0, 0.0])), rtol=1e-3)
    with pytest.raises(UsageError, match=r"does not name its columns\. Mend: ff\.Model\(estimator, features="):
        models.predict(ff.Model(onnx_model()), FRAME)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_pipeline_that_reads_text():
    model = by_columns()
    found = models.predict(model, text_frame())
    np.testing.assert_array_equal(found["probability"].to_numpy(), model.estimator.predict_proba(text_frame())[:, 1])
    with pytest.raises(SignatureError, match="reads column 'word'"):
        models.predict(model, FRAME)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_models_that_are_neither():
    three = LogisticRegression().fit(X, np.arange(len(X)) % 3)
    with pytest.raises(UsageError, match="knows 3 classes"):
        models.predict(ff.Model(three, NAMES), FRAME)
    trees = xgb.train({"objective": "multi:softprob", "num_class": 3}, xgb.DMatrix(X, np.arange(len(X)) % 3), 2)
    with pytest.raises(UsageError, match="objective multi:softprob"):
        models.predict(ff.Model(trees, NAMES), FRAME)
    with pytest.raises(UsageError, match="A int cannot predict"):
        models.predict(ff.Model(3, NAMES), FRAME)
