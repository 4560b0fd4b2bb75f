from __future__ import annotations

import datetime as dt
import decimal
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from firnflow.errors import BadRowsError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable


def lines(*objects: object) -> dict[str, bytes]:
    return {"a.jsonl": "".join(json.dumps(each) + "\n" for each in objects).encode()}


def test_types_are_told_from_all_lines(table: Callable[..., Any]) -> None:
    many = [{"id": i, "n": 1} for i in range(30_000)]
    found = table(lines(*many, {"id": 1, "n": 1.5, "late": "x", "at": "2024-01-01 10:00:00", "o": {"a": [1, 2]}}))
    assert {name: str(kind) for name, kind in found.schema().items()} == {
        "id": "int64",
        "n": "float64",
        "late": "string",
        "at": "timestamp(6)",
        "o": "struct<a: array<int64>>",
    }
    assert found.count().execute() == 30_001


def test_blank_lines_windows_line_ends_and_a_mark(rows: Callable[..., Any]) -> None:
    assert rows({"a.jsonl": b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": 2}\r\n'}) == [(1,), (2,)]
    assert rows({"a.ndjson.gz": gzip.compress(b'{"a": 1}\n')}) == [(1,)]
    assert rows({"a.jsonl": '{"ü": "é"}\n'.encode("latin-1")}, encoding="latin-1") == [("é",)]


def test_several_files_may_lack_keys_and_differ_in_numbers(rows: Callable[..., Any]) -> None:
    files = {"d/1.jsonl": b'{"a": 1}\n', "d/2.jsonl": b'{"b": "x", "a": 1.5}\n'}
    assert rows(files, path="d/*.jsonl") == [(1.0, None), (1.5, "x")]


def test_declared_types(rows: Callable[..., Any]) -> None:
    objects = [{"id": "1", "d": "2024-01-01", "x": 1}, {"id": 2, "d": None, "x": None}]
    assert rows(lines(*objects), columns={"id": "int", "d": "date", "x": "string"}) == [
        (1, dt.date(2024, 1, 1), "1"),
        (2, None, None),
    ]


def test_a_wrong_value_is_found_on_its_line(rows: Callable[..., Any]) -> None:
    text = b'{"id": 1}\n\n{"id": 2}\n{"id": "x"}\n{}\n'
    with pytest.raises(BadRowsError, match=r"2 of 4 rows") as caught:
        rows({"a.jsonl": text}, columns={"id": {"type": "int", "null": False}})
    assert "a.jsonl, line 4: id =" in str(caught.value)
    assert "a.jsonl, line 5: id = null is missing" in str(caught.value)


def test_lines_that_are_no_objects_are_all_counted(rows: Callable[..., Any]) -> None:
    text = b'{"a": 1}\n{"a": }\n[1]\n"x"\n{"a": 1} {"a": 2}\n{"a": 1\n' + b"nonsense\n" * 20
    with pytest.raises(BadRowsError, match=r"data: 25 lines are no JSON objects; nothing was loaded") as caught:
        rows({"a.jsonl": text})
    shown = str(caught.value).splitlines()[1:]
    assert len(shown) == 10
    assert shown[0] == "  a.jsonl, line 2: Expecting value at column 7: '{\"a\": }'"
    assert shown[1] == "  a.jsonl, line 3: no object: '[1]'"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.jsonl is empty"),
        (b"\n\n", "has no lines with anything in them"),
        (b'{"a": "\xff"}\n', "line 1: byte 0xff is no utf-8 text"),
        (b'{"a": 1}\n{"a": "\x00"}\n', "line 2: there is a NUL"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"\n", "cannot be read as JSON|nested too deeply|no JSON objects"),
        (b"[" * 100_000 + b"\n", "nested too deeply|no JSON objects|cannot be read"),
        (b'[{"a": 1}, {"a": 2}]\n', "no object"),
        (b'{"a": 1, "a": 2}\n', "cannot be read as JSON|no JSON objects|named"),
    ],
)
def test_hostile_lines(rows: Callable[..., Any], content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        rows({"a.jsonl": content})


BIG = 12345678901234567890
HUGE = 10**30 + 1


def test_whole_numbers_beyond_64_bits_are_exact(table: Callable[..., Any]) -> None:
    found = table(lines({"a": 1, "b": BIG, "c": [HUGE % 2**64]}, {"a": HUGE, "b": -5, "c": [2**63]}))
    assert {name: str(kind) for name, kind in found.schema().items()} == {
        "a": "decimal(38, 0)",
        "b": "decimal(38, 0)",
        "c": "array<decimal(38, 0)>",
    }
    assert found.to_pyarrow().to_pylist() == [
        {"a": 1, "b": BIG, "c": [HUGE % 2**64]},
        {"a": HUGE, "b": -5, "c": [2**63]},
    ]


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [("string", str(BIG)), ("decimal(20,0)", decimal.Decimal(BIG)), ("float", float(BIG))],
)
@pytest.mark.parametrize("other", [None, 3])
def test_a_declared_type_reads_them_from_the_text(
    rows: Callable[..., Any], kind: str, wanted: Any, other: float | None
) -> None:
    assert rows(lines({"a": BIG}, {"a": other}), columns={"a": kind})[0] == (wanted,)


def test_a_declared_text_or_decimal_keeps_them_beside_fractions(rows: Callable[..., Any]) -> None:
    objects = [{"a": 2**53 + 1, "b": BIG, "c": {"d": 2**53 + 1}}, {"a": 0.5, "b": 1e20, "c": {"d": 0.5}}]
    found = rows(lines(*objects), columns={"a": "decimal(38,2)", "b": "string", "c": "json"})
    assert found == [
        (decimal.Decimal(2**53 + 1), str(BIG), '{"d":9007199254740993}'),
        (decimal.Decimal("0.5"), "1e+20", '{"d":0.5}'),
    ]


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ([{"a": 0.5}, {"a": 2**53 + 1}], ["Mend: columns.a = 'string'", "a.jsonl, line 2: a = 9007199254740993"]),
        ([{"a": 0.5}, {"a": 10**300}], ["1 whole number would be", f"line 2: a = {10**300}"]),
        ([{"a": 10**38}], ["1 whole number would be rounded", f"line 1: a = {10**38}"]),
        (
            [{"a": {"b c": [0.5]}}, {"a": {"b c": [1, HUGE, BIG]}}],
            ["2 whole numbers", "columns.a = 'json'", f"line 2: a.b c = {HUGE}", f"line 2: a.b c = {BIG}"],
        ),
    ],
)
def test_what_would_be_rounded_is_refused(rows: Callable[..., Any], objects: list[Any], said: list[str]) -> None:
    with pytest.raises(BadRowsError, match=r"would be rounded.*nothing was loaded") as caught:
        rows(lines(*objects))
    assert all(each in str(caught.value) for each in said), str(caught.value)


def test_large_floats_are_floats(rows: Callable[..., Any]) -> None:
    objects = [{"a": 1e20, "b": {"c": 1e300, "id": 2**53 + 1}}, {"a": 2**60, "b": {"c": 2**70, "id": 1}}]
    assert rows(lines(*objects)) == [
        (1e20, {"c": 1e300, "id": 2**53 + 1}),
        (2.0**60, {"c": 2.0**70, "id": 1}),
    ]


def test_a_number_of_too_many_digits_is_named(rows: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match=r"would be rounded|too many digits|cannot be read"):
        rows({"a.jsonl": b'{"a": 0.5}\n{"a": ' + b"7" * 5000 + b"}\n"})
