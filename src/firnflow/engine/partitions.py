"""The partition of a run: which one it is, and the graph in which it stands as a constant."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from firnflow.errors import UsageError
from firnflow.graph.model import FromConstant, FromList, FromPartition, Graph, Input, Port, TaskNode, walk
from firnflow.graph.partitions import ByKey
from firnflow.graph.source import SOURCE_KEY
from firnflow.project.partitioned import MARK, is_partitioned

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from firnflow.engine.request import RunRequest
    from firnflow.project.catalog import Source


def settled(graph: Graph, request: RunRequest, now: float) -> RunRequest:
    """Return the request with the partition that it is for: as asked, else the newest that is complete.

    Args:
        graph: of the pipeline.
        request: what was asked for.
        now: seconds since 1970.

    Raises:
        UsageError: there is no such partition, it has not begun, or the pipeline has none.
    """
    partition, key = graph.partition, request.partition
    if partition is None:
        if key is not None:
            raise UsageError(
                f"--partition {key}: pipeline {graph.pipeline} has no partition. "
                'Mend: @ff.pipeline(partition=ff.Daily(start="2026-01-01"))'
            )
        return request
    if key is None:
        key = None if isinstance(partition, ByKey) else partition.newest(now)
    if key is None:
        raise UsageError(_which(graph))
    return replace(request, partition=checked(graph, key, now))


def checked(graph: Graph, key: str, now: float) -> str:
    """Return the key of a partition that has begun. Raises UsageError where there is none, or it has not."""
    partition, said = graph.partition, f"pipeline {graph.pipeline} has no partition"
    try:
        if partition is not None:
            partition.check(key)
    except ValueError as error:
        raise UsageError(f"--partition: {str(error).rstrip('.')}.") from None
    if isinstance(partition, ByKey):
        return key
    if partition is not None:
        start = partition.span(key).start
        if start <= now:
            return key
        said = f"{key} begins at {partition.moment(start)}: there is nothing of it yet"
    raise UsageError(f"--partition {key}: {said}.")


def counts(graph: Graph, request: RunRequest, now: float) -> bool:
    """Return whether a run that begins now settles its partition: all of the pipeline runs, on all of the data."""
    partition, key = graph.partition, request.partition
    if partition is None or key is None or request.only or request.start or request.stop:
        return False
    return partition.is_over(key, now)


def filled(graph: Graph, catalog: Mapping[str, Source], key: str | None, chosen: Collection[str]) -> Graph:
    """Return the graph of a run for a partition: what reads the partition has its value, and so have its sources.

    Args:
        graph: the graph; sources that are read from a file given by hand name it already.
        catalog: name → source.
        key: the partition; None: the pipeline has none.
        chosen: the tasks that run.

    Raises:
        UsageError: a source is one for each partition, and the pipeline has none; or nothing is for the partition.
    """
    values = graph.partition.values(key) if graph.partition is not None and key is not None else {}
    tasks, uses = dict(graph.tasks), False
    for path, node in graph.tasks.items():
        if any(isinstance(part, FromPartition) for source in node.inputs.values() for part in walk(source)):
            inputs = {name: _filled(source, values) for name, source in node.inputs.items()}
            tasks[path], uses = node.model_copy(update={"inputs": inputs}), True
        elif path in chosen and (source := _source(node, catalog)) is not None and _has_mark(source):
            if key is None:
                raise UsageError(
                    f"source {source.name!r} has {MARK} in its place in catalog.toml, but pipeline {graph.pipeline} "
                    'has no partition. Mend: @ff.pipeline(partition=ff.Daily(start="2026-01-01"))'
                )
            tasks[path], uses = _with_partition(node, key), True
    if key is not None and not uses and len(chosen) == len(tasks):
        raise UsageError(
            f"nothing in pipeline {graph.pipeline} is for its partition: no task takes a part of it, and no source has "
            f"{MARK} in its path. Mend: pass `partition.key` to a task"
        )
    return graph.model_copy(update={"tasks": tasks})


def _which(graph: Graph) -> str:
    partition, example = graph.partition, ""
    if isinstance(partition, ByKey):
        known = f" One of {', '.join(partition.keys[:12])}." if partition.keys else ""
        example = next(iter(partition.keys), "KEY")
        return f"Which key?{known} E.g.: firnflow run {graph.pipeline} --partition {example}"
    first = partition.start if partition is not None else ""
    return f"pipeline {graph.pipeline} has no complete partition yet: the first one is {first}"


def _filled(source: Input, values: dict[str, str]) -> Input:
    if isinstance(source, FromPartition):
        return FromConstant(value=values[source.field])
    if isinstance(source, FromList):
        return FromList(items=tuple(_filled(item, values) for item in source.items))
    return source


def _source(node: TaskNode, catalog: Mapping[str, Source]) -> Source | None:
    """Return the source of the catalog that a task reads."""
    name = node.inputs.get("name")
    if node.key != SOURCE_KEY or "path" in node.inputs or not isinstance(name, FromConstant):
        return None
    return catalog.get(str(name.value))


def _has_mark(source: Source) -> bool:
    """Return whether a source is other data for each partition. Raises UsageError where its query tries to be."""
    if source.query is not None and MARK in source.query:
        raise UsageError(
            f"source {source.name!r} has {MARK} in its query, where it stands for nothing: data is no part of a "
            "statement. Mend: pass `partition.start` and `partition.end` to a task that filters"
        )
    return is_partitioned(source)


def _with_partition(node: TaskNode, key: str) -> TaskNode:
    inputs = {**node.inputs, "partition": FromConstant(value=key)}
    return node.model_copy(update={"inputs": inputs, "arguments": {**node.arguments, "partition": Port(type="str")}})
