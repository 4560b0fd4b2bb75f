"""Rules against rows: a brute-force reading of the same rules in Python must count the same."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections import Counter

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firnflow.errors import BadRowsError, ConfigError, DataError
from firnflow.graph.rules import Checks
from firnflow.stores.checks import quarantine, statement
from firnflow.stores.checks.judge import Circumstances, Past, judge
from firnflow.stores.checks.subject import fits, of_table

NOON = dt.datetime(2026, 2, 1, 12, tzinfo=dt.UTC).timestamp()
CON = ibis.duckdb.connect(threads=1)


def judged(rows, checks, **about):
    table = rows if isinstance(rows, ibis.Table) else ibis.memtable(rows)
    rules = checks if isinstance(checks, Checks) else Checks.model_validate(checks)
    return judge(CON, of_table(table, CON, "data"), rules, Circumstances(at=NOON, **about))


def broken(found):
    return {(each.column, each.rule): each.rows for each in found.result.broken}


# -- a reference ------------------------------------------------------------------------------------------------------

COLUMNS = {"a": pa.int64(), "b": pa.float64(), "c": pa.string()}
VALUES = {
    "a": st.one_of(st.none(), st.integers(-3, 3)),
    "b": st.one_of(st.none(), st.sampled_from([-1.5, 0.0, 0.5, 2.0, math.nan, math.inf])),
    "c": st.one_of(st.none(), st.sampled_from(["", "x", "xy", "it's", 'a"b', "ü"])),
}
RULES = {
    "a": st.fixed_dictionaries(
        {},
        optional={
            "null": st.booleans(),
            "min": st.integers(-3, 3),
            "max": st.integers(-3, 3),
            "values": st.lists(st.integers(-3, 3), min_size=1, max_size=4),
            "unique": st.booleans(),
            "references": st.just("other.k"),
        },
    ),
    "b": st.fixed_dictionaries(
        {}, optional={"null": st.booleans(), "min": st.sampled_from([-1.0, 0.5]), "max": st.sampled_from([0.5, 1])}
    ),
    "c": st.fixed_dictionaries(
        {},
        optional={
            "null": st.booleans(),
            "values": st.lists(st.sampled_from(["", "x", "it's", "ü"]), min_size=1, max_size=3),
            "pattern": st.sampled_from(["x+", "x.*", "[a-z']*", ""]),
            "unique": st.booleans(),
        },
    ),
}
OTHER = {0, 1, 2}
CHECKS = {
    "min": lambda value, wanted: not math.isnan(value) and value < wanted,  # NaN is the greatest
    "max": lambda value, wanted: math.isnan(value) or value > wanted,
    "values": lambda value, wanted: value not in wanted,
    "pattern": lambda value, wanted: re.fullmatch(wanted, value) is None,
    "references": lambda value, _: value not in OTHER,
}


def expected(rows, columns, keys):
    """Yield column, rule and the numbers of the rows that break it."""
    for column, rules in columns.items():
        for rule, wanted in rules.items():
            if rule == "null" and not wanted:
                yield column, rule, {n for n, row in enumerate(rows) if row[column] is None}
            elif rule == "unique" and wanted:
                yield column, rule, repeated(rows, [column])
            elif rule in CHECKS:
                there = [(n, row[column]) for n, row in enumerate(rows) if row[column] is not None]
                yield column, rule, {n for n, value in there if CHECKS[rule](value, wanted)}
    for key in keys:
        yield ", ".join(key), "unique", repeated(rows, key)


def repeated(rows, key):
    found = Counter(tuple(row[each] for each in key) for row in rows)
    whole = [(n, tuple(row[each] for each in key)) for n, row in enumerate(rows)]
    return {n for n, values in whole if None not in values and found[values] > 1}


@given(
    rows=st.lists(st.fixed_dictionaries(VALUES), max_size=12),
    columns=st.fixed_dictionaries(RULES),
    warned=st.fixed_dictionaries({"a": RULES["a"], "c": RULES["c"]}),
    keys=st.sampled_from([(), (("a", "c"),), (("a", "b"), ("c",))]),
)
@settings(max_examples=80, deadline=None)
def test_what_is_counted_is_what_a_reference_in_python_counts(rows, columns, warned, keys):
    for row in rows:  # one NaN: two are not equal to Python
        if row["b"] is not None and math.isnan(row["b"]):
            row["b"] = math.nan
    table = pa.Table.from_pylist(rows, schema=pa.schema(COLUMNS.items()))
    wanted = {name: {**rules, **({"warn": warned[name]} if name in warned else {})} for name, rules in columns.items()}
    checks = Checks.model_validate({"columns": wanted, "unique": keys, "min_rows": 0, "on_failure": "quarantine"})
    found = judged(table, checks, tables={"other": ibis.memtable({"k": [*OTHER, None]})})
    stops = list(expected(rows, columns, keys))
    warns = list(expected(rows, {name: rules for name, rules in warned.items() if rules}, ()))
    seen = [
        (each.column, each.rule, each.severity, each.rows) for each in found.result.findings if each.rows is not None
    ]
    told = [(*each[:2], "error", len(each[2])) for each in stops] + [
        (*each[:2], "warn", len(each[2])) for each in warns
    ]
    assert sorted(seen) == sorted(told)
    bad = set().union(*(each[2] for each in stops))
    assert (found.result.rows, found.result.bad_rows) == (len(rows), len(bad))
    kept = CON.con.execute(f"SELECT c0, c1, c2 FROM ({found.good})").fetchall()
    good = [tuple(row[each] for each in COLUMNS) for n, row in enumerate(rows) if n not in bad]
    assert Counter(map(repr, kept)) == Counter(map(repr, good))


# -- tables as a whole ------------------------------------------------------------------------------------------------


def test_columns_that_are_missing_of_another_type_or_too_many_are_told_at_once():
    found = judged({"a": ["1"], "z": [1]}, {"columns": {"a": "int", "b": "int"}, "extra": False, "unique": ["k"]})
    assert broken(found) == {("a", "type"): None, ("b", "missing"): None, ("k", "missing"): None, ("z", "extra"): None}
    with pytest.raises(
        DataError, match=r"data: a should be int, but is string\ndata: b is missing\n(?s:.*)nothing|Nothing"
    ):
        found.refuse()


@pytest.mark.parametrize(
    ("found", "wanted", "right"),
    [
        ("INTEGER", "int", True),
        ("UBIGINT", "int", True),
        ("UINTEGER", "int64", True),
        ("UBIGINT", "int64", False),
        ("BIGINT", "int32", False),
        ("TINYINT", "int16", True),
        ("FLOAT", "float", True),
        ("DOUBLE", "float32", False),
        ("DECIMAL(10,2)", "decimal(10, 2)", True),
        ("DECIMAL(10,2)", "float", False),
        ("ENUM('a', 'b')", "string", True),
        ("TIMESTAMP WITH TIME ZONE", "timestamptz", True),
        ("TIMESTAMP_NS", "timestamp", True),
        ("TIMESTAMP", "date", False),
    ],
)
def test_types_fit_where_nothing_is_lost(found, wanted, right):
    assert fits(found, wanted) is right


@pytest.mark.parametrize(
    ("newest", "kind", "kept"),
    [
        (dt.date(2026, 1, 31), "date", True),  # it ended at midnight
        (dt.date(2026, 1, 30), "date", False),
        (dt.datetime.fromisoformat("2026-01-31T12:00"), "timestamp", True),
        (dt.datetime.fromisoformat("2026-01-31T11:59"), "timestamp", False),
        (dt.datetime(2026, 1, 31, 13, tzinfo=dt.timezone(dt.timedelta(hours=1))), "timestamptz", True),
        (None, "date", False),
    ],
)
def test_freshness_is_measured_against_the_given_moment(newest, kind, kept):
    types = {"date": pa.date32(), "timestamp": pa.timestamp("us"), "timestamptz": pa.timestamp("us", "UTC")}
    table = pa.table({"t": pa.array([newest, None], types[kind])})
    found = judged(table, {"columns": {"t": kind}, "fresh": {"column": "t", "within": "1d"}})
    assert (found.result.outcome == "passed") is kept, found.result.lines()


def test_a_rule_under_warn_reports_and_lets_all_rows_go_on():
    rules = {"columns": {"a": {"max": 10, "warn": {"max": 2}}}, "warn": {"min_rows": 9, "unique": ["a"]}}
    found = judged({"a": [1, 3, 3]}, rules)
    assert found.result.outcome == "warned"
    assert broken(found) == {("a", "max"): 2, ("a", "unique"): 2, ("", "min_rows"): None}
    assert found.result.bad_rows == 0


def test_more_bad_rows_than_may_be_set_aside_stop_all():
    rules = {"columns": {"a": {"min": 0}}, "on_failure": "quarantine", "max_quarantined": 0.5}
    assert judged({"a": [-1, 1]}, rules).result.outcome == "quarantined"
    found = judged({"a": [-1, -2, 1]}, rules)
    assert found.result.outcome == "stopped"
    with pytest.raises(
        BadRowsError, match=r"2 of 3 rows are not(?s:.*)66.7 % of the rows would be set aside, more than"
    ):
        found.refuse()


# -- beside the last versions -----------------------------------------------------------------------------------------


def past(*loads, rows):
    return Past(tuple(range(1, len(loads) + 1)), loads, ibis.memtable(rows))


def test_rows_are_counted_against_the_median_of_the_last_loads():
    rules = {"row_change": {"min": 0.5, "max": 2}}
    rows = {"a": list(range(10))}
    assert judged(rows, rules, past=past(10, 1000, 12, rows=rows)).result.outcome == "passed"
    found = judged(rows, rules, past=past(30, 30, rows=rows))
    assert "has 10 rows, 0.333 times as many as versions 1, 2 with 30" in found.result.broken[0].said
    (alone,) = [each for each in judged(rows, rules).result.findings if each.rule == "row_change"]
    assert alone.status == "skipped"


def test_a_shift_is_drift_and_chance_is_none():
    before = {"a": [n % 100 for n in range(2_000)], "c": ["xyz"[n % 3] for n in range(2_000)]}
    rules = {"columns": {"a": {"drift": 0.1}, "c": {"drift": 0.1}}}
    same = {"a": [n * 7 % 100 for n in range(1_000)], "c": ["xyz"[n * 2 % 3] for n in range(1_000)]}
    assert judged(same, rules, past=past(2_000, rows=before)).result.outcome == "passed"
    moved = {"a": [n % 100 + 30 for n in range(1_000)], "c": ["xyw"[n % 3] for n in range(1_000)]}
    found = judged(moved, rules, past=past(2_000, rows=before))
    assert set(broken(found)) == {("a", "drift"), ("c", "drift")}
    assert [each.column for each in found.result.distributions] == ["a", "c"]
    few = {"a": [5, 17, 88, 92, 99], "c": ["x", "x", "x", "y", "x"]}  # its index is large by chance
    assert judged(few, rules, past=past(2_000, rows=before)).result.outcome == "passed"


def test_a_column_that_the_last_version_has_not_or_as_another_type_is_not_compared():
    rules = {"columns": {"a": {"drift": 0.1}, "b": {"drift": 0.1}}}
    found = judged({"a": [1], "b": [1]}, rules, past=past(1, rows={"a": ["1"]}))
    assert {each.status for each in found.result.findings if each.rule == "drift"} == {"skipped"}


# -- what rules cannot say --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"columns": {"c": {"min": 1}}}, "The checks of 'data': column 'c' has a min or max, but holds texts"),
        ({"columns": {"a": {"values": ["x"]}}}, "The checks of 'data' do not fit the types of its columns"),
        ({"columns": {"c": {"pattern": "(?=x)x"}}}, "column 'c': the pattern .* cannot be used"),
        (
            {"fresh": {"column": "c", "within": 1}},
            "`fresh` asks for the newest day or moment, but column 'c' is string",
        ),
        ({"columns": {"a": {"references": "other.kk"}}}, r"table 'other' has no column 'kk'. Did you mean 'k'\?"),
    ],
)
def test_rules_that_do_not_fit_their_columns_are_named(rules, message):
    with pytest.raises(ConfigError, match=message):
        judged({"a": [1], "c": ["x"]}, rules, tables={"other": ibis.memtable({"k": [1]})})


def test_names_and_values_are_no_sql():
    name, value = 'x"); DROP TABLE y; --', "'); DROP TABLE y; --"
    rules = {
        "columns": {name: {"values": [value], "pattern": ".*", "unique": True, "drift": 0.1}},
        "unique": [name, "b"],
    }
    rows = {name: [value, value + "'"], "b": [1, 2]}
    found = judged(rows, rules, past=past(2, rows=rows))
    assert broken(found) == {(name, "values"): 1}


def test_it_is_one_statement_for_all_rules_on_rows(monkeypatch):
    seen = []
    monkeypatch.setattr(
        statement, "_execute", lambda con, _, query: seen.append(query) or con.con.execute(query).fetchall()
    )
    rules = {
        "columns": {"a": {"type": "int", "null": False, "min": 0, "max": 9, "unique": True}, "b": {"min": 0}},
        "unique": ["a", "b"],
    }
    judged({"a": [1, 2], "b": [1, 2]}, rules)
    assert len(seen) == 1


def test_what_a_row_was_is_kept_as_json_whatever_it_holds():
    def refuse(word):
        raise AssertionError(word)

    table = pa.table(
        {"a'b": [-1, -2], "v0": [math.nan, 1.5], "c0": [b"\xff", None], "l": [[1], None], "place": ['"', "ü"]}
    )
    found = judged(table, {"columns": {"a'b": {"min": 0}}, "unique": ["place"]})
    CON.con.register("no_places", quarantine._places(CON.con, found))
    rows = CON.con.execute(quarantine._rows(found, "no_places")).fetchall()
    kept = sorted((json.loads(row, parse_constant=refuse) for _, _, row in rows), key=lambda row: row["a'b"])
    assert kept[0] == {"a'b": -2, "v0": 1.5, "c0": None, "l": None, "place": "ü"}
    assert (kept[1]["v0"], kept[1]["l"], kept[1]["place"]) == ("nan", [1], '"')
    assert rows[0][:2] == (None, ["a'b should be at least 0"])
