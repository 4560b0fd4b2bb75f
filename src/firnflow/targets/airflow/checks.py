"""Whether an environment suits Airflow: what would only fail in a worker is said when planning."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from firnflow._text import listing
from firnflow.errors import ConfigError
from firnflow.project.settings import FILE

if TYPE_CHECKING:
    from firnflow.project import Project


def folder_of(project: Project) -> Path:
    """Return the DAGs folder. Raises ConfigError where none is named, or it is not there."""
    settings = project.settings
    if settings.airflow.dags is None:
        raise ConfigError(
            f"{_where(project)}: says not where Airflow's DAGs lie. Mend: dags = '/opt/airflow/dags' in "
            f"[environments.{settings.environment}.airflow]"
        )
    folder = project.root / Path(settings.airflow.dags).expanduser()
    if not folder.is_dir():
        raise ConfigError(
            f"{_where(project)}: dags = '{settings.airflow.dags}': there is no folder {folder}. Mend: make it, or name "
            "the one that Airflow's setting [core] dags_folder names"
        )
    return folder


def check(project: Project) -> None:
    """Check that every worker can reach what a run shares.

    Raises:
        ConfigError: a store is on one machine, and tasks may run on several.
    """
    settings, section = project.settings, project.settings.airflow
    if section.executor == "local":
        return
    several = f"executor = '{section.executor}': tasks run on several machines"
    if settings.state.reveal().startswith("sqlite"):
        raise ConfigError(
            f"{_where(project)}: {several}, but the state is SQLite, which is for one. Mend: state = "
            "'env:STATE_URL', a postgresql://… URL"
        )
    if "://" not in settings.artifacts and not _is_shared(settings.artifacts, section.shared):
        raise ConfigError(
            f"{_where(project)}: {several}, but artifacts are in the folder {settings.artifacts}. Mend: artifacts = "
            "'s3://…', or where all machines see that folder: shared = ['/its/path'] in "
            f"[environments.{settings.environment}.airflow]"
        )
    missing = [name for name in ("python", "project") if getattr(section, name) is None]
    if missing:
        raise ConfigError(
            f"{_where(project)}: {several}, so say where the workers have the project's environment: "
            f"{listing(missing)} in [environments.{settings.environment}.airflow]"
        )


def python_of(project: Project) -> str:
    """Return the Python that runs tasks."""
    return project.settings.airflow.python or sys.executable


def warnings(project: Project) -> list[str]:
    """Return what of the environment works, but not for long, or not here."""
    settings, section = project.settings, project.settings.airflow
    found = []
    if section.executor == "local" and settings.state.reveal().startswith("sqlite"):
        found.append("the state is SQLite: enough for one machine and few tasks at once; PostgreSQL for more")
    if section.executor != "kubernetes" and section.image is not None:
        found.append(f"image = '{section.image}' is for executor = 'kubernetes', which this is not")
    if section.executor == "local" and section.python is not None and not Path(section.python).exists():
        found.append(f"there is no {section.python} on this machine")
    return found


def _where(project: Project) -> str:
    return f"{project.root / FILE}: environment {project.settings.environment}"


def _is_shared(folder: str, shared: tuple[str, ...]) -> bool:
    return any(Path(folder).is_relative_to(Path(each)) for each in shared)
