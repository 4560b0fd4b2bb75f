"""When a task runs, when it is skipped, and which tasks never can: one rule, for runs and for graphs.

A task waits for all that it reads. It is *upstream_failed* if something of that failed, *skipped* if its case was not
chosen, if an argument that it cannot do without was skipped, or if all that feeds it was skipped. An argument that
accepts None gets None for a skipped input; a list keeps the items that ran.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from firnflow.graph.model import Condition, FromTask, TaskNode, walk
from firnflow.status import BROKEN, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Branches: TypeAlias = dict[tuple[str, str | None], tuple[Condition, str]]
"""(task, output) that decides → the case that is needed, and what needs it."""


def reads(node: TaskNode) -> list[str]:
    """Return the tasks that a task waits for, each once: those that feed it, then those that decide on it."""
    return list(dict.fromkeys([*_feeders(node), *(condition.task for condition in node.when)]))


def decide(
    node: TaskNode, statuses: Mapping[str, TaskStatus], is_chosen: Callable[[Condition], bool]
) -> TaskStatus | None:
    """Return `skipped` or `upstream_failed` for a task, or None: it is to run.

    Args:
        node: the task.
        statuses: how everything that it reads has ended.
        is_chosen: says whether a decision, which has been made, is for this case.
    """
    if BROKEN.intersection(statuses[task] for task in reads(node)):
        return TaskStatus.UPSTREAM_FAILED
    skipped = {task for task in reads(node) if statuses[task] == TaskStatus.SKIPPED}
    feeders = _feeders(node)
    if (
        not all(condition.task not in skipped and is_chosen(condition) for condition in node.when)
        or any(task in skipped for task, _ in _required(node))
        or (feeders and skipped.issuperset(feeders))
    ):
        return TaskStatus.SKIPPED
    return None


def _feeders(node: TaskNode) -> list[str]:
    return [part.task for wanted in node.inputs.values() for part in walk(wanted) if isinstance(part, FromTask)]


def _required(node: TaskNode) -> Iterator[tuple[str, str]]:
    """Yield the tasks whose outputs a task cannot do without, each with the argument that takes it."""
    for name, wanted in node.inputs.items():
        if isinstance(wanted, FromTask) and not node.arguments[name].optional:
            yield wanted.task, name


class Contradiction(NamedTuple):
    """A task that can never run: what needs the one case, and what needs the other."""

    task: str
    first: Condition
    first_by: str
    second: Condition
    second_by: str


def find_contradiction(tasks: Mapping[str, TaskNode]) -> Contradiction | None:
    """Return the first task, in topological order, that needs two cases of one decision, or None."""
    branches: dict[str, Branches] = {}
    for path, node in tasks.items():
        needed: Branches = {}
        for condition, by in _needs(node, branches):
            known = needed.setdefault((condition.task, condition.output), (condition, by))
            if known[0] != condition:
                return Contradiction(path, *known, condition, by)
        branches[path] = needed
    return None


def _needs(node: TaskNode, branches: Mapping[str, Branches]) -> Iterator[tuple[Condition, str]]:
    """Yield the cases without which the task is skipped, each with what needs it: its `with` block, or an argument."""
    for condition in node.when:
        yield condition, "the task itself"
    above = [(condition.task, "the task itself") for condition in node.when]
    above += [(task, f"argument {name!r}") for task, name in _required(node)]
    for task, by in above:
        yield from ((condition, by) for condition, _ in branches[task].values())
