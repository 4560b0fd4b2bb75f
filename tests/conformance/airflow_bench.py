"""A real Airflow on which everything that tests look at is under way at once: there is never more than one."""

from __future__ import annotations

import contextlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import psutil
from calling import firnflow
from inbox import Inbox, listening
from outcome import Outcome, outcome
from small_examples import LONG, SMALL

from airflow_server import Airflow, Celery
from databases import Postgres
from guard import Guard, marked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from airflow_rest import Rest

PROJECTS = ("conformance", *SMALL)
WATCHFUL = {
    "SCHEDULER__JOB_HEARTBEAT_SEC": "2",
    "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "40",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
}
"""What lets Airflow notice soon what has died; any sooner, and a busy machine is taken for a dead one."""
PREFIX = "c_"
"""Before the names of the small pipelines."""


@dataclass
class Bench:
    """An Airflow, the database with the state of all projects, and the runs that were started.

    Attributes:
        airflow: the server.
        postgres: holds its data and the state.
        inbox: gets the alerts of the small pipelines.
        states: project → URL of its state.
        variables: with which `firnflow` must be called to mean these states.
        section: what `[environments.NAME.airflow]` says.
        runs: name → DAG and id of the run.
    """

    airflow: Airflow
    postgres: Postgres
    inbox: Inbox
    states: dict[str, str]
    variables: dict[str, str]
    section: dict[str, Any]
    runs: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """URL of the state of the small pipelines."""
        return self.states["conformance"]

    @property
    def rest(self) -> Rest:
        return self.airflow.rest

    def firnflow(self, folder: Path, *arguments: str) -> str:
        """Call `firnflow` in a project that is deployed here."""
        section = ", ".join(
            f"{name} = {json.dumps(value)}" for name, value in {"project": str(folder), **self.section}.items()
        )
        return firnflow(folder, *arguments, variables={**self.variables, "FIRNFLOW_AIRFLOW": f"{{ {section} }}"})

    def apply(self, *projects: tuple[Path, str]) -> None:
        """Deploy an environment of each project, two at a time."""
        with ThreadPoolExecutor(2) as pool:
            for each in [
                pool.submit(self.firnflow, folder, "apply", "--env", env, "--yes") for folder, env in projects
            ]:
                each.result()

    def trigger(self, name: str, dag: str, **conf: Any) -> None:
        self.runs[name] = (dag, self.rest.trigger(dag, **conf))

    def ended(self, name: str, seconds: float = LONG) -> str:
        """Wait for a run, and return how Airflow says that it has ended."""
        return self.rest.wait(*self.runs[name], seconds)

    def quiet(self, seconds: float = LONG) -> None:
        """Wait until no run is under way: whoever starts one then waits for nobody else's tasks."""
        under_way = "dags/~/dagRuns?state=queued&state=running&limit=1"
        self.airflow.until(lambda: not self.rest.get(under_way)["dag_runs"], seconds, "all runs to end")

    def run_id(self, name: str) -> str:
        """Return the id of a run in the state."""
        dag, run = self.runs[name]
        return f"{dag.removeprefix(PREFIX)}.{run}"

    def outcome(self, name: str) -> Outcome:
        """Return what came of a run of the small pipelines."""
        return outcome(self.state, self.run_id(name))


@contextlib.contextmanager
def running(
    python: Path, home: Path, celery: Celery | None = None, section: Mapping[str, Any] = MappingProxyType({})
) -> Iterator[Bench]:
    """Give an Airflow whose API answers. What it has started is gone when it has stopped, or that is an error.

    Args:
        python: of its environment.
        home: an empty folder.
        celery: run tasks by Celery.
        section: what `[environments.NAME.airflow]` says besides where the DAGs are.
    """
    with Guard() as guard:
        with listening() as inbox, Postgres(guard.variables) as postgres:
            states = {name: postgres.create(name) for name in PROJECTS}
            database = postgres.create("airflow").replace("postgresql://", "postgresql+psycopg2://")
            variables = {f"{name.upper()}_STATE": url for name, url in states.items()}
            variables |= inbox.variables
            variables |= {"FIRNFLOW_TRACKING": "none", "NO_PROXY": "127.0.0.1"}
            airflow = Airflow(python, home, database, {**variables, **guard.variables}, celery, WATCHFUL)
            with airflow:
                here = {"dags": str(airflow.dags), "url": airflow.url}
                yield Bench(airflow, postgres, inbox, states, variables, {**here, **section})
        (mark,) = guard.variables.values()
        left = psutil.wait_procs(marked(mark), 60)[1]  # what sends alerts may need a moment more
        assert [process.cmdline() for process in left] == []
        assert airflow.left == []


os.environ.setdefault("NO_PROXY", "127.0.0.1")
