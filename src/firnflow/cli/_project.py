"""Finding the project and its state, with no more loaded than the verb needs."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from firnflow._text import listing
from firnflow.errors import NotFoundError, UsageError
from firnflow.project.settings import find_root, load_settings

if TYPE_CHECKING:
    from firnflow.graph.partitions import ByKey, Timed
    from firnflow.project import Project
    from firnflow.project.settings import Settings
    from firnflow.stores.state import Run, State

opened = contextlib.ExitStack()
"""What is closed when the verb has ended."""

NO_RUNS = "There is no run yet. Start one: firnflow run"


def settings_of(environment: str | None) -> tuple[Path, Settings]:
    """Return the project's folder and the settings of an environment; no module of the project is imported."""
    root = find_root()
    return root, load_settings(root, environment)


def find_state(root: Path, settings: Settings) -> State | None:  # noqa: ARG001 - the pair that `settings_of` returns
    """Return the state database, or None where nothing has run yet: looking makes no file."""
    url = settings.state.reveal()
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        return None
    from firnflow.stores.state import State

    state = State(url)
    opened.callback(state.close)
    return state


def open_state(environment: str | None) -> tuple[Path, Settings, State]:
    """Return the project's folder, the settings and the state, in which at least once something has run.

    Raises:
        NotFoundError: nothing has run yet.
    """
    root, settings = settings_of(environment)
    state = find_state(root, settings)
    if state is None:
        raise NotFoundError(f"{NO_RUNS}{option(environment)}")
    return root, settings, state


def option(environment: str | None) -> str:
    """Return what to write after a command for the same environment."""
    return f" --env {environment}" if environment is not None else ""


def find_run(state: State, run_id: str | None, environment: str | None) -> Run:
    """Return a run by the beginning of its id; None: the newest. Runs whose process is gone are marked as crashed.

    Raises:
        NotFoundError: there is none.
    """
    state.reap()
    if run_id is not None:
        try:
            return state.run(run_id)
        except NotFoundError as error:
            raise NotFoundError(f"{error}. See: firnflow runs{option(environment)}") from None
    newest = state.runs(limit=1)
    if not newest:
        raise NotFoundError(f"{NO_RUNS}{option(environment)}")
    return newest[0]


def load(environment: str | None) -> Project:
    """Return the loaded project."""
    from firnflow.project import load_project

    return load_project(None, environment)


def named(project: Project, pipeline: str | None, verb: str) -> str:
    """Return the name of a pipeline that must be given.

    Raises:
        UsageError: it is not.
        NotFoundError: there is no such pipeline.
    """
    if pipeline is None:
        example = next(iter(project.pipelines), "PIPELINE")
        raise UsageError(f"Which pipeline? Known: {listing(project.pipelines)}. E.g.: firnflow {verb} {example}")
    return project.pipeline(pipeline).name


def partitioned(project: Project, pipeline: str) -> Timed | ByKey:
    """Return the partition of a pipeline. Raises UsageError where it has none."""
    found = project.pipeline(pipeline).partition
    if found is None:
        raise UsageError(
            f'Pipeline {pipeline!r} has no partition. Mend: @ff.pipeline(partition=ff.Daily(start="2026-01-01"))'
        )
    return found
