"""Both pipelines from the command line, in a copy of the project."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

QUICK = (
    *("--set", "training.rounds=30", "--set", "training.folds=2"),
    *("--set", 'tuning.space={"max_depth": {"choice": [2, 3]}}'),
)


@pytest.fixture
def firnflow(project, tmp_path):
    copy = tmp_path / "project"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".firnflow", "tests", "__pycache__"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FIRNFLOW_")}
    environment["FIRNFLOW_TRACKING"] = "none"

    def run(*arguments):
        command = [sys.executable, "-c", "from firnflow.cli import main; main()", *arguments, "--json"]
        done = subprocess.run(  # noqa: S603 - our own command
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout)

    return run


def test_churn_runs_comes_from_the_cache_and_meets_no_bar_that_is_too_high(firnflow):
    first = firnflow("run", "churn", "--set", "customers=3000", *QUICK)
    assert first["status"] == "succeeded"
    assert first["metrics"]["gate.rules_failed"] == 0
    assert firnflow("models", "show", "churn@champion")["version"] == 1
    assert first["metrics"]["evaluate.roc_auc"] > 0.75
    again = firnflow("run", "churn", "--set", "customers=3000", *QUICK)
    digests = [{name: output["digest"] for name, output in run["outputs"].items()} for run in (first, again)]
    assert digests[0] == digests[1]
    fresh = [n for n, t in again["tasks"].items() if not t["cached"] and t.get("elements") != 0]
    assert fresh in ([], ["finalizer"])
    assert len(firnflow("models", "history", "churn")) == 1
    unmet = firnflow("run", "churn", "--set", "customers=3000", "--set", "min_auc=0.999", *QUICK)
    assert unmet["status"] == "succeeded"
    row = firnflow("models", "history", "churn")[0]
    assert row["action"] == "reject"
    assert "roc_auc >= 0.999" in row["reason"]


def test_churn_gives_the_same_digests_without_the_cache(firnflow):
    runs = [firnflow("run", "churn", "--no-cache", "--set", "customers=2000", *QUICK) for _ in range(2)]
    # The second is another version, and is compared with the first.
    ours = ("register", "gate", "promote")
    digests = [
        {name: output["digest"] for name, output in run["outputs"].items() if not name.startswith(ours)} for run in runs
    ]
    assert digests[0] == digests[1]
    assert [row["action"] for row in firnflow("models", "history", "churn")] == ["reject", "promote"]


def test_telco_runs_on_a_file(firnflow, telco_table, tmp_path):
    path = tmp_path / "customers.csv"
    telco_table.to_csv(path, index=False)
    run = firnflow("run", "telco", "--input", f"customers={path}", *QUICK)
    assert run["metrics"]["evaluate.roc_auc"] > 0.75
