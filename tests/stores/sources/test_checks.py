from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from firnflow.errors import BadRowsError, ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("string", " a ", " a "),
        ("int", "7", 7),
        ("int", " +7 ", 7),
        ("int", "7.0", 7),
        ("int", "007", 7),
        ("int8", "-128", -128),
        ("float", "1e3", 1000.0),
        ("float", ".5", 0.5),
        ("float", "-inf", float("-inf")),
        ("float32", "0.5", 0.5),
        ("decimal(5, 2)", "123.4", Decimal("123.40")),
        ("decimal(5, 2)", "123.4500", Decimal("123.45")),
        ("bool", "yes", True),
        ("bool", "0", False),
        ("date", "2024-02-29", dt.date(2024, 2, 29)),
        ("date", "2024-02-29 00:00:00", dt.date(2024, 2, 29)),
        ("time", "12:30:00", dt.time(12, 30)),
        ("timestamp", "2024-02-29 12:30", dt.datetime(2024, 2, 29, 12, 30)),  # noqa: DTZ001 - without a zone
        ("timestamp", "2024-02-29", dt.datetime(2024, 2, 29)),  # noqa: DTZ001 - likewise
        ("timestamptz", "2024-02-29 12:30:00+02:00", dt.datetime(2024, 2, 29, 10, 30, tzinfo=dt.UTC)),
        ("timestamptz", "2024-02-29T12:30:00Z", dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC)),
        ("timestamptz", "2024-02-29 12:30:00", dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC)),
    ],
)  # fmt: skip
def test_texts_of_a_declared_type(rows: Callable[..., Any], kind: str, text: str, expected: object) -> None:
    ((value, _),) = rows(f'x,y\n"{text}",1\n'.encode(), columns={"x": kind})
    if isinstance(expected, dt.datetime) and expected.tzinfo:
        value = value.astimezone(dt.UTC)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("int", "x"),
        ("int", "1.5"),
        ("int", "1e3"),
        ("int", "1_000"),
        ("int", "0x1F"),
        ("int", "9223372036854775808"),
        ("int", " "),
        ("int8", "128"),
        ("float", "1,5"),
        ("float", "1_0"),
        ("float", "1e999"),
        ("float", "none"),
        ("decimal(5, 2)", "1.239"),
        ("decimal(5, 2)", "1234"),
        ("bool", "ja"),
        ("date", "2024-02-30"),
        ("date", "29.02.2024"),
        ("date", "2024-02-29 12:00"),
        ("date", "infinity"),
        ("date", "today"),
        ("time", "25:00"),
        ("timestamp", "2024-02-29 12:30:00+02:00"),
        ("timestamp", "2024-02-29T12:30:00Z"),
        ("timestamp", "now"),
        ("timestamptz", "yesterday"),
        ("json", "{'a': 1}"),
    ],
)
def test_texts_that_are_not_of_the_declared_type(rows: Callable[..., Any], kind: str, text: str) -> None:
    with pytest.raises(BadRowsError, match=r"data: 1 of 2 rows is not what") as caught:
        rows(f'x,y\n,1\n"{text}",1\n'.encode(), columns={"x": kind})
    assert f"data.csv, line 3: x = {text!r} is no {kind}" in str(caught.value)


def test_dates_as_people_write_them(rows: Callable[..., Any]) -> None:
    declared = {"d": {"type": "date", "format": "%d.%m.%Y"}}
    assert rows(b"d\n29.02.2024\n", columns=declared) == [(dt.date(2024, 2, 29),)]
    with pytest.raises(BadRowsError, match=r"line 2: d = '2024-02-29' is no date written as %d.%m.%Y"):
        rows(b"d\n2024-02-29\n", columns=declared)


@pytest.mark.parametrize(
    ("declared", "text", "message"),
    [
        ({"null": False}, ",1", "x = null is missing, and null = false"),
        ({"type": "int", "min": 3}, "2,1", "x = '2' should be at least 3"),
        ({"min": 2.5}, "2,1", "x = '2' should be at least 2.5"),
        ({"type": "float", "max": 1}, "nan,1", "x = 'nan' should be at most 1"),
        ({"type": "date", "max": dt.date(2024, 1, 1)}, "2024-01-02,1", "x = '2024-01-02' should be at most 2024-01-01"),
        (
            {"type": "timestamptz", "min": dt.datetime(2024, 1, 1, tzinfo=dt.UTC)},
            "2024-01-01 00:30:00+01:00,1",
            "should be at least 2024-01-01 00:00:00",
        ),
        ({"values": ["a", "it's"]}, "b,1", "x = 'b' is none of 'a', \"it's\""),
        ({"values": [1, 2]}, "3,1", "x = '3' is none of 1, 2"),
        ({"pattern": "[A-Z]{2}"}, "ABC,1", "x = 'ABC' does not match '[A-Z]{2}'"),
        ({"pattern": "[0-9]{2}"}, "123,1", "x = '123' does not match"),
    ],
)
def test_rules(rows: Callable[..., Any], declared: dict[str, Any], text: str, message: str) -> None:
    with pytest.raises(BadRowsError, match=re.escape(message)):
        rows(f"x,y\n{text}\n".encode(), columns={"x": declared})


