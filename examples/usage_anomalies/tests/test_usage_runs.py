"""The pipeline from the command line, in a copy of the project: answers change who is champion; any series is read."""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("pyiceberg")
pytestmark = pytest.mark.slow

SMALL = ("--inline", "--set", "world.days=180", "--set", "world.missing=0")
KNOWING = ("--set", 'holidays=["12-25", "12-26", "01-01"]')
CALLS = """
import contextlib, io, json, sys
from firnflow.cli import main
for line in sys.stdin:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main(json.loads(line))
    print(json.dumps([code, out.getvalue()]), flush=True)
"""


@pytest.fixture
def firnflow(usage_project, tmp_path):
    """Call the command line in a copy of the project, all calls in one process: it loads the libraries once."""
    copy = tmp_path / "project"
    shutil.copytree(usage_project, copy, ignore=shutil.ignore_patterns(".firnflow", "tests", "__pycache__"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FIRNFLOW_")}
    environment["FIRNFLOW_TRACKING"] = "none"
    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", CALLS], cwd=copy, env=environment, **pipe) as process:  # noqa: S603

        def call(*arguments):
            process.stdin.write(json.dumps(arguments) + "\n")
            process.stdin.flush()
            code, out = json.loads(process.stdout.readline())
            assert code == 0, out
            return json.loads(out) if "--json" in arguments else out

        call.folder = copy
        yield call
        process.stdin.close()


def decisions(firnflow):
    return [(row["action"], row["to_version"]) for row in firnflow("models", "history", "usage_anomalies", "--json")]


def test_the_answer_of_people_changes_who_is_champion(firnflow):
    first = firnflow("run", "usage_anomalies", "--json", *SMALL)
    assert (first["status"], decisions(firnflow)) == ("succeeded", [("promote", 1)])
    label = firnflow("label", "add", "usage_daily", "2026-01-01", "-c", "total", "--yes", "--json")
    firnflow("run", "usage_anomalies", *SMALL, *KNOWING)
    assert decisions(firnflow)[0] == ("reject", 2)  # they know holidays, and would have missed it
    firnflow("label", "remove", "usage_daily", label["id"], "--note", "it was New Year")
    firnflow("label", "add", "usage_daily", "2026-01-01", "-c", "total", "--no")
    firnflow("run", "usage_anomalies", *SMALL, *KNOWING)
    action, version = decisions(firnflow)[0]
    assert action == "promote"
    assert firnflow("models", "show", "usage_anomalies@champion", "--json")["version"] == version > 1


def test_any_series_is_read_and_has_champions_of_its_own(firnflow, tmp_path):
    path = tmp_path / "shop.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["moment", "orders", "ignored"])
        for number in range(24 * 90):
            at = dt.datetime(2026, 1, 1) + dt.timedelta(hours=number)  # noqa: DTZ001 - local
            size = 100 + 50 * (8 <= at.hour < 20) + number * 7 % 5 + 200 * (number // 24 == 88)
            rows.writerow([at, f"{size:.1f}", 7])
    given = ("--inline", "--env", "try", "--input", f"usage={path}")
    found = firnflow("run", "usage_anomalies", *given, "--set", "value=orders", "--json")
    assert found["status"] == "succeeded"
    (report,) = [path.read_text() for path in (firnflow.folder / ".firnflow/try/artifacts").rglob("*.md")]
    assert "| 2026-03-30 | orders |" in report
    assert "firnflow label add usage_daily 2026-03-30 --category orders --yes" in report
    assert firnflow("models", "list", "--json") == []
