"""Tables of the warehouse: what is written, and what their digest tells apart."""

from __future__ import annotations

import itertools

import ibis
import pyarrow as pa
import pytest

from firnflow import values
from firnflow.errors import DamagedArtifactError, DataError


def sql(storage, query: str) -> ibis.Table:
    return storage.warehouse.connection.sql(query)


def save(storage, query: str):
    return values.save(sql(storage, query), ibis.Table, storage)


def test_sums_of_integers_stay_integers(storage):
    table = ibis.memtable({"g": ["a", "a"], "n": [2**62, 1]})
    ref = values.save(table.group_by("g").agg(total=table.n.sum()), ibis.Table, storage)
    assert ref.meta["columns"] == {"g": "string", "total": "int64"}
    assert values.load(ref, pa.Table, storage).to_pylist() == [{"g": "a", "total": 2**62 + 1}]


def test_huge_integers_stay_exact(storage):
    ref = save(storage, "SELECT 1000000000000000000000000000001::HUGEINT AS n, [1::HUGEINT] AS l")
    assert ref.meta["columns"]["n"] == "decimal128(38, 0)"
    assert int(values.load(ref, pa.Table, storage)["n"][0].as_py()) == 10**30 + 1


@pytest.mark.parametrize(
    "lossy", ["INTERVAL '3.000001 seconds'", "TIMETZ '01:02:03+01'", "[INTERVAL '1 day']", "union_value(a := 1)"]
)
def test_types_that_parquet_would_cut_are_refused(storage, lossy):
    table = storage.warehouse.connection.sql(f"SELECT {lossy} AS x", schema={"x": "int64"})
    with pytest.raises(DataError, match=r"column 'x' is .*Mend: "):
        values.save(table, ibis.Table, storage)


DIFFERENT = [
    "SELECT 1::BIGINT AS x",
    "SELECT 1::INTEGER AS x",
    "SELECT 1::DOUBLE AS x",
    "SELECT '1' AS x",
    "SELECT 1::BIGINT AS y",
    "SELECT 1::BIGINT AS x, 2 AS y",
    "SELECT NULL::BIGINT AS x",
    "SELECT 1::BIGINT AS x LIMIT 0",
    "SELECT '1' AS x LIMIT 0",
    "SELECT NULL::DOUBLE AS x",
    "SELECT 'NaN'::DOUBLE AS x",
    "SELECT 'inf'::DOUBLE AS x",
    "SELECT '' AS x",
    "SELECT NULL::VARCHAR AS x",
    "SELECT unnest([1::BIGINT, 1]) AS x",
    "SELECT unnest([1::BIGINT, 2]) AS x",
    "SELECT unnest([1::BIGINT, NULL]) AS x",
    "SELECT [1]::BIGINT[] AS x",
    "SELECT []::BIGINT[] AS x",
    "SELECT [NULL]::BIGINT[] AS x",
    "SELECT NULL::BIGINT[] AS x",
    "SELECT [[]]::BIGINT[][] AS x",
    "SELECT [NULL]::BIGINT[][] AS x",
    "SELECT [1, 2] AS x, [3] AS y",
    "SELECT [1] AS x, [2, 3] AS y",
    "SELECT ['a, b'] AS x",
    "SELECT ['a', 'b'] AS x",
    "SELECT ['NaN'::DOUBLE] AS x",
    "SELECT [NULL::DOUBLE] AS x",
    "SELECT {'a': NULL::INT} AS x",
    "SELECT NULL::STRUCT(a INT) AS x",
    "SELECT map {1: 2} AS x",
    "SELECT map {2: 1} AS x",
    "SELECT TIMESTAMP '2020-01-01' AS x",
    "SELECT TIMESTAMPTZ '2020-01-01 00:00:00Z' AS x",
    "SELECT DATE '2020-01-01' AS x",
    "SELECT 1.10::DECIMAL(5, 2) AS x",
    "SELECT 1.1::DECIMAL(5, 1) AS x",
    "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t(x, y)",
    "SELECT * FROM (VALUES (1, 'b'), (2, 'a')) AS t(x, y)",
]


