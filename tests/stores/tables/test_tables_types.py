"""What is published comes back equal, here and by other engines that know nothing of Firnflow."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from decimal import Decimal

import ibis
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firnflow import values
from firnflow.stores.tables.publish import Wish, publish
from firnflow.values import load

ZURICH = "Europe/Zurich"
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_MOMENT = st.datetimes(dt.datetime.fromisoformat("1900-01-01"), dt.datetime.fromisoformat("2200-01-01"))
KINDS = {
    "bool": (pa.bool_(), st.booleans()),
    "int8": (pa.int8(), st.integers(-128, 127)),
    "uint32": (pa.uint32(), st.integers(0, 2**32 - 1)),
    "uint64": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "int64": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "float": (pa.float32(), st.floats(width=32)),
    "double": (pa.float64(), st.floats()),
    "decimal": (pa.decimal128(38, 9), st.decimals(-(10**25), 10**25, places=9)),
    "text": (pa.string(), _TEXT),
    "bytes": (pa.binary(), st.binary(max_size=8)),
    "date": (pa.date32(), st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31))),
    "time": (pa.time64("us"), st.times()),
    "moment": (pa.timestamp("us"), _MOMENT),
    "zoned": (pa.timestamp("us", ZURICH), _MOMENT.map(lambda moment: moment.replace(tzinfo=dt.UTC))),
    "seconds": (pa.timestamp("s"), _MOMENT.map(lambda moment: moment.replace(microsecond=0))),
    "list": (pa.list_(pa.int16()), st.lists(st.none() | st.integers(-9, 9), max_size=3)),
    "struct": (
        pa.struct({"a b": pa.float64(), "ü": pa.string()}),
        st.fixed_dictionaries({"a b": st.none() | st.floats(), "ü": st.none() | _TEXT}),
    ),
    "map": (
        pa.map_(pa.string(), pa.int32()),
        st.dictionaries(_TEXT, st.integers(0, 9), max_size=2).map(lambda d: [*d.items()]),
    ),
}
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4))
    names = draw(st.lists(NAMES, min_size=len(kinds), max_size=len(kinds), unique_by=lambda name: name.lower()))
    rows = draw(st.integers(0, 5))
    columns = [
        pa.array(draw(st.lists(st.none() | KINDS[kind][1], min_size=rows, max_size=rows)), KINDS[kind][0])
        for kind in kinds
    ]
    return pa.table(columns, names=names)


def plain(value):
    """A value that compares: NaN is NaN, instants are instants, maps are lists of pairs; integers are decimals."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value
    if isinstance(value, Decimal | int) and not isinstance(value, bool):
        return Decimal(value).normalize() if value else Decimal(0)
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def rows(table: pa.Table) -> list[dict[str, object]]:
    return sorted(({name: plain(value) for name, value in row.items()} for row in table.to_pylist()), key=repr)


@pytest.mark.slow
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(tables())
def test_what_is_published_comes_back(place, table):
    name = f"t{uuid.uuid4().hex}"
    expected = rows(table)
    ref = publish(place.tables, values.save(table, pa.Table, place.stores), Wish(name))
    assert rows(load(ref, ibis.Table, place.stores).to_pyarrow()) == expected
    assert rows(place.tables.get(name).scan().to_arrow()) == expected


def test_a_time_zone_becomes_the_instant(place):
    frame = pd.DataFrame({"at": pd.to_datetime(["2026-03-29 01:59", "2026-03-29 03:00"]).tz_localize(ZURICH)})
    ref = publish(place.tables, values.save(frame, pd.DataFrame, place.stores), Wish("times"))
    back = load(ref, pd.DataFrame, place.stores)["at"]
    assert (back == frame["at"]).all()
    assert str(back.dt.tz) == "UTC"


def test_missing_is_not_nan(place):
    table = pa.table({"x": pa.array([None, math.nan, 1.0])})
    ref = publish(place.tables, values.save(table, pa.Table, place.stores), Wish("gaps"))
    back = load(ref, pa.Table, place.stores)["x"]
    assert back.null_count == 1
    assert sum(math.isnan(value) for value in back.to_pylist() if value is not None) == 1


@pytest.mark.filterwarnings("ignore")  # polars recommends a package that plans faster
def test_polars_reads_the_files_with_nothing_of_ours(place, tmp_path):
    pl = pytest.importorskip("polars")
    sql = pytest.importorskip("pyiceberg.catalog.sql")
    place.publish("SELECT range AS id, 'é' || range AS \"größe\", [range] AS l FROM range(1000)")
    place.publish(
        "SELECT range AS id, 'x' AS \"größe\", [1::BIGINT] AS l, 1.5 AS extra FROM range(1000, 1010)",
        mode="append",
        task="b",
    )
    catalog = sql.SqlCatalog("firnflow", uri=f"sqlite:///{tmp_path}/tables.db")
    table = catalog.load_table("firnflow.orders")
    frame = pl.scan_iceberg(table).filter(pl.col("id") >= 995).sort("id").collect()
    assert frame["id"].to_list() == list(range(995, 1010))
    assert frame["größe"][0] == "é995"
    assert frame["extra"].to_list() == [None] * 5 + [1.5] * 10
    first = table.snapshots()[0].snapshot_id
    assert pl.scan_iceberg(table, snapshot_id=first).select(pl.len()).collect().item() == 1000
    assert catalog.load_table("firnflow.orders").scan(row_filter="id < 3").to_arrow().num_rows == 3
    catalog.engine.dispose()
