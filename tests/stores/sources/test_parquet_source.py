from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from firnflow.errors import BadRowsError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable


def parquet(data: dict[str, Any] | pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(data if isinstance(data, pa.Table) else pa.table(data), out, **options)
    return out.getvalue()


def test_types_are_the_file_s_own(table: Callable[..., Any]) -> None:
    data = {
        "i": pa.array([1, None], pa.int16()),
        "s": ["a", "b"],
        "l": [[1], []],
        "d": pa.array([1, 2], pa.decimal128(5, 2)),
    }
    found = table({"a.parquet": parquet(data)})
    assert {name: str(kind) for name, kind in found.schema().items()} == {
        "i": "int16",
        "s": "string",
        "l": "array<int64>",
        "d": "decimal(5, 2)",
    }


def test_a_column_that_is_named_like_duckdb_s_own(rows: Callable[..., Any]) -> None:
    data = {"file_row_number": [7, 8], "filename": ["x", "y"], "c1": [1, 2], "firnflow_row": [3, 4]}
    assert rows({"a.parquet": parquet(data)}) == [(7, "x", 1, 3), (8, "y", 2, 4)]
    with pytest.raises(BadRowsError, match=r"a.parquet, row 2: c1 = '2' should be at most 1"):
        rows({"a.parquet": parquet(data)}, columns={"c1": {"max": 1}})


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (pa.array([1.0, None]), "int", [1, None]),
        (pa.array([1, 2]), "float", [1.0, 2.0]),
        (pa.array(["1", "2"]), "int", [1, 2]),
        (pa.array([1.5, 2.0]), "decimal(3, 1)", [1.5, 2.0]),
        (pa.array([0.1, 2.0]), "float32", [pytest.approx(0.1), 2.0]),
        (pa.array([1, 2]), "string", ["1", "2"]),
        (pa.array([1, 0]), "bool", [True, False]),
        (pa.array([[1], None]), "json", ["[1]", None]),
    ],
)
def test_a_declared_type_that_loses_nothing(
    table: Callable[..., Any], values: Any, kind: str, expected: list[Any]
) -> None:
    found = table({"a.parquet": parquet({"x": values})}, columns={"x": kind}).to_pyarrow()["x"].to_pylist()
    assert found == expected


@pytest.mark.parametrize(
    ("value", "kind"),
    [(1.5, "int"), (2**60 + 1, "float"), ("x", "int"), (2, "bool"), (1.234, "decimal(3, 1)"), (300, "int8")],
)
def test_a_declared_type_that_would_lose(rows: Callable[..., Any], value: object, kind: str) -> None:
    with pytest.raises(BadRowsError, match=rf"a.parquet, row 1: x = '{value}' is no"):
        rows({"a.parquet": parquet({"x": [value]})}, columns={"x": kind})


def test_several_files(rows: Callable[..., Any]) -> None:
    files = {"d/b.parquet": parquet({"n": ["x"], "id": [2]}), "d/a.parquet": parquet({"id": [1], "n": ["y"]})}
    assert rows(files, path="d/*.parquet") == [(1, "y"), (2, "x")]


def test_files_that_disagree(rows: Callable[..., Any]) -> None:
    files = {"d/a.parquet": parquet({"id": [1]}), "d/b.parquet": parquet({"id": ["x"]})}
    with pytest.raises(
        DataError, match=r"d/b.parquet: column 'id' is VARCHAR, in d/a.parquet it is BIGINT. Mend: declare"
    ):
        rows(files, path="d/*.parquet")
    with pytest.raises(BadRowsError, match=r"d/b.parquet, row 1: id = 'x' is no int"):
        rows(files, path="d/*.parquet", columns={"id": "int"})
    with pytest.raises(DataError, match=r"e/b.parquet has no column 'id', which e/a.parquet has. Did you mean 'idd'"):
        rows({"e/a.parquet": parquet({"id": [1]}), "e/b.parquet": parquet({"idd": [1]})}, path="e/*.parquet")
    with pytest.raises(DataError, match=r"f/b.parquet has a column 'x', which f/a.parquet has not"):
        rows({"f/a.parquet": parquet({"id": [1]}), "f/b.parquet": parquet({"id": [1], "x": [1]})}, path="f/*.parquet")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.parquet is empty"),
        (b"id,name\n1,x\n", "is no Parquet file: it begins with b'id,n'"),
        (b"PAR1", "is no Parquet file: it begins as one, but is cut short or damaged"),
        (b"PAR1" + b"\0" * 100 + b"PAR1", "cut short or damaged"),
        (b"PAR1" + b"\xff" * 4 + b"\xff\xff\xff\x7fPAR1", "cut short or damaged"),
        (b"PAR1" + b"\x15" * 5000 + b"\x88\x13\x00\x00PAR1", "cut short or damaged"),
        (b"PARE" + b"\0" * 100 + b"PARE", "is no Parquet file"),
    ],
)
def test_a_file_that_is_no_parquet(rows: Callable[..., Any], content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        rows({"a.parquet": content})


def test_a_column_without_a_name(rows: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match=r"a.parquet\) has a column without a name"):
        rows({"a.parquet": parquet(pa.table([[1], [2]], ["id", " "]))})


@pytest.mark.parametrize("cut", [5, 50, 500, 2000])
def test_a_file_that_is_cut(rows: Callable[..., Any], cut: int) -> None:
    whole = parquet({"id": list(range(5000))})
    with pytest.raises(DataError, match=r"is no Parquet file"):
        rows({"a.parquet": whole[:-cut]})


def test_a_damaged_page_is_an_error_and_no_table(rows: Callable[..., Any]) -> None:
    whole = parquet({"id": list(range(50_000)), "s": [f"name {i}" for i in range(50_000)]}, compression="zstd")
    randomness = random.Random(1)
    outcomes = set()
    for _ in range(30):
        damaged = bytearray(whole)
        at = randomness.randrange(4, len(whole) - 400)
        damaged[at : at + 64] = randomness.randbytes(64)
        try:
            outcomes.add(len(rows({"a.parquet": bytes(damaged)}, columns={"id": {"min": 0}, "s": {"pattern": ".*"}})))
        except DataError as error:
            outcomes.add("refused")
            assert "a.parquet" in str(error)  # noqa: PT017 - either is right
    assert "refused" in outcomes
    assert outcomes <= {"refused", 50_000}
