"""Runs two chains of tasks that do nothing on a real Airflow, in turns: one of Firnflow, one of Airflow's own `@task`.

python airflow_tasks.py PROJECT TASKS ROUNDS: prints for each how long tasks took, and how long from start to start.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "demo"))

import airflow_dags

from airflow_server import Airflow
from databases import Postgres
from guard import Guard

ROOT = Path(__file__).resolve().parents[2]
DAGS = {"airflow": "plain", "firnflow": "chain"}


def main(project: str, tasks: str, rounds: str) -> None:
    os.environ.pop("PYTHONPATH", None)  # what benchmarks share is nothing for Airflow
    home = Path(project).with_name("airflow_home")
    (home / "dags").mkdir(parents=True)
    with Guard() as guard, Postgres(guard.variables) as postgres:
        variables = {**guard.variables, "FIRNFLOW_STATE": postgres.create("state"), "FIRNFLOW_TRACKING": "none"}
        database = postgres.create("airflow").replace("postgresql://", "postgresql+psycopg2://")
        deploy(Path(project), home / "dags", variables)
        airflow_dags.main(str(home / "dags"), DAGS["airflow"], tasks)
        with Airflow(ROOT / ".venv/airflow/bin/python", home, database, variables) as airflow:
            airflow.rest.wait_until_up()
            airflow.rest.wait_for_dags(set(DAGS.values()))
            print(json.dumps(in_turns(airflow, int(rounds))))


def deploy(project: Path, dags: Path, variables: dict[str, str]) -> None:
    """Write the DAGs of a project."""
    section = f'{{ dags = "{dags}", project = "{project}" }}'
    command = [sys.executable, "-m", "firnflow", "apply", "--env", "prod", "--yes"]
    environment = {**os.environ, **variables, "FIRNFLOW_AIRFLOW": section}
    subprocess.run(command, cwd=project, env=environment, check=True, stdout=subprocess.DEVNULL)


def in_turns(airflow: Airflow, rounds: int) -> dict[str, Any]:
    """Return the medians of both DAGs, after a round that does not count."""
    durations: dict[str, list[float]] = {name: [] for name in DAGS}
    gaps: dict[str, list[float]] = {name: [] for name in DAGS}
    for turn in range(-1, rounds):
        for name, dag in DAGS.items():
            run = airflow.rest.trigger(dag)
            assert airflow.rest.wait(dag, run) == "success", dag
            found = [each for task, each in airflow.rest.tasks(dag, run).items() if task.startswith("step_")]
            if turn >= 0:
                starts = sorted(datetime.fromisoformat(each["start_date"]) for each in found)
                durations[name] += [each["duration"] for each in found]
                gaps[name] += [(later - sooner).total_seconds() for sooner, later in itertools.pairwise(starts)]
    return {
        name: {
            "tasks": len(durations[name]),
            "duration": statistics.median(durations[name]),
            "gap": statistics.median(gaps[name]),
        }
        for name in DAGS
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
