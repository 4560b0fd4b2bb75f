"""Runs whose sources are tables that others keep in Snowflake: read there or fetched, the same, and fixed."""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from firnflow.cli._rehearsal.borrowed import borrow, lend
from firnflow.engine.schedules.watch import SourceWatch
from firnflow.errors import DataError, NotFoundError, StoreError, UsageError
from firnflow.stores import Stores
from firnflow.values import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

SOURCE = """
    import ibis
    import pathlib

    @ff.task
    def daily(orders: ibis.Table) -> ibis.Table:
        return orders.group_by(orders['DAY']).agg(total=orders['AMOUNT'].sum(), n=orders.count())

    @ff.task
    def all_of_it(rows: ibis.Table) -> ibis.Table:
        return rows

    @ff.task
    def fails_once(orders: ibis.Table) -> int:
        mark = pathlib.Path(__file__).with_name("failed")
        if not mark.exists():
            mark.touch()
            raise ValueError("once")
        return int(orders.count().execute())

    @ff.pipeline
    def flow():
        daily(ff.source("orders"))

    @ff.pipeline
    def types():
        all_of_it(ff.source("types"))

    @ff.pipeline
    def broken():
        fails_once(ff.source("orders"))
"""
BEFORE = """
    @ff.task
    def refuses() -> int:
        raise ValueError("not yet")

    @ff.pipeline
    def flow():
        refuses()
"""
ORDERS = 'CREATE TABLE {} (ID INT, DAY DATE, AMOUNT NUMBER(10, 2), "it\'s ""odd""" VARCHAR)'
ROWS = "INSERT INTO {} VALUES (1, '2026-01-05', 10.50, 'a'), (2, '2026-01-05', 0.25, NULL), (3, '2026-01-06', -3, 'ü')"
TYPES = """CREATE TABLE {} (I INT, D DECIMAL(12, 3), F FLOAT, T VARCHAR, B BOOLEAN, DY DATE, N TIMESTAMP_NTZ,
    Z TIMESTAMP_TZ, TI TIME, V VARIANT, BI BINARY) AS SELECT 9007199254740993, 1.125, 0.1, 'it''s', TRUE, '2026-02-03',
    '2026-02-03 04:05:06.123456', '2026-02-03 04:05:06+02:00', '04:05:06', PARSE_JSON('{{"a": [1, null]}}'),
    TO_BINARY('00ff', 'HEX')"""


class Account:
    """A schema with a table that somebody else keeps."""

    def __init__(self, url: str) -> None:
        import snowflake.connector

        self.name, database, schema = url.removeprefix("snowflake://").split("/")
        self.schema = f"{database}.{schema}"
        self.connection = snowflake.connector.connect(connection_name=self.name, database=database, schema=schema)

    def __call__(self, *statements: str) -> list[Any]:
        with self.connection.cursor() as cursor:
            for each in statements:
                cursor.execute(each)
            return cursor.fetchall()

    def close(self) -> None:
        self.connection.close()

    def settings(self, warehouse: str, more: str = "") -> str:
        database, schema = self.schema.split(".")
        place = f'connection = "{self.name}", database = "{database}", schema = "{schema}"{more}'
        return f'warehouse = "{warehouse}"\nsnowflake = {{ {place} }}'


@pytest.fixture
def account(snowflake_url: str) -> Iterator[Account]:
    with contextlib.closing(Account(snowflake_url)) as made:
        yield made


@pytest.fixture
def flows(lab: Callable[..., Any], account: Account, tmp_path: Any) -> Callable[..., Any]:
    """Return what makes a project over `catalog.toml` with a warehouse."""

    def make(warehouse: str, catalog: str, more: str = "") -> Any:
        root = tmp_path / warehouse
        root.mkdir(exist_ok=True)
        (root / "catalog.toml").write_text(catalog)
        return lab(SOURCE, account.settings(warehouse, more), root)

    return make


def rows(flow: Any, result: Any, task: str) -> list[dict[str, Any]]:
    import pyarrow as pa

    assert result.status == "succeeded", result.error
    with contextlib.closing(Stores.open(flow.project.settings, flow.root)) as stores:
        found: pa.Table = load(result.outputs[task], pa.Table, stores)
        return sorted(found.to_pylist(), key=repr), found.schema


