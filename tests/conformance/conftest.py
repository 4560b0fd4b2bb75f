"""A project with the pipelines of the suite, and the targets that run them."""

from __future__ import annotations

import os
import shutil
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("airflow_steady", "calling", "small_examples", "steered")

from calling import firnflow  # noqa: E402 - pytest must know first that its asserts are shown
from outcome import outcome  # noqa: E402

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
prefix = "c_"
tags = ["conformance"]

[environments.prod.alerts.channels]
mail = "env:MAIL_URL"
hook = "airflow:var/hook"

[environments.other]
inherits = "prod"
airflow = { prefix = "d_" }

[pipelines.retried.params]
folder = "."
[pipelines.timed_out.params]
folder = "."
[pipelines.steady.params]
folder = "."
[pipelines.mended.params]
folder = "."
"""


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("conformance")
    shutil.copy(HERE / "project" / "flows.py", root)
    (root / "firnflow.toml").write_text(SETTINGS)
    return root


@dataclass
class Local:
    """The local engine: each case is run once."""

    project: Path
    known: dict[str, Any]

    def __call__(self, case: Any) -> Any:
        if case.name not in self.known:
            folder = self.project / "marks" / uuid.uuid4().hex
            folder.mkdir(parents=True)
            run = f"local-{case.name.replace(' ', '-')}"
            sets = [f"--set={name}={value.replace('FOLDER', str(folder))}" for name, value in case.params.items()]
            sets += ["--partition", case.partition] if case.partition else []
            code = int(case.status == "failed")
            firnflow(self.project, "run", case.pipeline, "--id", run, "--no-cache", *sets, code=code)
            self.known[case.name] = outcome(f"sqlite:///{self.project}/.firnflow/state.db", run)
        return self.known[case.name]


@pytest.fixture(scope="session")
def local(project: Path) -> Local:
    return Local(project, {})


@pytest.fixture(scope="session")
def airflow_python() -> Path:
    """Python of the environment that `make airflow` has made, or of another Airflow."""
    made = HERE.parents[1] / ".venv" / "airflow" / "bin" / "python"
    python = Path(os.environ.get("AIRFLOW_PYTHON", made))
    if not python.exists():
        pytest.skip("Airflow is not installed (make airflow)")
    return python
