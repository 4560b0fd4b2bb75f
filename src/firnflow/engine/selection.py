"""Partial runs: which tasks run, and where the inputs that they do not make come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from firnflow._text import listing, nearest
from firnflow.errors import NotFoundError, UsageError
from firnflow.graph.joins import reads
from firnflow.status import COMMITTED, TaskStatus
from firnflow.values import Ref, gather

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.engine.request import RunRequest
    from firnflow.graph.model import Graph, TaskNode
    from firnflow.stores.state import Attempt, State


Outputs: TypeAlias = dict[str, Ref]
"""A task's outputs by name."""


def select(graph: Graph, request: RunRequest) -> set[str]:
    """Return the tasks that a request is about.

    Raises:
        NotFoundError: it names a task that is not in the graph.
        UsageError: nothing is left to run.
    """
    chosen = set(graph.tasks)
    if request.only:
        chosen &= _named(graph, request.only)
    if request.start:
        chosen &= _closure(graph, _named(graph, request.start), downstream=True)
    if request.stop:
        chosen &= _closure(graph, _named(graph, request.stop), downstream=False)
    if not chosen:
        raise UsageError("nothing lies between --from and --to: no task would run. See: firnflow show")
    return chosen


def given_outputs(
    graph: Graph, chosen: set[str], state: State, given_by: str | None = None, partition: str | None = None
) -> tuple[dict[str, Outputs | None], str | None]:
    """Return the outputs that the chosen tasks read and do not make, from the newest run that committed them all.

    Args:
        graph: the graph.
        chosen: the tasks that run.
        state: where runs are looked up.
        given_by: the run to take them from; None: the newest that has them all.
        partition: what it must be for; None: the pipeline has no partitions.

    Returns:
        task → outputs (None for one that was skipped there), and the run that they come from.

    Raises:
        UsageError: no run has them.
    """
    wanted = {other for task in chosen for other in reads(graph.tasks[task])} - chosen
    if not wanted:
        return {}, None
    runs = [state.run(given_by)] if given_by else state.runs(pipeline=graph.pipeline, limit=1000)
    for run in runs:
        if not given_by and run.partition != partition:
            continue
        found = committed(graph, state.attempts(run.id))
        if wanted <= set(found):
            return {task: found[task] for task in wanted}, run.id
    raise UsageError(
        f"no earlier run of {graph.pipeline} has the outputs of {listing(wanted)}, which the chosen tasks read. "
        f"Run them first: firnflow run {graph.pipeline} --to {','.join(sorted(wanted))}"
    )


def newest(attempts: Iterable[Attempt]) -> dict[str, dict[int, Attempt]]:
    """Return the attempts of a run that stand: of each task the newest of each element, or of the whole."""
    found: dict[str, dict[int, Attempt]] = {}
    for attempt in attempts:
        seen = found.setdefault(attempt.task, {})
        if attempt.status == TaskStatus.SKIPPED:
            seen.clear()
        seen.pop(-1, None)
        seen[attempt.element] = attempt
    return found


def committed(graph: Graph, attempts: Iterable[Attempt]) -> dict[str, Outputs | None]:
    """Return the outputs of each task that is done in a run; None for a skipped one."""
    return {
        task: _joined(graph.tasks[task], elements)
        for task, elements in newest(attempts).items()
        if task in graph.tasks and _is_settled(elements)
    }


def _is_settled(elements: dict[int, Attempt]) -> bool:
    """Whether these attempts, one an element, are all that a task needs."""
    some = next(iter(elements.values()))
    if some.element < 0:
        return some.status in COMMITTED or some.status == TaskStatus.SKIPPED
    return some.elements == len(elements) and all(attempt.status in COMMITTED for attempt in elements.values())


def _joined(node: TaskNode, elements: dict[int, Attempt]) -> Outputs | None:
    if -1 not in elements:
        return gather_outputs(node, [outputs_of(elements[index]) for index in sorted(elements)])
    if elements[-1].status == TaskStatus.SKIPPED:
        return None
    return outputs_of(elements[-1]) if node.mapping is None else gather_outputs(node, [])


def outputs_of(attempt: Attempt) -> Outputs:
    """Return the refs of a committed attempt by output."""
    return {name: Ref.from_json(ref) for name, ref in (attempt.outputs or {}).items()}


def gather_outputs(node: TaskNode, parts: list[Outputs]) -> Outputs:
    """Return the outputs of a mapped task: for each, the list of its elements' values."""
    return {name: gather([part[name] for part in parts]) for name in node.outputs}


def _named(graph: Graph, names: Iterable[str]) -> set[str]:
    """Return the tasks of these names; a group's name stands for its tasks."""
    found: set[str] = set()
    for name in names:
        inside = {task for task in graph.tasks if task == name or task.startswith(f"{name}.")}
        if not inside:
            hint = nearest(name, [*graph.tasks, *graph.groups])
            raise NotFoundError(f"pipeline {graph.pipeline} has no task {name!r}.{hint} It has: {listing(graph.tasks)}")
        found |= inside
    return found


def _closure(graph: Graph, start: set[str], *, downstream: bool) -> set[str]:
    """Return the tasks and all that follows from them, or all that leads to them."""
    found = set(start)
    order = list(graph.tasks) if downstream else list(reversed(graph.tasks))
    for task in order:
        if downstream and found.intersection(reads(graph.tasks[task])):
            found.add(task)
        elif not downstream and task in found:
            found.update(reads(graph.tasks[task]))
    return found
