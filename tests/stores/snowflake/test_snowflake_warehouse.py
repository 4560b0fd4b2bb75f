from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import ibis
import pandas as pd
import pyarrow as pa
import pytest

from firnflow import values
from firnflow.errors import DamagedArtifactError, DataError, StoreError, UsageError
from firnflow.stores.snowflake.warehouse import IDLE

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.slow

VALUES = {
    "i8": "(-5)::TINYINT",
    "i32": "8::INTEGER",
    "i64": "9223372036854775807::BIGINT",
    "u8": "255::UTINYINT",
    "u64": "18446744073709551615::UBIGINT",
    "f32": "1.1::FLOAT",
    "f64": "0.1::DOUBLE",
    "nan": "'nan'::DOUBLE",
    "inf": "'-inf'::DOUBLE",
    "flag": "true",
    "Wörter '\"; --": r"'a''b\"c\n '",
    "empty": "''",
    "decimal": "-1234567.89::DECIMAL(10, 2)",
    "long_decimal": "1234567890123456789012345678.0123456789::DECIMAL(38, 10)",
    "day": "DATE '2024-02-29'",
    "first_day": "DATE '0001-01-01'",
    "time": "TIME '23:59:59.999999'",
    "moment": "TIMESTAMP '1600-01-01 12:34:56.123456'",
    "second": "TIMESTAMP_S '2024-01-01 12:34:56'",
    "milli": "TIMESTAMP_MS '2024-01-01 12:34:56.123'",
    "zoned": "TIMESTAMPTZ '2024-01-01 12:34:56.123456+02:00'",
    "bytes": r"'\x00\xFF'::BLOB",
    "list": "[1, 2, NULL]",
    "texts": "['a', 'b''\"']",
    "struct": "{'a': 1, 'B b': 'x'}",
    "map": "MAP {'k': 1.5, 'j': NULL}",
    "nested": "[{'x': [1, 2]}]",
    "uuid": "'12345678-1234-1234-1234-123456789abc'::UUID",
    "category": "'x'::ENUM('x', 'y')",
    "json": """'{"a":[1,2]}'::JSON""",
    "select": "1",
    "a.b": "2",
    "$1": "3",
}


def test_a_session_that_has_ended_while_nothing_was_done_is_begun_again(both: Any) -> None:
    warehouse = both.snow.warehouse
    rows = both.load(both.save(both.load(both.file("SELECT 1 AS k UNION ALL SELECT 2"))))
    joined = rows.join(ibis.memtable({"k": [2]}), "k")
    assert both.load(both.save(joined), pa.Table).to_pylist() == [{"k": 2}]
    first = warehouse.connection.con
    first.rest.delete_session()  # as the silence of a long training does
    warehouse._used_at -= IDLE + 1
    assert both.load(both.save(joined), pa.Table).to_pylist() == [{"k": 2}]
    assert warehouse.connection.con is not first
    warehouse._used_at -= IDLE + 1
    assert warehouse.connection.con is warehouse.connection.con


def test_every_type_comes_back_equal_from_a_table_computed_in_snowflake(both: Any) -> None:
    chosen = ", ".join(f"{value} AS {_quoted(name)}" for name, value in VALUES.items())
    nothing = ", ".join("NULL" for _ in VALUES)
    ref = both.file(f"SELECT {chosen}, 1 AS k UNION ALL SELECT {nothing}, 2")
    here = both.save(both.load(ref, here=True).filter(ibis._.k > 0), here=True)
    there = both.save(both.load(ref).filter(ibis._.k > 0))
    assert there.is_kept
    assert not here.is_kept
    assert there.meta is not None
    assert here.meta is not None
    assert there.meta["columns"] == here.meta["columns"]
    expected, found = (both.load(each, pa.Table).sort_by("k") for each in (here, there))
    assert found.schema.equals(expected.schema)
    assert repr(found.to_pylist()) == repr(expected.to_pylist())
    frames = [both.load(each, pd.DataFrame).sort_values("k", ignore_index=True) for each in (here, there)]
    pd.testing.assert_frame_equal(frames[1], frames[0])


