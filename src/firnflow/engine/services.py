"""What a task of ours finds of its environment: the stores, the state and the settings, through `context.current()`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firnflow import context
from firnflow.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.project.settings import Settings
    from firnflow.stores import Stores
    from firnflow.stores.state import State


@dataclass(frozen=True, slots=True)
class Services:
    """The environment in which a task runs.

    Attributes:
        state: runs, models, what is to be told.
        stores: artifacts and warehouse.
        settings: of the environment.
        root: the project's folder.
    """

    state: State
    stores: Stores
    settings: Settings
    root: Path


def here(what: str) -> tuple[Services, context.TaskContext]:
    """Return the services and the context of the task that is running.

    Args:
        what: who asks, for the message.

    Raises:
        UsageError: no run is under way in this thread.
    """
    running = context.current()
    if running is None or not isinstance(running.services, Services):
        raise UsageError(
            f"{what} works in a run only: it reads and changes what the environment keeps. "
            "Mend: call it as a task of a pipeline, and start that by `firnflow run`"
        )
    return running.services, running
