"""Checks in runs: rows that break a rule are kept once, however often a run dies; nothing else depends on that."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pyarrow as pa
import pytest

pytest.importorskip("pyiceberg")

from firnflow.errors import MissingExtraError
from firnflow.stores.checks import quarantine
from firnflow.stores.tables.read import ref_of
from firnflow.stores.tables.versions import newest, versions
from firnflow.values import load

FLOW = """
    import ibis

    class Wishes(ff.Params):
        rows: int = 6

    RULES = ff.Checks(columns={"id": ff.Column(min=2)}, on_failure="quarantine", max_quarantined=0.5)
    STOP = ff.Checks(columns={"id": ff.Column(min=2)})
    KNOWN = ff.Checks(columns={"id": ff.Column(references="people.id")}, fresh={"column": "day", "within": "1d"})

    @ff.task
    def make(rows: int) -> ibis.Table:
        return ibis.range(rows).unnest().name("id").as_table().mutate(day=ibis.date(2026, 1, 31))

    @ff.pipeline(params=Wishes)
    def fill(p):
        make(p.rows).publish("orders", "append", checks=RULES)

    @ff.pipeline(params=Wishes)
    def stop(p):
        make(p.rows).publish("orders", "append", checks=STOP)

    @ff.pipeline
    def read():
        ff.source("orders").publish("orders")

    @ff.pipeline(params=Wishes)
    def known(p):
        make(p.rows).publish("orders", checks=KNOWN, moment="2026-02-01")

    @ff.pipeline(params=Wishes)
    def both(p):
        people = make.options(name="make_people")(p.rows).publish("people")
        make(p.rows).publish("orders", checks=KNOWN, moment="2026-02-01", references={"people": people})
"""


@pytest.fixture
def flow(tables_lab):
    return tables_lab(FLOW)


def rows(flow, name):
    table = flow.tables.find(name)
    return load(ref_of(table, newest(table)), pa.Table, flow.stores).to_pylist() if table is not None else []


def ids(flow, name):
    if name.endswith("_quarantine"):
        return sorted(json.loads(row["row"])["id"] for row in rows(flow, name))
    return sorted(row["id"] for row in rows(flow, name))


@pytest.mark.slow
@pytest.mark.parametrize("point", ["table.committed:kill", "commit.before:kill@2"])
def test_killed_and_resumed_each_row_is_kept_once(flow, point):
    environment = {**os.environ, "FIRNFLOW_CRASH": point, "FIRNFLOW_WORKERS": "1", "FIRNFLOW_TRACKING": "none"}
    command = [sys.executable, "-m", "firnflow", "run", "fill", "--inline", "--json"]
    killed = subprocess.run(command, cwd=flow.root, env=environment, capture_output=True, text=True, timeout=120)
    assert killed.returncode == -9, killed.stderr
    environment.pop("FIRNFLOW_CRASH")
    command = [sys.executable, "-m", "firnflow", "resume", "--json"]
    resumed = subprocess.run(command, cwd=flow.root, env=environment, capture_output=True, text=True, timeout=120)
    assert resumed.returncode == 0, resumed.stderr
    assert ids(flow, "orders_quarantine") == [0, 1]
    assert ids(flow, "orders") == [2, 3, 4, 5]
    assert [version.number for version in versions(flow.tables.get("orders_quarantine"))] == [1]


@pytest.mark.slow
def test_the_same_rows_are_kept_once_and_others_are_added(flow):
    for _ in range(2):
        result = flow.run("stop", inline=True)
        assert result.tasks["check_orders"].error["type"] == "BadRowsError"
        assert result.metrics == {"check_orders.rows": 6, "check_orders.bad_rows": 2, "check_orders.warnings": 0}
    assert flow.tables.find("orders") is None
    assert ids(flow, "orders_quarantine") == [0, 1]
    (error,) = [task.error for task in flow.run("stop", "rows=1", inline=True).tasks.values() if task.error]
    assert error["checks"]["kept_in"] == "orders_quarantine"
    assert ids(flow, "orders_quarantine") == [0, 0, 1]
    assert flow.run("fill", inline=True).metrics["check_orders.bad_rows"] == 2


@pytest.mark.slow
def test_what_cannot_be_kept_hides_no_error_but_lets_nothing_go_on(flow, monkeypatch):
    def refuse(*_):
        raise MissingExtraError("pyiceberg", "tables")

    monkeypatch.setattr(quarantine, "keep", refuse)
    message = flow.run("stop", inline=True).tasks["check_orders"].error["message"]
    assert "orders: 2 of 6 rows are not what its checks declare; nothing was published" in message
    assert "They were not kept: pyiceberg is not installed. Mend: pip install" in message
    assert flow.run("fill", inline=True).tasks["check_orders"].error["type"] == "MissingExtraError"
    (flow.root / "catalog.toml").write_text('[orders]\npath = "o.csv"\ncolumns.id = "int"\n')
    (flow.root / "o.csv").write_text("id,x\n1,1\nx,2\n")
    error = flow.again().run("read", inline=True).tasks["orders"].error
    assert error["type"] == "BadRowsError"
    assert "o.csv, line 3: id = 'x' is no int" in error["message"]


@pytest.mark.slow
def test_references_are_given_or_the_named_tables(flow):
    error = flow.run("known", inline=True).tasks["check_orders"].error
    assert error["message"].startswith("The checks of 'orders' reference table 'people'. There is no table 'people'.")
    assert flow.run("both", inline=True).status == "succeeded"
    result = flow.run("known", "rows=7", inline=True)
    assert "id = '6' is not in people.id" in result.tasks["check_orders"].error["message"]
    # A new version of what is referenced changes the answer.
    flow.run("both", "rows=8", inline=True)
    assert flow.run("known", "rows=7", inline=True).status == "succeeded"
