"""A project with the pipelines of the suite, and the targets that run them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
SETTINGS = """
[project]
name = "conformance"
pipelines = ["flows"]

[environments.local]
workers = 2

[environments.prod]
orchestrator = "airflow"
state = "env:CONFORMANCE_STATE"
artifacts = "prod"
cache = false

[environments.prod.airflow]
dags = "env/dags"
prefix = "c_"
tags = ["conformance"]

[pipelines.retried.params]
folder = "."
[pipelines.timed_out.params]
folder = "."
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("conformance")
    shutil.copy(HERE / "pipelines.py", root / "flows.py")
    (root / "firnflow.toml").write_text(SETTINGS)
    return root


@dataclass
class Local:
    """The local engine: each case is run once."""

    project: Path
    read: Callable[[str, str], Any]
    known: dict[str, Any]

    def __call__(self, case: Any) -> Any:
        if case.name not in self.known:
            folder = self.project / "marks" / uuid.uuid4().hex
            folder.mkdir(parents=True)
            run = f"local-{case.name.replace(' ', '-')}"
            sets = [f"--set={name}={value.replace('FOLDER', str(folder))}" for name, value in case.params.items()]
            command = [sys.executable, "-m", "firnflow", "run", case.pipeline, "--id", run, "--no-cache", *sets]
            done = subprocess.run(command, cwd=self.project, capture_output=True, text=True, timeout=120)
            assert done.returncode == (case.status == "failed"), done.stderr
            self.known[case.name] = self.read(f"sqlite:///{self.project}/.firnflow/state.db", run)
        return self.known[case.name]


@pytest.fixture(scope="module")
def local(project: Path, request: pytest.FixtureRequest) -> Local:
    return Local(project, request.module.runs_of.outcome, {})


@pytest.fixture
def database(postgres_url: str) -> tuple[str, str]:
    """URLs of two empty databases: one for the state, one for Airflow."""
    import sqlalchemy as sa

    base = sa.make_url(postgres_url)
    names = [f"{what}_{uuid.uuid4().hex[:8]}" for what in ("state", "airflow")]
    admin = sa.create_engine(base.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for name in names:
            connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    admin.dispose()
    state, airflow = (base.set(database=name) for name in names)
    return (
        state.render_as_string(hide_password=False),
        airflow.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False),
    )


@pytest.fixture(scope="session")
def airflow_python() -> Path:
    """Python of the environment that `make airflow` has made."""
    python = HERE.parents[1] / ".venv" / "airflow" / "bin" / "python"
    if not python.exists():
        pytest.skip("Airflow is not installed (make airflow)")
    os.environ.setdefault("NO_PROXY", "127.0.0.1")
    return python
