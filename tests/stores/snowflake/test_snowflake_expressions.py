"""Expressions of Ibis give the same, by type and value, over DuckDB and in (emulated) Snowflake."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

ROWS = """
SELECT * FROM (VALUES
    (1, 'a', 'Hello, World', 7, 2, 2.5::DOUBLE, 1.005::DECIMAL(10, 3), DATE '2024-02-29',
     TIMESTAMP '2024-03-10 02:30:15.123456', TIMESTAMPTZ '2024-03-10 02:30:15.123456+02:00', true, [3, 1, 12],
     '{"a": [1, 2.5, "x"], "b": {"c": null}}'::JSON, TIME '12:34:56.789'),
    (2, 'a', ' trim me ', -7, 2, -2.5, -1.005, DATE '2023-12-31', TIMESTAMP '1969-12-31 23:59:59.5',
     TIMESTAMPTZ '2024-07-01 00:00:00+00:00', false, [1], '{"a": [], "d": "s"}'::JSON, TIME '00:00:00'),
    (3, 'b', 'ÄÖ-ß_x%y', 7, -2, 0.5, 0.125, DATE '2024-01-01', TIMESTAMP '2024-12-31 00:00:00',
     TIMESTAMPTZ '2024-12-31 23:30:00-05:00', NULL, [], '{}'::JSON, TIME '23:59:59'),
    (4, 'b', '', 9007199254740993, 5, 3.5, 12345.678, DATE '2000-03-01', TIMESTAMP '2000-02-28 12:00:00',
     TIMESTAMPTZ '2000-01-01 00:00:00+00:00', true, [5, NULL, 7], '{"a": "q"}'::JSON, TIME '01:02:03'),
    (5, 'c', NULL, NULL, 3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (6, 'a', 'a,b,,c', 13, 4, 3.49999, 2.675, DATE '2021-06-15', TIMESTAMP '2021-06-15 08:00:00',
     TIMESTAMPTZ '2021-06-15 08:00:00+00:00', false, [1, 1, 2], '{"a": [true]}'::JSON, TIME '08:00:00')
) t(k, g, s, i, j, f, d, day, ts, tz, b, xs, js, tm)
"""
Make = "Callable[[Any], Any]"
NEW_YEAR = dt.date(2024, 1, 1)
TEXTS: dict[str, Make] = {
    "upper": lambda t: t.s.upper(),
    "length": lambda t: t.s.length(),
    "strip": lambda t: t.s.strip(),
    "lstrip": lambda t: t.s.lstrip(),
    "rstrip": lambda t: t.s.rstrip(),
    "substr": lambda t: t.s.substr(1, 3),
    "right": lambda t: t.s.right(3),
    "find": lambda t: t.s.find("o"),
    "contains": lambda t: t.s.contains("l"),
    "endswith": lambda t: t.s.endswith("d"),
    "ilike": lambda t: t.s.ilike("hello%"),
    "replace": lambda t: t.s.replace("l", "L"),
    "re_search": lambda t: t.s.re_search("[A-Z]+l"),
    "re_extract": lambda t: t.s.re_extract("([a-z]+),", 1),
    "re_replace": lambda t: t.s.re_replace("[aeiou]", "*"),
    "split": lambda t: t.s.split(","),
    "lpad": lambda t: t.s.lpad(5, "*"),
    "repeat": lambda t: t.s.repeat(2),
    "reverse": lambda t: t.s.reverse(),
    "concat": lambda t: t.s + "-" + t.g,
    "capitalize": lambda t: t.s.capitalize(),
    "translate": lambda t: t.s.translate("lo", "01"),
    "md5": lambda t: t.s.hexdigest("md5"),
    "sha256": lambda t: t.s.hexdigest("sha256"),
    "levenshtein": lambda t: t.s.levenshtein("Hello"),
    "is_in": lambda t: t.g.isin(["a", "c"]),
    "cases": lambda t: t.i.cases((7, "seven"), else_="other"),
}
NUMBERS: dict[str, Make] = {
    "sum": lambda t: t.i + t.j,
    "product": lambda t: t.j * t.j,
    "quotient": lambda t: t.i / t.j,
    "floor_division": lambda t: t.i // t.j,
    "nearly_one": lambda t: (t.k * 0 + 6_999_999_999) // 7_000_000_000,
    "modulo": lambda t: t.i % t.j,
    "power": lambda t: t.j**2,
    "bits": lambda t: (t.k & t.j) | (t.k ^ 6),
    "round": lambda t: t.f.round(),
    "round_decimal": lambda t: t.d.round(1),
    "round_quotient": lambda t: (t.f / 3).round(2),
    "round_tens": lambda t: t.j.round(-1),
    "ceil": lambda t: t.f.ceil(),
    "floor": lambda t: t.f.floor(),
    "sqrt": lambda t: t.j.abs().sqrt(),
    "log10": lambda t: t.j.abs().log10(),
    "clip": lambda t: t.i.clip(-1, 8),
    "sign": lambda t: t.i.sign(),
    "is_nan": lambda t: t.f.isnan(),
    "half_to_int": lambda t: t.f.cast("int64"),
    "decimal_to_int": lambda t: t.d.cast("int64"),
    "int_to_text": lambda t: t.i.cast("string"),
    "float_to_text": lambda t: t.f.cast("string"),
    "bool_to_text": lambda t: t.b.cast("string"),
    "int_to_decimal": lambda t: t.j.cast("decimal(12,2)"),
    "float_to_decimal": lambda t: t.f.cast("decimal(12,1)"),
    "try_cast": lambda t: t.s.try_cast("int64"),
    "greatest": lambda t: ibis.greatest(t.i, t.j),
    "least": lambda t: ibis.least(t.i, t.j),
    "coalesce": lambda t: ibis.coalesce(t.i, t.j),
    "null_if": lambda t: t.i.nullif(7),
    "identical": lambda t: t.i.identical_to(t.j),
    "three_valued": lambda t: (t.b & (t.i > 3)) | ~t.b,
}
MOMENTS: dict[str, Make] = {
    "week": lambda t: t.ts.week_of_year(),
    "iso_year": lambda t: t.ts.iso_year(),
    "weekday": lambda t: t.day.day_of_week.index(),
    "weekday_name": lambda t: t.day.day_of_week.full_name(),
    "second": lambda t: t.ts.second(),
    "millisecond": lambda t: t.ts.millisecond(),
    "microsecond": lambda t: t.ts.microsecond(),
    "epoch": lambda t: t.ts.epoch_seconds(),
    "month_begins": lambda t: t.ts.truncate("M"),
    "week_begins": lambda t: t.ts.truncate("W"),
    "text": lambda t: t.ts.cast("string"),
    "day_text": lambda t: t.day.cast("string"),
    "written": lambda t: t.ts.strftime("%Y-%m-%d %H:%M:%S"),
    "next_month": lambda t: t.day + ibis.interval(months=1),
    "hours_later": lambda t: t.ts + ibis.interval(hours=5),
    "days_since": lambda t: t.day.delta(NEW_YEAR, unit="day"),
    "weeks_since": lambda t: t.day.delta(NEW_YEAR, unit="week"),
    "months_since": lambda t: t.day.delta(NEW_YEAR, unit="month"),
    "hours_since": lambda t: t.ts.delta(ibis.timestamp("2024-01-01 00:00:00"), unit="hour"),
    "between": lambda t: t.day.between("2024-01-01", "2024-12-31"),
    "zoned_hour": lambda t: t.tz.hour(),
    "zoned_day": lambda t: t.tz.date(),
    "zoned_later": lambda t: t.tz + ibis.interval(days=1),
    "zoned_begins": lambda t: t.tz.truncate("D"),
    "of_parts": lambda t: ibis.date(t.k + 2000, 2, 3),
    "of_epoch": lambda t: t.k.cast("int64").as_timestamp("s"),
    "time": lambda t: t.ts.time(),
    "time_hour": lambda t: t.tm.hour(),
}
NESTED: dict[str, Make] = {
    "size": lambda t: t.xs.length(),
    "first": lambda t: t.xs[0],
    "slice": lambda t: t.xs[1:],
    "contains": lambda t: t.xs.contains(1),
    "sorted": lambda t: t.xs.sort(),
    "unique": lambda t: t.xs.unique().sort(),
    "joined": lambda t: t.s.split(",").join("|"),
    "filtered": lambda t: t.xs.filter(lambda x: x > 1),
    "position": lambda t: t.xs.index(1),
    "made": lambda t: ibis.array([t.j, t.k]),
    "struct": lambda t: ibis.struct({"x": t.i, "y": t.s}),
    "field": lambda t: ibis.struct({"x": t.i, "y": t.s})["y"],
    "json": lambda t: t.js["a"],
    "json_item": lambda t: t.js["a"][0],
    "json_text": lambda t: t.js["d"].str,
    "json_int": lambda t: t.js["a"][0].int,
}
AGGREGATES: dict[str, Make] = {
    "count": lambda t: t.i.count(),
    "distinct": lambda t: t.s.nunique(),
    "sum": lambda t: t.i.sum(),
    "mean": lambda t: t.i.mean(),
    "spread": lambda t: t.j.max() - t.j.min(),
    "least_text": lambda t: t.s.min(),
    "last_day": lambda t: t.day.max(),
    "deviation": lambda t: t.j.std(),
    "variance": lambda t: t.j.var(how="pop"),
    "median": lambda t: t.j.median(),
    "quantile": lambda t: t.j.quantile(0.25),
    "any": lambda t: t.b.any(),
    "all": lambda t: t.b.all(),
    "true": lambda t: t.b.sum(),
    "decimals": lambda t: t.d.sum(),
    "decimal_mean": lambda t: t.d.mean(),
    "collected": lambda t: t.i.collect(order_by=t.k),
    "joined": lambda t: t.s.group_concat(",", order_by=t.k),
    "at_most": lambda t: t.s.argmax(t.i),
    "first": lambda t: t.j.first(order_by=t.k),
    "of_none": lambda t: t.i.sum(where=t.g == "zz"),
    "covariance": lambda t: t.k.cov(t.j),
    "latest": lambda t: t.tz.max(),
}
BY_GROUP = {"group_by": "g", "order_by": "k"}
WINDOWS: dict[str, Make] = {
    "nulls_last": lambda t: ibis.row_number().over(order_by=[t.i.asc(), t.k]),
    "nulls_last_down": lambda t: ibis.row_number().over(order_by=[t.i.desc(), t.k]),
    "nulls_first": lambda t: ibis.row_number().over(order_by=[t.i.asc(nulls_first=True), t.k]),
    "rank": lambda t: ibis.rank().over(order_by=t.i),
    "percent": lambda t: ibis.percent_rank().over(order_by=t.i),
    "tiles": lambda t: ibis.ntile(3).over(order_by=t.k),
    "lag": lambda t: t.i.lag(1).over(**BY_GROUP),
    "lead": lambda t: t.j.lead(1, default=-1).over(**BY_GROUP),
    "running": lambda t: t.j.cumsum(group_by="g", order_by="k"),
    "rolling": lambda t: t.j.mean().over(**BY_GROUP, rows=(-1, 0)),
    "around": lambda t: t.j.max().over(**BY_GROUP, rows=(-2, 1)),
    "share": lambda t: t.j / t.j.sum().over(group_by="g"),
    "within": lambda t: t.j.std().over(group_by="g"),
}


@pytest.mark.parametrize("makes", [TEXTS, NUMBERS, MOMENTS, NESTED, WINDOWS], ids=len)
def test_what_rows_give_is_the_same_in_snowflake(both: Any, makes: dict[str, Make]) -> None:
    compare(both, lambda t: t.select("k", **{name: make(t) for name, make in makes.items()}))


def test_what_groups_give_is_the_same_in_snowflake(both: Any) -> None:
    compare(both, lambda t: t.group_by(k=t.g).agg(**{name: make(t) for name, make in AGGREGATES.items()}))
    compare(both, lambda t: t.agg(k=t.k.count(), **{name: make(t) for name, make in AGGREGATES.items()}))


def test_a_division_by_zero_fails_in_snowflake(both: Any) -> None:
    table = both.load(both.file(ROWS))
    with pytest.raises(Exception, match="Division by zero"):
        both.save(table.select(x=table.i / (table.k - 1)))


def compare(both: Any, make: Callable[[Any], Any]) -> None:
    """Compute a table in both places, and compare it column by column; floats to 1e-9."""
    ref = both.file(ROWS)
    right, found = (
        both.load(both.save(make(both.load(ref, here=here)), here=here), pa.Table) for here in (True, False)
    )
    assert found.schema.equals(right.schema)
    assert found.num_rows == right.num_rows
    found, right = (table.sort_by("k") for table in (found, right))
    differ = {
        name: (found[name].to_pylist(), right[name].to_pylist())
        for name in right.column_names
        if not all(map(same, found[name].to_pylist(), right[name].to_pylist()))
    }
    assert differ == {}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9) or (math.isnan(one) and math.isnan(other))
    return type(one) is type(other) and one == other
