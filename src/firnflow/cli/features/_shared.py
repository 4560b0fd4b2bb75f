"""What the verbs on feature views share: the project's views, the named tables that they read, the registry."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import typer

from firnflow.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import ibis

    from firnflow.features import FeatureView
    from firnflow.project import Project
    from firnflow.stores import Stores
    from firnflow.stores.state import State
    from firnflow.stores.state.views import Views, ViewVersion


def complete(incomplete: str) -> list[str]:
    """Return the applied views whose names begin so."""
    with contextlib.suppress(Exception):
        return [name for name in registry(None)[1].current() if name.startswith(incomplete)]
    return []


NAME: Any = typer.Argument(..., metavar="NAME", help="Its name.", autocompletion=complete)


def registry(environment: str | None) -> tuple[State, Views]:
    """Return the state and the registry; no module of the project is imported.

    Raises:
        NotFoundError: no view was applied yet.
    """
    from firnflow.cli import _project
    from firnflow.stores.state.views import NO_VIEWS, Views

    state = _project.find_state(*_project.settings_of(environment))
    if state is None:
        raise NotFoundError(NO_VIEWS)
    return state, Views(state)


def project_views(environment: str | None) -> tuple[Project, dict[str, FeatureView], State]:
    """Return the project, its views by name, and its state, made where there is none."""
    from firnflow.cli import _project
    from firnflow.cli._print import stdout_is_data
    from firnflow.features.registry import find
    from firnflow.stores.state import State

    with stdout_is_data():
        project = _project.load(environment)
    state = State(project.settings.state.reveal())
    _project.opened.callback(state.close)
    return project, find(project), state


def filled(environment: str | None, view: ViewVersion) -> str | None:
    """Return which moment's values of a version the online store has, or what is wrong with it; None: no moment's."""
    from firnflow.cli import _project
    from firnflow.errors import FirnflowError
    from firnflow.features import place
    from firnflow.features.materializing import moment_from

    try:
        online = place.of_settings(_project.settings_of(environment)[1])
        (found,) = online.store.read([(online.place_of(view.name, view.version), ())])
        mark = place.Mark.from_text(found.mark)
    except FirnflowError as error:
        return f"? ({error})"
    return None if mark is None or mark.at is None else f"as of {moment_from(mark.at):%Y-%m-%d %H:%M:%S} UTC"


def sources(
    project: Project, state: State, views: Iterable[FeatureView]
) -> tuple[dict[str, ibis.Table], dict[str, str], Stores]:
    """Return name → named table, as it is now, of those that views read and that are there; digests; the stores."""
    from firnflow.cli import _project
    from firnflow.features.sources import read_table
    from firnflow.stores import Stores

    stores = Stores.open(project.settings, project.root)
    _project.opened.callback(stores.close)
    tables = stores.tables(state)
    _project.opened.callback(tables.close)
    names = sorted({view.source for view in views if isinstance(view.source, str)})
    read = {name: found for name in names if (found := read_table(tables, name)) is not None}
    digests = {name: said["digest"] for name, (_, said) in read.items()}
    return {name: table for name, (table, _) in read.items()}, digests, stores
