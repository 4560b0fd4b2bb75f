"""Which branches a task lies on, and tasks that can never run because they need two that exclude each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from firnflow.graph.model import Condition, FromTask, TaskNode

if TYPE_CHECKING:
    from collections.abc import Mapping

Branches: TypeAlias = dict[tuple[str, str | None], tuple[Condition, str]]
"""(task, output) that decides → the case that is needed, and what needs it."""


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


def _needs(node: TaskNode, branches: Mapping[str, Branches]) -> list[tuple[Condition, str]]:
    """Return the cases without which the task is skipped, each with what needs it: its `with` block, or an argument."""
    found = []
    for condition in node.when:
        found.append((condition, "the task itself"))
        found += [(inner, "the task itself") for inner, _ in branches[condition.task].values()]
    for name, source in node.inputs.items():
        if isinstance(source, FromTask) and not node.arguments[name].optional:
            found += [(condition, f"argument {name!r}") for condition, _ in branches[source.task].values()]
    return found
