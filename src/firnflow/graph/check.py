"""A graph that comes from a file: nothing of it is believed before it has been checked here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NoReturn

from pydantic import ValidationError

from firnflow._text import nearest
from firnflow.errors import GraphError
from firnflow.graph.joins import find_contradiction
from firnflow.graph.model import FORMAT, VERSION, FromParam, FromPartition, FromTask, Graph, walk
from firnflow.graph.where import quoted

if TYPE_CHECKING:
    from firnflow.graph.model import Condition, Input, TaskNode

MAX_BYTES = 64 * 2**20


def read_graph(text: str | bytes) -> Graph:
    """Return the graph that a file holds.

    Raises:
        GraphError: it is no graph, of a version that this Firnflow does not know, or does not hang together.
    """
    if len(text) > MAX_BYTES:
        raise GraphError(f"The graph has more than {MAX_BYTES // 2**20} MiB, which no pipeline needs.")
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise GraphError(f"The graph is not JSON: {error}.") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise GraphError(f'This is no graph: it does not begin with "format": "{FORMAT}".')
    if header.get("version") != VERSION or isinstance(header["version"], bool):
        raise GraphError(
            f"The graph has version {header.get('version')!r}, this Firnflow reads version {VERSION}."
            " Write it anew: firnflow show PIPELINE --format json"
        )
    try:
        graph = Graph.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise GraphError(f"The graph is not valid at {where}: {first['msg']}.") from None
    validate(graph)
    return graph


def validate(graph: Graph) -> None:
    """Check that a graph hangs together. Raises GraphError that names the task and the argument."""
    _check_groups(graph)
    before: dict[str, TaskNode] = {}
    for path, node in graph.tasks.items():
        _check_task(graph, path, node, before)
        before[path] = node
    if graph.finalizer is not None:
        _check_finalizer(graph, graph.finalizer)
    found = find_contradiction(graph.tasks)
    if found is not None:
        _fail(found.task, None, f"can never run: needs both {found.first.case!r} and {found.second.case!r}")


def _check_groups(graph: Graph) -> None:
    for path in (*graph.tasks, *graph.groups):
        group = path.rpartition(".")[0]
        if group and group not in graph.groups:
            _fail(path, None, f"is in group {group!r}, which is not there.{nearest(group, graph.groups)}")
    for path in graph.groups:
        if path in graph.tasks:
            _fail(path, None, "has the name of a group")
    _check_together(graph)
    if "finalizer" in graph.tasks:
        _fail("finalizer", None, "has the name that stands for the finalizer")


def _check_together(graph: Graph) -> None:
    """Check that a group's tasks follow one another, so that the group as a whole has a place in the order."""
    left: set[str] = set()
    before: set[str] = set()
    for path in graph.tasks:
        parts = path.split(".")
        groups = {".".join(parts[:depth]) for depth in range(1, len(parts))}
        for again in sorted(groups & left):
            _fail(path, None, f"is apart from the other tasks of group {again!r}")
        left |= before - groups
        before = groups


def _check_task(graph: Graph, path: str, node: TaskNode, before: dict[str, TaskNode]) -> None:
    for name, source in node.inputs.items():
        if name not in node.arguments:
            _fail(path, name, f"is no argument of the task.{nearest(name, node.arguments)}")
        _check_source(graph, path, name, source, before)
    for condition in node.when:
        _check_reference(graph, path, None, condition, before)
    mapped = node.mapping.arguments if node.mapping else ()
    for name in mapped:
        if name not in node.inputs:
            _fail(path, name, "is mapped, but has no input")
    if node.mapping and (not mapped or len(set(mapped)) != len(mapped)):
        _fail(path, None, "maps no argument, or one twice")


def _check_source(graph: Graph, path: str, name: str, source: Input, before: dict[str, TaskNode]) -> None:
    for part in walk(source):
        if isinstance(part, FromTask):
            _check_reference(graph, path, name, part, before)
        elif isinstance(part, FromPartition):
            _check_partition(graph, path, name, part)
        elif isinstance(part, FromParam) and part.path and part.path[0] not in graph.params:
            _fail(
                path,
                name,
                f"reads parameter {part.path[0]!r}, which is not there.{nearest(part.path[0], graph.params)}",
            )


def _check_partition(graph: Graph, path: str, name: str, part: FromPartition) -> None:
    if graph.partition is None:
        _fail(path, name, "reads the partition, but the pipeline has none")
    if part.field not in graph.partition.fields:
        _fail(path, name, f"reads {part.field!r} of the partition, which has {', '.join(graph.partition.fields)}")


def _check_reference(
    graph: Graph, path: str, name: str | None, reference: FromTask | Condition, before: dict[str, TaskNode]
) -> None:
    task, output = reference.task, reference.output
    if task not in before:
        if task in graph.tasks:
            _fail(path, name, f"reads {task!r}, which comes after it: the tasks form a cycle, or are not in order")
        _fail(path, name, f"reads {task!r}, which is not there.{nearest(task, graph.tasks)}")
    outputs = before[task].outputs
    if (output or "result") not in outputs:
        _fail(path, name, f"reads output {output or 'result'!r} of {task!r}, which has {', '.join(outputs) or 'none'}")


def _check_finalizer(graph: Graph, node: TaskNode) -> None:
    if node.when or node.mapping or any(isinstance(part, FromTask) for s in node.inputs.values() for part in walk(s)):
        _fail("finalizer", None, "depends on tasks; it always runs")
    _check_task(graph, "finalizer", node, {})


def _fail(task: str, argument: str | None, message: str) -> NoReturn:
    raise GraphError(f"{quoted(task, argument)}: {message.rstrip('.')}" + ("" if message.endswith("?") else "."))
