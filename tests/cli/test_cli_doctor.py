"""`firnflow doctor`."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import sys

import pytest

from firnflow._install import how_to_install
from firnflow.cli import _installed


def findings(called):
    return {(finding["check"], finding["state"]): finding for finding in called.json}


def test_all_is_well(shop):
    called = shop.call("doctor")
    assert called.code == 0
    assert "✓ modules: pipelines broken, flow, sleepy, sourced" in called.out
    assert "✓ processes: a worker has imported the project" in called.out
    assert "· state: no database yet" in called.out
    assert "✓ workers: 1 worker, each" in called.out
    assert "✓ catalog.toml: 1 source\n" in called.out


def test_outside_a_project_it_looks_at_the_installation(empty):
    called = empty.call("doctor", "--json")
    assert called.code == 0
    assert ("python", "ok") in findings(called)
    assert "firnflow init" in findings(called)["project", "note"]["message"]


def test_a_broken_settings_file(shop):
    (shop.root / "firnflow.toml").write_text("[project]\nname = 'x'\npipeline = ['y']\n")
    called = shop.call("doctor", "--json")
    assert called.code == 1
    assert "Did you mean 'pipelines'?" in findings(called)["firnflow.toml", "broken"]["message"]


def test_a_broken_module(shop):
    shop.module.write_text("1 / 0")
    called = shop.call("doctor", "--json")
    assert called.code == 1
    assert "ZeroDivisionError" in findings(called)["modules", "broken"]["message"]


def test_a_broken_pipeline(shop, add):
    add("@ff.pipeline\ndef wrong():\n    after(y=1)\n")
    called = shop.call("doctor", "--json")
    assert called.code == 1
    assert ("pipeline wrong", "broken") in findings(called)


def test_a_broken_catalog(shop):
    (shop.root / "catalog.toml").write_text("[orders]\npth = 'x'\n")
    assert "Did you mean 'path'?" in findings(shop.call("doctor", "--json"))["catalog.toml", "broken"]["message"]
    (shop.root / "catalog.toml").write_text("[orders]\npath = 'nothing/*.csv'\n")
    called = shop.call("doctor", "--json")
    assert called.code == 0
    assert "--input orders=PATH" in findings(called)["catalog.toml", "warning"]["mend"]


def test_a_state_that_is_no_database(shop):
    (shop.root / ".firnflow").mkdir()
    (shop.root / ".firnflow" / "state.db").write_text("hello")
    called = shop.call("doctor", "--json")
    assert called.code == 1
    assert ("state", "broken") in findings(called)


def test_an_artifact_store_that_cannot_be_written(shop, monkeypatch):
    (shop.root / "file").write_text("")
    monkeypatch.setenv("FIRNFLOW_ARTIFACTS", str(shop.root / "file" / "folder"))
    called = shop.call("doctor", "--json")
    assert called.code == 1
    assert ("artifacts", "broken") in findings(called)


def test_little_room(shop, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert findings(shop.call("doctor", "--json"))["artifacts", "warning"]["mend"] == "firnflow clean"


def test_too_much_memory(shop, monkeypatch):
    monkeypatch.setenv("FIRNFLOW_MEMORY", "900Gi")
    assert "lower" in findings(shop.call("doctor", "--json"))["workers", "warning"]["mend"]


def test_an_old_python(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    first = next(_installed.installation())
    assert (first.check, first.state) == ("python", "broken")


@pytest.mark.parametrize(
    ("found", "state"),
    [
        ({}, "note"),
        ({"numpy": "2.4", "xgboost-cpu": "3.1"}, "ok"),
        ({"numpy": "2.4"}, "warning"),
        ({"numpy": "1"}, "warning"),
    ],
)
def test_extras(monkeypatch, found, state):
    from importlib import metadata

    def version(name):
        if name not in found:
            raise metadata.PackageNotFoundError(name)
        return found[name]

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(
        metadata, "requires", lambda _: ["numpy>=2; extra == 'train'", "xgboost-cpu<4,>=3; extra == 'train'"]
    )
    extra = list(_installed.installation())[-1]
    assert (extra.check, extra.state) == ("extra train", state)
    assert extra.mend == ("" if state == "ok" else how_to_install("train"))


def test_a_state_with_a_changed_parameter(shop):
    assert shop.call("run", "broken", "--inline").code == 1
    path = shop.root / ".firnflow" / "state.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE run SET pipeline = 'brokem'")
    called = shop.call("doctor", "--json")
    assert called.code == 1
    finding = findings(called)["state", "broken"]
    assert "was asked for is not what was written" in finding["message"]
    assert finding["mend"].startswith("put a copy of it back")


def test_an_online_store_that_is_away_or_there(shop, monkeypatch):
    monkeypatch.setenv("FIRNFLOW_ONLINE", "mysql://127.0.0.1/x")
    wrong = findings(shop.call("doctor", "--json"))["online", "broken"]
    assert "no online store" in wrong["message"]
    assert "redis://HOST:PORT/0" in wrong["mend"]
    sqlite3.connect(shop.root / "here.db").execute("CREATE TABLE place (id, name)").connection.close()
    monkeypatch.setenv("FIRNFLOW_ONLINE", "sqlite:///here.db")
    assert "here.db cannot be used" in findings(shop.call("doctor", "--json"))["online", "broken"]["message"]
