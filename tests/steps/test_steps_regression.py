"""`evaluate` of a model of a number, and its report."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as sk

from firnflow import context, steps
from firnflow.errors import DataError
from firnflow.steps import _page

QUICK = steps.Training(objective="regression", rounds=80, folds=3, learning_rate=0.2, max_depth=3)
COLUMNS = steps.Columns(key="id", label="rent")


@pytest.fixture(scope="module")
def flats(make_table):
    rng = np.random.default_rng(5)
    size, rooms = rng.gamma(6, 12, 1500) + 15, rng.integers(1, 7, 1500)
    town = rng.choice(["Ulm", "Bern"], 1500, p=[0.6, 0.4])
    rent = 300 + 25 * size + 60 * rooms + 250 * (town == "Bern") + rng.normal(0, 60, 1500) * (1 + 4 * (town == "Ulm"))
    return make_table(
        id=pa.array(rng.permutation(1500)),
        size=pa.array(size, mask=rng.random(1500) < 0.05),
        rooms=rooms,
        town=town,
        rent=rent,
    )


@pytest.fixture(scope="module")
def case(flats):
    parts = steps.split(flats, COLUMNS, steps.Splitting(stratify=False, test_share=0.4))
    fitted = steps.encode(parts.train, COLUMNS, steps.Encoding())
    trial = steps.cross_validate(fitted.apply(parts.train), COLUMNS, QUICK)
    model = steps.train(fitted.apply(parts.train), fitted, [trial], parts.quality)
    return model, fitted.apply(parts.test), parts.test, trial


def test_figures_agree_with_the_predictions(case):
    model, features, _, _ = case
    token = context.enter(context.TaskContext("run", "evaluate", 1))
    try:
        evaluation, predictions = steps.evaluate(model, features, steps.Evaluating())
        metrics = context.current().metrics
    finally:
        context.leave(token)
    label, said, residual = (predictions[name].to_numpy() for name in ("rent", "prediction", "residual"))
    assert evaluation.kind == "regression"
    assert evaluation.r2 == pytest.approx(sk.r2_score(label, said), rel=1e-4)
    assert evaluation.rmse == pytest.approx(sk.root_mean_squared_error(label, said), rel=1e-4)
    assert evaluation.mae == pytest.approx(sk.mean_absolute_error(label, said), rel=1e-4)
    assert evaluation.mape == pytest.approx(sk.mean_absolute_percentage_error(label, said), rel=1e-4)
    assert residual == pytest.approx(label - said)
    assert evaluation.bias == pytest.approx(-residual.mean(), rel=1e-3)
    assert 0.7 < evaluation.r2 < 0.95
    assert metrics == evaluation.figures
    assert set(evaluation.intervals) == set(evaluation.figures)
    for name, value in evaluation.figures.items():
        assert evaluation.intervals[name].low < value < evaluation.intervals[name].high
    assert evaluation.rows == predictions.num_rows == len(evaluation.sample.x) == 600


def test_residuals_are_described(case):
    evaluation, predictions = steps.evaluate(case[0], case[1], steps.Evaluating())
    residual = predictions["residual"].to_numpy()
    shape = evaluation.residuals
    assert sum(each.rows for each in shape.bins) == 600
    assert [each.predicted for each in shape.bins] == sorted(each.predicted for each in shape.bins)
    assert all(each.low <= each.middle <= each.high for each in shape.bins)
    assert len(shape.edges) == len(shape.counts) + 1
    assert np.mean((residual > shape.low) & (residual < shape.high)) == pytest.approx(0.9, abs=0.01)


def test_reasons_are_in_the_unit_of_the_label(case):
    evaluation, predictions = steps.evaluate(case[0], case[1], steps.Evaluating())
    assert predictions.column_names == [
        *("id", "rent", "prediction", "residual"),
        *("reason_1", "effect_1", "reason_2", "effect_2", "reason_3", "effect_3"),
    ]
    assert evaluation.importance[0].feature == "size"
    assert evaluation.importance[0].contribution > 100
    size = predictions["reason_1"].to_numpy(zero_copy_only=False) == "size"
    assert np.abs(predictions["effect_1"].to_numpy()[size]).max() > 300
    misses = [abs(each.residual) for each in evaluation.examples]
    assert misses == sorted(misses, reverse=True)
    assert misses[0] == pytest.approx(np.abs(predictions["residual"].to_numpy()).max(), rel=1e-4)


def test_the_largest_misses_get_reasons_where_there_are_many(case):
    evaluation, predictions = steps.evaluate(case[0], case[1], steps.Evaluating(reason_rows=30, summary_rows=100))
    explained = np.array([reason is not None for reason in predictions["reason_1"].to_pylist()])
    off = np.abs(predictions["residual"].to_numpy())
    assert explained.sum() == evaluation.explained == 30
    assert off[explained].min() >= off[~explained].max()
    assert evaluation.notes[0] == "Reasons are given for the 30 of 600 test rows that the model is farthest off."


def test_segments_are_by_rmse(case):
    model, features, raw, _ = case
    evaluation, _ = steps.evaluate(model, features, steps.Evaluating(segments=("town",)), rows=raw)
    (towns,) = evaluation.segments
    found = {each.name: each for each in towns.segments}
    assert (towns.metric, towns.better) == ("rmse", "lower")
    assert found["Ulm"].bounds.low > towns.whole > found["Bern"].bounds.high
    assert found["Bern"].observed > found["Ulm"].observed


def test_the_same_whatever_the_order_of_rows(case):
    model, features, _, _ = case
    first = steps.evaluate(model, features, steps.Evaluating())
    second = steps.evaluate(model, features.order_by(features.id.desc()), steps.Evaluating())
    assert first.evaluation == second.evaluation
    assert first.predictions.equals(second.predictions)


def test_a_figure_that_is_not_defined_is_none(case):
    model, features, _, _ = case
    evaluation, _ = steps.evaluate(model, features.mutate(rent=0.0), steps.Evaluating())
    assert (evaluation.r2, evaluation.mape) == (None, None)
    assert set(evaluation.figures) == {"rmse", "mae", "smape", "bias"}
    page = _page.page(evaluation, steps.Reporting(), [])
    assert "R²" not in page
    assert "MAPE" not in page


def test_a_label_that_is_missing(case):
    model, features, _, _ = case
    with pytest.raises(DataError, match="label 'rent' of the test part must be numbers, none of them missing"):
        steps.evaluate(model, features.mutate(rent=features.rent.nullif(features.rent.max())), steps.Evaluating())


class TestReport:
    def page(self, case, **settings):
        model, features, raw, trial = case
        looking = steps.Evaluating(segments=("town", "size"), segment_rows=20)
        evaluation, _ = steps.evaluate(model, features, looking, rows=raw)
        return _page.page(evaluation, steps.Reporting(row="flats", unit="€", **settings), [trial])

    def test_it_has_every_figure_with_a_sentence(self, case):
        page = self.page(case)
        titles = (
            *("Predicted and actual", "Residuals by prediction", "Spread of the residuals", "Town", "Size"),
            *("Importance", "In which direction"),
        )
        for title in titles:
            assert f"<h3>{title}" in page
        assert page.count("<svg") == page.count("<figcaption>") == len(titles)
        for heading in ("Predictions", "Errors", "Segments", "The largest misses", "Search", "All figures"):
            assert f"<h2>{heading}" in page
        assert "Measured on 600 flats" in page
        assert "predicted (€)" in page
        assert "In 1 of 2 the RMSE is worse than among all by more than chance: Ulm." in page

    def test_nothing_of_a_classification_is_in_it(self, case):
        page = re.sub(r"data:[^\"]*", "", self.page(case))
        for word in ("AUC", "threshold", "probabilit", "log-odds", "positives"):
            assert word not in page, word

    def test_it_needs_nothing_from_elsewhere_and_is_the_same_again(self, case):
        page = self.page(case)
        assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
        assert "<script" not in page
        assert page == self.page(case)

    def test_texts_are_escaped(self, case):
        page = self.page(case, title="<script>alert(1)</script>")
        assert "<script" not in page
        assert "&lt;script&gt;" in page
