"""`firnflow data`: what is published, what has changed, and the way back."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest

pytest.importorskip("pyiceberg")

TABLES = """
import ibis


class Wish(ff.Params):
    rows: int = 4
    extra: bool = False


@ff.task
def orders(rows: int, extra: bool) -> ibis.Table:
    table = ibis.range(rows).unnest().name("id").as_table()
    city = (table.id % 3).cases((0, "Zürich"), (1, "Bern"), else_="Genf")
    table = table.mutate(city=city, amount=table.id / 2)
    return table.mutate(note=ibis.literal("n")) if extra else table


@ff.pipeline(params=Wish)
def fill(p):
    orders(p.rows, p.extra).publish("orders")


@ff.pipeline(params=Wish)
def grow(p):
    orders(p.rows, p.extra).publish("orders", "append", key="id")
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the project with tables is, and where a copy of it as it was made."""
    folder = tmp_path_factory.mktemp("tables")
    return folder / "shop", folder / "copy"


@pytest.fixture
def tables(shop, add, kept, monkeypatch):
    """A table with three versions: of 4 rows, of 40, and of 40 with another column. It is made once, and put back."""
    root, copy = kept
    if copy.exists():
        shutil.rmtree(root)
        shutil.copytree(copy, root)
    else:
        add(TABLES)
        shutil.copytree(shop.root, root)
    monkeypatch.chdir(root)
    shop = dataclasses.replace(shop, root=root)
    if not copy.exists():
        for wish in (["rows=4"], ["rows=40"], ["rows=40", "extra=true"]):
            found = shop.call("run", "fill", "--inline", *(part for each in wish for part in ("--set", each)))
            assert found.code == 0, found.err
        shutil.copytree(root, copy)
    return shop


def test_without_tables_that_is_said(shop):
    assert "There is no named table yet" in shop.call("data", "list").out
    assert shop.call("data", "list", "--json").json == []
    found = shop.call("data", "show", "orders")
    assert (found.code, "There is no named table yet" in found.err) == (2, True)
    assert "restore" in shop.call("data").out


def test_list_and_log(tables):
    lines = tables.call("data", "list").out.splitlines()
    assert lines[0].split() == ["table", "version", "rows", "columns", "published", "by"]
    assert lines[1].split()[:4] == ["orders", "3", "40", "4"]
    (listed,) = tables.call("data", "list", "--json").json
    assert (listed["table"], listed["number"], listed["versions"], listed["pipeline"]) == ("orders", 3, 3, "fill")
    log = tables.call("data", "log", "orders", "--json").json
    assert [(each["number"], each["rows"], each["task"]) for each in log] == [
        (number, rows, "publish_orders") for number, rows in ((3, 40), (2, 40), (1, 4))
    ]
    assert "replace" in tables.call("data", "log", "orders").out


def test_show(tables):
    out = tables.call("data", "show", "orders/1", "-n", "2").out
    assert out.startswith("orders, version 1\n4 rows in 1 file,")
    assert "amount  DOUBLE" in out
    assert "Zürich" in out
    found = tables.call("data", "show", "orders", "--json", "--limit", "1").json
    assert found["columns"] == {"id": "BIGINT", "city": "VARCHAR", "amount": "DOUBLE", "note": "VARCHAR"}
    assert (len(found["head"]), found["files"]) == (1, 1)
    assert tables.call("data", "show", "orders", "--as-of", "2020-01-01").code == 2


def test_the_output_of_a_task_that_publishes_is_a_table(tables):
    assert tables.call("output", "publish_orders", "-n", "1").out.splitlines()[0].split() == [
        "id",
        "city",
        "amount",
        "note",
    ]
    assert tables.call("sql", "SELECT count(*) AS n FROM publish_orders", "--json").json == [{"n": 40}]
    assert {each["table"] for each in tables.call("sql", "--json").json["tables"]} == {"orders", "publish_orders"}
    assert "items" not in tables.call("output", "--json").json["outputs"]["publish_orders"]


def test_diff(tables, tmp_path):
    found = tables.call("data", "diff", "orders", "1", "3", "--json").json
    assert (found["rows"], found["added"], found["removed"]) == ([4, 40], 36, 0)
    assert found["columns"] == {"note": [None, "VARCHAR"]}
    moved = {each["column"]: each for each in found["moved"]}
    assert set(moved) == {"id", "city", "amount"}
    assert moved["id"]["how_much"] == "much"
    assert moved["amount"]["figures"]["max"] == [1.5, 19.5]
    assert moved["city"]["how_much"] != "much"
    assert sum(moved["id"]["after"]) == pytest.approx(1)
    out = tables.call("data", "diff", "orders").out
    assert out.startswith("orders: version 2 → 3\n40 → 40 rows (+0); 0 added, 0 removed")
    assert "note    —          VARCHAR" in out
    pytest.importorskip("matplotlib")
    for name in ("diff.png", "diff.svg"):
        assert tables.call("data", "diff", "orders", "1", "--output", str(tmp_path / name)).code == 0
    first = (tmp_path / "diff.svg").read_bytes()
    assert "orders: version 1" in first.decode()
    tables.call("data", "diff", "orders", "1", "--output", str(tmp_path / "diff.svg"))
    assert (tmp_path / "diff.svg").read_bytes() == first


def test_restore(tables):
    found = tables.call("data", "restore", "orders", "1")
    assert found.out == "orders is at version 4 now: the 4 rows of version 1\n"
    log = tables.call("data", "log", "orders", "--json").json
    assert (log[0]["number"], log[0]["mode"], log[0]["restored"], log[0]["rows"]) == (4, "restore", 1, 4)
    assert [row["note"] for row in tables.call("data", "show", "orders", "--json").json["head"]] == [None] * 4
    assert "restore of 1" in tables.call("data", "log", "orders").out
    assert "is the newest one already" in tables.call("data", "restore", "orders", "4").err
    assert (
        "Version 9 of table 'orders' is not there. Kept: 1, 2, 3, 4"
        in tables.call("data", "restore", "orders", "9").err
    )
    tables.call("run", "fill", "--inline", "--set", "rows=40", "--set", "extra=true")
    assert tables.call("data", "list", "--json").json[0]["rows"] == 40


def test_export(tables):
    found = tables.call("data", "export", "orders/1", "out.csv")
    assert found.out == "out.csv: 4 rows of orders, version 1\n"
    assert (tables.root / "out.csv").read_text().splitlines()[0] == "id,city,amount"
    assert "Zürich" in (tables.root / "out.csv").read_text()
    assert "is there already. Write over it: --force" in tables.call("data", "export", "orders", "out.csv").err
    assert tables.call("data", "export", "orders", "out.csv", "--force").code == 0
    done = tables.call("data", "export", "orders", "out.parquet", "--json").json
    assert (done["version"], done["rows"]) == (3, 40)
    assert tables.call("sql", "SELECT count(*) AS n FROM 'out.parquet'", "--json").json == [{"n": 40}]
    assert not list(tables.root.glob(".*.part"))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["show", "order"], "There is no table 'order'. Did you mean 'orders'? Known: orders"),
        (["show", "orders/x"], "'orders/x' is no table. Write NAME or NAME/3"),
        (["show", "orders/7"], "Version 7 of table 'orders' is not there. Kept: 1, 2, 3"),
        (["show", "orders/1", "--as-of", "2026-01-01"], "orders/1 names a version: leave --as-of out"),
        (["show", "orders", "--as-of", "monday"], "--as-of 'monday' is no moment"),
        (["diff", "orders", "1", "1"], "Both are version 1"),
        (["export", "orders", "out.xlsx"], "ends in .parquet or .csv"),
        (["export", "orders", "no/out.csv"], "no is no folder"),
        (["diff", "orders", "1", "2", "--output", "x.gif"], "a picture is a file that ends in .png or .svg"),
        (["lst"], "firnflow data has no verb 'lst'. Did you mean 'list'?"),
    ],
)
def test_wrong_calls_say_what_is_right(tables, call, said):
    found = tables.call("data", *call)
    assert found.code == 2
    assert said in found.err


def test_a_run_that_breaks_the_key_says_so(tables):
    tables.call("data", "restore", "orders", "1")
    found = tables.call("run", "grow", "--inline", "--set", "rows=2")
    assert found.code == 1
    assert "which has no key since its first version" in found.err


def test_clean_lets_old_versions_expire(tables):
    for number in range(5):
        tables.call("run", "fill", "--inline", "--set", f"rows={number + 5}", "--set", "extra=true")
    log = tables.call("data", "log", "orders", "--json").json
    assert len(log) == 8
    planned = tables.call("clean", "--older-than", "0s", "--keep", "2", "--json").json
    assert planned["deleted"] is False
    numbers = [each["version"] for each in planned["versions"]]
    assert numbers == [1, 2, 3, 4, 5, 6]
    assert "table orders  version 1, 2, 3, 4, 5, 6" in tables.call("clean", "--older-than", "0s", "--keep", "2").out
    done = tables.call("clean", "--older-than", "0s", "--keep", "2", "--yes", "--json").json
    assert [each["version"] for each in done["versions"]] == numbers
    assert [each["number"] for each in tables.call("data", "log", "orders", "--json").json] == [8, 7]
    assert "Version 3 of table 'orders' has expired" in tables.call("data", "show", "orders/3").err
    assert json.loads(tables.call("data", "show", "orders", "--json").out)["rows"] == 9
