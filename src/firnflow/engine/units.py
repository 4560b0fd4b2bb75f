"""The units of a run: one per task, or one per element of a mapped task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from firnflow.engine.attempt import Call
from firnflow.engine.binding import Bound, Value, digest, hash_json, stored
from firnflow.graph.source import SOURCE_KEY
from firnflow.stores.state import Attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.engine.attempt import Outcome
    from firnflow.graph.model import TaskNode
    from firnflow.status import TaskStatus
    from firnflow.values.ref import Ref

_KEY_VERSION = 1


@dataclass(slots=True, eq=False)
class Unit:
    """One thing to execute, with what it is called with.

    `inputs` are the digests of its arguments; `number` and `attempt` name its last attempt, `tries` counts those that
    this process has made.
    """

    task: str
    node: TaskNode
    element: int
    elements: int | None
    label: str | None
    arguments: dict[str, Bound]
    inputs: dict[str, str]
    key: str
    number: int = 0
    tries: int = 0
    attempt: int = 0
    outputs: dict[str, Ref] | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    reused: bool = False

    @property
    def stored(self) -> set[str]:
        """The digests of the stored values among the inputs."""
        return {ref.digest for bound in self.arguments.values() for ref in stored(bound)}

    def take(self, outcome: Outcome) -> None:
        """Keep what a successful attempt gave."""
        self.outputs, self.metrics = outcome.outputs, outcome.metrics

    def record(self, status: TaskStatus, found: Attempt | None = None) -> Attempt:
        """Return the unit's next attempt, or what settles it with what `found` has."""
        return Attempt(
            task=self.task,
            element=self.element,
            elements=self.elements,
            label=self.label,
            number=self.number,
            status=status,
            key=self.key,
            inputs=self.inputs,
            outputs=found.outputs if found is not None else None,
            metrics=found.metrics if found is not None else None,
            cached_from=found.id if found is not None else None,
        )

    def call(self, run: str, pipeline: str) -> Call:
        """Return what a process must know to execute the unit's attempt, in a run of a pipeline."""
        return Call(
            run=run,
            task=self.task,
            key=self.node.key,
            element=self.element,
            label=self.label,
            number=self.number,
            attempt=self.attempt,
            arguments=self.arguments,
            resources=self.node.options.resources,
            pipeline=pipeline,
        )


def make_unit(
    task: str,
    node: TaskNode,
    code: str,
    arguments: dict[str, Bound],
    place: tuple[int, int | None, str | None] = (-1, None, None),
    watched: Callable[[dict[str, str], dict[str, Bound]], str | None] = lambda *_: None,
) -> Unit:
    """Return a unit; its key, by which a result is found again, is of the code and of each argument's content.

    Args:
        task: its task.
        node: the task's node.
        code: the fingerprint of the task's code.
        arguments: what it is called with.
        place: of an element of a map: index, how many there are, label.
        watched: returns, for the arguments' digests and the arguments, what else the result depends on.
    """
    inputs = {name: digest(bound) for name, bound in arguments.items()}
    element, elements, label = place
    if node.key == SOURCE_KEY:  # the process that reads will see whether the data is still that of the key
        arguments = {**arguments, "expected": Value(code)}
    outside = watched(inputs, arguments)
    key = hash_json([_KEY_VERSION, code, inputs, *([] if outside is None else [outside])])
    return Unit(task, node, element, elements, label, arguments, inputs, key)
