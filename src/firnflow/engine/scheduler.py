"""Which task may start next: a pure state machine over the graph, without I/O or clocks. The rules: `graph.joins`."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow.engine.binding import Bound, Value
from firnflow.graph.joins import decide, reads
from firnflow.graph.model import FromConstant, FromList, FromParam, FromPartition
from firnflow.status import TaskStatus
from firnflow.values import gather

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from firnflow.graph.model import Condition, Graph, Input
    from firnflow.values.ref import Ref


@dataclass(slots=True)
class Settled:
    """How a task ended, and its outputs by name."""

    status: TaskStatus
    outputs: dict[str, Ref] | None = None


class Scheduler:
    """Follows one run of a graph.

    Args:
        graph: the graph.
        selected: the tasks that are to run; a task that is not selected must be in `given` if a selected one reads it.
        given: outputs that are taken from elsewhere: task → its outputs, None for a skipped one.
        params: the run's parameters as JSON.
        read_json: returns the plain value behind a ref of kind `json`, for cases and computed lists.
    """

    def __init__(
        self,
        graph: Graph,
        selected: Iterable[str],
        given: dict[str, dict[str, Ref] | None],
        params: dict[str, Any],
        read_json: Callable[[Ref], Any],
    ) -> None:
        self._graph = graph
        self._params = params
        self._read_json = read_json
        self.settled = {
            task: Settled(TaskStatus.SKIPPED if outputs is None else TaskStatus.GIVEN, outputs)
            for task, outputs in given.items()
        }
        self.selected = [task for task in graph.tasks if task in set(selected) and task not in given]
        self._open: dict[str, int] = {}
        self._readers: dict[str, list[str]] = {}
        self._ready: deque[str] = deque()
        chosen = set(self.selected)
        for task in self.selected:
            upstream = reads(graph.tasks[task])
            for other in upstream:
                self._readers.setdefault(other, []).append(task)
            self._open[task] = sum(other in chosen for other in upstream)
            if not self._open[task]:
                self._ready.append(task)

    @property
    def done(self) -> bool:
        """Whether every selected task is settled."""
        return len(self._open) == 0

    def take_ready(self) -> Iterator[str]:
        """Yield, once each, the tasks whose inputs are all settled; settling one may add to them."""
        while self._ready:
            yield self._ready.popleft()

    def settle(self, task: str, status: TaskStatus, outputs: dict[str, Ref] | None = None) -> None:
        """Write down how a task ended."""
        del self._open[task]
        self.settled[task] = Settled(status, outputs)
        for reader in self._readers.get(task, ()):
            self._open[reader] -= 1
            if not self._open[reader]:
                self._ready.append(reader)

    def decide(self, task: str) -> TaskStatus | None:
        """Return `skipped` or `upstream_failed` for a task whose inputs are settled, or None: it is to run."""
        node = self._graph.tasks[task]
        return decide(node, {other: self.settled[other].status for other in reads(node)}, self._is_chosen)

    def arguments(self, task: str) -> dict[str, Bound]:
        """Return what a task that runs is called with."""
        found = {name: self._find(wanted) for name, wanted in self._graph.tasks[task].inputs.items()}
        return {name: Value(None) if value is None else value for name, value in found.items()}

    def _is_chosen(self, condition: Condition) -> bool:
        outputs = self.settled[condition.task].outputs or {}
        value = self._read_json(outputs[condition.output or "result"])
        return bool(value == condition.case and isinstance(value, bool) == isinstance(condition.case, bool))

    def _find(self, wanted: Input) -> Bound | None:
        """Return what an input stands for; None for the output of a task that was skipped."""
        if isinstance(wanted, FromConstant):
            return Value(wanted.value)
        if isinstance(wanted, FromParam):
            value: Any = self._params
            for part in wanted.path:
                value = value[part]
            return Value(value)
        if isinstance(wanted, FromList):
            return [item for item in map(self._find, wanted.items) if item is not None]
        assert not isinstance(wanted, FromPartition)  # noqa: S101 - `partitions.filled` has put its value there
        outputs = self.settled[wanted.task].outputs
        if outputs is None:
            return None
        if wanted.output is not None:
            return outputs[wanted.output]
        return outputs["result"] if set(outputs) == {"result"} else gather(outputs)