def test_nulls_break_no_rule_but_one(rows: Callable[..., Any]) -> None:
    declared = {"type": "int", "min": 1, "max": 2, "values": [1, 2], "unique": True}
    assert rows(b"x,y\n,1\n,1\n1,1\n", columns={"x": declared}) == [(None, 1), (None, 1), (1, 1)]


def test_keys_that_repeat(rows: Callable[..., Any]) -> None:
    text = b"a,b\n1,x\n2,x\n1,y\n1,x\n01,z\n"
    with pytest.raises(BadRowsError, match=r"data: 3 of 5 rows") as caught:
        rows(text, columns={"a": {"type": "int", "unique": True}})
    assert str(caught.value).splitlines()[1:] == [
        "  a is not unique: an earlier row has it too: 3 rows",
        "They are:",
        "  data.csv, line 4: a = '1' is not unique: an earlier row has it too",
        "  data.csv, line 5: a = '1' is not unique: an earlier row has it too",
        "  data.csv, line 6: a = '1' is not unique: an earlier row has it too",
    ]
    with pytest.raises(BadRowsError, match=r"1 of 5 rows(?s:.)*line 5: a, b = '1, x' is not unique"):
        rows(text, columns={"a": "int"}, checks={"unique": ["a", "b"]})


def test_all_offending_rows_are_counted_once_and_ten_are_shown(rows: Callable[..., Any]) -> None:
    text = "a,b\n" + "".join(f"{i},{'x' if i % 3 else i}\n" for i in range(30_000)) + "0,x\n"
    declared = {"a": {"type": "int", "max": 29_000, "unique": True}, "b": "int"}
    with pytest.raises(BadRowsError, match=r"data: 20,334 of 30,001 rows") as caught:
        rows(text.encode(), columns=declared)
    lines = str(caught.value).splitlines()
    assert lines[1:4] == [
        "  a should be at most 29000: 999 rows",
        "  b is no int: 20,001 rows",
        "  a is not unique: an earlier row has it too: 1 row",
    ]
    assert lines[4] == "The first of them:"
    assert lines[5] == "  data.csv, line 3: b = 'x' is no int"
    assert len(lines) == 15


def test_a_long_value_is_cut(rows: Callable[..., Any]) -> None:
    with pytest.raises(BadRowsError, match=r"a = 'x{59}…' is no int$"):
        rows(b"a,b\n" + b"x" * 100_000 + b",1\n", columns={"a": "int"})


def test_a_column_that_is_missing(rows: Callable[..., Any]) -> None:
    with pytest.raises(
        DataError,
        match=r"data \(data.csv\) has no column 'custmer', 'zzz'. Did you mean 'customer'\? It has: age, customer",
    ):
        rows(b"customer,age\na,1\n", columns={"custmer": "string"}, checks={"unique": ["customer", "zzz"]})


def test_too_few_and_too_many_rows(rows: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match=r"has 1 row, at least 2 are expected"):
        rows(b"a\n1\n", checks={"min_rows": 2})
    with pytest.raises(DataError, match=r"has 2 rows, at most 1 are expected"):
        rows(b"a\n1\n2\n", checks={"max_rows": 1})


def test_values_are_compared_as_what_the_column_is(rows: Callable[..., Any]) -> None:
    assert rows(b"a\n1\nx\n", columns={"a": {"values": [1, "x"]}}) == [("1",), ("x",)]
    with pytest.raises(ConfigError, match=r"the checks of \[data\] do not fit the types"):
        rows(b"a\n1\n", columns={"a": {"type": "int", "values": ["x"]}})


def test_a_bound_on_texts_asks_for_a_type(rows: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match=r"column 'a' has a min or max, but holds texts. Mend: declare its type"):
        rows(b"a\n1\nx\n", columns={"a": {"min": 0}})


def test_what_is_declared_is_no_sql(rows: Callable[..., Any]) -> None:
    hostile = "'); DROP TABLE x; --"
    name = 'x"); DROP VIEW y; --'
    text = f'"{name.replace(chr(34), chr(34) * 2)}"\n"{hostile}"\n'.encode()
    assert rows(text, columns={name: {"values": [hostile], "null_values": [hostile + "'"], "unique": True}}) == [
        (hostile,)
    ]
    with pytest.raises(BadRowsError, match="is none of"):
        rows(text, columns={name: {"values": [hostile + "'"]}})


def test_a_pattern_that_only_python_knows(rows: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match=r"column 'a': the pattern .* cannot be used"):
        rows(b"a\nx\n", columns={"a": {"pattern": "(?=x)x"}})
