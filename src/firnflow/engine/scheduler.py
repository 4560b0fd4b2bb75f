"""Which task may start next, and which is skipped: a pure state machine over the graph, without I/O or clocks.

The rules: a task starts when everything that it reads is settled. It is *upstream_failed* if something that it reads
failed, *skipped* if its case was not chosen, if an argument that it cannot do without was skipped, or if all that it
reads was skipped. An argument that accepts None gets None for a skipped input; a list keeps the items that ran.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow.engine.binding import Bound, Value
from firnflow.graph.model import FromConstant, FromList, FromParam, FromTask, Graph, TaskNode
from firnflow.status import BROKEN, DONE, TaskStatus
from firnflow.values import gather

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from firnflow.graph.model import Input
    from firnflow.values.ref import Ref


class _Skipped:
    """What a skipped input resolves to."""


SKIPPED = _Skipped()


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
        upstream = [self.settled[other].status for other in reads(node)]
        if any(status in BROKEN for status in upstream):
            return TaskStatus.UPSTREAM_FAILED
        if not all(self._chosen(node, index) for index in range(len(node.when))):
            return TaskStatus.SKIPPED
        found = {name: self._find(wanted) for name, wanted in node.inputs.items()}
        if any(value is SKIPPED and not node.arguments[name].optional for name, value in found.items()):
            return TaskStatus.SKIPPED
        fed = [other for wanted in node.inputs.values() for other in _tasks_of(wanted)]
        if fed and all(self.settled[other].status == TaskStatus.SKIPPED for other in fed):
            return TaskStatus.SKIPPED
        return None

    def arguments(self, task: str) -> dict[str, Bound]:
        """Return what a task that runs is called with."""
        found = {name: self._find(wanted) for name, wanted in self._graph.tasks[task].inputs.items()}
        return {name: Value(None) if isinstance(value, _Skipped) else value for name, value in found.items()}

    def _chosen(self, node: TaskNode, index: int) -> bool:
        condition = node.when[index]
        verdict = self.settled[condition.task]
        if verdict.outputs is None:
            return False
        value = self._read_json(verdict.outputs[condition.output or "result"])
        return bool(value == condition.case and isinstance(value, bool) == isinstance(condition.case, bool))

    def _find(self, wanted: Input) -> Bound | _Skipped:
        if isinstance(wanted, FromConstant):
            return Value(wanted.value)
        if isinstance(wanted, FromParam):
            value: Any = self._params
            for part in wanted.path:
                value = value[part]
            return Value(value)
        if isinstance(wanted, FromList):
            items = [self._find(item) for item in wanted.items]
            return [item for item in items if not isinstance(item, _Skipped)]
        return self._output(wanted)

    def _output(self, wanted: FromTask) -> Bound | _Skipped:
        outputs = self.settled[wanted.task].outputs
        if self.settled[wanted.task].status not in DONE or outputs is None:
            return SKIPPED
        if wanted.output is not None:
            return outputs[wanted.output]
        return outputs["result"] if set(outputs) == {"result"} else gather(outputs)


def reads(node: TaskNode) -> list[str]:
    """Return the tasks that a task waits for, each once."""
    found = [other for wanted in node.inputs.values() for other in _tasks_of(wanted)]
    return list(dict.fromkeys([*found, *(condition.task for condition in node.when)]))


def _tasks_of(wanted: Input) -> list[str]:
    if isinstance(wanted, FromTask):
        return [wanted.task]
    return [task for item in wanted.items for task in _tasks_of(item)] if isinstance(wanted, FromList) else []