def test_computed_columns_have_the_types_and_values_that_duckdb_gives_them(both: Any) -> None:
    days = "DATE '2026-01-01' + i::INTEGER"
    ref = both.file(f"SELECT i AS k, {days} AS d, i % 3 AS g, i * 0.37::DOUBLE AS x FROM range(50) t(i)")
    found: list[list[Any]] = []
    for here in (True, False):
        t = both.load(ref, here=here)
        rows = t.mutate(month=t.d.month(), week=t.d.day_of_week.index(), dear=(t.k * 1000.0).round(1), part=t.k / 7)
        sums = t.group_by("g").agg(n=t.count(), s=t.k.sum(), m=t.k.mean(), q=t.x.quantile(0.3), late=t.d.max())
        made = [both.save(rows, here=here), both.save(sums, here=here)]
        assert {each.is_kept for each in made} == {not here}
        later = t.mutate(step=ibis.range(0, t.g).unnest())
        later = later.mutate(day=later.d + later.step * ibis.interval(days=1))
        made.append(both.save(later.group_by("k").agg(n=later.count(), s=later.step.sum()), here=here))
        asked = t.agg(s=t.k.sum(), d=t.d.min(), x=t.x.mean())
        tables = [both.load(each, pd.DataFrame, here=here) for each in made]
        found.append([*tables, asked.execute(), asked.to_pyarrow().to_pandas(), t.k.sum().execute()])
    for one, other in zip(*(each[:5] for each in found), strict=True):
        by = [name for name in ("k", "g") if name in one.columns]
        frames = [each.sort_values(by, ignore_index=True) if by else each for each in (one, other)]
        pd.testing.assert_frame_equal(*frames, rtol=1e-9)
    assert found[0][5] == found[1][5]


def test_rows_stay_in_snowflake_and_a_file_is_loaded_once(both: Any) -> None:
    ref = both.file("SELECT i AS k, i % 7 AS v FROM range(1000) t(i)")
    assert both.names() == []
    table = both.load(ref)
    assert len(both.names()) == 1
    both.load(ref)
    assert len(both.names()) == 1
    one = both.save(table.group_by("v").agg(n=table.count(), mean=table.k.mean()))
    two = both.save(both.load(ref).group_by("v").agg(n=ibis._.count(), mean=ibis._.k.mean()))
    assert one.where != two.where
    assert one.digest == two.digest
    assert one.digest != both.save(table.group_by("v").agg(n=table.count(), mean=table.k.mean() + 1e-9)).digest
    rows = both.load(one, pa.Table).sort_by("v").to_pylist()
    assert rows[0] == {"v": 0, "n": 143, "mean": 497.0}
    assert both.load(one).n.sum().execute() == 1000


def test_divisions_and_means_of_whole_numbers_keep_their_digits(both: Any) -> None:
    table = both.load(both.file("SELECT 1 AS a, 3 AS b UNION ALL SELECT 1, 4 UNION ALL SELECT 2, 4"))
    sql = both.snow.warehouse.compiled(table.agg(q=(table.a / table.b).sum(), m=table.a.mean(), d=table.a.median()))
    assert sql.count("AS DOUBLE") == 3


def test_rows_of_this_process_can_be_joined_with_tables_in_snowflake(both: Any) -> None:
    table = both.load(both.file("SELECT range AS n, range * 1.5 AS x FROM range(5)"))
    mine = ibis.memtable(pa.table({"n": [3, 1], "Wörter '\"; --": ["c", None]}))
    found = table.inner_join(mine, "n").order_by("n").to_pyarrow()
    assert found.to_pylist() == [
        {"n": 1, "x": 1.5, "Wörter '\"; --": None},
        {"n": 3, "x": 4.5, "Wörter '\"; --": "c"},
    ]
    kept = both.save(table.semi_join(mine, "n"))
    assert both.load(kept).count().execute() == 2


