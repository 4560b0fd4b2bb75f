"""What a driver knows of its run: the graph, the code, what is committed and cached, how each task went."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any

from firnflow.engine.logs import AttemptLog, attempt_file
from firnflow.engine.mapping import expand
from firnflow.engine.request import TaskResult
from firnflow.engine.selection import outputs_of
from firnflow.engine.units import make_unit
from firnflow.errors import DamagedArtifactError
from firnflow.graph.source import SOURCE_KEY
from firnflow.graph.table import CHECK_KEY, PUBLISH_KEY, TABLE_KEY
from firnflow.project import redact
from firnflow.status import COMMITTED
from firnflow.values import json
from firnflow.values.ref import Ref

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from firnflow.engine.binding import Bound
    from firnflow.engine.events import Event, Listener
    from firnflow.engine.fingerprint import Fingerprinter
    from firnflow.engine.scheduler import Scheduler
    from firnflow.engine.units import Unit
    from firnflow.graph.model import Graph, TaskNode
    from firnflow.graph.task import Task
    from firnflow.stores import Stores
    from firnflow.stores.state import Attempt, State


_OURS = {SOURCE_KEY, TABLE_KEY, PUBLISH_KEY, CHECK_KEY}


class Job:
    """One run in this process.

    Args:
        run: its id.
        epoch: the fencing token of this process.
        graph: what runs.
        tasks: key → task.
        state: the state database.
        stores: where values are.
        logs: the folder of the logs.
        fingerprinter: reads the code of tasks.
        source_code: returns the fingerprint of a source node: what the outside data is now.
        attempts: those that the run has already, from before a resume.
        recent: committed attempts of an earlier run, likely to be asked for by key.
        after_crash: the run is resumed because its process died, not because a task failed.
        cache: whether results of earlier runs are taken.
        listeners: who is told of events.
    """

    def __init__(
        self,
        *,
        run: str,
        epoch: int,
        graph: Graph,
        tasks: dict[str, Task[...]],
        state: State,
        stores: Stores,
        logs: Path,
        fingerprinter: Fingerprinter,
        source_code: Callable[[TaskNode], str],
        attempts: Sequence[Attempt],
        recent: Sequence[Attempt],
        cache: bool,
        after_crash: bool = False,
        listeners: Sequence[Listener],
    ) -> None:
        self.run, self.epoch, self.graph, self.state, self.stores = run, epoch, graph, state, stores
        self.after_crash = after_crash
        self.scheduler: Scheduler
        self.results: dict[str, TaskResult] = {}
        self.metrics: dict[str, float] = {}
        self.committed: dict[tuple[str, int], Attempt] = {}
        self._tasks, self._fingerprinter, self._source_code = tasks, fingerprinter, source_code
        self._cache, self._listeners, self._logs = cache, listeners, logs
        self._highest: Counter[tuple[str, int]] = Counter()
        self._lowest: Counter[tuple[str, int]] = Counter()
        for attempt in attempts:
            unit = attempt.task, attempt.element
            self._highest[unit] = max(self._highest[unit], attempt.number)
            self._lowest[unit] = min(self._lowest[unit], attempt.number)
            if attempt.status in COMMITTED:
                self.committed[attempt.task, attempt.element] = attempt
        self._recent = {attempt.key: attempt for attempt in recent}
        self._looks: dict[str, Future[str]] = {}

    def code(self, node: TaskNode) -> str:
        """Return the fingerprint of a task's code."""
        if node.key == SOURCE_KEY:
            return self._source_code(node)
        return self._fingerprinter.of(self._tasks[node.key]).digest

    def look(self, task: str) -> Future[str] | None:
        """Begin, once, to look at what a source holds; of another task None.

        In a thread of its own: to read large files or ask a far store takes long, while who drives the run has limits
        and wishes to stop to look at. Nobody waits for the thread when the process ends.
        """
        node = self.graph.tasks[task]
        if node.key == SOURCE_KEY and task not in self._looks:
            look: Future[str] = Future()
            self._looks[task] = look
            Thread(target=_answer, args=(look, partial(self.code, node)), daemon=True).start()
        return self._looks.get(task)

    def units(self, task: str) -> list[Unit]:
        """Return the units of a task that is to run: one, or one per element of a map.

        Raises:
            TaskFailedError: what it maps over does not fit together.
        """
        node, arguments = self.graph.tasks[task], self.scheduler.arguments(task)
        code = self._looks[task].result() if task in self._looks else self.code(node)
        if node.mapping is None:
            return [make_unit(task, node, code, arguments, watched=self._watched(node))]
        elements = expand(task, node.mapping, arguments, self.read_json)
        return [
            make_unit(task, node, code, element.arguments, (index, len(elements), element.label), self._watched(node))
            for index, element in enumerate(elements)
        ]

    def _watched(self, node: TaskNode) -> Callable[[dict[str, str], dict[str, Bound]], str | None]:
        """Return the function that says what a task's result depends on besides its arguments (`Task.watching`)."""
        watches = self._tasks[node.key].watches if node.key in self._tasks else None

        def read(arguments: dict[str, Bound], name: str) -> Any:
            bound = arguments.get(name)
            return self.read_json(bound) if isinstance(bound, Ref) else getattr(bound, "json", None)

        return lambda digests, arguments: watches(self.state, digests, partial(read, arguments)) if watches else None

    def libraries(self) -> list[str]:
        """Return the libraries that the tasks still to be settled use, for the fork server to load."""
        left = [node for task, node in self.graph.tasks.items() if task not in self.scheduler.settled]
        keys = {node.key for node in [*left, *filter(None, [self.graph.finalizer])]} - _OURS
        used = set().union(*(self._fingerprinter.of(self._tasks[key]).libraries for key in keys))
        return sorted(used | self.stores.warehouse.libraries if "ibis" in used else used)

    def next_number(self, task: str, element: int, *, runs: bool = True) -> int:
        """Return the number of a task's next attempt: 1, 2, … if it runs, -1, -2, … if it is settled without."""
        counter = self._highest if runs else self._lowest
        counter[task, element] += 1 if runs else -1
        return counter[task, element]

    def find_committed(self, unit: Unit) -> Attempt | None:
        """Return what this run has committed for a unit, if its code and inputs are still the same."""
        found = self.committed.get((unit.task, unit.element))
        return found if found is not None and found.key == unit.key and self._is_there(found) else None

    def find_cached(self, unit: Unit) -> Attempt | None:
        """Return a result of an earlier run with the same code and inputs, if it may be taken and is still there."""
        if not (self._cache and unit.node.options.cache):
            return None
        found = self._recent.get(unit.key) or self.state.find_cached([unit.key]).get(unit.key)
        return found if found is not None and self._is_there(found) else None

    def _is_there(self, attempt: Attempt) -> bool:
        try:
            return all(map(self._stored, outputs_of(attempt).values()))
        except DamagedArtifactError:  # the state names what is no place
            return False

    def _stored(self, ref: Ref) -> bool:
        places = (part.where for _, part in ref.walk())
        return all(self.stores.exists(where) for where in places if where is not None)

    def read_json(self, ref: Ref) -> Any:
        """Return the plain value behind a ref of kind `json`."""
        return json.load(ref, Any, self.stores)

    def result(self, task: str) -> TaskResult:
        """Return the record of how a task went, to be filled in."""
        return self.results.setdefault(task, TaskResult())

    def add_metrics(self, task: str, label: str | None, metrics: dict[str, float]) -> None:
        """Add the figures of a unit to the run's: `task.name`, or `task[label].name` in a map."""
        prefix = task if label is None else f"{task}[{label}]"
        self.metrics.update({f"{prefix}.{name}": value for name, value in metrics.items()})

    def log(self, task: str, element: int, number: int, message: str) -> None:
        """Add to the log of an attempt that could not write it itself any more."""
        log = AttemptLog(attempt_file(self._logs, self.run, task, element, number), redact)
        log.write("firnflow", message, "error")
        log.close()

    def tell(self, event: Event) -> None:
        """Tell everybody who listens."""
        for listener in self._listeners:
            listener(event)


def _answer(future: Future[str], work: Callable[[], str]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
        future.set_exception(error)
