"""The target of an environment: the one place that knows of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.project import Project, Settings
    from firnflow.targets.base import Target
    from firnflow.targets.operate import Operator


def target_of(project: Project) -> Target:
    """Return the target of the environment that a project was loaded in.

    Raises:
        UsageError: its orchestrator is Firnflow itself, which needs no deploying, or it is described wrongly.
    """
    settings = project.settings
    if settings.orchestrator == "local":
        others = [name for name in settings.environments if name != settings.environment]
        hint = f" Or did you mean another one? --env {' or '.join(others)}" if others else ""
        raise UsageError(
            f"Environment {settings.environment!r} runs on this machine: there is nothing to deploy, `firnflow run` "
            f"and `firnflow up` run it. Mend: orchestrator = 'airflow' or 'snowflake' in "
            f"[environments.{settings.environment}].{hint}"
        )
    if settings.orchestrator == "snowflake":
        from firnflow.targets.snowflake.target import SnowflakeTarget

        return SnowflakeTarget(project)
    from firnflow.targets.airflow.target import AirflowTarget

    if settings.airflow.jobs is not None:
        _check_jobs(project)
    return AirflowTarget(project)


def _check_jobs(project: Project) -> None:
    """Check what Airflow is to have executed in jobs of Snowflake. Raises ConfigError where it cannot be."""
    from firnflow.targets.airflow.hiring import is_hired
    from firnflow.targets.snowflake.hired import check

    graphs = [pipeline.build() for pipeline in project.pipelines.values()]
    check(project, graphs, lambda node: is_hired(node, project.settings))


def operator_of(root: Path, settings: Settings) -> Operator | None:
    """Return what runs the pipelines of an environment; None: this machine does.

    Args:
        root: the project's folder.
        settings: of the environment.

    Raises:
        ConfigError: as the target.
    """
    if settings.orchestrator == "local":
        return None
    if settings.orchestrator == "snowflake":
        from firnflow.targets.snowflake.operator import SnowflakeOperator

        return SnowflakeOperator(root, settings)
    from firnflow.targets.airflow.operator import AirflowOperator

    return AirflowOperator(settings)