def test_different_tables_have_different_digests(storage):
    digests = {query: save(storage, query).digest for query in DIFFERENT}
    equal = [pair for pair in itertools.combinations(DIFFERENT, 2) if digests[pair[0]] == digests[pair[1]]]
    assert equal == []


def test_a_relation_has_no_order_and_a_sorted_one_has(storage):
    up, down = (sql(storage, f"SELECT unnest([{rows}]) AS x") for rows in ("1, 2, 3", "3, 2, 1"))
    assert values.save(up, ibis.Table, storage).digest == values.save(down, ibis.Table, storage).digest
    rising, falling = up.order_by("x"), up.order_by(ibis.desc("x"))
    refs = [values.save(table, ibis.Table, storage) for table in (rising, falling, down.order_by("x"))]
    assert refs[0].digest == refs[2].digest
    assert refs[0].meta["ordered"] is True
    assert len({ref.digest for ref in refs} | {values.save(up, ibis.Table, storage).digest}) == 3
    assert values.load(refs[1], pa.Table, storage)["x"].to_pylist() == [3, 2, 1]


@pytest.mark.parametrize(
    "after",
    [
        lambda t: t.limit(2),
        lambda t: t.select("x"),
        lambda t: t.mutate(y=t.x + 1),
        lambda t: t.filter(t.x > 0),
        lambda t: t.drop("z"),
        lambda t: t.limit(2).select("x"),
    ],
)
def test_steps_that_keep_the_order(storage, after):
    table = after(sql(storage, "SELECT unnest([3, 1, 2]) AS x, 1 AS z").order_by("x"))
    assert values.save(table, ibis.Table, storage).meta["ordered"] is True


@pytest.mark.parametrize(
    "after", [lambda t: t.group_by("x").agg(n=t.count()), lambda t: t.distinct(), lambda t: t.join(t.view(), "x")]
)
def test_steps_that_lose_the_order(storage, after):
    table = after(sql(storage, "SELECT unnest([3, 1, 2]) AS x").order_by("x"))
    assert "ordered" not in values.save(table, ibis.Table, storage).meta


def test_an_expression_is_computed_once(storage):
    table = sql(storage, "SELECT random() AS x FROM range(10)")
    ref = values.save(table, ibis.Table, storage)
    loaded = values.load(ref, ibis.Table, storage)
    assert loaded.execute().equals(loaded.execute())
    assert values.save(loaded, ibis.Table, storage).digest == ref.digest
    assert values.save(table, ibis.Table, storage).digest != ref.digest


def test_equal_tables_in_unequal_files_do_not_mix(storage):
    """Two attempts may write the rows of one table in different order: each ref finds its own file."""
    up, down = (save(storage, f"SELECT unnest([{rows}]) AS x") for rows in ("1, 2, 3", "3, 2, 1"))
    assert up.digest == down.digest
    assert up.where != down.where
    assert values.load(up, pa.Table, storage)["x"].to_pylist() == [1, 2, 3]


def test_a_table_of_another_duckdb(storage):
    other = ibis.duckdb.connect()
    ref = values.save(other.sql("SELECT sum(x) AS x FROM range(5) t(x)"), ibis.Table, storage)
    assert values.load(ref, pa.Table, storage).num_rows == 1


def test_a_file_that_was_exchanged_is_damage(storage):
    ref = save(storage, "SELECT 1 AS x")
    path = storage.local(ref.where)
    other = storage.local(save(storage, "SELECT 2 AS x").where).read_bytes()
    assert len(other) == ref.size
    path.chmod(0o644)
    path.write_bytes(other)
    with pytest.raises(DamagedArtifactError, match="SHA-256 differs"):
        values.load(ref, ibis.Table, storage)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1PAR1", b"x" * 100, b"PAR1" + b"\xff\xff\xff\x7fPAR1"])
def test_no_parquet_at_all_is_damage(storage, content):
    ref = save(storage, "SELECT 1 AS x")
    path = storage.local(ref.where)
    path.chmod(0o644)
    path.write_bytes(content)
    with pytest.raises(DamagedArtifactError, match="bytes, but"):
        values.load(ref, ibis.Table, storage)
