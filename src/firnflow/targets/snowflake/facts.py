"""What people want to know of what is deployed: what a plan shows, and compares."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from firnflow.engine import mapping
from firnflow.engine.driver import FINALIZER
from firnflow.graph.joins import reads
from firnflow.graph.model import Options
from firnflow.graph.units import format_duration
from firnflow.targets.snowflake.compile.schedule import told
from firnflow.targets.snowflake.grammar import render_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firnflow.engine.fingerprint import Fingerprinter
    from firnflow.graph.model import Graph, TaskNode
    from firnflow.targets.snowflake.compile.jobs import Jobs
    from firnflow.targets.snowflake.compile.tasks import TaskGraph

_GIB = 2**30


class Facts:
    """Says what there is to know of pipelines.

    Args:
        jobs: knows the pools.
        fingerprints: reads the project's code.
        tasks: path → the task, of the pipeline.
    """

    def __init__(self, jobs: Jobs, fingerprints: Fingerprinter, tasks: Mapping[str, Any]) -> None:
        self._jobs, self._fingerprints, self._tasks = jobs, fingerprints, tasks

    def of(self, graph: Graph, compiled: TaskGraph, defaults: Mapping[str, Any]) -> dict[str, str]:
        """Return name → what there is to know, in the order in which it is shown."""
        root = {each.name: each.value for each in compiled.tasks[0].settings}
        clock = str(root.get("SCHEDULE", "none")).removeprefix("USING CRON ")
        waits = told(graph.schedule)
        schedule = f"when {waits} has {'changed' if 'source ' in waits else 'a new version'}" if waits else clock
        found = {"root task": compiled.root, "schedule": schedule}
        found |= {f"parameter {name}": _short(defaults[name]) for name in graph.params if name in defaults}
        jobs = {path: each.of.split("+") for each in compiled.tasks for path in each.of.split("+")}
        for path, node in graph.tasks.items():
            others = [each for each in jobs[path] if each != path]
            together = f"; one job with {', '.join(others)}" if others else ""
            job = "+".join(jobs[path])
            found[f"task {path}"] = f"{self._task(path, node)}; {self._where(graph, job, node.options)}{together}"
        if graph.finalizer is not None:
            where = self._where(graph, FINALIZER, graph.finalizer.options)
            found["finalizer"] = f"{self._task(FINALIZER, graph.finalizer)}; {where}"
        elif self._jobs.sides is not None and self._jobs.sides.is_able:
            found["finalizer"] = f"ends the run; {self._where(graph, FINALIZER, Options())}"
        return found

    def _where(self, graph: Graph, path: str, options: Options) -> str:
        """Return where a task is executed, and what keeps a task of tables out of the warehouse."""
        side = self._jobs.side(graph, path)
        if side.is_here:
            return "in the warehouse"
        why = f", as {side.why}" if side.why else ""
        return f"pool {render_name(self._jobs.pool(options.resources, path)[0])}{why}"

    def _task(self, path: str, node: TaskNode) -> str:
        """Return what a task calls, reads and may use, and which code it is."""
        options, resources = node.options, node.options.resources
        parts = [node.key]
        if (task := self._tasks.get(path)) is not None:
            parts.append(f"code {self._fingerprints.of(task).digest[:8]}")
        if above := reads(node):
            parts.append(f"after {', '.join(above)}")
        parts += [f"if {each.task} is {each.case}" for each in node.when]
        if node.mapping is not None:
            elements = mapping.written(path, node)
            times = "a computed list" if elements is None else f"{len(elements)} elements"
            parts.append(f"mapped over {', '.join(node.mapping.arguments)}, {times}")
            if options.concurrency is not None:
                parts.append(f"dealt among {options.concurrency} instances at most")
        if options.retries:
            parts.append(f"retries {options.retries} after {format_duration(options.retry_delay)}")
        if options.timeout is not None:
            parts.append(f"timeout {format_duration(options.timeout)}")
        parts += [f"{name} {value:g}" for name in ("cpu", "gpu") if (value := getattr(resources, name))]
        if resources.memory is not None:
            parts.append(f"memory {resources.memory / _GIB:.3g} GiB")
        if resources.nodes > 1:
            parts.append(f"{resources.nodes} nodes")
        return "; ".join(parts)


def _short(value: Any) -> str:
    """Return a parameter's value; a long one is shortened, and told from others by its digest."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:60]}… ({hashlib.sha256(text.encode()).hexdigest()[:8]})"
