"""`list` and `show`."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from firnflow.graph.check import read_graph


def test_list_shows_pipelines_and_sources(shop):
    called = shop.call("list")
    lines = called.out.splitlines()
    assert any(line.split() == ["flow", "6", "every", "1h", "From", "rows", "to", "a", "page."] for line in lines)
    assert any(line.split()[:2] == ["orders", "orders.csv"] for line in lines)
    assert "a word at import" not in called.out


def test_list_as_json(shop):
    data = shop.call("list", "--json").json
    assert (data["project"], data["environments"]) == ("shop", ["dev", "local"])
    flow = next(pipeline for pipeline in data["pipelines"] if pipeline["name"] == "flow")
    assert flow["params"] == {"rows": 4, "threshold": 1.0, "words": ["a", "b", "c"]}
    assert flow["schedule"] == {"kind": "every", "seconds": 3600.0, "catch_up": "last", "overlap": False}
    assert data["sources"] == [{"name": "orders", "description": "One row per order.", "from": "orders.csv"}]


def test_list_does_not_reveal_a_secret(shop, monkeypatch):
    monkeypatch.setenv("SHOP_DB", "postgresql://me:canary-pw@host/db")
    (shop.root / "catalog.toml").write_text("[orders]\nquery = 'SELECT 1'\nconnection = 'env:SHOP_DB'\n")
    for arguments in (("list",), ("list", "--json")):
        called = shop.call(*arguments)
        assert "env:SHOP_DB" in called.out
        assert "canary" not in called.out + called.err


def test_list_without_pipelines(shop):
    shop.module.write_text("")
    assert "There is no pipeline in" in shop.call("list").out


def test_show_draws_text(shop):
    called = shop.call("show", "flow")
    assert called.code == 0
    assert "│ make │" in called.out
    assert "a word at import" not in called.out


def test_show_as_json_is_the_graph(shop):
    text = shop.call("show", "flow", "--json").out
    assert read_graph(text).pipeline == "flow"
    assert shop.call("show", "flow", "--format", "json").out == text


@pytest.mark.parametrize(("name", "check"), [("a.svg", ET.fromstring), ("a.json", json.loads), ("a.mmd", str.index)])
def test_the_suffix_decides_the_format(shop, name, check):
    called = shop.call("show", "flow", "-o", name)
    assert called.out == f"{name}\n"
    text = (shop.root / name).read_text()
    assert check(text, "flowchart") if check is str.index else check(text) is not None


def test_show_a_run_with_its_states(shop):
    shop.call("run", "broken", "--inline")
    plain = shop.call("show", "broken").out
    called = shop.call("show", "--run", "broken-")
    assert called.code == 0
    assert called.out != plain


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "flwo"), "Did you mean 'flow'?"),
        (("show",), "Which pipeline?"),
        (("show", "flow", "--run", "broken-"), "is of broken, not of flow"),
        (("show", "flow", "--format", "pdf"), "--format"),
        (("show", "flow", "--run", ""), "there is no run ''"),
        (("show", "flow", "--run", "x"), "there is no run 'x'. See: firnflow runs\n"),
        (("logs", "x", "--env", "local"), "there is no run 'x'; the newest"),
        (("show", "flow", "--run", "x", "--env", "local"), "there is no run 'x'. See: firnflow runs --env local\n"),
        (("show", "flow", "--env", ""), "there is no environment ''. Known: dev, local"),
    ],
)
def test_a_wrong_call(shop, arguments, said):
    shop.call("run", "broken", "--inline")
    called = shop.call(*arguments)
    assert called.code == 2
    assert said in called.err
