"""Tasks that are one job together: those of one `group=` of which one reads another, as each job costs a start."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from firnflow._text import listing
from firnflow.errors import UsageError
from firnflow.graph.joins import reads
from firnflow.graph.model import Options, Resources

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from firnflow.graph.model import Graph, TaskNode

Job = tuple[str, ...]
"""The paths of the tasks of a job, each after those that it reads."""


def jobs_of(graph: Graph) -> list[Job]:
    """Return the jobs of a pipeline, each after those that it needs; most are of one task.

    Raises:
        UsageError: tasks of a group cannot be one job: others stand between them, they are in different cases of a
            branch, two of them decide, or they want different machines.
    """
    members = _joined(graph)
    if len(set(members.values())) == len(members):
        return [(path,) for path in graph.tasks]
    for job in dict.fromkeys(members.values()):
        if len(job) > 1:
            _check(graph, job)
    before = {
        job: {members[other] for path in job for other in reads(graph.tasks[path])} - {job}
        for job in dict.fromkeys(members.values())
    }
    try:
        return [*TopologicalSorter(before).static_order()]
    except CycleError as error:
        ring: list[Job] = error.args[1]
        job = next(each for each in ring if len(each) > 1)
        between = next(each for each in ring if each != job)
        raise _refused(
            graph, job, f"task {between[0]!r} stands between them: it would have to wait for the job that waits for it"
        ) from None


def may_go_on(graph: Graph, job: Job, members: Mapping[str, Job]) -> bool:
    """Return whether a task of a job may run although one before the job has failed: as it does not need that one.

    Args:
        graph: the graph.
        job: the job.
        members: task → its job.
    """
    before = {each for path in job for other in reads(graph.tasks[path]) for each in members[other]} - {*job}
    return any(not before <= _needed(graph, path, before.union(job)) for path in job)


def _needed(graph: Graph, path: str, among: set[str]) -> set[str]:
    """Return which of some tasks a task needs, itself or through others of them."""
    found: set[str] = set()
    left = [path]
    while left:
        new = among.intersection(reads(graph.tasks[left.pop()])) - found
        found |= new
        left += new
    return found


def _joined(graph: Graph) -> Mapping[str, Job]:
    """Return task → its job: tasks of a group that are connected by what they read."""
    found: dict[str, Job] = {}
    order = {path: at for at, path in enumerate(graph.tasks)}
    for path, node in graph.tasks.items():
        near = {
            found[other] for other in reads(node) if node.options.group and _group(graph, other) == _group(graph, path)
        }
        job = tuple(sorted({path, *(each for other in near for each in other)}, key=order.__getitem__))
        found.update(dict.fromkeys(job, job))
    return found


def _group(graph: Graph, path: str) -> str | None:
    return graph.tasks[path].options.group


def _check(graph: Graph, job: Job) -> None:
    nodes = [graph.tasks[path] for path in job]
    if any(node.when != nodes[0].when for node in nodes):
        raise _refused(graph, job, "they are not in the same case of a branch, so that some may be skipped")
    decisions = {(each.task, each.output) for node in graph.tasks.values() for each in node.when if each.task in job}
    if len(decisions) > 1:
        raise _refused(graph, job, f"{len(decisions)} decisions are made by them, but a job has one return value")
    if len({node.options.resources.pool for node in nodes}) > 1:
        raise _refused(graph, job, "they want different pools")
    if any(node.options.resources.nodes > 1 for node in nodes):
        raise _refused(graph, job, "one wants several nodes")


def _refused(graph: Graph, job: Job, why: str) -> UsageError:
    group = _group(graph, job[0])
    return UsageError(
        f"pipeline {graph.pipeline!r}: tasks {listing(job)} of group {group!r} cannot be one job in Snowflake: {why}. "
        "Mend: another group, or none, for some of them"
    )


def together(nodes: Iterable[TaskNode]) -> Options:
    """Return the options of a job: the most that a task of it wants; tries and times are each task's own."""
    wants = [node.options.resources for node in nodes]

    def most(name: str) -> Any:
        return max((value for each in wants if (value := getattr(each, name)) is not None), default=None)

    return Options(resources=Resources(cpu=most("cpu"), memory=most("memory"), gpu=most("gpu"), pool=wants[0].pool))
