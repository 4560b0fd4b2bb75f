"""Any table of any library comes back as it was, and has one digest."""

from __future__ import annotations

import datetime as dt
import decimal
import zoneinfo
from typing import Any

import ibis
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from polars.testing.parametric import dataframes

from firnflow import values

few = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
SMALL = st.integers(-(2**31), 2**31 - 1)
ZONES = st.sampled_from([None, "UTC", "Europe/Berlin", "+05:30"])

LEAVES: list[tuple[st.SearchStrategy[pa.DataType], st.SearchStrategy[Any]]] = [
    (st.just(pa.bool_()), st.booleans()),
    (st.sampled_from([pa.int8(), pa.uint8(), pa.int16()]), st.integers(0, 127)),
    (st.just(pa.int64()), st.integers(-(2**63), 2**63 - 1)),
    (st.just(pa.uint64()), st.integers(0, 2**64 - 1)),
    (st.just(pa.float64()), st.floats()),
    (st.just(pa.float32()), st.floats(width=32)),
    (st.just(pa.float16()), st.floats(width=16).map(np.float16)),
    (st.sampled_from([pa.string(), pa.large_string(), pa.string_view()]), TEXT),
    (st.sampled_from([pa.binary(), pa.large_binary()]), st.binary(max_size=5)),
    (st.just(pa.binary(2)), st.binary(min_size=2, max_size=2)),
    (st.just(pa.date32()), st.integers(-700_000, 2_900_000)),
    (st.just(pa.date64()), st.integers(-700_000, 2_900_000).map(lambda days: days * 86_400_000)),
    (st.sampled_from([pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")]), st.integers(0, 86_399)),
    (st.builds(pa.timestamp, st.sampled_from(["s", "ms", "us", "ns"]), ZONES), SMALL),
    (st.builds(pa.duration, st.sampled_from(["s", "ms", "us", "ns"])), SMALL),
    (
        st.sampled_from([pa.decimal128(12, 2), pa.decimal256(60, 2)]),
        st.integers(-(10**9), 10**9).map(lambda cents: decimal.Decimal(cents).scaleb(-2)),
    ),
    (st.just(pa.dictionary(pa.int8(), pa.string())), st.sampled_from(["é", "", "b"])),
    (st.just(pa.dictionary(pa.int32(), pa.int64(), ordered=True)), st.sampled_from([2**60, -1, 0])),
    (st.just(pa.null()), st.none()),
]
KINDS = st.sampled_from(LEAVES).flatmap(lambda leaf: leaf[0].map(lambda kind: (kind, leaf[1])))


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return lists, lists of two, structs and maps of an inner (type, values)."""
    plain = inner.filter(lambda pair: not (pa.types.is_dictionary(pair[0]) or "null" in str(pair[0])))
    lists = plain.map(lambda pair: (pa.list_(pair[0]), st.lists(st.none() | pair[1], max_size=3)))
    large = plain.map(lambda pair: (pa.large_list(pair[0]), st.lists(st.none() | pair[1], max_size=3)))
    twos = plain.map(lambda pair: (pa.list_(pair[0], 2), st.lists(st.none() | pair[1], min_size=2, max_size=2)))
    structs = plain.map(
        lambda pair: (
            pa.struct([("a", pair[0]), ("é", pa.int8())]),
            st.fixed_dictionaries({"a": pair[1], "é": st.none()}),
        )
    )
    maps = plain.map(lambda pair: (pa.map_(pa.string(), pair[0]), st.lists(st.tuples(TEXT, pair[1]), max_size=2)))
    return st.one_of(lists, large, twos, structs, maps)


@st.composite
def arrow_tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(0, 12))
    names = draw(st.lists(TEXT, unique=True, min_size=1, max_size=3))
    columns = []
    for _ in names:
        kind, elements = draw(st.recursive(KINDS, _nested, max_leaves=3))
        cells = draw(st.lists(st.none() | elements, min_size=rows, max_size=rows))
        cut = draw(st.integers(0, rows))
        parts = [pa.array(cells[:cut], kind), pa.array(cells[cut:], kind)] if cut else [pa.array(cells, kind)]
        columns.append(pa.chunked_array(parts, kind))
    return pa.table(columns, names=names)


def same_arrow(one: pa.Table, other: pa.Table) -> bool:
    """Whether tables are equal, NaN to NaN."""
    return one.schema.equals(other.schema, check_metadata=True) and repr(one.to_pylist()) == repr(other.to_pylist())


@few
@given(arrow_tables())
def test_arrow(storage, table):
    ref = values.save(table, pa.Table, storage)
    back = values.load(ref, pa.Table, storage)
    assert same_arrow(back, table)
    assert values.save(back, pa.Table, storage).digest == ref.digest


@few
@given(arrow_tables(), st.integers(1, 5))
def test_arrow_reader(storage, table, size):
    ref = values.save(table.to_reader(size), pa.RecordBatchReader, storage)
    assert same_arrow(values.load(ref, pa.RecordBatchReader, storage).read_all(), table)
    assert values.save(table.to_reader(), pa.RecordBatchReader, storage).digest == ref.digest


@few
@given(dataframes(max_cols=3, max_size=8, excluded_dtypes=[pl.Object, pl.Int128, pl.UInt128], allow_infinity=True))
def test_polars(storage, frame):
    ref = values.save(frame, pl.DataFrame, storage)
    back = values.load(ref, pl.DataFrame, storage)
    assert_frame_equal(back, frame, check_exact=True)
    assert values.save(back, pl.DataFrame, storage).digest == ref.digest


@few
@given(dataframes(max_cols=3, max_size=8, excluded_dtypes=[pl.Object, pl.Int128, pl.UInt128], lazy=True))
def test_polars_lazy(storage, frame):
    ref = values.save(frame, pl.LazyFrame, storage)
    back = values.load(ref, pl.LazyFrame, storage)
    assert isinstance(back, pl.LazyFrame)
    assert_frame_equal(back, frame, check_exact=True)


MOMENTS = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))  # noqa: DTZ001 - zones are in the dtype
DTYPES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    ("int8", st.integers(-128, 127)),
    ("uint64", st.integers(0, 2**64 - 1)),
    ("float64", st.floats()),
    ("float32", st.floats(width=32)),
    ("bool", st.booleans()),
    ("Int64", st.none() | st.integers(-(2**63), 2**63 - 1)),
    ("UInt8", st.none() | st.integers(0, 255)),
    ("boolean", st.none() | st.booleans()),
    ("Float64", st.none() | st.floats(allow_nan=False)),
    (object, st.none() | TEXT),
    (object, st.just(np.nan) | TEXT),
    (object, st.none() | st.binary(max_size=4)),
    (object, st.none() | st.integers(-(2**63), 2**63 - 1)),
    (object, st.none() | st.booleans()),
    (object, st.none() | st.dates()),
    (object, st.none() | st.lists(st.integers(0, 9), max_size=3).map(lambda x: np.array(x, dtype="int64"))),
    (object, st.decimals(-(10**6), 10**6, places=2)),
    ("string[python]", st.none() | TEXT),
    ("string[pyarrow]", st.none() | TEXT),
    ("str", TEXT),
    ("category", st.none() | st.sampled_from(["b", "a", "é"])),
    (pd.CategoricalDtype([3, 1, 2], ordered=True), st.none() | st.sampled_from([1, 2, 3])),
    ("datetime64[ns]", st.none() | MOMENTS),
    ("datetime64[s]", st.none() | MOMENTS),
    ("datetime64[us, UTC]", st.none() | MOMENTS),
    ("datetime64[ns, Europe/Berlin]", st.none() | MOMENTS),
    (pd.DatetimeTZDtype("us", zoneinfo.ZoneInfo("Asia/Tokyo")), st.none() | MOMENTS),
    ("timedelta64[us]", st.none() | st.timedeltas(dt.timedelta(-9999), dt.timedelta(9999))),
    (pd.ArrowDtype(pa.int64()), st.none() | st.integers(-(2**63), 2**63 - 1)),
    (pd.ArrowDtype(pa.string()), st.none() | TEXT),
    (pd.ArrowDtype(pa.list_(pa.int8())), st.none() | st.lists(st.integers(0, 9), max_size=2)),
    (pd.ArrowDtype(pa.timestamp("us", "UTC")), st.none() | MOMENTS),
]
COLUMN = st.sampled_from(DTYPES)
INDEXES = [
    pd.RangeIndex,
    lambda rows: pd.RangeIndex(5, 5 + 2 * rows, 2, name="step"),
    lambda rows: pd.Index([f"k{i}" for i in range(rows)], name="é", dtype=object),
    lambda rows: pd.Index(list(range(rows, 0, -1)), dtype="int64"),
    lambda rows: pd.date_range("2020-01-01", periods=rows, freq="D", tz="UTC"),
    lambda rows: pd.MultiIndex.from_arrays([list(range(rows)), ["x"] * rows], names=["n", None]),
]


@st.composite
def pandas_frames(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(0, 8))
    index = draw(st.sampled_from(INDEXES))(rows)
    names = draw(st.lists(TEXT, unique=True, max_size=3))
    data = {}
    for name in names:
        dtype, elements = draw(COLUMN)
        cells = draw(st.lists(elements, min_size=rows, max_size=rows))
        data[name] = pd.Series(cells, index=index, dtype=dtype)
    return pd.DataFrame(data, index=index, columns=pd.Index(names, dtype=object))


@settings(few, max_examples=150)
@given(pandas_frames())
def test_pandas(storage, frame):
    ref = values.save(frame, pd.DataFrame, storage)
    back = values.load(ref, pd.DataFrame, storage)
    pd.testing.assert_frame_equal(back, frame, check_exact=True, check_column_type=False)
    assert values.save(back, pd.DataFrame, storage).digest == ref.digest


ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(allow_nan=True).map(lambda x: x + 0.0),
        st.none() | TEXT.filter(lambda text: "\0" not in text),
        st.none() | st.lists(st.none() | st.integers(0, 3), max_size=2),
    ),
    min_size=1,
    max_size=6,
)
SCHEMA = pa.schema([("i", pa.int64()), ("x", pa.float64()), ("é", pa.string()), ("l", pa.list_(pa.int64()))])


def in_warehouse(rows: list[tuple[Any, ...]]) -> ibis.Table:
    columns = [list(column) for column in zip(*rows, strict=True)]
    return ibis.memtable(pa.table([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA))


@settings(few, max_examples=25)
@given(ROWS, st.randoms(use_true_random=False))
def test_warehouse(storage, rows, random):
    ref = values.save(in_warehouse(rows), ibis.Table, storage)
    back = values.load(ref, pa.Table, storage)
    assert repr([tuple(row.values()) for row in back.to_pylist()]) == repr(rows)
    shuffled = random.sample(rows, len(rows))
    assert values.save(in_warehouse(shuffled), ibis.Table, storage).digest == ref.digest
    assert values.save(values.load(ref, ibis.Table, storage), ibis.Table, storage).digest == ref.digest


@settings(few, max_examples=25)
@given(ROWS, ROWS)
def test_warehouse_digests_differ(storage, one, other):
    digests = [values.save(in_warehouse(rows), ibis.Table, storage).digest for rows in (one, other)]
    assert (digests[0] == digests[1]) == (sorted(map(repr, one)) == sorted(map(repr, other)))


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_rows_without_columns(storage, rows):
    frame = pd.DataFrame(index=range(rows))
    pd.testing.assert_frame_equal(values.load(values.save(frame, pd.DataFrame, storage), pd.DataFrame, storage), frame)


def test_a_loaded_frame_can_be_written_to(storage):
    frame = pd.DataFrame({"x": [1.0, 2.0], "n": [1, 2], "b": [True, False]})
    back = values.load(values.save(frame, pd.DataFrame, storage), pd.DataFrame, storage)
    back.iloc[0] = [9.0, 9, False]
    assert back.iloc[0].tolist() == [9.0, 9, False]


@pytest.mark.parametrize(("view", "text"), [(pa.string_view(), "é"), (pa.binary_view(), b"b")], ids=str)
@pytest.mark.parametrize("size", [-1, 2])
def test_lists_of_views(storage, view, text, size):
    kind = pa.list_(pa.struct([("a", view)]), size)
    table = pa.table({"x": pa.array([None, [{"a": None}, {"a": text}]], kind)})
    assert same_arrow(values.load(values.save(table, pa.Table, storage), pa.Table, storage), table)
