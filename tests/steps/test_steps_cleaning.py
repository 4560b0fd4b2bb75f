from __future__ import annotations

import math

import pyarrow as pa
import pytest

from firnflow import context, steps
from firnflow.errors import DataError


def test_text_is_trimmed_and_blanks_are_null(make_table, helpers):
    table = make_table(id=[" A ", "b"], region=[" North", "  "])
    cleaned = steps.clean(table, "id", steps.Cleaning(case="lower"))
    assert helpers.rows(cleaned) == [{"id": "A", "region": "north"}, {"id": "b", "region": None}]


def test_nan_and_infinity_are_null(make_table, helpers):
    table = make_table(id=[1, 2, 3], x=[math.nan, math.inf, 1.5])
    assert [r["x"] for r in helpers.rows(steps.clean(table, "id", steps.Cleaning()))] == [None, None, 1.5]


def test_text_columns_are_read_as_numbers(make_table, helpers):
    table = make_table(id=[1, 2, 3], x=["1.5", " ", "n/a"])
    cleaned = steps.clean(table, "id", steps.Cleaning(numeric=("x",)))
    assert [r["x"] for r in helpers.rows(cleaned)] == [1.5, None, None]


def test_clamping_keeps_type_and_nulls(make_table, helpers):
    table = make_table(id=[1, 2, 3, 4], age=pa.array([0, 199, None, 50], pa.int32()))
    cleaned = steps.clean(table, "id", steps.Cleaning(clamp={"age": (18, 100)}))
    assert [r["age"] for r in helpers.rows(cleaned)] == [18, 100, None, 50]
    assert str(cleaned.to_pyarrow().schema.field("age").type) == "int32"


def test_one_row_per_key_whatever_the_order(make_table, helpers):
    values = {"id": [1, 1, 2, None, 2], "x": [3.0, 2.0, None, 1.0, 9.0], "y": ["b", "c", "a", "z", "a"]}
    found = [
        helpers.rows(steps.clean(make_table(**{k: v[::step] for k, v in values.items()}), "id", steps.Cleaning()))
        for step in (1, -1)
    ]
    assert found[0] == found[1] == [{"id": 1, "x": 2.0, "y": "c"}, {"id": 2, "x": 9.0, "y": "a"}]


def test_repeated_rows_stay_where_asked(make_table):
    table = make_table(id=[1, 1])
    assert steps.clean(table, "id", steps.Cleaning(deduplicate=False)).count().execute() == 2


def test_unknown_column_gets_the_nearest_name(make_table):
    table = make_table(customer_id=[1])
    with pytest.raises(DataError, match=r"columns\.key: .*'customerid'.* Did you mean 'customer_id'"):
        steps.clean(table, "customerid", steps.Cleaning())
    with pytest.raises(DataError, match=r"cleaning\.clamp: .*no column 'age'"):
        steps.clean(table, "customer_id", steps.Cleaning(clamp={"age": (0, 1)}))


def test_clamping_text_is_refused(make_table):
    with pytest.raises(DataError, match=r"cleaning\.clamp: column 'x' is string, not a number"):
        steps.clean(make_table(id=[1], x=["a"]), "id", steps.Cleaning(clamp={"x": (0, 1)}))


@pytest.fixture
def two(make_table):
    left = make_table(id=[1, 2, 2, 3], a=[1, 2, 2, 3])
    right = make_table(id=[2, 3, 3, 9], b=["x", "y", "y", "z"])
    return left, right


def test_join_measures_the_share_of_matched_keys(two, caplog):
    caplog.set_level("INFO", "firnflow.steps")
    token = context.enter(context.TaskContext("run", "join", 1))
    try:
        joined = steps.join(*two, "id", steps.Joining(min_rate=0.95))
        assert context.current().metrics == {"join_rate": pytest.approx(2 / 3)}
    finally:
        context.leave(token)
    assert joined.columns == ("id", "a", "b")
    assert joined.count().execute() == 4
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "66.67 % of 3 keys of the left table are in the right one, less than joining.min_rate = 0.95" in caplog.text


def test_left_join_keeps_unmatched_rows(two, helpers):
    joined = steps.join(*two, "id", steps.Joining(how="left"))
    assert joined.columns == ("id", "a", "b")
    assert {"id": 1, "a": 1, "b": None} in helpers.rows(joined)


def test_a_good_join_rate_is_no_warning(make_table, caplog):
    caplog.set_level("INFO", "firnflow.steps")
    table = make_table(id=[1, 2], a=[1, 2])
    steps.join(table, make_table(id=[1, 2], b=[1, 2]), "id", steps.Joining())
    assert [r.levelname for r in caplog.records] == ["INFO"]


def test_join_of_empty_tables(make_table):
    empty = make_table(id=pa.array([], pa.int64()))
    assert steps.join(empty, make_table(id=[1], b=[1]), "id", steps.Joining()).count().execute() == 0


def test_join_without_the_key(make_table):
    with pytest.raises(DataError, match=r"columns\.key, right table: .*'id'"):
        steps.join(make_table(id=[1]), make_table(other=[1]), "id", steps.Joining())
