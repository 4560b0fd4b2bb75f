"""What people want to know of a DAG: what a plan shows, and compares."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from firnflow.graph.joins import reads
from firnflow.graph.units import format_duration
from firnflow.targets.airflow.schedule import in_words

if TYPE_CHECKING:
    from firnflow.graph.model import Graph, TaskNode

_GIB = 2**30


def facts(graph: Graph, compiled: dict[str, Any], call: dict[str, Any]) -> dict[str, str]:
    """Return name → what there is to know, in the order in which it is shown.

    Args:
        graph: of the pipeline.
        compiled: its DAG.
        call: how its tasks are called.
    """
    found = {"schedule": in_words(graph.schedule)}
    if compiled["dag_id"] != graph.pipeline:
        found["name in Airflow"] = compiled["dag_id"]
    found |= {f"parameter {name}": _param(each) for name, each in compiled["params"].items()}
    tasks = {each["id"]: each for each in compiled["tasks"]}
    found |= {f"task {path}": _task(node, tasks[path]) for path, node in graph.tasks.items()}
    if graph.finalizer is not None:
        found["finalizer"] = _task(graph.finalizer, tasks["finalizer"])
    return {**found, "runs in": f"{call['project']} with {call['python']}"}


def _param(compiled: dict[str, Any]) -> str:
    """Return the default of a parameter; a long one is shortened, and told from others by its digest."""
    if "default" not in compiled:
        return "to be given"
    text = json.dumps(compiled["default"], ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:60]}… ({hashlib.sha256(text.encode()).hexdigest()[:8]})"


def _task(node: TaskNode, compiled: dict[str, Any]) -> str:
    """Return what a task calls, reads and may use."""
    options, resources = node.options, node.options.resources
    parts = [node.key]
    if above := reads(node):
        parts.append(f"after {', '.join(above)}")
    parts += [f"if {each.task} is {each.case}" for each in node.when]
    if node.mapping is not None:
        parts.append(f"mapped over {', '.join(node.mapping.arguments)}")
    if options.retries:
        parts.append(f"retries {options.retries} after {format_duration(options.retry_delay)}")
    if options.timeout is not None:
        parts.append(f"timeout {format_duration(options.timeout)}")
    parts += [f"{name} {value:g}" for name in ("cpu", "gpu") if (value := getattr(resources, name))]
    if options.priority:
        parts.append(f"priority {options.priority}")
    if resources.memory is not None:
        parts.append(f"memory {resources.memory / _GIB:.3g} GiB")
    if "job" in compiled:
        parts.append("in a job of Snowflake")
    if "queue" in compiled:
        parts.append(f"queue {compiled['queue']}")
    return "; ".join(parts)
