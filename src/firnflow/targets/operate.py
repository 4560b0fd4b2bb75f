"""What every target that runs pipelines elsewhere can be asked: to start, find, follow, stop and repeat runs.

A run is found by its id, never as the newest one. Firnflow's own state says what a run has committed; a target says
what the state cannot know: what is queued, what is under way now, what has died before it could write anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from firnflow.status import RunStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from firnflow.graph.model import Graph
    from firnflow.status import TaskStatus

QUEUED: Literal["queued"] = "queued"
"""How a run stands that the target has taken, and not begun."""
Standing: TypeAlias = RunStatus | Literal["queued"]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be started.

    Attributes:
        pipeline: its name.
        id: what tells the run from others of the pipeline; started twice, it is there once.
        params: parameter → value, of those that were given.
        partition: what it is for; None: what the target makes of the moment.
    """

    pipeline: str
    id: str
    params: Mapping[str, Any] = field(default_factory=dict)
    partition: str | None = None


@dataclass(frozen=True, slots=True)
class TargetRun:
    """A run as the target knows it. Times are seconds since 1970.

    Attributes:
        id: as Firnflow's state names it.
        native: as the target names it.
        pipeline: the pipeline's name.
        status: how it stands.
        partition: what it was asked to be for.
        cause: who or what has started it, in the target's words.
        began_at: when it began or, while it is queued, when it was taken.
        ended_at: when it ended.
    """

    id: str
    native: str
    pipeline: str
    status: Standing
    partition: str | None
    cause: str
    began_at: float
    ended_at: float | None

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is under way."""
        return self.status not in {RunStatus.RUNNING, QUEUED}


@dataclass(frozen=True, slots=True)
class TargetTask:
    """One task of a run, or one element of a map, as the target knows it.

    Attributes:
        task: its name.
        element: its index in a map, or -1; `label` is how people call it.
        status: how it stands.
        attempt: the number of its newest attempt, from 1.
        seconds: how long that attempt took, or takes.
        again_in: seconds until it is tried again, where it waits for that.
        is_shared: whether it is one job with other tasks: the target knows how that stands, the state how each does.
        why: why it has failed, as far as the target knows that.
    """

    task: str
    element: int
    label: str | None
    status: TaskStatus
    attempt: int
    seconds: float
    again_in: float | None = None
    is_shared: bool = False
    why: str | None = None

    @property
    def name(self) -> str:
        """The task, and of an element its label."""
        return self.task if self.element < 0 else f"{self.task}[{self.label or self.element}]"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that an attempt has said; `at` in seconds since 1970."""

    at: float
    level: str
    source: str
    message: str


class Operator(Protocol):
    """One environment of a project at a target, as one that runs things.

    Attributes:
        name: of the target, for people: `Airflow`.
        place: where it is, for people.
        kind: of the resource that a pipeline is there.
        why_paused: why a pipeline may be paused that nobody has paused, in brackets; or empty.
        needs_state: whether it takes a second run of an id, and starts what is paused when a table has a new version,
            so that the state has to see to both.
    """

    name: str
    place: str
    kind: str
    why_paused: str
    needs_state: bool

    def look(self) -> str:
        """Return which version answers there, as somebody who may see its runs. Raises ConfigError or TargetError."""

    def start(self, order: Order) -> TargetRun:
        """Start a run, and return it as it stands.

        Raises:
            RunConflictError: there is such a run already.
            NotFoundError: the pipeline is not deployed.
            UsageError: the target does not take the parameters.
            TargetError: as every call here: it cannot be reached, or does not do it.
        """

    def find(self, pipeline: str, run: str) -> TargetRun | None:
        """Return a run by its id, Firnflow's or the target's."""

    def runs(self, pipelines: Collection[str], limit: int) -> list[TargetRun]:
        """Return the newest runs of these pipelines, the newest first."""

    def tasks(self, run: TargetRun) -> list[TargetTask]:
        """Return how the tasks of a run stand."""

    def log(self, run: TargetRun, task: TargetTask, attempt: int) -> list[LogLine]:
        """Return what an attempt has said so far."""

    def cancel(self, run: TargetRun) -> None:
        """End what is under way of a run, and begin nothing more of it but its finalizer, where that can begin."""

    def retry(self, run: TargetRun) -> None:
        """Go on with a run that has ended: what has succeeded stays so."""

    def is_paused(self, pipeline: str) -> bool:
        """Return whether a pipeline starts nothing. Raises NotFoundError where it is not deployed."""

    def next_at(self, pipeline: str) -> float | None:
        """Return when a pipeline starts next by its schedule; None: that is not known. Raises as `is_paused`."""

    def pause(self, pipeline: str, *, paused: bool) -> bool:
        """Let a pipeline start nothing, or start again; return False where it was so already. Raises as `is_paused`."""

    def backfill(
        self, graph: Graph, partitions: Sequence[str], params: Mapping[str, Any], at_once: int
    ) -> dict[str, TargetRun]:
        """Have the target run partitions by what it has for that itself.

        Args:
            graph: of the pipeline.
            partitions: to be run, in order.
            params: parameter → value, of those that were given.
            at_once: how many may be under way.

        Returns:
            Partition → its run, of those that the target sees to, from now on or since an earlier call. The others are
            to be started one by one.
        """
