"""Series of usage: no day is missing, what is unknown is told from what was not used; wrong files are said clearly."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from firnflow.errors import DataError, UsageError
from usage_anomalies import generator
from usage_anomalies.features import COLUMNS, TOTAL, Reading, features
from usage_anomalies.generator import World

FIRST = dt.date(2026, 1, 1)


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


@pytest.fixture
def of(warehouse):
    def make(table, **settings):
        columns = {name: settings.pop(name) for name in ("time", "value", "combine") if name in settings}
        given = warehouse.create_table("rows_of_usage", table, overwrite=True)
        return features(given, Reading(**settings), **columns).to_pyarrow().to_pylist()

    return make


def series(rows, category):
    return [row["usage"] for row in rows if row["category"] == category]


def snowflake(*rows):
    names = ("ACCOUNT_NAME", "USAGE_TYPE", "USAGE_DATE", "USAGE_IN_CURRENCY", "IS_ADJUSTMENT", "CURRENCY")
    return pa.Table.from_pylist(
        [dict(zip(names, (*row, *(False, "USD")[len(row) - 4 :]), strict=True)) for row in rows]
    )


def test_each_day_of_each_category_equals_a_slow_reference(of):
    world = World(days=150, missing=0.05)
    table = generator.usage(world)
    expected = {}
    for row in table.to_pylist():
        if not row["IS_ADJUSTMENT"]:
            parts = (row["ACCOUNT_NAME"], row["USAGE_TYPE"].removeprefix("overage-"), row["WAREHOUSE_NAME"])
            key = "/".join(filter(None, parts)), row["USAGE_DATE"]
            expected[key] = expected.get(key, 0.0) + row["USAGE_IN_CURRENCY"]
    known = {date for _, date in expected}
    found = of(table)
    assert len(found) == world.days * (len(generator.CATEGORIES) + 1)
    for row in found:
        if row["category"] == TOTAL:
            there = [value for (_, date), value in expected.items() if date == row["day"]]
            assert row["usage"] == (pytest.approx(sum(there)) if there else None)
        elif row["day"] in known:
            assert row["usage"] == pytest.approx(expected.get((row["category"], row["day"]), 0.0))
        else:
            assert row["usage"] is None
        assert row["filled"] == (row["category"] != TOTAL and (row["category"], row["day"]) not in expected) or (
            row["category"] == TOTAL and row["day"] not in known
        )


def test_nothing_was_used_where_others_have_rows_and_nothing_is_known_where_nobody_has(of):
    rows = of(
        snowflake(("a", "x", day(0), 1.0), ("a", "x", day(1), 2.0), ("a", "x", day(4), 3.0), ("b", "x", day(1), 5.0))
    )
    assert series(rows, "a/x") == [1.0, 2.0, None, None, 3.0]
    assert series(rows, "b/x") == [5.0, None, None, 0.0]  # it begins with its first row
    assert series(rows, TOTAL) == [1.0, 7.0, None, None, 3.0]


def test_adjustments_and_the_contract_change_no_series(of):
    rows = of(
        snowflake(
            ("a", "compute", day(0), 10.0),
            ("a", "compute", day(1), -3.0, True),
            ("a", "overage-compute", day(1), 6.0),
            ("a", "compute", day(1), 5.0),
        )
    )
    assert [(row["category"], row["usage"]) for row in rows] == [("a/compute", 10.0), ("a/compute", 11.0)]


def test_any_series_is_read_whatever_its_columns_are_called(of):
    table = pa.table({"tag": ["x"] * 3, "bis": [1, 2, 3], "am": [day(0), day(1), day(3)]})
    rows = of(table)
    assert (list(rows[0]), series(rows, "bis")) == (list(COLUMNS), [1.0, 2.0, None, 3.0])
    several = pa.table({"at": [day(0)] * 3, "x": [1.0, 2.0, 3.0], "y": [9] * 3, "team": ["a/b", "a", "a"]})
    rows = of(several, value="x", categories=("team",))
    assert {row["category"]: row["usage"] for row in rows} == {"a∕b": 1.0, "a": 5.0, TOTAL: 6.0}
    assert series(of(several, value="x", combine="mean"), "x") == [2.0]


def test_where_means_are_taken_a_missing_row_is_unknown(of):
    table = pa.table({"at": [day(0), day(0), day(1)], "degrees": [10.0, 20.0, 30.0], "city": ["a", "b", "a"]})
    rows = of(table, categories=("city",), combine="mean")
    assert (series(rows, "b"), series(rows, TOTAL)) == ([20.0, None], [15.0, 30.0])


def test_half_hours_become_hours_and_a_night_without_rows_is_unknown(of):
    at = [dt.datetime(2026, 1, 1, hour, minute) for hour in (0, 1, 23) for minute in (0, 30)]  # noqa: DTZ001 - local
    rows = of(pa.table({"at": at, "n": [1.0] * 6}))
    assert [row["usage"] for row in rows] == [2.0, 2.0, *[None] * 21, 2.0]
    assert [row["hour"] for row in rows] == list(range(24))


def test_small_categories_are_part_of_the_total_only(of):
    rows = of(snowflake(*((name, "x", day(0), size) for name, size in (("a", 3.0), ("b", 9.0), ("c", 1.0)))), most=2)
    assert {row["category"]: row["usage"] for row in rows} == {"a/x": 3.0, "b/x": 9.0, TOTAL: 13.0}


UTC = pa.timestamp("us", "UTC")
WRONG = {
    "two numbers": (pa.table({"at": [day(0)], "x": [1], "y": [2]}), {}, "2 columns of numbers.*--set value=x"),
    "no date": (pa.table({"at": ["1.2.26"], "x": [1]}), {}, r"no column of dates.*at \(string\).*usage.columns"),
    "no number": (pa.table({"at": [day(0)], "x": ["1,5"]}), {}, "no column of numbers"),
    "a text": (pa.table({"at": ["a"], "x": [1]}), {"time": "at"}, "'at' is string, not one of dates"),
    "a zone": (pa.table({"at": pa.array([0], UTC), "x": [1]}), {}, "have a zone"),
    "no time": (pa.table({"at": [day(0), None], "x": [1, 2]}), {}, "1 of 2 rows have no time"),
    "no value": (pa.table({"at": [day(0)], "x": pa.array([None], pa.float64())}), {}, "none of 1 rows has a value"),
    "infinite": (pa.table({"at": [day(0)], "x": [float("inf")]}), {}, "1 values are infinite"),
    "long": (pa.table({"at": [day(0), dt.date(202, 1, 1)], "x": [1, 2]}), {}, "0202-01-01 to 2026-01-01"),
    "no row": (pa.table({"at": pa.array([], pa.date32()), "x": pa.array([], pa.int64())}), {}, "has no row"),
    "a category": (
        pa.table({"at": [day(0)] * 2, "x": [1, 2], "c": ["total", "b"]}),
        {"categories": ("c",)},
        "is called 'total'",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_series_is_said(of, name):
    table, settings, message = WRONG[name]
    with pytest.raises(DataError, match=message):
        of(table, **settings)


def test_a_column_that_is_not_there_is_said_with_the_nearest(of):
    table = pa.table({"at": [day(0)], "amount": [1]})
    with pytest.raises(UsageError, match=r"no column 'amuont'. Did you mean 'amount'"):
        of(table, value="amuont")
    with pytest.raises(UsageError, match=r"reading.categories: usage has no column 'x; DROP TABLE y'"):
        of(table, categories=("x; DROP TABLE y",))


def test_money_of_several_currencies_is_not_added_up(of):
    table = snowflake(("a", "x", day(0), 1.0, False, "EUR"), ("a", "x", day(0), 2.0))
    with pytest.raises(DataError, match="several currencies: EUR, USD"):
        of(table)
    assert series(of(table, currency="EUR"), "a/x") == [1.0]
