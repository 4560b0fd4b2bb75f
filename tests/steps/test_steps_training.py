from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from firnflow import context, steps
from firnflow.errors import DataError, ParameterError
from firnflow.models.evaluation.holdout import holdout_of
from firnflow.values.model import Model

QUICK = steps.Training(rounds=60, early_stopping=10, learning_rate=0.3, max_depth=2)


@pytest.fixture
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
    assert metrics == {"cv_roc_auc": found.mean.roc_auc}


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


class TestCandidates:
    def test_every_combination(self):
        found = steps.candidates(QUICK, steps.Tuning(grid={"max_depth": (2, 4), "subsample": (0.5, 1.0)}))
        assert [(t.max_depth, t.subsample) for t in found] == [(2, 0.5), (2, 1.0), (4, 0.5), (4, 1.0)]
        assert {t.rounds for t in found} == {60}

    def test_no_grid_is_one_candidate(self):
        assert steps.candidates(QUICK, steps.Tuning()) == [QUICK]

    def test_a_seeded_choice_of_many(self):
        grid = {"max_depth": tuple(range(1, 9)), "subsample": (0.5, 0.7, 0.9)}
        first, again, other = (
            steps.candidates(QUICK, steps.Tuning(grid=grid, trials=5, seed=seed)) for seed in (1, 1, 2)
        )
        assert len(first) == 5
        assert first == again != other

    def test_an_unknown_setting_gets_the_nearest_name(self):
        with pytest.raises(ParameterError, match=r"'max_dept' cannot be searched\. Did you mean 'max_depth'"):
            steps.candidates(QUICK, steps.Tuning(grid={"max_dept": (1,)}))
        with pytest.raises(ParameterError, match="'folds' cannot be searched"):
            steps.candidates(QUICK, steps.Tuning(grid={"folds": (3,)}))

    def test_an_impossible_value_is_named(self):
        with pytest.raises(ParameterError, match=r"tuning\.grid: subsample: .*less than or equal to 1, got 2"):
            steps.candidates(QUICK, steps.Tuning(grid={"subsample": (2.0,)}))


class TestRefusals:
    def table(self, make_table, **changes):
        return make_table(**{"id": range(40), "left": [0, 1] * 20, "x": [float(i) for i in range(40)], **changes})

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"left": [1] * 40}, "must be 0 and 1, both of them; it is 1"),
            ({"left": [0, 2] * 20}, "must be 0 and 1, both of them; it is 0, 2"),
            ({"left": [0] * 39 + [1]}, "Only 1 rows have the label 1, but training.folds is 5"),
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
        with pytest.raises(DataError, match="`trials` is empty"):
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
