"""The four examples as the tests run them: copies whose settings make them small, here and on Airflow."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from calling import firnflow
from outcome import outcome

if TYPE_CHECKING:
    from airflow_bench import Bench

LONG = 1500.0
"""Seconds that runs may take which are all under way at once, beside other tests, on a slow machine."""
EXAMPLES = Path(__file__).parents[2] / "examples"
DAY = "2026-01-05"
SMALL = {
    "churn": """
[environments.small.pipelines.churn.params]
customers = 2000
training = { rounds = 30, folds = 2 }
tuning = { space = { max_depth = { choice = [3] }, min_child_weight = { choice = [5] } } }
""",
    "mortgage": """
[environments.small.pipelines.mortgage.params]
applications = 8000
days = 90
training = { rounds = 40, folds = 2 }
tuning = { trials = 2, space = { max_depth = { choice = [3] } } }
""",
    "usage_anomalies": """
[environments.small.pipelines.usage_anomalies.params]
world = { days = 180, missing = 0.0 }
reading = { most = 1 }
""",
    "cookies": """
[environments.small.pipelines.cookies_train.params]
learning = { folds = 2, trees = 25, learning_rate = 0.2 }
""",
}
"""Project → values of parameters."""
FEWER = {"cookies": ("cookies/names.py", "TARGETS = (*COOKIES, TOTAL)", 'TARGETS = ("Brownies", TOTAL)')}
"""Project → module, its text, and what stands there instead: two targets show what five do, on maps of fewer tasks."""
RUNS = {
    "churn": (("churn", None),),
    "mortgage": (("mortgage", None),),
    "usage_anomalies": (("usage_anomalies", None),),
    "cookies": (("cookies_etl", DAY), ("cookies_train", None), ("cookies_predict", DAY)),
}
"""Project → the pipelines that run, one after the other, and for which partition."""
NUMBERED = "promote["
"""Elements that name the rows which they have written to the audit: those that run at once write in any order."""


def copy_to(folder: Path, *names: str) -> None:
    """Copy examples into a folder; their pipelines are unchanged, the environment `airflow` inherits `small`."""
    hidden = shutil.ignore_patterns(".firnflow", "tests", "__pycache__", "data")
    for name in names:
        shutil.copytree(EXAMPLES / name, folder / name, ignore=hidden)
        settings = folder / name / "firnflow.toml"
        text = settings.read_text()
        before = '[environments.airflow]\ninherits = "local"'
        assert before in text
        small = f'[environments.small]\ninherits = "local"\n{SMALL[name]}'
        text = text.replace(before, before.replace("local", "small"))
        text = text.replace("sqlite:///.firnflow/airflow/state.db", f"env:{name.upper()}_STATE")
        settings.write_text(f"{text}\n{small}")
        if name in FEWER:
            module, many, few = FEWER[name]
            text = (folder / name / module).read_text()
            assert many in text
            (folder / name / module).write_text(text.replace(many, few))


def write_feeds(folder: Path) -> None:
    """Write what comes in on a day, into a copy of the cookies."""
    command = [sys.executable, "-m", "cookies.generate", DAY, "--customers", "300"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def same_as_here(bench: Bench, folder: Path) -> None:
    """Run the pipelines of an example here, and check that their first runs on Airflow give the same digests.

    The id is the same too: it stands in files of tables to which rows are appended.
    """
    for pipeline, day in RUNS[folder.name]:
        there = bench.rest.until_run(pipeline, LONG)["dag_run_id"]
        run = f"{pipeline}.{there}"
        given = ("--partition", day) if day else ()
        call = ("run", pipeline, "--env", "small", "--id", run, "--no-cache", *given)
        firnflow(folder, *call, variables=bench.variables)
        right = outcome(f"sqlite:///{folder}/.firnflow/state.db", run)
        assert bench.rest.wait(pipeline, there, LONG) == "success"
        found = outcome(bench.states[folder.name], run)
        assert (found.status, found.states) == (right.status, right.states)
        differ = {task for task in right.digests if found.digests.get(task) != right.digests[task]}
        assert {task for task in differ if not task.startswith(NUMBERED)} == set()
        assert len(right.digests) >= len(set(right.states) - {"finalizer"}) / 2  # branches and figures have none
