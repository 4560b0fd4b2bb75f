"""Opens what a process needs to execute tasks of a project."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from firnflow.engine import origin
from firnflow.engine.attempt import Workplace
from firnflow.engine.memory import Memory
from firnflow.engine.services import Services
from firnflow.project import redact
from firnflow.stores import Stores, owners
from firnflow.stores.state import State

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.project import Project

MEMORY_BUDGET = 512 * 2**20


def open_workplace(project: Project, echo: Any = None) -> Workplace:
    """Return the stores, the state and the logs of the project's environment; echo: where messages are shown too."""
    stores, state = Stores.open(project.settings, project.root), State(project.settings.state.reveal())
    return Workplace(
        stores=stores,
        state=state,
        logs=logs_folder(project.root),
        memory=Memory(MEMORY_BUDGET),
        services=Services(state, stores, project.settings, project.root),
        redact=redact,
        echo=echo,
    )


def register(place: Workplace, project: Project) -> None:
    """Leave the mark of the state in the artifact store, so that nobody's `clean` takes its values for garbage.

    A state that was copied, with its id, gets one of its own: the values of each are then known as somebody's.
    """
    store, state = place.stores.artifacts, place.state
    identity = state.identity()
    mark = owners.read(store, identity)
    if mark is not None:
        if not owners.is_copy(mark, store, state.file):
            return
        identity = state.renew_identity(identity)

    def about() -> dict[str, Any]:
        said = {"project": project.settings.project, "folder": str(project.root), **origin.who()}
        where = owners.places(store, state.file) if state.file is not None else {}
        return {**said, "since": time.strftime("%Y-%m-%d"), **where}

    owners.register(store, identity, about)


def logs_folder(root: Path) -> Path:
    """Return the folder in which the logs of every run of a project are kept."""
    return root / ".firnflow" / "logs"
