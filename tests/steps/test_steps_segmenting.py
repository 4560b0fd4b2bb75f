from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError
from sklearn import metrics as sk

from firnflow import steps
from firnflow.errors import DataError, UsageError
from firnflow.steps import _segmenting

QUICK = steps.Training(rounds=60, early_stopping=10, learning_rate=0.3, max_depth=2)
LOOKING = steps.Evaluating(resamples=200, reason_rows=0, summary_rows=50)


@pytest.fixture(scope="module")
def case(customers, columns, helpers):
    parts = steps.split(customers, columns, steps.Splitting(test_share=0.4))
    found = helpers.fitted(parts.train, columns)
    trial = steps.cross_validate(found.apply(parts.train), columns, QUICK)
    return steps.train(found.apply(parts.train), found, [trial]), found.apply(parts.test), parts.test


def looked(case, *names, **settings):
    model, features, raw = case
    looking = LOOKING.model_copy(update={"segments": names, **settings})
    return steps.evaluate(model, features, looking, rows=raw)


def test_each_value_has_the_metric_of_its_rows(case):
    evaluation, predictions = looked(case, "plan", segment_rows=2)
    (plans,) = evaluation.segments
    assert (plans.column, plans.metric, plans.better, plans.whole) == ("plan", "roc_auc", "higher", evaluation.roc_auc)
    rows = case[2].order_by("id").to_pandas()
    said = predictions.to_pandas()
    names = rows.plan.fillna("(missing)")
    assert [each.name for each in plans.segments] == list(names.value_counts().index)
    for each in plans.segments:
        mask = (names == each.name).to_numpy()
        assert each.rows == mask.sum()
        assert each.observed == pytest.approx(said.left[mask].mean(), rel=1e-5)
        assert each.predicted == pytest.approx(said.probability[mask].mean(), rel=1e-5)
        if each.name != "(missing)":
            assert each.value == pytest.approx(sk.roc_auc_score(said.left[mask], said.probability[mask]), rel=1e-5)
            assert each.bounds.low < each.value < each.bounds.high


def test_small_ones_are_left_out_and_counted(case):
    evaluation, _ = looked(case, "plan", segment_rows=50)
    (plans,) = evaluation.segments
    missing = int(case[2].plan.isnull().sum().execute())
    assert {each.name for each in plans.segments} == {"basic", "plus", "pro"}
    assert (plans.small, plans.small_rows, plans.min_rows) == (1, missing, 50)
    assert sum(each.rows for each in plans.segments) + missing == evaluation.rows


def test_numbers_become_bands(case):
    evaluation, _ = looked(case, "spend", segment_rows=2, segment_metric="brier")
    (spend,) = evaluation.segments
    assert len(spend.segments) == 6
    assert spend.segments[-1].name == "(missing)"
    lows = [float(each.name.split(" to ")[0]) for each in spend.segments[:-1]]
    assert lows == sorted(lows)
    assert max(each.rows for each in spend.segments[:-1]) < 1.1 * min(each.rows for each in spend.segments[:-1])
    observed = [each.observed for each in spend.segments[:-1]]
    assert observed[-1] > observed[0] + 0.2
    few, _ = looked(case, "calls", segment_rows=2)
    assert {"0", "1", "2"} <= {each.name for each in few.segments[0].segments}


def test_of_very_many_only_the_largest_are_kept(case, monkeypatch):
    monkeypatch.setattr(_segmenting, "_MOST", 2)
    evaluation, _ = looked(case, "plan", segment_rows=50)
    (plans,) = evaluation.segments
    assert [each.name for each in plans.segments] == ["basic", "plus"]
    assert (plans.beyond, plans.small) == (1, 1)
    assert sum(each.rows for each in plans.segments) + plans.beyond_rows + plans.small_rows == evaluation.rows


def test_the_order_of_the_rows_does_not_matter(case):
    model, features, raw = case
    looking = LOOKING.model_copy(update={"segments": ("plan", "spend")})
    first = steps.evaluate(model, features, looking, rows=raw)
    second = steps.evaluate(model, features, looking, rows=raw.order_by(raw.id.desc()))
    assert first.evaluation == second.evaluation
    assert steps.evaluate(model, features, looking.model_copy(update={"seed": 9}), rows=raw) != first


def test_more_rows_than_those_of_the_test_part_are_fine(case, customers):
    model, features, _ = case
    assert looked((model, features, customers), "plan").evaluation == looked(case, "plan").evaluation


def test_features_need_no_rows(case):
    model, features, _ = case
    looking = LOOKING.model_copy(update={"segments": ("high",)})
    (high,) = steps.evaluate(model, features, looking).evaluation.segments
    assert {each.name for each in high.segments} == {"0", "1"}


def test_a_segment_of_one_class_has_no_value(case, make_table):
    model, features, raw = case
    rows = raw.order_by("id").to_pyarrow()
    group = pa.array(np.where(rows["left"].to_numpy() == 1, "leavers", "others"))
    evaluation, _ = looked((model, features, make_table(id=rows["id"], group=group)), "group")
    for each in evaluation.segments[0].segments:
        assert (each.value, each.bounds) == (None, None)


class TestMistakes:
    def test_raw_rows_are_needed(self, case):
        model, features, _ = case
        with pytest.raises(UsageError, match=r"names plan, which the features do not have.*rows=test_set"):
            steps.evaluate(model, features, LOOKING.model_copy(update={"segments": ("plan",)}))

    def test_no_such_column(self, case):
        with pytest.raises(DataError, match=r"evaluating\.segments: the table has no column 'plam'.*mean 'plan'"):
            looked(case, "plam")

    def test_other_rows(self, case):
        model, features, _ = case
        with pytest.raises(DataError, match="3 of 800 keys of the test part are not among the `rows`"):
            looked((model, features, case[2].order_by("id").limit(797)), "plan")

    def test_a_row_twice(self, case):
        model, features, raw = case
        with pytest.raises(DataError, match="more than one row for some 'id'"):
            looked((model, features, raw.union(raw)), "plan")

    def test_another_metric(self, case):
        with pytest.raises(UsageError, match="'rmse' is no metric of binary models"):
            looked(case, "plan", segment_metric="rmse")
        with pytest.raises(ValidationError, match=r"'rok_auc' is no metric\. Did you mean 'roc_auc'"):
            steps.Evaluating(segment_metric="rok_auc")

    def test_a_text_is_one_column(self):
        assert steps.Evaluating.model_validate({"segments": "plan"}).segments == ("plan",)
