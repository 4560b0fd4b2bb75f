from __future__ import annotations

import datetime as dt
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
