from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from firnflow import context, models, steps
from firnflow.errors import DataError
from firnflow.models.evaluation.holdout import holdout_of
from firnflow.steps import validating
from firnflow.values.model import Model

QUICK = steps.Training(rounds=60, early_stopping=10, learning_rate=0.3, max_depth=2)


@pytest.fixture(scope="module")
def features(customers, columns, helpers):
    found = helpers.fitted(customers, columns)
    return found.apply(customers), found


def digest(model):
    return hashlib.sha256(model.estimator.save_raw("ubj")).hexdigest()


def logged(call):
    token = context.enter(context.TaskContext("run", "task", 1))
    try:
        return call(), context.current().metrics
    finally:
        context.leave(token)


def test_cross_validation_scores_held_out_rows(features, columns):
    found, metrics = logged(lambda: steps.cross_validate(features[0], columns, QUICK))
    assert len(found.folds) == 5
    assert found.rows == found.total_rows == 2000
    assert 0.75 < found.mean.roc_auc < 0.95
    assert found.mean.roc_auc == pytest.approx(np.mean([fold.roc_auc for fold in found.folds]), abs=1e-9)
    assert 0 < found.threshold < 1
    assert 1 < found.trees < 60
    assert {name: metrics[f"cv_{name}"] for name in steps.Scores.model_fields} == found.mean.model_dump()
    assert metrics["fold_roc_auc"] == found.folds[-1].roc_auc


def test_random_labels_are_not_learnt(features, columns):
    """Were a fold's own rows learnt from, the score would be far from chance."""
    table = features[0]
    shuffled = np.random.default_rng(0).permutation(table.left.execute().to_numpy())
    arrow = table.to_pyarrow().set_column(1, "left", pa.array(shuffled))
    table = table.get_backend().create_table("shuffled", arrow)
    assert 0.42 < steps.cross_validate(table, columns, QUICK).mean.roc_auc < 0.58


def test_the_same_whatever_the_order_of_rows_and_the_number_of_threads(features, columns):
    table, found = features
    backwards = table.order_by(table.id.desc())
    first = steps.cross_validate(table, columns, QUICK)
    threads = QUICK.model_copy(update={"threads": 2})
    second = steps.cross_validate(backwards, columns, threads)
    assert first.model_dump(exclude={"training"}) == second.model_dump(exclude={"training"})
    models = [
        steps.train(table, found, [first]),
        steps.train(table, found, [first]),
        steps.train(backwards, found, [second]),
    ]
    assert len({digest(model) for model in models}) == 1


def test_another_seed_is_another_model(features, columns):
    first = steps.cross_validate(features[0], columns, QUICK)
    second = steps.cross_validate(features[0], columns, QUICK.model_copy(update={"seed": 1}))
    assert first.folds != second.folds


def test_the_best_candidate_is_trained_on_all_rows(features, columns):
    table, found = features
    trials = [steps.cross_validate(table, columns, QUICK.model_copy(update={"max_depth": depth})) for depth in (1, 2)]
    best = max(trials, key=lambda trial: trial.mean.roc_auc)
    assert best.value == best.mean.roc_auc
    model, metrics = logged(lambda: steps.train(table, found, trials))
    assert model.metadata["best"] == trials.index(best)
    assert model.metadata["threshold"] == best.threshold
    assert model.estimator.num_boosted_rounds() == best.trees == metrics["trees"]
    assert metrics["train_rows"] == metrics["train_rows_available"] == 2000
    assert {n: metrics[f"cv_{n}"] for n in steps.Scores.model_fields} == best.mean.model_dump()
    assert model.features == table.columns[2:]
    assert steps.Preprocessing.model_validate(model.preprocessing) == found


def test_a_sample_is_taken_and_said(features, columns, caplog):
    caplog.set_level("INFO", "firnflow.steps")
    training = QUICK.model_copy(update={"max_rows": 700, "cv_rows": 500})
    trial = steps.cross_validate(features[0], columns, training)
    model, metrics = logged(lambda: steps.train(features[0], features[1], [trial]))
    assert (trial.rows, trial.total_rows) == (500, 2000)
    assert (metrics["train_rows"], metrics["train_rows_available"]) == (700, 2000)
    assert (model.metadata["train_rows"], model.metadata["train_rows_available"]) == (700, 2000)
    assert "cross-validation: a sample of 500 of 2,000 rows" in caplog.text
    assert "training: a sample of 700 of 2,000 rows" in caplog.text


