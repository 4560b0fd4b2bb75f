from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from firnflow import steps
from firnflow.errors import DataError


def keys(table):
    return set(table.to_pyarrow()["id"].to_pylist())


def test_parts_are_stratified_exactly_and_never_overlap(customers, columns):
    parts = steps.split(customers, columns, steps.Splitting(test_share=0.2))
    assert keys(parts.train) | keys(parts.test) == keys(customers)
    assert not keys(parts.train) & keys(parts.test)
    for value in (0, 1):
        total = customers.filter(customers.left == value).count().execute()
        assert parts.test.filter(parts.test.left == value).count().execute() == round(total * 0.2)
    assert parts.quality.train_rows + parts.quality.test_rows == 2000
    assert abs(parts.quality.train_rate - parts.quality.test_rate) < 0.001
    assert {m.column for m in parts.quality.means} == {"spend", "calls"}


def test_the_division_depends_on_keys_and_seed_only(customers, columns, make_table, helpers):
    parts = steps.split(customers, columns, steps.Splitting())
    shuffled = customers.to_pyarrow().take(np.random.default_rng(1).permutation(2000))
    again = steps.split(make_table(**{n: shuffled[n] for n in shuffled.column_names}), columns, steps.Splitting())
    other = steps.split(customers, columns, steps.Splitting(seed=43))
    assert keys(parts.test) == keys(again.test)
    assert parts.quality == again.quality
    assert 250 < len(keys(parts.test) - keys(other.test)) < 400


def test_other_columns_do_not_change_the_division(customers, columns):
    parts = steps.split(customers, columns, steps.Splitting())
    changed = customers.mutate(spend=customers.spend * 2, plan=customers.plan.upper())
    assert keys(parts.test) == keys(steps.split(changed, columns, steps.Splitting()).test)


@pytest.mark.parametrize(
    ("label", "positive", "expected"),
    [
        (["Yes", "No"], "Yes", [1, 0]),
        (["Yes", "No"], "No", [0, 1]),
        ([True, False], True, [1, 0]),
        ([2, 1], 2, [1, 0]),
        ([1.0, 0.0], 1, [1, 0]),
    ],
)
def test_labels_become_zero_and_one(make_table, label, positive, expected):
    table = make_table(id=range(100), left=label * 50, x=range(100))
    parts = steps.split(table, steps.Columns(key="id", label="left", positive=positive), steps.Splitting())
    for part in parts[:2]:
        for row in part.to_pyarrow().to_pylist():
            assert row["left"] == expected[row["id"] % 2]
        assert str(part.to_pyarrow().schema.field("left").type) == "int8"


def test_rows_without_a_label_are_left_out_and_counted(make_table, columns):
    table = make_table(id=range(120), left=[0, 1, None] * 40, x=[1.0] * 120)
    parts = steps.split(table, columns, steps.Splitting())
    assert (parts.quality.train_rows, parts.quality.test_rows, parts.quality.dropped) == (64, 16, 40)


def test_ignored_columns_are_left_out(customers):
    columns = steps.Columns(key="id", label="left", ignore=("plan",))
    assert steps.split(customers, columns, steps.Splitting()).train.columns == ("id", "spend", "calls", "left")


@pytest.mark.parametrize(
    ("label", "positive", "message"),
    [
        ([0, 1, 2] * 40, 1, r"has the values 0, 1, 2; only binary classification is supported"),
        (list(range(60)) * 2, 1, r"and more; only binary"),
        ([1] * 120, 1, r"is constant \(1\)"),
        ([None] * 120, 1, r"is constant \(none\)"),
        (["Yes", "No"] * 60, "yes", r"columns\.positive 'yes' is no value of 'left', which has 'No', 'Yes'"),
        (["1", "0"] * 60, 1, r"columns\.positive 1 is no value"),
        ([1, *[0] * 119], 1, r"1 positive \(1 counts as positive\); each class needs at least 10 rows"),
        ([0, *[1] * 119], 1, r"1 negative\b"),
    ],
)
def test_labels_that_are_not_binary(make_table, label, positive, message):
    kind = pa.int64() if label[0] is None else None
    table = make_table(id=range(120), left=pa.array(label, kind), x=range(120))
    with pytest.raises(DataError, match=message):
        steps.split(table, steps.Columns(key="id", label="left", positive=positive), steps.Splitting())


