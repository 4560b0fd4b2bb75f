"""Runs and models told to a tracker: MLflow, Snowflake, Weights & Biases, or a plug-in's."""

from __future__ import annotations

import importlib.util
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from firnflow._text import listing, nearest
from firnflow.errors import ConfigError
from firnflow.models.tracking.base import GROUP, Place

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.models.tracking.base import Tracker
    from firnflow.project import Settings

NONE = "none"
SCHEMA = "mlflow"
"""The schema of MLflow's tables in the PostgreSQL that holds the state."""
_OWN = ("mlflow", "snowflake", "wandb", NONE)


def backend_of(settings: Settings) -> str:
    """Return the name of an environment's tracker: what it says, else `mlflow` where that is installed, else `none`."""
    return settings.tracking.backend or ("mlflow" if importlib.util.find_spec("mlflow") is not None else NONE)


def tracker_of(settings: Settings, root: Path) -> Tracker | None:
    """Return an environment's tracker, not connected yet; None where it has none.

    Raises:
        ConfigError: there is no such backend, or the reference to its URL leads nowhere.
    """
    backend = backend_of(settings)
    if backend == NONE:
        return None
    if backend == "mlflow":
        from firnflow.models.tracking.mlflow import MLflowTracker

        return MLflowTracker(_place(settings, root))
    if backend == "wandb":
        from firnflow.models.tracking.wandb import WandbTracker

        return WandbTracker(_place(settings, root))
    if backend == "snowflake":
        from firnflow.models.tracking.snowflake import SnowflakeTracker

        return SnowflakeTracker(settings, root)
    known = {entry.name: entry for entry in entry_points(group=GROUP)}
    if backend not in known:
        names = [*_OWN, *known]
        raise ConfigError(
            f"[environments.{settings.environment}.tracking] backend = {backend!r}: there is none of this name."
            f"{nearest(backend, names)} Known: {listing(names)}"
        )
    try:
        made: Tracker = known[backend].load()(_place(settings, root))
    except Exception as error:
        raise ConfigError(f"the tracker {backend!r} cannot be used: {type(error).__name__}: {error}") from error
    return made


def _place(settings: Settings, root: Path) -> Place:
    """Return where the tracker is. MLflow shares the PostgreSQL of the state, in a schema of its own."""
    wanted = settings.tracking
    if wanted.url is not None:
        return Place(root, wanted.url.reveal(), wanted.artifacts)
    state = settings.state.reveal()
    if backend_of(settings) == "mlflow" and state.startswith("postgresql"):
        return Place(root, state, wanted.artifacts, SCHEMA)
    return Place(root, None, wanted.artifacts)
