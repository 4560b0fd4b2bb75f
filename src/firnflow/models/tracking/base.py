"""What a tracker is told, as plain data that is the same for every service, and what a tracker is.

A plug-in adds one under the entry point group `firnflow.trackers`: a callable that takes a `Place` and returns a
`Tracker`. It is called in the process that sends, never in a run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from firnflow.context import Point

GROUP = "firnflow.trackers"
PAGE = "page"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tracker is.

    Attributes:
        root: the project's folder.
        url: of the service or its database; None: the backend's own default. May hold a password.
        artifacts: folder or URL for files, where the service has none of its own.
        schema: of a PostgreSQL that others use too: the schema for the tracker's tables.
    """

    root: Path
    url: str | None = None
    artifacts: str | None = None
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A table that a run read.

    Attributes:
        name: of the source, or of the task that made it.
        digest: hex SHA-256 of its content.
        role: `source`: from outside; `training`: what a model was made from.
        origin: where it comes from, in words.
        columns: name → type.
        rows: how many, where that is known.
    """

    name: str
    digest: str
    role: str
    origin: str
    columns: dict[str, str] = field(default_factory=dict)
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class File:
    """A file of a run: `path` here, `name` there (`figures/evaluate.png`); `kind`: figure, result, model or file."""

    name: str
    path: Path
    kind: str


@dataclass(frozen=True, slots=True)
class Story:
    """What is to tell of a run, or of one element of a map in it. Texts hold no secrets.

    Parameters, tags, status and times are always whole; points, datasets, files and parts are those that the tracker
    has not been told yet. Being told twice must change nothing: a sender may die before it has written down what it
    told.

    Attributes:
        key: the run's id; of an element `RUN/TASK/INDEX`. Unique in the tracker.
        name: how people call it.
        experiment: what it is listed under.
        status: as in the state: `running`, `succeeded`, `failed`, `cancelled`, `crashed`.
        started_at: seconds since 1970.
        ended_at: likewise; None while it is under way.
        params: flat, name → text.
        tags: who, what code, which versions.
        description: in Markdown.
        points: of metrics, `task/name`; of an element `name`.
        datasets: what it read.
        files: figures, reports, results, models.
        parts: the elements of its maps.
    """

    key: str
    name: str
    experiment: str
    status: str
    started_at: float
    ended_at: float | None = None
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    description: str = ""
    points: tuple[Point, ...] = ()
    datasets: tuple[Dataset, ...] = ()
    files: tuple[File, ...] = ()
    parts: tuple[Story, ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a model, for the tracker's registry.

    Attributes:
        version: its number.
        status: `registered`, `archived` or `deleted`.
        location: what `tell` has said of its file; None where it is deleted and was never told, and for a registry
            that stores models itself.
        description: in Markdown.
        tags: name → text.
        digest: hex SHA-256 of its file.
        metrics: what is known of it, as JSON.
        file: fetches the model's file, checked, for a registry that stores models itself.
    """

    version: int
    status: str
    location: str | None
    description: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    digest: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    file: Callable[[], Path] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the registry: its versions in the order of their numbers, its aliases, its story in Markdown."""

    name: str
    versions: tuple[Version, ...]
    aliases: dict[str, int] = field(default_factory=dict)
    description: str = ""


class Tracker(Protocol):
    """A service that is told of runs. What it raises means: not told; it is told again later.

    Attributes:
        place: where it is, for people, without secrets.
        live: it can be told of a run while that is under way; else once, when it has ended.
    """

    place: str
    live: bool

    def check(self) -> None:
        """Raise StoreError where the service is out of reach; quickly, without loading much."""

    def tell(self, story: Story, known: dict[str, str]) -> dict[str, str]:
        """Take a run in, and return `known` with what this service calls the run and its parts, by key.

        Under `model:DIGEST` it returns where a model of the run lies, for `mirror`, and under `PAGE` where people see
        the run, if it has pages. Raises NotFoundError where it knows nothing of a run that is in `known`.
        """

    def close(self) -> None:
        """Let go of what is open."""


@runtime_checkable
class Registering(Tracker, Protocol):
    """A tracker that has a registry of models.

    Attributes:
        stores_models: the registry holds files itself, and waits for no run; else it points to what `tell` has said.
    """

    stores_models: bool

    def mirror(self, model: Model, known: dict[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
        """Make the service's registry say the same.

        Args:
            model: how it should be.
            known: what this method returned the last time.

        Returns:
            What the registry has been told, and what somebody had changed there by hand, a line each.
        """
