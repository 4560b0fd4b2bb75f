"""Which states keep their values in one artifact store: all must be asked before anything is deleted from it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from firnflow.engine.collect import Place
from firnflow.engine.workplace import logs_folder
from firnflow.errors import FirnflowError, StoreError
from firnflow.project.settings import load_settings
from firnflow.stores import Stores
from firnflow.stores.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.project.settings import Settings
    from firnflow.stores.artifacts import ArtifactStore


@contextlib.contextmanager
def place_of(root: Path, settings: Settings, state: State, artifacts: ArtifactStore) -> Iterator[Place]:
    """Open the states of the project's other environments that use the store of this one.

    Raises:
        StoreError: one of them cannot be read, so nobody knows which values it needs.
    """
    with contextlib.ExitStack() as stack:
        others = []
        for name in settings.environments:
            found = _neighbour(root, settings, name)
            if found is not None:
                stack.callback(found.close)
                others.append(found)
        stores = Stores.open(settings, root)
        stack.callback(stores.close)
        yield Place(state, others, artifacts, logs_folder(root), stores)


def _neighbour(root: Path, settings: Settings, name: str) -> State | None:
    """Return the state of another environment that keeps its values in the same store but its runs elsewhere."""
    try:
        other = load_settings(root, name)
        if other.artifacts != settings.artifacts:
            return None  # what its state needs is elsewhere, so it may be a secret that nobody has here
        url = other.state.reveal()
        if url == settings.state.reveal():
            return None
        if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
            return None  # nothing has run there yet
        return State(url)
    except FirnflowError as error:
        raise StoreError(
            f"environment {name!r} keeps its values in the same store, and its state cannot be read, so nothing is "
            f"deleted: {error}. Mend: make it readable, or give {name!r} `artifacts` of its own"
        ) from error
