"""Checks end to end: bad files are named and leave the tables as they were; what was found can be looked at."""

from __future__ import annotations

import json
import uuid

import pytest

pytest.importorskip("pyiceberg")

CATALOG = """
[orders]
path = "orders.csv"
columns.id = { type = "int", null = false, unique = true }
columns.amount = { type = "float", min = 0, warn = { max = 100 } }
columns.day = "date"
"""

FLOW = """
import ibis
import firnflow as ff
from firnflow import steps

RULES = ff.Checks(
    columns={"id": "int", "amount": ff.Column(min=0, warn={"max": 100})},
    row_change={"max": 10},
    on_failure="quarantine",
    max_quarantined=0.5,
)


class LoadParams(ff.Params):
    checks: ff.Checks = RULES


@ff.task
def doubled(orders: ibis.Table) -> ibis.Table:
    return orders.mutate(amount=orders.amount * 2 - 1)


@ff.pipeline
def load():
    ff.source("orders").publish("orders")


@ff.pipeline(params=LoadParams)
def refine(p):
    doubled(ff.source("orders")).publish("refined", checks=p.checks)


@ff.task
def count(rows: ibis.Table) -> int:
    return rows.count().execute()


@ff.pipeline(params=LoadParams)
def train(p):
    count(steps.check(ff.table("orders"), p.checks, "orders").rows)
"""

GOOD = b"id,amount,day\n1,10,2026-01-01\n2,20.5,2026-01-02\n3,,2026-01-02\n"
BAD = {
    "wrong separator": (GOOD.replace(b",", b";"), "all is one column: 'id;amount;day'. Mend: delimiter = ';'"),
    "missing column": (b"id,day\n1,2026-01-01\n", "orders (orders.csv) has no column 'amount'. It has: day, id"),
    "text in a number column": (GOOD.replace(b"20.5", b"much"), "orders.csv, line 3: amount = 'much' is no float"),
    "duplicate keys": (
        GOOD.replace(b"\n3,", b"\n2,"),
        "orders.csv, line 4: id = '2' is not unique: an earlier row has it",
    ),
    "empty file": (b"", "orders.csv is empty"),
    "0 rows": (b"id,amount,day\n", "orders (orders.csv) has 0 rows, at least 1 are expected"),
    "too few fields": (GOOD + b"4,1\n", "orders.csv, line 5: too few fields: '4,1'"),
    "no UTF-8": (GOOD + b"4,\xe9,2026-01-01\n", "line 5: byte 0xe9 is no utf-8 text. Mend: name the file's encoding"),
}
"""File → what the message says."""


@pytest.fixture
def shop(empty):
    module = f"flows_{uuid.uuid4().hex[:12]}"
    (empty.root / f"{module}.py").write_text(FLOW)
    (empty.root / "firnflow.toml").write_text(f'[project]\nname = "shop"\npipelines = ["{module}"]\n')
    (empty.root / "catalog.toml").write_text(CATALOG)
    (empty.root / "orders.csv").write_bytes(GOOD)
    return empty


def run(shop, *arguments):
    return shop.call("run", *arguments, "--inline", "--json")


def rows(shop, table):
    found = shop.call("data", "show", table, "--json")
    return found.json["head"] if found.code == 0 else None


@pytest.mark.slow
def test_bad_files_are_named_and_leave_the_tables_as_they_were(shop):
    assert run(shop, "load").code == 0
    before = shop.call("data", "log", "orders", "--json").json, rows(shop, "orders")
    for what, (content, message) in BAD.items():
        (shop.root / "orders.csv").write_bytes(content)
        called = run(shop, "load")
        assert called.code == 1, what
        assert called.json["tasks"]["orders"]["state"] == "failed", what
        assert message in called.err, f"{what}: {called.err}"
        assert (shop.call("data", "log", "orders", "--json").json, rows(shop, "orders")) == before, what
    kept = rows(shop, "orders_quarantine")
    assert sorted((row["place"], json.loads(row["row"])["id"]) for row in kept) == [
        ("orders.csv, line 3", "2"),  # the text
        ("orders.csv, line 4", "2"),  # the key
    ]
    # What is odd and not wrong is read as what it is.
    (shop.root / "orders.csv").write_bytes(b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n"))
    assert run(shop, "load").code == 0
    assert rows(shop, "orders") == before[1]


@pytest.mark.slow
def test_rows_are_set_aside_and_what_was_found_can_be_looked_at(shop):
    (shop.root / "orders.csv").write_bytes(GOOD + b"4,0.2,2026-01-03\n5,70,2026-01-03\n")
    called = shop.call("run", "refine", "--inline")
    assert called.code == 0, called.err
    assert "refined: 5 rows, 2 of 4 rules broken; 1 row set aside in refined_quarantine" in called.out
    assert "! amount should be at most 100: 1 row" in called.out
    assert [row["id"] for row in rows(shop, "refined")] == [1, 2, 3, 5]
    (kept,) = rows(shop, "refined_quarantine")
    assert kept["reasons"] == ["amount should be at least 0"]
    assert json.loads(kept["row"])["id"] == 4
    assert (kept["run"], kept["task"]) == (shop.newest().id, "check_refined")
    (told,) = shop.call("data", "checks", "refined", "--json").json
    assert (told["outcome"], told["rows"], told["bad_rows"], told["kept_in"]) == (
        "quarantined",
        5,
        1,
        "refined_quarantine",
    )
    shown = shop.call("data", "checks", "refined", "--output", "found.html").out
    assert "✗  amount.min = 0" in shown
    assert "amount.min = 0" in (shop.root / "found.html").read_text()
    assert "refined  quarantined" in shop.call("data", "checks").out
    (shop.root / "orders.csv").write_bytes(b"id,amount,day\n" + b"".join(b"%d,1,2026-01-03\n" % n for n in range(99)))
    called = shop.call("run", "refine", "--inline")
    assert called.code == 1
    assert "refined has 99 rows, 24.8 times as many as version 1 with 4; at most 10 times are expected" in called.err
    assert len(rows(shop, "refined")) == 4
    assert "stopped" in shop.call("data", "checks").out


def test_the_same_rules_serve_training_and_stop_it(shop):
    assert run(shop, "load").code == 0
    called = run(shop, "train")
    assert called.json["metrics"] == {"check.rows": 3, "check.bad_rows": 0, "check.warnings": 0}
    assert called.json["outputs"]["check.rows"]["place"] is None, "it is the version itself: nothing is copied"
    called = run(shop, "train", "--set", "checks.on_failure=stop", "--set", 'checks.columns={"amount": {"max": 15}}')
    assert called.code == 1
    assert "orders: 1 of 3 rows is not what its checks declare; nothing went on" in called.err
    assert run(shop, "train").json["tasks"]["count"]["state"] == "cached"


def test_a_table_that_nothing_has_checked_is_named(shop):
    assert "No run has checked a table yet" in shop.call("data", "checks").out
    called = shop.call("data", "checks", "nope")
    assert (called.code, "No run has checked a table 'nope'. Mend:" in called.err) == (2, True)
    assert shop.call("data", "checks", "--output", "x.html").code == 2
