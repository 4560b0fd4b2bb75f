"""Whether an environment suits Snowflake: what would only fail in a container is said when planning."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from firnflow.errors import ConfigError, UsageError
from firnflow.graph.model import FromConstant
from firnflow.graph.source import SOURCE_KEY
from firnflow.models.tracking import backend_of
from firnflow.models.tracking.snowflake import monitors
from firnflow.targets.snowflake.compile.place import pool_name, where
from firnflow.targets.snowflake.grammar import render_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from firnflow.graph.model import Graph
    from firnflow.project import Project, Settings


def check(project: Project) -> None:
    """Check that containers reach what a run shares, and that pipelines do not share names.

    Raises:
        ConfigError: the state or the artifacts are on this machine, or Snowflake cannot keep a model monitor.
        UsageError: two pipelines differ in small and capital letters only.
    """
    settings, section = project.settings, project.settings.snowflake
    given = {*section.variables, *section.secrets}
    start = f"{where(project)}: tasks run in containers, "
    if settings.state.reveal().startswith("sqlite") and "FIRNFLOW_STATE" not in given:
        raise ConfigError(
            f"{start}but the state is SQLite, which is for one machine. Mend: state = 'env:STATE_URL', a "
            "postgresql://… URL"
        )
    if "://" not in settings.artifacts and "FIRNFLOW_ARTIFACTS" not in given:
        raise ConfigError(f"{start}but artifacts are in the folder {settings.artifacts}. Mend: artifacts = 's3://…'")
    unknown = [each for each in _variables(settings) if each not in given]
    if unknown:
        raise ConfigError(
            f"{start}which do not know the variable {unknown[0]}. Mend: secrets = {{ {unknown[0]} = 'a_secret' }} in "
            f"[environments.{settings.environment}.snowflake], and CREATE SECRET a_secret TYPE = GENERIC_STRING …"
        )
    pools: dict[str, str] = {}
    for key, pool in section.pools.items():
        name = render_name(pool_name(project, key, pool))
        if pools.setdefault(name, key) != key:
            raise ConfigError(f"{start}and pools {pools[name]!r} and {key!r} are both {name}. Mend: leave one out")
    if backend_of(settings) == "snowflake":
        monitors.check(settings, project.root)
    known: dict[str, str] = {}
    for name in project.pipelines:
        other = known.setdefault(name.upper(), name)
        if other != name:
            raise UsageError(
                f"pipelines {other!r} and {name!r} would both be {name.upper()} in Snowflake. Mend: rename one"
            )


def _variables(settings: Settings) -> list[str]:
    """Return the variables that say where the state and the artifacts are, unless jobs are told otherwise."""
    given = {*settings.snowflake.variables, *settings.snowflake.secrets}
    places = {"FIRNFLOW_STATE": settings.state.reference, "FIRNFLOW_ARTIFACTS": settings.artifacts}
    texts = [text for variable, text in places.items() if variable not in given]
    return [text.removeprefix("env:") for text in texts if text.startswith("env:")]


def check_sources(project: Project, graphs: Iterable[Graph], shipped: Collection[str]) -> None:
    """Raise ConfigError where a pipeline reads a file of the project that does not go to the stage."""
    nodes = [node for graph in graphs for node in graph.tasks.values() if node.key == SOURCE_KEY]
    names = {str(node.inputs["name"].value) for node in nodes if isinstance(node.inputs["name"], FromConstant)}
    for name in sorted(names & project.catalog.keys()):
        source = project.catalog[name]
        path = source.path if source.revision is None else None
        if path is None or Path(path).is_absolute() or ".." in Path(path).parts:
            continue
        pattern = path.replace("{partition}", "*")
        if not any(fnmatch.fnmatchcase(each, pattern) for each in shipped):
            raise ConfigError(
                f"{where(project)}: source {name!r} is {path}, which containers do not have. Mend: url = 's3://…' in "
                f"catalog.toml; a small one: files = ['{pattern}'] in [environments.{project.settings.environment}."
                "snowflake]"
            )


def costs(project: Project, used: set[str]) -> list[str]:
    """Return what costs money while pipelines run.

    Args:
        project: the project.
        used: the pools that tasks use, by what the settings call them.
    """
    section = project.settings.snowflake
    while_ = "while tasks wait in it for their jobs" if used else "while tasks run in it"
    found = [f"cost: warehouse {section.warehouse} runs {while_}"]
    for key in sorted(used):
        pool = section.pools[key]
        size = f"{pool.min_nodes} to {pool.max_nodes} × {pool.family}" if pool.family else "which is there already,"
        found.append(f"cost: pool {key}: {size} runs while there are jobs, and {pool.suspend} s after the last")
    return [*found, *_of_monitors(project.settings)]


def _of_monitors(settings: Settings) -> list[str]:
    """Return what model monitors cost, or why there are none."""
    names, backend = ", ".join(settings.monitors), backend_of(settings)
    if not names:
        return []
    if backend != "snowflake":
        return [f"monitors: {names}: no model monitor is made, as tracking is {backend!r} and not 'snowflake'"]
    often = min(each.every for each in settings.monitors.values())
    return [f"cost: warehouse {settings.snowflake.warehouse} runs every {often:g} s for monitors of {names}"]
