from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import duckdb
import ibis
import pytest

from firnflow.errors import StoreError, UsageError
from firnflow.stores.warehouse import DuckDBWarehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[DuckDBWarehouse]:
    opened = DuckDBWarehouse(memory=500_000_000, threads=2, temp=tmp_path / "spill" / "here")
    yield opened
    opened.close()


def setting(warehouse: DuckDBWarehouse, name: str) -> str:
    return str(warehouse.connection.con.sql(f"SELECT current_setting('{name}')").fetchall()[0][0])


def test_settings_reach_duckdb(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    assert setting(warehouse, "memory_limit") == "476.8 MiB"
    assert setting(warehouse, "threads") == "2"
    assert setting(warehouse, "temp_directory").startswith(str(tmp_path / "spill"))
    assert setting(warehouse, "preserve_insertion_order") == "True"
    for name in (
        "enable_progress_bar",
        "autoinstall_known_extensions",
        "allow_community_extensions",
        "allow_unsigned_extensions",
    ):
        assert setting(warehouse, name) == "False"


def test_a_table_is_written_and_read(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    table = warehouse.sql("SELECT range AS id, 'x' || range AS \"na me\" FROM range(100000)", {})
    warehouse.write_parquet(table, tmp_path / "t.parquet")
    again = warehouse.read_parquet(tmp_path / "t.parquet")
    assert again.schema() == table.schema()
    assert again.count().execute() == 100_000
    assert again.id.execute().tolist() == list(range(100_000))
    codec = warehouse.connection.con.sql(f"SELECT DISTINCT compression FROM parquet_metadata('{tmp_path}/t.parquet')")
    assert codec.fetchall() == [("ZSTD",)]


@pytest.mark.parametrize("name", ["it's", "a*b", "a?b", "[ab]", "ü x", 'q"q', "semi;colon", "%2e%2e", "a\nb"])
def test_any_file_name_is_a_name(warehouse: DuckDBWarehouse, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    decoy = tmp_path / "axb"
    decoy.mkdir()
    warehouse.write_parquet(ibis.memtable({"a": [2]}), decoy / "t.parquet")
    warehouse.write_parquet(ibis.memtable({"a": [1]}), folder / "t.parquet")
    assert warehouse.read_parquet(folder / "t.parquet").a.execute().tolist() == [1]
    (folder / "t.parquet").unlink()
    with pytest.raises(duckdb.IOException, match="No files found"):
        warehouse.read_parquet(folder / "t.parquet")


def test_a_file_is_read_anew_when_it_is_replaced(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    warehouse.write_parquet(ibis.memtable({"a": [1]}), path)
    assert warehouse.read_parquet(path).a.execute().tolist() == [1]
    warehouse.write_parquet(ibis.memtable({"b": ["x"]}), path)
    assert warehouse.read_parquet(path).b.execute().tolist() == ["x"]


def test_sql_over_named_tables(warehouse: DuckDBWarehouse) -> None:
    tables = {"left": ibis.memtable({"id": [1, 2]}), "ri ght": ibis.memtable({"id": [2, 3]})}
    found = warehouse.sql('WITH b AS (FROM "ri ght") SELECT * FROM "left" SEMI JOIN b USING (id) -- end ;', tables)
    assert found.id.execute().tolist() == [2]
    ordered = warehouse.sql('SELECT * FROM "left" ORDER BY id DESC;', tables)
    commented = warehouse.sql('SELECT count(*) AS n FROM "left"; -- that is all;', tables)
    assert commented.n.execute().tolist() == [tables["left"].count().execute()]
    assert ordered.id.execute().tolist() == [2, 1]
    assert warehouse.sql('DESCRIBE "left"', tables).column_name.execute().tolist() == ["id"]


def test_the_same_name_may_mean_another_table_in_the_next_query(warehouse: DuckDBWarehouse) -> None:
    first = warehouse.sql("FROM t", {"t": ibis.memtable({"a": [1]})})
    second = warehouse.sql("FROM t", {"t": ibis.memtable({"a": [2]})})
    assert (first.a.execute().tolist(), second.a.execute().tolist()) == ([1], [2])


@pytest.mark.parametrize(
    "query",
    [
        "SELECT b FROM t",
        "FROM s",
        "SELEC 1",
        "DROP TABLE t",
        "SELECT 1) ; DROP VIEW x; SELECT (1",
        "",
        "INSERT INTO t VALUES (1)",
    ],
)
def test_a_wrong_query_says_what_tables_there_are(warehouse: DuckDBWarehouse, query: str) -> None:
    with pytest.raises(UsageError, match=r"(?s)The query cannot be run: .*Tables: t"):
        warehouse.sql(query, {"t": ibis.memtable({"a": [1]})}).execute()


def test_a_table_of_the_user_s_own_duckdb(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    own = ibis.duckdb.connect()
    warehouse.write_parquet(own.create_table("t", {"a": [5]}), tmp_path / "t.parquet")
    assert warehouse.read_parquet(tmp_path / "t.parquet").a.execute().tolist() == [5]
    own.disconnect()


def test_a_table_of_another_backend(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    pytest.importorskip("polars")
    table = ibis.polars.connect({"t": ibis.memtable({"a": [1]}).to_polars()}).table("t")
    with pytest.raises(UsageError, match=r"Ibis's polars backend .* Mend: return `table.to_pyarrow"):
        warehouse.write_parquet(table, tmp_path / "t.parquet")


def test_an_error_of_the_user_s_expression_stays_what_it_is(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    table = ibis.memtable({"a": ["1", "x"]}).mutate(b=ibis._.a.cast("int64"))
    with pytest.raises(duckdb.ConversionException, match="Could not convert string 'x'"):
        warehouse.write_parquet(table, tmp_path / "t.parquet")
    assert not (tmp_path / "t.parquet").exists()


@pytest.mark.slow
def test_a_sort_larger_than_the_memory_spills_and_leaves_nothing(tmp_path: Path) -> None:
    small = DuckDBWarehouse(memory=60_000_000, threads=1, temp=tmp_path / "spill")
    table = small.sql("SELECT range AS id, md5(range::VARCHAR) AS h FROM range(2000000) ORDER BY h", {})
    small.write_parquet(table, tmp_path / "t.parquet")
    assert small.read_parquet(tmp_path / "t.parquet").count().execute() == 2_000_000
    small.close()
    assert list((tmp_path / "spill").iterdir()) == []


def test_out_of_memory_says_which_setting_mends_it(tmp_path: Path) -> None:
    small = DuckDBWarehouse(memory=20_000_000, threads=1, temp=tmp_path / "spill")
    table = small.sql("SELECT list(md5(range::VARCHAR)) AS l FROM range(2000000)", {})
    with pytest.raises(duckdb.OutOfMemoryException, match="memory") as caught:
        small.write_parquet(table, tmp_path / "t.parquet")
    assert "raise `memory`" in caught.value.__notes__[0]
    small.close()


def test_a_full_disk_is_called_so(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.getuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk]).returncode != 0:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        with pytest.raises(StoreError, match=r"disk of .*/disk is full"):
            warehouse.write_parquet(
                warehouse.sql("SELECT hash(range) AS h FROM range(1000000)", {}), disk / "t.parquet"
            )
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.slow
def test_a_long_query_writes_no_progress(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    warehouse = DuckDBWarehouse(memory=None, threads=1, temp=tmp_path)
    table = warehouse.sql("SELECT sum(hash(a.range + b.range)) AS s FROM range(20000) a, range(20000) b", {})
    table.execute()
    warehouse.write_parquet(table, tmp_path / "t.parquet")
    assert capfd.readouterr().out == ""
    warehouse.close()


def test_nothing_is_connected_before_it_is_used(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(None, None, tmp_path / "spill")
    warehouse.close()
    assert not (tmp_path / "spill").exists()