def test_the_order_of_sorted_rows_is_kept(both: Any) -> None:
    table = both.load(both.file("SELECT i AS k, (i * 7919) % 1000 AS v FROM range(1000) t(i)"))
    ref = both.save(table.order_by(ibis.desc("v")).filter(ibis._.k > 10).limit(3).mutate(w=ibis._.v + 1).drop("k"))
    assert both.load(ref, pa.Table).to_pydict() == {"v": [999, 998, 997], "w": [1000, 999, 998]}
    again = both.save(both.load(ref).limit(2))
    assert both.load(again, pa.Table).to_pydict() == {"v": [999, 998], "w": [1000, 999]}
    assert both.save(table.order_by("v")).digest != both.save(table.order_by(ibis.desc("v"))).digest


def test_what_is_gone_or_was_changed_by_hand_is_noticed(both: Any) -> None:
    table = both.load(both.file("SELECT 1 AS a UNION ALL SELECT 2"))
    ref, other = both.save(table), both.save(table.mutate(b=1))
    assert ref.where is not None
    assert other.where is not None
    name = ref.where.removeprefix("snowflake:")
    both.snow.warehouse.connection.raw_sql(f'DELETE FROM {name} WHERE "a" = 1').close()
    with pytest.raises(DamagedArtifactError, match=r"has 1 rows instead of 2.*--no-cache"):
        both.load(ref)
    both.snow.delete(other.where)
    assert not both.snow.exists(other.where)
    with pytest.raises(DamagedArtifactError, match="is not there"):
        both.load(other, pa.Table)
    with pytest.raises(DamagedArtifactError, match="no table of ours"):
        both.snow.exists('snowflake:"A"."B"."X; DROP TABLE y"')


def test_nobody_drops_the_tables_of_another_state(both: Any, tmp_path: Path) -> None:
    ref = both.save(both.load(both.file("SELECT 1 AS a")))
    assert ref.where is not None
    other = both.other(both.snow.artifacts, tmp_path / "tmp", "f" * 32)
    with contextlib.closing(other):
        assert [each for each in other.objects() if each.where.startswith("snowflake:")] == []
        with pytest.raises(StoreError, match="not a table of this state"):
            other.delete(ref.where)
        assert values.load(ref, pa.Table, other).to_pydict() == {"a": [1]}
    assert both.snow.exists(ref.where)


def test_a_role_that_may_make_no_tables_is_told_what_it_needs(both: Any) -> None:
    table = both.load(both.file("SELECT 1 AS a"))
    run, role = both.snow.warehouse.run, f"R_{both.schema}"
    try:
        for grant in (
            f"CREATE ROLE {role}",
            f"GRANT USAGE ON DATABASE {both.database} TO ROLE {role}",
            f"GRANT USAGE ON SCHEMA {both.database}.{both.schema} TO ROLE {role}",
            f"GRANT USAGE ON WAREHOUSE COMPUTE_WH TO ROLE {role}",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {both.database}.{both.schema} TO ROLE {role}",
            f"GRANT ROLE {role} TO USER EMULATOR",
            f"USE ROLE {role}",
        ):
            run(grant)
        with pytest.raises(StoreError, match=r"Insufficient privileges.*Mend: a role with CREATE TABLE"):
            both.save(table)
    finally:
        run("USE ROLE ACCOUNTADMIN")


def test_what_cannot_be_computed_says_why(both: Any) -> None:
    table = both.load(both.file("SELECT 1 AS a"))
    here = both.local.warehouse.connection.sql("SELECT 1 AS a")
    with pytest.raises(UsageError, match=r"tables of (duckdb, snowflake|snowflake, duckdb) at once"):
        both.save(table.union(here))
    with pytest.raises(DataError, match="'a' and 'A' differ only in case"):
        both.save(table.mutate(A=ibis._.a))
    with pytest.raises(DataError, match=r"'i' is INTERVAL, of which Parquet would lose a part"):
        both.save(table.mutate(i=ibis.interval(days=1)))
    kept = both.save(table)
    with pytest.raises(StoreError, match=r'warehouse is DuckDB\. Mend: warehouse = "snowflake"'):
        both.load(kept, here=True)
    with pytest.raises(UsageError, match="The query cannot be run"):
        both.snow.warehouse.sql("SELECT 1; DROP TABLE x", {})
    assert (
        both.snow.warehouse.sql('SELECT a + 1 AS b FROM (SELECT "a" AS a FROM t)', {"t": table}).count().execute() == 1
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
