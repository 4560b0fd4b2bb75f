"""What every picture of a graph shows: boxes, arrows, groups and words. How they look is up to each format."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from firnflow.graph.model import AllOf, AnyOf, Condition, Cron, Every, FromConstant, FromList, FromTask, OnUpdate, walk
from firnflow.graph.partitions import ByKey
from firnflow.graph.source import SOURCE_KEY
from firnflow.graph.table import TABLE_KEY
from firnflow.graph.units import format_duration
from firnflow.status import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from firnflow.graph.model import Graph, Schedule, TaskNode
    from firnflow.graph.partitions import Timed

MARKS = {
    TaskStatus.SUCCEEDED: "✓",
    TaskStatus.CACHED: "≡",
    TaskStatus.FAILED: "✗",
    TaskStatus.UPSTREAM_FAILED: "⊘",
    TaskStatus.CANCELLED: "⊘",
    TaskStatus.SKIPPED: "–",
    TaskStatus.RUNNING: "▸",
}
"""State → the sign beside a task."""


@dataclass(frozen=True)
class Box:
    """A task: its path, its name in its group, how often it runs if mapped, what it returns, and its state."""

    path: str
    name: str
    kind: Literal["task", "map", "source", "finalizer"]
    times: str
    returns: str
    doc: str
    state: TaskStatus | None = None

    @property
    def title(self) -> str:
        """The name, with how often it runs and its state's mark."""
        return " ".join(part for part in (self.state and MARKS.get(self.state), self.name, self.times) if part)


@dataclass(frozen=True)
class Arrow:
    """`target` needs `source`; the label is the case in which it runs."""

    source: str
    target: str
    label: str = ""


@dataclass(frozen=True)
class Picture:
    """The whole; boxes are in topological order."""

    name: str
    schedule: str
    boxes: dict[str, Box]
    arrows: tuple[Arrow, ...]
    groups: dict[str, str]
    finalizer: Box | None

    @property
    def title(self) -> str:
        """The pipeline, its partition and its schedule in one line."""
        return " · ".join(part for part in (self.name, self.schedule) if part)


def picture(graph: Graph, states: Mapping[str, TaskStatus] | None = None) -> Picture:
    """Return what there is to draw."""
    states = states or {}
    boxes = {path: _box(path, node, states.get(path)) for path, node in graph.tasks.items()}
    final = _box("finalizer", graph.finalizer, states.get("finalizer")) if graph.finalizer else None
    schedule = when_text(graph)
    groups = {path: printable(group.doc) for path, group in graph.groups.items()}
    return Picture(graph.pipeline, schedule, boxes, tuple(_arrows(graph.tasks)), groups, final)


def _box(path: str, node: TaskNode, state: TaskStatus | None) -> Box:
    name = node.key.rpartition(":")[2].rpartition(".")[2] if path == "finalizer" else path.rpartition(".")[2]
    source = node.key in {SOURCE_KEY, TABLE_KEY}
    kinds = {"finalizer": path == "finalizer", "source": source, "map": node.mapping is not None}
    kind = next((kind for kind, holds in kinds.items() if holds), "task")
    outputs = node.outputs
    returns = printable(outputs["result"].type) if list(outputs) == ["result"] else ", ".join(outputs)
    return Box(path, name, kind, _times(node), returns, printable(node.doc), state)  # type: ignore[arg-type]


def _times(node: TaskNode) -> str:
    """Return how often a mapped task runs: `×3`, `×3×2` for a cross, `×n` where a task computes the list."""
    if node.mapping is None:
        return ""
    lengths = [_length(node, name) for name in node.mapping.arguments]
    if node.mapping.how == "zip":
        lengths = [next((length for length in lengths if length != "n"), "n")]
    return "×" + "×".join(lengths)


def _length(node: TaskNode, argument: str) -> str:
    source = node.inputs[argument]
    if isinstance(source, FromConstant) and isinstance(source.value, list):
        return str(len(source.value))
    return str(len(source.items)) if isinstance(source, FromList) else "n"


def _arrows(tasks: Mapping[str, TaskNode]) -> Iterator[Arrow]:
    """Yield one arrow a pair of tasks. A case is shown where the branch begins, not at each task in it."""
    for path, node in tasks.items():
        sources = [part.task for source in node.inputs.values() for part in walk(source) if isinstance(part, FromTask)]
        known = {condition for task in sources for condition in tasks[task].when}
        known |= {condition for other in node.when for condition in tasks[other.task].when}
        labels: dict[str, list[str]] = {task: [] for task in sources}
        for condition in node.when:
            if condition not in known:
                labels.setdefault(condition.task, []).append(_case(condition))
        for task, cases in labels.items():
            yield Arrow(task, path, ", ".join(cases))


def _case(condition: Condition) -> str:
    text = str(condition.case).lower() if isinstance(condition.case, bool) else str(condition.case)
    return printable(text if condition.output is None else f"{condition.output}: {text}")


def when_text(graph: Graph) -> str:
    """Return what runs are for, and when a pipeline runs by itself: `daily from 2026-01-01 (UTC), 0 6 * * * (UTC)`."""
    parts = [partition_text(graph.partition)] if graph.partition else []
    return ", ".join([*parts, *([schedule_text(graph.schedule)] if graph.schedule else [])])


def partition_text(partition: Timed | ByKey) -> str:
    """Return a partition in words: `daily from 2026-01-01 (UTC)`, `by key: orders, trial`."""
    if isinstance(partition, ByKey):
        return f"by key: {printable(', '.join(partition.keys))}" if partition.keys else "by key"
    return f"{partition.kind} from {partition.start} ({partition.timezone})"


def schedule_text(schedule: Schedule) -> str:
    """Return a schedule in words: `0 6 * * * (UTC)`, `every 1h`, `on update of orders and customers`."""
    if isinstance(schedule, Cron):
        return f"{schedule.expression} ({schedule.timezone})"
    if isinstance(schedule, Every):
        return f"every {format_duration(schedule.seconds)}"
    return f"on update of {_trigger(schedule)}"


def _trigger(trigger: AllOf | AnyOf | object) -> str:
    if isinstance(trigger, AllOf | AnyOf):
        word = " and " if isinstance(trigger, AllOf) else " or "
        parts = [
            _trigger(part) if not isinstance(part, AllOf | AnyOf) else f"({_trigger(part)})" for part in trigger.of
        ]
        return word.join(parts)
    if isinstance(trigger, OnUpdate) and trigger.source is not None:
        return f"source {trigger.source}"
    return str(getattr(trigger, "table", ""))


def printable(text: str, most: int = 60) -> str:
    """Return the text in one line, without what a terminal would obey or XML refuse."""
    clean = "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in text)
    return clean if len(clean) <= most else clean[: math.floor(most) - 1] + "…"
