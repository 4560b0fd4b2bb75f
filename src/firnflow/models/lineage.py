"""Where a model comes from: the run, its code and parameters, and the data from outside with their digests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.graph.check import read_graph
from firnflow.graph.model import FromList, FromTask

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.graph.model import Input
    from firnflow.stores.state import State


def of_run(state: State, run_id: str) -> dict[str, Any]:
    """Return what is to be written down with a model of a run, as JSON: code, parameters, data.

    `data` has, for each task that reads no other task's output, the digests and rows of the tables that it returned,
    and `TASK.TABLE` for each named table that a task has read by itself; `features`, for each task that joined feature
    views, their names and versions.
    """
    run = state.run(run_id)
    graph = read_graph(state.graph_json(run.graph))
    first = {name for name, node in graph.tasks.items() if not any(_from_tasks(node.inputs.values()))}
    data: dict[str, Any] = {}
    features: dict[str, dict[str, str]] = {}
    for attempt in state.attempts(run_id):
        for ref in (attempt.outputs or {}).values():
            about = ref.get("meta") or {}
            if about.get("features"):
                features[attempt.task] = about["features"]
            data |= {f"{attempt.task}.{name}": read for name, read in (about.get("read") or {}).items()}
        if attempt.task in first and attempt.outputs:
            for output, ref in attempt.outputs.items():
                if ref.get("kind") == "table":
                    name = attempt.task if output == "result" else f"{attempt.task}.{output}"
                    about = ref.get("meta") or {}
                    named = {key: about[key] for key in ("table", "version") if key in about}
                    data[name] = {"digest": ref["digest"], "rows": about.get("rows"), **named}
    return {
        "pipeline": run.pipeline,
        "environment": run.environment,
        "graph": run.graph,
        "params": run.params,
        **{name: run.origin.get(name) for name in ("commit", "firnflow", "python")},
        "data": data,
        "features": features,
    }


def _from_tasks(inputs: Iterable[Input]) -> Iterable[str]:
    for each in inputs:
        if isinstance(each, FromTask):
            yield each.task
        elif isinstance(each, FromList):
            yield from _from_tasks(each.items)
