"""Any table loads as any table type; what another type cannot hold is said."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

import ibis
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from firnflow import values
from firnflow.errors import DataError

ROWS = [
    {
        "id": 1,
        "big": 2**62 + 1,
        "rate": 0.5,
        "name": "é\U0001f600",
        "flag": True,
        "day": dt.date(2020, 2, 29),
        "at": dt.datetime(2020, 1, 1, 12, 0, 0, 1, tzinfo=dt.UTC),
        "price": decimal.Decimal("1.10"),
        "tags": ["a", None],
    },
    {"id": 2} | dict.fromkeys(["big", "rate", "name", "flag", "day", "at", "price", "tags"]),
]
SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("big", pa.int64()),
        ("rate", pa.float64()),
        ("name", pa.string()),
        ("flag", pa.bool_()),
        ("day", pa.date32()),
        ("at", pa.timestamp("us", "UTC")),
        ("price", pa.decimal128(10, 2)),
        ("tags", pa.list_(pa.string())),
    ]
)
ARROW = pa.Table.from_pylist(ROWS, SCHEMA)
NULLABLE = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
TYPES: dict[Any, Any] = {
    pa.Table: lambda: ARROW,
    pa.RecordBatchReader: ARROW.to_reader,
    pl.DataFrame: lambda: pl.from_arrow(ARROW),
    pl.LazyFrame: lambda: pl.from_arrow(ARROW).lazy(),
    pd.DataFrame: lambda: ARROW.to_pandas(types_mapper=NULLABLE.get),
    ibis.Table: lambda: ibis.memtable(ARROW),
}


def as_rows(table: Any) -> list[dict[str, Any]]:
    if isinstance(table, pl.LazyFrame):
        table = table.collect()
    if isinstance(table, pd.DataFrame | pl.DataFrame):
        table = pa.Table.from_pandas(table) if isinstance(table, pd.DataFrame) else table.to_arrow()
    elif isinstance(table, ibis.Table):
        table = table.to_pyarrow()
    elif isinstance(table, pa.RecordBatchReader):
        table = table.read_all()
    return table.to_pylist()


@pytest.mark.parametrize("given", TYPES, ids=str)
@pytest.mark.parametrize("wanted", TYPES, ids=str)
def test_any_table_loads_as_any_other(storage, given, wanted):
    ref = values.save(TYPES[given](), given, storage)
    assert ref.meta["rows"] == 2
    assert list(ref.meta["columns"]) == SCHEMA.names
    back = values.load(ref, wanted, storage)
    assert isinstance(back, wanted)
    assert as_rows(back) == ROWS


@pytest.mark.parametrize("given", [pa.Table, ibis.Table])
def test_integers_with_nulls_stay_integers_in_pandas(storage, given):
    frame = values.load(values.save(TYPES[given](), given, storage), pd.DataFrame, storage)
    assert {name: str(frame[name].dtype) for name in ("id", "big", "flag")} == {
        "id": "int64",
        "big": "Int64",
        "flag": "boolean",
    }
    assert frame["big"][0] == 2**62 + 1


@pytest.mark.parametrize("wanted", [pa.Table, pl.DataFrame, pl.LazyFrame, ibis.Table, pa.RecordBatchReader], ids=str)
def test_an_unnamed_index_is_no_column_elsewhere(storage, wanted):
    unnamed = pd.DataFrame({"a": [1, 2]}, index=[5, 7])
    named = unnamed.rename_axis("key")
    for frame, columns in [(unnamed, ["a"]), (named, ["a", "key"])]:
        rows = as_rows(values.load(values.save(frame, pd.DataFrame, storage), wanted, storage))
        assert list(rows[0]) == columns


def test_nan_of_pandas_is_null_elsewhere_and_stays_nan_of_arrow(storage):
    ref = values.save(pd.DataFrame({"x": [1.0, np.nan]}), pd.DataFrame, storage)
    assert values.load(ref, pa.Table, storage).to_pydict() == {"x": [1.0, None]}
    ref = values.save(pa.table({"x": [None, float("nan")]}), pa.Table, storage)
    assert values.load(ref, ibis.Table, storage).x.isnan().sum().execute() == 1
    assert values.load(ref, pl.DataFrame, storage)["x"].null_count() == 1


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (pa.table({"a": [1], "A": [2]}), "'a' and 'A' differ only in case"),
        (pa.table({}), "no columns"),
        (pa.table({"x": pa.array([decimal.Decimal(1)], pa.decimal256(60, 2))}), "38 digits"),
    ],
)
def test_what_the_warehouse_cannot_hold(storage, table, says):
    with pytest.raises(DataError, match=says):
        values.load(values.save(table, pa.Table, storage), ibis.Table, storage)


ODD = [" ", "a.b", "a b", 'q"q', "q'q", "select", "ünïcødé\u202e", "x" * 300, "file_row_number"]


@pytest.mark.parametrize("name", ODD)
def test_odd_column_names(storage, name):
    table = pa.table({name: [1, 2], "other": ["x", None]})
    for given, wanted in [(pa.Table, pd.DataFrame), (pa.Table, pl.LazyFrame), (pa.Table, ibis.Table)]:
        assert as_rows(values.load(values.save(table, given, storage), wanted, storage)) == table.to_pylist()
    ref = values.save(ibis.memtable(table).order_by("other"), ibis.Table, storage)
    assert list(values.load(ref, ibis.Table, storage).columns) == [name, "other"]


def test_a_column_without_a_name(storage):
    table = pa.table({"": [1, 2], "b": [3, 4]})
    ref = values.save(table, pa.Table, storage)
    for wanted in (pa.Table, pd.DataFrame, pl.DataFrame, pl.LazyFrame):
        assert as_rows(values.load(ref, wanted, storage)) == table.to_pylist()
    with pytest.raises(DataError, match="has no name"):
        values.load(ref, ibis.Table, storage)


def test_categories_keep_their_order_in_polars(storage):
    frame = pd.DataFrame({"c": pd.Categorical(["b", "a"], categories=["b", "a", "z"], ordered=True)})
    ref = values.save(frame, pd.DataFrame, storage)
    for wanted in (pl.DataFrame, pl.LazyFrame):
        assert as_rows(values.load(ref, wanted, storage)) == [{"c": "b"}, {"c": "a"}]
    enum = pl.DataFrame({"c": ["b", "a"]}, schema={"c": pl.Enum(["b", "a", "z"])})
    lazy = values.load(values.save(enum, pl.DataFrame, storage), pl.LazyFrame, storage)
    assert lazy.collect_schema()["c"] == pl.Enum(["b", "a", "z"])


def test_several_row_groups(storage, monkeypatch):
    from firnflow.values.tables import parquet

    monkeypatch.setattr(parquet, "ROW_GROUP", 100)
    table = pa.table({"n": range(1050), "c": pa.array([str(i // 90) for i in range(1050)]).dictionary_encode()})
    ref = values.save(table, pa.Table, storage)
    assert values.load(ref, pa.Table, storage) == table
    chunked = pa.concat_tables([table.slice(0, 7), table.slice(7)])
    assert values.save(chunked, pa.Table, storage).digest == ref.digest
    back = values.load(values.save(table.to_reader(33), pa.RecordBatchReader, storage), pa.Table, storage)
    assert back["n"].to_pylist() == list(range(1050))
    assert back["c"].to_pylist() == table["c"].to_pylist()