def unlike(make_table):
    """A column that follows the division itself, so that no seed makes the parts alike by it."""
    table = make_table(id=range(4000), left=[0, 1] * 2000)
    columns = steps.Columns(key="id", label="left")
    test = keys(steps.split(table, columns, steps.Splitting()).test)
    return make_table(id=range(4000), left=[0, 1] * 2000, x=[3.0 if i in test else 1.0 + i % 2 for i in range(4000)])


def test_a_difference_of_means_is_an_error_or_a_warning(make_table, columns, caplog):
    table = unlike(make_table)
    with pytest.raises(DataError, match=r"mean of x: 1\.5 in training, 3 in test \(100\.0 % apart\)"):
        steps.split(table, columns, steps.Splitting())
    parts = steps.split(table, columns, steps.Splitting(on_failure="warn"))
    assert parts.quality.failures == ("mean of x: 1.5 in training, 3 in test (100.0 % apart)",)
    assert "the training and the test part differ" in caplog.text


def test_a_difference_that_chance_explains_passes(make_table, columns):
    rng = np.random.default_rng(3)
    table = make_table(id=range(60), left=[0, 1] * 30, x=rng.lognormal(0, 2, 60))
    quality = steps.split(table, columns, steps.Splitting()).quality
    (mean,) = quality.means
    assert mean.difference > 0.1
    assert mean.passed


def test_text_keys(make_table, columns):
    table = make_table(id=[f"{i:04}-ABC" for i in range(500)], left=[0, 1] * 250, x=range(500))
    parts = steps.split(table, columns, steps.Splitting())
    assert (parts.quality.train_rows, parts.quality.test_rows) == (400, 100)


def test_a_column_of_nulls_is_not_compared(make_table, columns):
    table = make_table(id=range(100), left=[0, 1] * 50, x=pa.array([None] * 100, pa.float64()))
    assert steps.split(table, columns, steps.Splitting()).quality.means == ()


def test_the_definition_of_the_division_tells_the_parts_apart(customers, columns):
    parts = steps.split(customers, columns, steps.Splitting(test_share=0.3, seed=7))
    holdout = parts.quality.holdout
    assert (holdout.key, holdout.label, holdout.seed, holdout.test_share) == ("id", "left", 7, 0.3)
    marked = {
        name: holdout.seen(part, "was_seen").to_pyarrow() for name, part in parts._asdict().items() if name != "quality"
    }
    assert set(marked["train"]["was_seen"].to_pylist()) == {True}
    assert set(marked["test"]["was_seen"].to_pylist()) == {False}
    assert marked["test"].column_names == [*parts.test.columns, "was_seen"]
    other = steps.split(customers, columns, steps.Splitting(test_share=0.3, seed=8)).quality.holdout
    assert 0.6 < np.mean(other.seen(parts.test, "was_seen").to_pyarrow()["was_seen"].to_pylist()) < 0.8


class TestNumbers:
    """A label that is a number."""

    def table(self, make_table, label):
        return make_table(id=range(len(label)), left=label, x=range(len(label)))

    def test_exactly_by_the_share_whatever_the_label(self, make_table, columns):
        rng = np.random.default_rng(0)
        label = pa.array(rng.normal(50, 10, 1010), mask=np.arange(1010) >= 1000)
        splitting = steps.Splitting(test_share=0.25, stratify=False)
        parts = steps.split(self.table(make_table, label), columns, splitting)
        assert (parts.quality.train_rows, parts.quality.test_rows, parts.quality.dropped) == (750, 250, 10)
        assert parts.quality.train_rate == pytest.approx(50, abs=2)
        assert {each.column for each in parts.quality.means} == {"left", "x"}
        assert str(parts.train.left.type()) == "float64"
        seen = parts.quality.holdout.seen(parts.test, "seen")
        assert seen.seen.any().execute() == False  # noqa: E712 - NumPy's
        assert parts.quality.holdout.seen(parts.train, "seen").seen.all().execute()

    @pytest.mark.parametrize("label", [["a", "b"] * 50, [1.0] * 100, [1.0, 2.0], pa.array([None] * 90, pa.float64())])
    def test_what_is_no_number(self, make_table, columns, label):
        with pytest.raises(DataError, match=r"columns\.label"):
            steps.split(self.table(make_table, label), columns, steps.Splitting(stratify=False))

    def test_the_way_is_shown(self, make_table, columns):
        with pytest.raises(DataError, match=r"if it is a number: splitting\.stratify = false"):
            steps.split(self.table(make_table, [float(i) for i in range(100)]), columns, steps.Splitting())
