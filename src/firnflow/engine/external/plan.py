"""What a call for one task comes to, seen from what its run has committed: found out before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from firnflow._text import counted, listing
from firnflow.engine import sources
from firnflow.engine.driver import FINALIZER
from firnflow.engine.fingerprint import Fingerprinter
from firnflow.engine.job import Job
from firnflow.engine.scheduler import Scheduler
from firnflow.engine.selection import committed
from firnflow.errors import UsageError
from firnflow.graph.joins import reads
from firnflow.status import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.engine.attempt import Workplace
    from firnflow.engine.units import Unit
    from firnflow.graph.model import Graph
    from firnflow.graph.task import Task
    from firnflow.project import Project
    from firnflow.stores.state import Attempt, Run

_FAILED = frozenset({TaskStatus.FAILED, TaskStatus.LOST, TaskStatus.CANCELLED})


class Share(NamedTuple):
    """The elements of a map that one of several processes executes: each belongs to just one of them.

    Attributes:
        number: which of the processes, from 0.
        of: how many there are.
    """

    number: int
    of: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What to execute.

    Attributes:
        graph: the graph, checked by `read_graph`.
        run: the run's id.
        task: the task, or `finalizer`.
        element: of a map, the index of the element; None: all, one after the other.
        assignments: `name=value` as typed after `--set`.
        cache: take what this run or an earlier one has made of the same code and inputs.
        partition: what a new run is for; None: the newest complete one, where the pipeline has partitions.
        due: the moment that the scheduler has planned the run for, in seconds since 1970: the newest partition is that
            of then.
        changed: names of partitions that what has started the run has changed; a new run without a partition of its own
            is for the last of those that its pipeline has.
        list_elements: do not execute the map, say which elements it has.
        memory: bytes that the task may hold; None: any number.
        keep: a run that is there keeps the parameters that it was started with.
        share: of a map, the elements of one of several processes; None: all.
    """

    graph: Graph
    run: str
    task: str
    element: int | None = None
    assignments: tuple[str, ...] = ()
    cache: bool = True
    partition: str | None = None
    due: float | None = None
    changed: tuple[str, ...] = ()
    list_elements: bool = False
    memory: int | None = None
    keep: bool = False
    share: Share | None = None

    @property
    def writes(self) -> bool:
        """Whether what is of the task as a whole is this call's to write down; of several shares it is the first's."""
        return self.share is None or self.share.number == 0