@pytest.mark.parametrize("threshold", ["youden", 0.25])
def test_other_thresholds(features, columns, threshold):
    training = steps.Training.model_validate({**QUICK.model_dump(), "threshold": threshold, "rounds": 10})
    found = steps.cross_validate(features[0], columns, training)
    assert found.threshold == threshold if threshold == 0.25 else found.threshold not in (0, 1)


def test_missing_values_are_no_obstacle(customers, columns):
    found = steps.encode(customers, columns, steps.Encoding())
    assert steps.cross_validate(found.apply(customers), columns, QUICK).mean.roc_auc > 0.7


class TestRefusals:
    def table(self, make_table, **changes):
        return make_table(**{"id": range(40), "left": [0, 1] * 20, "x": [float(i) for i in range(40)], **changes})

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"left": [1] * 40}, "must be 0 and 1, both of them; it is 1"),
            ({"left": [0, 2] * 20}, "must be 0 and 1, both of them; it is 0, 2"),
            ({"left": [0] * 39 + [1]}, "Only 1 row has the label 1, but training.folds is 5"),
            ({"x": ["a"] * 40}, "Features that are no numbers: x"),
            ({"x": pa.array([None] * 40, pa.float64())}, "Features without a single value: x"),
        ],
    )
    def test_tables_that_cannot_be_learnt_from(self, make_table, columns, changes, message):
        with pytest.raises(DataError, match=message):
            steps.cross_validate(self.table(make_table, **changes), columns, QUICK)

    def test_no_features(self, make_table, columns):
        with pytest.raises(DataError, match="no feature beside key and label"):
            steps.cross_validate(self.table(make_table).drop("x"), columns, QUICK)

    def test_no_trials(self, features):
        with pytest.raises(DataError, match="There are no candidates"):
            steps.train(*features, [])


def test_a_model_says_which_rows_were_kept_from_it(customers, columns, helpers):
    parts = steps.split(customers, columns, steps.Splitting())
    found = helpers.fitted(parts.train, columns)
    trial = steps.cross_validate(found.apply(parts.train), columns, QUICK)
    model = steps.train(found.apply(parts.train), found, [trial], parts.quality)
    assert holdout_of(model) == parts.quality.holdout
    assert holdout_of(steps.train(found.apply(parts.train), found, [trial])) is None


@pytest.mark.parametrize("told", [None, "all of them", {"scheme": "dice"}, {"key": "id", "seed": 1, "odd": 2}])
def test_a_definition_that_is_not_understood_is_none(told):
    assert holdout_of(Model(None, metadata={"holdout": told})) is None


class TestObjectives:
    def numbers(self, make_table, count=600):
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=count), rng.normal(size=count)
        return make_table(id=range(count), left=3 * x + y + rng.normal(size=count) / 5, x=x, y=y)

    def test_numbers(self, make_table, columns):
        table = self.numbers(make_table)
        training = steps.Training(objective="regression", rounds=80, folds=3, learning_rate=0.3)
        found = steps.cross_validate(table, columns, training)
        assert found.threshold is None
        assert found.value == found.mean.rmse < 1.2
        assert found.mean.r2 > 0.85
        model = steps.train(table, steps.encode(table, columns, steps.Encoding()), [found])
        assert model.signature["output"] == {"task": "regression", "label": "left", "positive": None, "threshold": None}
        assert "threshold" not in model.metadata
        said = models.predict(model, table)
        assert said.column_names == ["id", "prediction"]
        assert np.corrcoef(said["prediction"].to_numpy(), table.order_by("id").left.to_pyarrow().to_numpy())[0, 1] > 0.9

    def test_the_metric_decides(self, features, columns):
        training = QUICK.model_copy(update={"metric": "log_loss"})
        trials = [
            steps.cross_validate(features[0], columns, training.model_copy(update={"rounds": rounds}))
            for rounds in (3, 40)
        ]
        assert trials[0].mean.log_loss > trials[1].mean.log_loss == trials[1].value
        assert steps.train(*features, trials).metadata["best"] == 1  # the smaller one is better

    def test_a_metric_of_another_objective_is_refused(self):
        with pytest.raises(ValidationError, match=r"metric 'rmse' is none of binary: accuracy, .*roc_auc"):
            steps.Training(metric="rmse")
        with pytest.raises(ValidationError, match=r"Did you mean 'rmse'"):
            steps.Training(objective="regression", metric="rmsse")

    def test_labels_that_do_not_fit(self, make_table, columns):
        table = self.numbers(make_table)
        with pytest.raises(DataError, match=r'if it is a number, set training\.objective = "regression"'):
            steps.cross_validate(table, columns, QUICK)
        for wrong in ([1.0] * 30, [1.0, None] * 15):
            table = make_table(id=range(30), left=pa.array(wrong, pa.float64()), x=range(30))
            with pytest.raises(DataError, match="must be numbers that differ"):
                steps.cross_validate(table, columns, steps.Training(objective="regression"))


