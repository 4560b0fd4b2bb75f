"""The pipeline from the command line, in a copy of the project: promoted, compared, left alone, cleaned up."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from mortgage import generator

pytestmark = pytest.mark.slow

SMALL = (
    *("--set", "applications=20000", "--set", "days=120", "--set", "training.rounds=60", "--set", "training.folds=2"),
    *("--set", 'tuning.space={"max_depth": {"choice": [3]}}'),
)


@pytest.fixture
def firnflow(mortgage_project, tmp_path):
    copy = tmp_path / "project"
    shutil.copytree(mortgage_project, copy, ignore=shutil.ignore_patterns(".firnflow", "tests", "__pycache__"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FIRNFLOW_")}
    environment["FIRNFLOW_TRACKING"] = "none"

    def run(*arguments, code=0):
        command = [sys.executable, "-m", "firnflow", *arguments]
        done = subprocess.run(  # noqa: S603 - our own command
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=280, check=False
        )
        assert done.returncode == code, done.stderr[-4000:]
        return json.loads(done.stdout) if "--json" in arguments else done.stdout

    run.folder = copy
    return run


def test_the_first_is_promoted_and_the_next_must_be_better(firnflow):
    first = firnflow("run", "mortgage", "--json", *SMALL)
    assert first["status"] == "succeeded"
    assert first["metrics"]["learn.gate.rules_failed"] == 0
    assert first["metrics"]["learn.evaluate.roc_auc"] > 0.74
    second = firnflow("run", "mortgage", "--json", "--set", "seed=43", *SMALL)
    history = firnflow("models", "history", "mortgage", "--json")
    assert [(row["action"], row["to_version"]) for row in history][-1] == ("promote", 1)
    assert history[0]["action"] in {"promote", "reject"}
    assert history[0]["from_version"] == 1
    assert history[0]["verdict"]["champion_metrics"]["roc_auc"] == pytest.approx(
        second["metrics"]["learn.gate.champion_roc_auc"]
    )
    compared = firnflow("models", "compare", "mortgage/2", "mortgage/1", "--json")
    assert compared["differences"]["params.seed"] == {"model": "43", "other": "42"}
    if history[0]["action"] == "promote":
        firnflow("models", "rollback", "mortgage", "--reason", "a test")
    else:
        firnflow("models", "promote", "mortgage/2", "--reason", "a test")
        firnflow("models", "rollback", "mortgage", "--reason", "a test")
    assert firnflow("models", "show", "mortgage@champion", "--json")["version"] == 1


def test_a_file_of_the_same_layout_is_read(firnflow, tmp_path):
    import datetime as dt

    import pyarrow.csv

    table = generator.applications(12_000, 0.78, 0.15, 120, 5, dt.date(2025, 1, 1)).read_all()
    path = tmp_path / "applications.csv"
    pyarrow.csv.write_csv(table, path)
    small = [text for text in SMALL if not text.startswith(("applications=", "days="))]
    small = [text for at, text in enumerate(small) if text != "--set" or small[at + 1 : at + 2] != ["--set"]]
    run = firnflow("run", "mortgage_file", "--json", "--input", f"applications={path}", *small)
    assert run["status"] == "succeeded"
    lineage = firnflow("models", "show", "mortgage/1", "--json")["metadata"]["lineage"]
    assert lineage["data"]["applications"]["rows"] == 12_000


def test_what_is_registered_and_decided_on_what_comes_from_the_cache(firnflow):
    """One project for all: what comes from the cache takes no time."""
    untouched = firnflow("run", "mortgage", "--no-register", "--json", *SMALL)
    assert untouched["status"] == "succeeded"
    assert untouched["metrics"].get("learn.register.version") is None
    assert firnflow("models", "list", "--json") == []

    bar = ("--set", "metric=accuracy", "--set", "threshold=0.99")
    unmet = firnflow("run", "mortgage", "--json", *bar, *SMALL)
    assert not unmet["tasks"]["learn.register"]["cached"]
    assert unmet["metrics"]["learn.gate.rules_failed"] == 1
    (row,) = firnflow("models", "history", "mortgage", "--json")
    assert row["action"] == "reject"
    assert "accuracy >= 0.99" in row["reason"]
    assert firnflow("models", "list", "mortgage", "--json")[0]["aliases"] == []

    first = firnflow("run", "mortgage", "--json", *SMALL)
    assert first["tasks"]["learn.register"]["cached"]
    assert not first["tasks"]["learn.promote"]["cached"]
    again = firnflow("run", "mortgage", "--json", *SMALL)
    fresh = {name for name, task in again["tasks"].items() if not task["cached"] and task.get("elements") != 0}
    assert fresh <= {"finalizer"}
    assert [row["action"] for row in firnflow("models", "history", "mortgage", "--json")] == ["promote", "reject"]
    assert len(firnflow("models", "list", "mortgage", "--json")) == 1
