"""Checks a graph that comes from a file against the project whose functions it names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow._text import listing, nearest
from firnflow.engine.driver import FINALIZER
from firnflow.errors import GraphError, NotFoundError
from firnflow.graph.model import FromParam, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.graph.model import Graph, TaskNode
    from firnflow.graph.task import Task


def check_code(graph: Graph, name: str, tasks: dict[str, Task[...]]) -> None:
    """Check that the project has the function of a task, and that it takes and returns what the graph says.

    Args:
        graph: the graph.
        name: the task, or `finalizer`.
        tasks: the project's tasks by key.

    Raises:
        NotFoundError: the graph has no such task.
        GraphError: the graph was made of other code.
    """
    if name != FINALIZER and name not in graph.tasks:
        known = [*graph.tasks, FINALIZER]
        raise NotFoundError(f"the graph has no task {name!r}.{nearest(name, known)} It has: {listing(known)}")
    node = graph.finalizer if name == FINALIZER else graph.tasks[name]
    if node is None:
        return
    if node.key not in tasks:
        raise GraphError(f"task {name!r}: the project's pipeline has no {node.key!r}.{nearest(node.key, tasks)}")
    signature = tasks[node.key].signature
    required = {argument.name for argument in signature.arguments.values() if argument.required}
    given = set(node.inputs) if name != FINALIZER else required
    if not required <= given <= set(signature.arguments) or set(node.outputs) != set(signature.outputs):
        raise GraphError(
            f"task {name!r}: its function takes or returns something else than the graph says: it was made of other "
            f"code. Make it anew: firnflow show {graph.pipeline} --format json"
        )


def wired_alike(before: Graph, now: Graph) -> frozenset[str]:
    """Return the tasks that read and call the same in two graphs; how they are run and described counts for nothing."""

    def wiring(node: TaskNode) -> dict[str, Any]:
        return node.model_dump(exclude={"doc", "location", "options"})

    both = before.tasks.keys() & now.tasks.keys()
    return frozenset(name for name in both if wiring(before.tasks[name]) == wiring(now.tasks[name]))


def check_params(graph: Graph, params: dict[str, Any]) -> None:
    """Check that every parameter that the graph reads is there. Raises GraphError."""
    for name, path in _paths(graph):
        value: Any = params
        for key in path:
            if not isinstance(value, dict) or key not in value:
                raise GraphError(f"task {name!r}: reads parameter {'.'.join(path)!r}, which the run lacks")
            value = value[key]


def _paths(graph: Graph) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each task with the path of a parameter that it reads."""
    for name, node in graph.tasks.items():
        for wanted in node.inputs.values():
            yield from ((name, part.path) for part in walk(wanted) if isinstance(part, FromParam))