def test_a_table_of_others_is_the_same_read_in_place_and_fetched(flows: Any, account: Account) -> None:
    odd = '"Shop;s ""Orders"" é"'
    account(ORDERS.format(odd), ROWS.format(odd), TYPES.format("ALL_TYPES"))
    catalog = f"""
        [orders]
        table = '{odd}'
        where = "ID < 4"
        columns.ID = {{ type = "int", null = false, unique = true }}
        checks.min_rows = 3
        [types]
        view = "ONE_VIEW"
    """
    account("CREATE VIEW ONE_VIEW AS SELECT * FROM ALL_TYPES")
    here, there = flows("duckdb", catalog), flows("snowflake", catalog)
    flow_here, flow_there = (each.run("flow", inline=True) for each in (here, there))
    types_here, types_there = (each.run("types", inline=True) for each in (here, there))
    assert rows(here, flow_here, "daily") == rows(there, flow_there, "daily")
    assert rows(here, flow_here, "daily")[0] == [
        {"DAY": dt.date(2026, 1, 5), "total": Decimal("10.75"), "n": 2},
        {"DAY": dt.date(2026, 1, 6), "total": Decimal("-3.00"), "n": 1},
    ]
    (one,), schema = rows(here, types_here, "all_of_it")
    assert ([one], schema) == rows(there, types_there, "all_of_it")
    assert (one["I"], one["D"], one["TI"]) == (9007199254740993, Decimal("1.125"), dt.time(4, 5, 6))
    assert one["Z"] == dt.datetime(2026, 2, 3, 2, 5, 6, tzinfo=dt.UTC)
    assert [flow_there.outputs["orders"].is_kept, flow_here.outputs["orders"].is_kept] == [True, False]
    assert flow_there.outputs["orders"].meta["checks"]["outcome"] == "passed"
    assert there.run("flow", inline=True).tasks["orders"].state == "cached"
    account(f"INSERT INTO {odd} VALUES (3, '2026-01-06', 1, NULL)")
    for each in (here, there):
        wrong = each.run("flow", inline=True)
        message = wrong.tasks["orders"].error["message"]
        assert message.startswith("orders: 2 of 4 rows are not what catalog.toml declares; nothing was loaded"), message
        assert "ID = '3'" in message
    assert not [row for row in account("SHOW TABLES") if "FIRNFLOW$" in row[1] and row[7] == 4]  # nothing is left of it


def test_a_run_reads_the_rows_of_its_start_also_when_it_is_resumed(flows: Any, account: Account, tmp_path: Any) -> None:
    account(ORDERS.format("O"), ROWS.format("O"), "CREATE VIEW V AS SELECT * FROM O")
    for warehouse in ("duckdb", "snowflake"):
        flow = flows(warehouse, "[orders]\ntable = 'o'\n")
        failed = flow.run("broken", inline=True)
        assert failed.status == "failed"
        account("INSERT INTO O VALUES (9, '2026-01-07', 1, NULL)")
        done = flow.resume(failed.run, inline=True)
        assert done.outputs["fails_once"].inline == "3"
        account("DELETE FROM O WHERE ID = 9")