class TestTime:
    """Each fold learns from what was known before it."""

    def table(self, make_table, when):
        count = len(when)
        rng = np.random.default_rng(0)
        x = rng.normal(size=count)
        return make_table(id=rng.permutation(count), left=(x + rng.normal(size=count) > 0).astype(int), x=x, day=when)

    @pytest.mark.parametrize(
        "make",
        [
            lambda days: pa.array(days, pa.int64()),
            lambda days: pa.array(days.astype("int32"), pa.date32()),
            lambda days: pa.array(days * 86_400_000_000, pa.timestamp("us")),
        ],
    )
    def test_folds_in_time(self, make_table, make, monkeypatch):
        days = np.sort(np.random.default_rng(1).integers(0, 50, 400))
        table = self.table(make_table, make(days))
        columns = steps.Columns(key="id", label="left", time="day")
        seen = []
        boost_until = validating.boost_until

        def spy(rows, learnt, held_out, training):
            assert rows.names == ("x",)
            seen.append((learnt, held_out))
            return boost_until(rows, learnt, held_out, training)

        monkeypatch.setattr(validating, "boost_until", spy)
        found = steps.cross_validate(table, columns, QUICK.model_copy(update={"validation": "time", "folds": 4}))
        assert len(found.folds) == 4
        order = table.order_by("id").day.to_pyarrow()
        when = (
            order.cast(pa.int64() if pa.types.is_integer(order.type) else pa.timestamp("us"))
            .cast(pa.int64())
            .to_numpy()
        )
        assert np.add.reduce([held.astype(int) for _, held in seen]).max() == 1  # held out once at most
        for learnt, held_out in seen:
            assert when[learnt].max() < when[held_out].min()  # and no moment is on both sides
        assert seen[-1][1].sum() + seen[-1][0].sum() == 400

    def test_time_is_no_feature(self, make_table):
        table = self.table(make_table, np.arange(100))
        columns = steps.Columns(key="id", label="left", time="day")
        found = steps.encode(table, columns, steps.Encoding())
        assert list(found.inputs) == ["x"]
        assert found.apply(table).columns == ("id", "left", "day", "x")

    @pytest.mark.parametrize(
        ("columns", "when", "says"),
        [
            ({}, range(100), "set columns.time"),
            ({"time": "dya"}, range(100), "Did you mean 'day'"),
            ({"time": "day"}, [1.5] * 100, "neither a time nor a whole number"),
            ({"time": "day"}, [None] * 50 + [1] * 50, "is missing in 50 rows"),
            ({"time": "day"}, [1] * 100, "too few rows, or one value of the label only"),
        ],
    )
    def test_what_is_no_order(self, make_table, columns, when, says):
        table = self.table(make_table, when if not isinstance(when, list) else pa.array(when))
        training = QUICK.model_copy(update={"validation": "time"})
        if "time" not in columns:
            table = table.drop("day")
        with pytest.raises(DataError, match=says):
            steps.cross_validate(table, steps.Columns(key="id", label="left", **columns), training)
