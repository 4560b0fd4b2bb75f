"""What a rehearsal borrows of the account, and makes of it in the emulated one."""

from __future__ import annotations

import json
import sys
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from firnflow.cli._rehearsal import inside
from firnflow.cli._rehearsal.borrowed import borrow, lend
from firnflow.errors import UsageError
from firnflow.project import load_settings
from firnflow.stores.snowflake.account import Account
from firnflow.stores.warehouse import DuckDBWarehouse

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

SETTINGS = """
[project]
name = "shop"
pipelines = ["{module}"]
[environments.prod]
orchestrator = "snowflake"
snowflake = {{ connection = "{connection}", database = "{database}", schema = "{schema}", warehouse = "COMPUTE_WH" }}
"""
CATALOG = """
[orders]
table = "orders"
[nobody_reads]
table = "nowhere"
[answer]
query = "SELECT 1 AS N FROM orders"
connection = "snowflake"
"""
PIPELINES = """
import ibis
import firnflow as ff

@ff.task
def sums(rows: ibis.Table) -> ibis.Table:
    return rows.agg(total=rows["N"].sum())

@ff.pipeline
def shop():
    sums(ff.source("orders"))

@ff.pipeline
def asks():
    sums(ff.source("answer"))
"""


class Shop:
    """A project that reads a table of 1,001 rows, and a query over it."""

    def __init__(self, root: Path, url: str) -> None:
        import snowflake.connector

        connection, database, schema = url.removeprefix("snowflake://").split("/")
        self.root, self.name, self.folder = root, f"flows_{uuid.uuid4().hex[:12]}", root / "rehearsal"
        self.folder.mkdir()
        settings = SETTINGS.format(module=self.name, connection=connection, database=database, schema=schema)
        (root / "firnflow.toml").write_text(settings)
        (root / "catalog.toml").write_text(CATALOG)
        (root / f"{self.name}.py").write_text(PIPELINES)
        self.parts = [database, schema, "ORDERS"]
        self.connection = snowflake.connector.connect(connection_name=connection, database=database, schema=schema)
        self("CREATE TABLE ORDERS AS SELECT SEQ4()::NUMBER(38, 0) AS N FROM TABLE(GENERATOR(ROWCOUNT => 1001))")

    def __call__(self, statement: str) -> list[Any]:
        with self.connection.cursor() as cursor:
            return cursor.execute(statement).fetchall()

    def borrow(self, *pipelines: str) -> Any:
        borrow(self.root, load_settings(self.root, "prod"), pipelines, self.folder)
        return json.loads((self.folder / "borrowed" / "sources.json").read_text())

    def without(self, pipeline: str) -> None:
        path = self.root / f"{self.name}.py"
        path.write_text(path.read_text().replace(f"@ff.pipeline\ndef {pipeline}", f"def {pipeline}"))


@pytest.fixture
def shop(snowflake_url, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = Shop(tmp_path, snowflake_url)
    yield made
    made.connection.close()


def test_some_rows_of_what_pipelines_read_are_looked_at_borrowed_and_lent(shop, monkeypatch, capsys):
    asked, closed = [], []
    rows, close = Account.rows, DuckDBWarehouse.close
    monkeypatch.setattr(Account, "rows", lambda self, text: asked.append(text) or rows(self, text))
    monkeypatch.setattr(DuckDBWarehouse, "close", lambda self: closed.append(self) or close(self))
    (known,) = shop.borrow()
    assert (known["kind"], known["parts"]) == ("TABLE", shop.parts)
    (counted,) = [each for each in asked if "COUNT_IF" in each]
    assert counted.endswith(" LIMIT 1000)")
    assert "nobody_reads" not in capsys.readouterr().out
    there = [shop.parts[0], f"{shop.parts[1]}_LENT", "ORDERS"]
    (shop.folder / "borrowed" / "sources.json").write_text(json.dumps([{**known, "parts": there}]))
    assert lend(shop.connection, load_settings(shop.root, "prod"), shop.folder) == []
    assert shop(f"SELECT COUNT(*), COUNT(DISTINCT N) FROM {'.'.join(there)}") == [(1000, 1000)]
    assert len(closed) == 2
    shop(f"DROP SCHEMA {'.'.join(there[:2])}")


def test_what_reads_a_query_is_left_out_of_a_rehearsal_or_refused_by_name(shop, tmp_path, capsys):
    why = "source answer is a query, whose tables are only in the account. Mend: make a view of it there"
    with pytest.raises(UsageError, match=f"--rehearse: asks cannot be rehearsed: {why}"):
        shop.borrow("shop", "asks")
    wish = {"root": str(shop.root), "environment": "prod", "pipelines": [], "seconds": 1.0, "port": 1}
    rehearsed = inside.Rehearsal(tmp_path, **wish)
    assert rehearsed.names() == ["shop"]
    (note,) = rehearsed._notes()
    assert note.startswith(f"asks is left out: {why}")
    sys.modules.pop(shop.name)
    shop.without("shop")
    with pytest.raises(UsageError, match="asks cannot be rehearsed"):
        shop.borrow()