def test_what_was_not_read_yet_is_read_as_it_was_where_it_keeps_its_history(
    flows: Any, account: Account, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from firnflow.engine import run as running

    account(ORDERS.format("O"), ROWS.format("O"), "CREATE VIEW V AS SELECT * FROM O")
    original = running.tables.pinned

    def changed(*given: Any) -> Any:  # after the run has settled what it reads
        account("DELETE FROM O WHERE ID = 1")
        return original(*given)

    for warehouse in ("duckdb", "snowflake"):
        flow = flows(warehouse, "[orders]\ntable = 'o'\n")
        with monkeypatch.context() as patch:
            patch.setattr(running.tables, "pinned", changed)
            done = flow.run("flow", inline=True)
        assert sum(each["n"] for each in rows(flow, done, "daily")[0]) == 3
        account(ROWS.format("O"), "DELETE FROM O", ROWS.format("O"))
    flow = flows("snowflake", "[orders]\nview = 'v'\n")
    with monkeypatch.context() as patch:
        patch.setattr(running.tables, "pinned", changed)
        done = flow.run("flow", inline=True)
    assert sum(each["n"] for each in rows(flow, done, "daily")[0]) == 2
    assert "orders changed since the run began, and keeps no history" in caplog.text
    assert flow.run("flow", inline=True).tasks["orders"].state == "succeeded"  # nobody takes that for the rows of then


def test_a_source_that_a_resumed_run_reads_for_the_first_time_is_held_to_what_was_settled_then(
    flows: Any, lab: Any, account: Account, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from firnflow.engine import run as running

    account(ORDERS.format("O"), ROWS.format("O"), "CREATE VIEW V AS SELECT * FROM O")
    flow = flows("duckdb", "[orders]\nview = 'v'\n")
    failed = lab(BEFORE, account.settings("duckdb"), flow.root).run("flow", inline=True)
    assert failed.status == "failed"
    flow = flows("duckdb", "[orders]\nview = 'v'\n")
    original = running.tables.pinned

    def changed(*given: Any) -> Any:  # after the run has settled what it reads
        account("DELETE FROM O WHERE ID = 1")
        return original(*given)

    with monkeypatch.context() as patch:
        patch.setattr(running.tables, "pinned", changed)
        done = flow.resume(failed.run, inline=True)
    assert sum(each["n"] for each in rows(flow, done, "daily")[0]) == 2
    assert "orders changed since the run began, and keeps no history" in caplog.text


def test_a_query_a_sample_and_what_cannot_be_read(flows: Any, account: Account) -> None:
    account(ORDERS.format("O"), ROWS.format("O"))
    catalog = "[orders]\nquery = 'SELECT * FROM o WHERE id > 1'\nconnection = 'snowflake'\nversion = 'SELECT 1'\n"
    for warehouse in ("duckdb", "snowflake"):
        flow = flows(warehouse, catalog)
        assert sum(each["n"] for each in rows(flow, flow.run("flow", inline=True), "daily")[0]) == 2
    assert flow.run("flow", inline=True).tasks["orders"].state == "cached"
    few = flows("duckdb", "[orders]\ntable = 'o'\n", ", sample = 1")
    assert sum(each["n"] for each in rows(few, few.run("flow", inline=True), "daily")[0]) == 1
    account("CREATE TABLE BIG (ID NUMBER(20, 0), DAY DATE, AMOUNT FLOAT)", "INSERT INTO BIG VALUES (9e18, NULL, 1)")
    account("INSERT INTO BIG VALUES (99999999999999999999, NULL, NULL)")
    for warehouse in ("duckdb", "snowflake"):
        wrong = flows(warehouse, "[orders]\ntable = 'big'\n").run("flow", inline=True)
        assert "ID of " in wrong.tasks["orders"].error["message"]
        assert "whole numbers beyond 64 bits" in wrong.tasks["orders"].error["message"]
        right = flows(warehouse, "[orders]\ntable = 'big'\ncolumns.ID = 'decimal(38, 0)'\n")
        assert right.run("flow", inline=True).status == "succeeded"
    for table, kind, said in (
        ("nowhere", NotFoundError, "there is no table nowhere in Snowflake, or role ACCOUNTADMIN may not see it"),
        ("a; DROP TABLE o", UsageError, "is no name in Snowflake"),
    ):
        with pytest.raises(kind, match=said):
            flows("duckdb", f"[orders]\ntable = '{table}'\n").run("flow", inline=True)
    role, database = f"R{uuid.uuid4().hex[:8]}".upper(), account.schema.split(".")[0]
    account(f"CREATE ROLE {role}", f"GRANT ROLE {role} TO USER EMULATOR", f"GRANT REFERENCES ON TABLE O TO ROLE {role}")
    account(f"GRANT USAGE ON DATABASE {database} TO ROLE {role}")
    account(f"GRANT USAGE ON SCHEMA {account.schema} TO ROLE {role}")
    said = f"role {role} may not read o: .*Mend: GRANT SELECT ON TABLE o TO ROLE {role}"
    with pytest.raises(StoreError, match=said):
        flows("duckdb", "[orders]\ntable = 'o'\n", f', role = "{role}"').run("flow", inline=True)
    with pytest.raises(DataError, match="the query fails"):
        flows("duckdb", "[orders]\nquery = 'SELECT nothing FROM o'\nconnection = 'snowflake'\n").run(
            "flow", inline=True
        )


def test_changes_of_tables_and_views_are_seen_from_here_and_rows_are_lent_to_a_rehearsal(
    flows: Any, account: Account, tmp_path: Any
) -> None:
    account(ORDERS.format("O"), ROWS.format("O"), "CREATE VIEW V AS SELECT * FROM O WHERE ID > 1")
    flow = flows("duckdb", "[orders]\ntable = 'o'\n[types]\nview = 'v'\n")
    wanted, clock = [("orders", ""), ("types", "")], [0.0]
    watch = SourceWatch(flow.root, print, lambda: clock[0], background=False, settings=flow.project.settings)

    def marks() -> list[Any]:
        clock[0] += 1000.0
        return [watch.news(wanted, [])[each].marks[""] for each in wanted]

    first = marks()
    assert marks() == first
    account("INSERT INTO O VALUES (7, NULL, NULL, NULL)")
    assert not set(marks()) & set(first)
    borrow(flow.root, flow.project.settings, (), tmp_path)
    kept = [account(f"SELECT * FROM {name} ORDER BY ID") for name in "OV"]
    account("DROP VIEW V", "DROP TABLE O")
    granted = lend(account.connection, flow.project.settings, tmp_path)
    assert [account(f"SELECT * FROM {name} ORDER BY ID") for name in "OV"] == kept
    assert [row[1] for row in account("SHOW VIEWS")] == ["V"]
    assert [each.rpartition(".")[2] for each in granted] == ['"V$ROWS" TO ROLE']