class Plan:
    """What to do for a wish.

    Attributes:
        job: the run as this process knows it; its epoch is known when the run is joined.
        attempts: those that the run has.
        units: what is to be executed.
        is_empty: whether the task is a map without elements.
        is_skipped: whether the task is skipped.
        skipped: the tasks that are skipped, and of which nobody has written so.
        failed: task → why it failed, in one line.
        outdated: the tasks that the run has committed otherwise than the graph of the wish would now.

    Raises:
        UsageError: the run has not committed what the task reads, or has no such element.
        FirnflowError: a source is away, or what the task maps over does not fit together.
    """

    def __init__(
        self,
        project: Project,
        wish: Wish,
        place: Workplace,
        tasks: dict[str, Task[...]],
        known: Run | None,
        params: dict[str, Any],
        alike: frozenset[str] | None,
    ) -> None:
        """Look at a run.

        Args:
            project: the project.
            wish: what to execute.
            place: the stores and the state.
            tasks: the project's tasks by key.
            known: the run, if it is there.
            params: its parameters.
            alike: where the run began with another graph, the tasks that are wired alike in both.
        """
        self._wish, self._alike = wish, alike
        self.outdated: list[str] = []
        self.attempts = place.state.attempts(known.id) if known is not None else []
        self.job = Job(
            run=wish.run,
            epoch=known.epoch if known is not None else 1,
            graph=wish.graph,
            tasks=tasks,
            state=place.state,
            stores=place.stores,
            logs=place.logs,
            fingerprinter=Fingerprinter((project.root,)),
            source_code=lambda node: sources.fingerprint(node, project),
            attempts=self.attempts,
            recent=(),
            cache=wish.cache and project.settings.cache,
            listeners=(),
        )
        self.job.scheduler = Scheduler(wish.graph, wish.graph.tasks, {}, params, self.job.read_json)
        self.skipped: list[str] = []
        self.is_empty = False
        self.failed = _failures(self.attempts)
        can_run = self._replay()
        self.is_skipped = can_run and self.job.scheduler.decide(wish.task) == TaskStatus.SKIPPED
        self.units = [] if self.is_skipped or wish.task == FINALIZER else self._units(can_run=can_run)

    def _replay(self) -> bool:
        """Settle what is known of the tasks; return whether the inputs of the task are there."""
        done = committed(self._wish.graph, self.attempts)
        can_run = False
        for task in self.job.scheduler.take_ready():
            if task == self._wish.task:
                can_run = True
            elif task in done and self._is_current(task, done[task]):
                status = TaskStatus.SKIPPED if done[task] is None else TaskStatus.SUCCEEDED
                self.job.scheduler.settle(task, status, done[task])
            elif (standing := self._standing(task)) is not None:
                self.job.scheduler.settle(task, standing)
        return can_run

    def _is_current(self, task: str, outputs: object) -> bool:
        """Return whether the graph of the wish would make what the run has committed for a task."""
        if self._alike is None or task in self._alike:
            return True
        if outputs is None:  # it was skipped: that is decided anew
            return False
        if all(self.job.find_committed(unit) is not None for unit in self.job.units(task)):
            return True
        self.outdated.append(task)
        return False

    def _standing(self, task: str) -> TaskStatus | None:
        """Return how a task stands that has committed nothing; None where that is still open."""
        at_the_end = self._wish.task == FINALIZER
        if at_the_end and task in self.failed:
            return TaskStatus.FAILED
        decision = self.job.scheduler.decide(task)
        if decision == TaskStatus.SKIPPED:
            self.skipped.append(task)
        return TaskStatus.CANCELLED if decision is None and at_the_end else decision

    def _units(self, *, can_run: bool) -> list[Unit]:
        task, element, node = self._wish.task, self._wish.element, self._wish.graph.tasks[self._wish.task]
        if not can_run and self.outdated:
            raise UsageError(
                f"task {task!r} comes after {listing(self.outdated)}, which run {self._wish.run} has committed before "
                "the pipeline was changed, and would make otherwise now. Mend: let the scheduler run it again with all "
                "that comes after it, or start another run: that takes from the cache what is unchanged"
            )
        if not can_run:
            missing = [other for other in reads(node) if other not in self.job.scheduler.settled]
            raise UsageError(
                f"task {task!r} reads {listing(missing)}, which run {self._wish.run} has not committed yet"
            )
        asked = {"element": element is not None, "elements": self._wish.list_elements, "share": self._wish.share}
        if node.mapping is None and any(asked.values()):
            option = next(name for name, value in asked.items() if value)
            raise UsageError(f"--{option}: task {task!r} is no map")
        units = self.job.units(task)
        self.is_empty = not units
        if self._wish.share is not None:
            return units[self._wish.share.number :: self._wish.share.of]
        if element is None:
            return units
        if not 0 <= element < len(units):
            raise UsageError(f"--element {element}: the map {task!r} has {counted(len(units), 'element')}, from 0")
        return [units[element]]


def _failures(attempts: Sequence[Attempt]) -> dict[str, str]:
    """Return why each task failed whose newest attempt did, in one line."""
    newest = {(attempt.task, attempt.element): attempt for attempt in attempts}
    failed = [attempt for attempt in newest.values() if attempt.status in _FAILED]
    said = {attempt.task: attempt.error or {} for attempt in failed}
    return {
        task: f"task {task}: {error.get('type')}: {error.get('message')}".partition("\n")[0]
        for task, error in said.items()
    }
