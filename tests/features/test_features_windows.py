"""Windows that do not look ahead, against a slow reference that reads row by row."""

from __future__ import annotations

import datetime as dt
import random

import ibis
import pyarrow as pa
import pytest

from firnflow.errors import FeatureError
from firnflow.features import window

START = dt.datetime.fromisoformat("2024-01-01")


@pytest.fixture(scope="module")
def rows():
    luck = random.Random(1)
    return [
        {
            "id": number,
            "county": luck.choice(["x", "y", None]),
            "kind": luck.choice([1, 2]),
            "t": None if luck.random() < 0.1 else START + dt.timedelta(days=luck.randint(0, 30)),
            "income": luck.choice([None, *range(10)]),
        }
        for number in range(300)
    ]


@pytest.fixture
def table(rows, make_table):
    return make_table(**pa.Table.from_pylist(rows).to_pydict())


def before(rows, row, by, over, *, at):
    if row["t"] is None or any(row[name] is None for name in by):
        return None
    same = [r for r in rows if r["t"] is not None and all(r[name] == row[name] for name in by)]
    if at:
        return [r for r in same if r["t"] <= row["t"] and (over is None or r["t"] > row["t"] - over)]
    return [r for r in same if r["t"] < row["t"] and (over is None or r["t"] >= row["t"] - over)]


@pytest.mark.parametrize("at", [False, True])
@pytest.mark.parametrize("days", [None, 1, 7])
@pytest.mark.parametrize("by", [(), ("county",), ("county", "kind")])
@pytest.mark.parametrize("kind", ["us", "ns", "date", "zone"])
def test_windows_equal_the_slow_reference(table, rows, at, days, by, kind):
    over = days and dt.timedelta(days=days)
    kinds = {"us": "timestamp", "ns": "timestamp(9)", "date": "date", "zone": "timestamp('Europe/Zurich')"}
    table = table.mutate(t=table.t.cast(kinds[kind]))
    options = {"time": "t", "by": by, "over": over, "at": at}
    result = table.mutate(total=window(table.income.sum(), **options), many=window(table.count(), **options))
    found = {row["id"]: row for row in result.to_pyarrow().to_pylist()}
    for row in rows:
        there = before(rows, row, by, over, at=at)
        known = [r["income"] for r in there or () if r["income"] is not None]
        assert found[row["id"]]["many"] == (None if there is None else len(there))
        assert found[row["id"]]["total"] == (sum(known) if known else None)


def test_it_is_an_expression_like_any_other(table):
    high = table.income > window(table.income.mean(), time="t", by="county", over="7d")
    assert table.filter(high).count().execute() > 0
    assert window(table.income.max(), time="t").type() == table.income.type()


def test_moments_closer_than_a_microsecond_are_one(make_table):
    t = make_table(t=pa.array([0, 1_000, 1_400, 2_000], pa.timestamp("ns")), x=[1, 2, 4, 8])
    result = t.mutate(before=window(t.x.sum(), time="t")).order_by("t").to_pyarrow()
    assert result["before"].to_pylist() == [None, 1, 1, 7]


def test_mistakes_are_named(table):
    with pytest.raises(FeatureError, match="time: a TimestampColumn is no name of a column"):
        window(table.income.mean(), time=table.t)
    with pytest.raises(FeatureError, match="by: a StringColumn is no name of a column"):
        window(table.income.mean(), time="t", by=table.county)
    with pytest.raises(FeatureError, match="time: there is no column 'tt'"):
        window(table.income.mean(), time="tt")
    with pytest.raises(FeatureError, match=r"by: there is no column 'contry'. Did you mean 'county'"):
        window(table.income.mean(), time="t", by="contry")
    with pytest.raises(FeatureError, match="time: column 'income' is int64, neither a timestamp nor a date"):
        window(table.income.mean(), time="income")
    with pytest.raises(FeatureError, match="over: '30 dys' is not a duration"):
        window(table.income.mean(), time="t", over="30 dys")
    with pytest.raises(FeatureError, match=r"takes an aggregate of one table.* not IntegerColumn"):
        window(table.income, time="t")
    with pytest.raises(FeatureError, match=r"takes an aggregate of one table.* not a value of none"):
        window(ibis.literal(1), time="t")
