"""A graph as the DAG that the runtime builds from it: plain data, in the words of Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.engine import mapping
from firnflow.engine.driver import FINALIZER
from firnflow.graph.joins import reads
from firnflow.graph.kinds import KINDS, UMBRELLAS
from firnflow.graph.model import Cron, Every, FromConstant, FromList, FromTask, Resources
from firnflow.graph.table import PUBLISH_KEY, TABLE_KEY
from firnflow.targets.airflow.schedule import asset, compile_schedule

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.graph.model import Graph, TaskNode
    from firnflow.project.orchestrators import Airflow

FORMAT, VERSION = "firnflow.airflow", 1
_SHOWN = {*KINDS["figure"], *(name for name, kind in UMBRELLAS.items() if kind == "figure")}
TELLING = 60.0
"""Seconds that `firnflow exec` may take behind the finalizer to tell of the run."""
BESIDE = 512 * 2**20
"""Bytes in a task's pod for Airflow's own processes, so that the task's limit is met before the pod's."""
ELEMENTS = "-elements"
"""After the name of a map: the task that finds out which elements it has. No task of a pipeline has a dash in it."""


def compile_graph(
    graph: Graph, settings: Airflow, defaults: dict[str, Any], is_hired: Callable[[TaskNode], bool] = lambda _: False
) -> dict[str, Any]:
    """Return the DAG of a pipeline as plain data.

    Args:
        graph: the graph.
        settings: the environment's section.
        defaults: parameter → the value that the environment gives it.
        is_hired: whether a task runs in a job elsewhere, for which a worker only waits.
    """
    schedule = graph.schedule
    tasks: list[dict[str, Any]] = []
    for path, node in graph.tasks.items():
        if node.mapping is not None and mapping.written(path, node) is None:
            tasks.append(_elements_task(graph, path, node, settings))
        tasks.append(_task(graph, path, node, settings, hired=is_hired(node)))
    read = {name for each in tasks for name in each["reads"]}
    leaves = [each["id"] for each in tasks if each["id"] not in read]
    return {
        "pipeline": graph.pipeline,
        "dag_id": settings.prefix + graph.pipeline,
        "doc": graph.doc,
        "tags": sorted({"firnflow", *settings.tags}),
        "schedule": compile_schedule(schedule, settings.prefix),
        "overlap": bool(getattr(schedule, "overlap", False)) if isinstance(schedule, Cron | Every) else False,
        "params": _params(graph, defaults),
        "partitioned": graph.partition is not None,
        "groups": {path: group.doc for path, group in graph.groups.items()},
        "tasks": [*tasks, _finalizer(graph, leaves, settings)],
    }


def _task(graph: Graph, path: str, node: TaskNode, settings: Airflow, *, hired: bool) -> dict[str, Any]:
    options = node.options
    place = {"job": True, **_priority(node, settings, _settled(settings))} if hired else _place(node, settings)
    data = {
        "id": path,
        "doc": node.doc,
        "reads": list(reads(node)),
        "rule": _rule(graph, node),
        "retries": options.retries,
        "retry_delay": options.retry_delay,
        "backoff": options.backoff,
        "timeout": options.timeout,
        **place,
    }
    if node.mapping is not None:
        found = mapping.written(path, node)
        elements = [{"element": index, "label": each.label} for index, each in enumerate(found or ())]
        data |= {"elements": None if found is None else elements, "at_once": options.concurrency}
        if found is None:
            data["reads"], data["rule"] = [path + ELEMENTS], "all_success"
    for key, what in ((PUBLISH_KEY, "publishes"), (TABLE_KEY, "reads_table")):
        if node.key == key and isinstance(name := node.inputs["name"], FromConstant):
            data[what] = asset(str(name.value), settings.prefix)
    if any(port.type in _SHOWN for port in node.outputs.values()):
        data["shows"] = True
    if cases := _cases(graph, path):
        data["cases"] = cases
    return data


def _elements_task(graph: Graph, path: str, node: TaskNode, settings: Airflow) -> dict[str, Any]:
    """Return the task that finds out over what another one is mapped; it is skipped where that one is."""
    return {
        "id": path + ELEMENTS,
        "doc": f"Says which elements {path} has.",
        "lists": path,
        "reads": list(reads(node)),
        "rule": _rule(graph, node),
        **_place(node, settings),
    }


def _finalizer(graph: Graph, leaves: list[str], settings: Airflow) -> dict[str, Any]:
    """Return the task that ends the run: it always runs, and it fails if the run has, so that it hides nothing."""
    node = graph.finalizer
    doc = "Ends the run. It fails where a task has failed."
    if node is None:
        return {"id": FINALIZER, "doc": doc, "reads": leaves, "rule": "teardown", **_settled(settings)}
    options = node.options
    more = {"retries": options.retries, "retry_delay": options.retry_delay, "backoff": options.backoff}
    doc = f"{node.doc}\n\n{doc}".strip()
    timeout = options.timeout + TELLING if options.timeout is not None else None
    base = {"id": FINALIZER, "doc": doc, "reads": leaves, "rule": "teardown", "timeout": timeout}
    return {**base, **more, **_place(node, settings)}


def _rule(graph: Graph, node: TaskNode) -> str:
    """Return Airflow's rule for when a task starts.

    Where a skipped input always skips the task, Airflow knows by itself (`all_success`). Elsewhere the task starts when
    none has failed, and `firnflow exec` says by the rules of `graph/joins.py` whether it is skipped. A map without
    elements is skipped in Airflow's eyes, not in ours.
    """
    strict = all(
        isinstance(wanted, FromTask) and not node.arguments[name].optional
        for name, wanted in node.inputs.items()
        if isinstance(wanted, FromTask | FromList)
    )
    over_map = any(graph.tasks[task].mapping is not None for task in reads(node))
    return "all_success" if strict and not over_map else "none_failed"


def _cases(graph: Graph, path: str) -> dict[str, list[list[Any]]]:
    """Return task → [output, case] of all that it needs of a decision, for tasks that need something."""
    found: dict[str, list[list[Any]]] = {}
    for other, node in graph.tasks.items():
        wanted = [[each.output or "result", each.case] for each in node.when if each.task == path]
        if wanted:
            below = node.mapping is not None and mapping.written(other, node) is None
            found[other + ELEMENTS if below else other] = wanted
    return found


def _place(node: TaskNode, settings: Airflow) -> dict[str, Any]:
    """Return where a task runs, and how much of that is its own."""
    resources = node.options.resources
    found = _settled(settings, resources)
    if resources.pool is not None:
        found["queue"] = resources.pool
    if resources.memory is not None:
        found["memory"] = resources.memory
    return _priority(node, settings, found)


def _priority(node: TaskNode, settings: Airflow, found: dict[str, Any]) -> dict[str, Any]:
    """Return where a task runs, with its priority among others."""
    more = {"priority": settings.priority + node.options.priority} if node.options.priority else {}
    return {**found, **more}


def _settled(settings: Airflow, resources: Resources | None = None) -> dict[str, Any]:
    """Return what the environment says of where tasks run."""
    places: dict[str, Any] = {"queue": settings.queue, "pool": settings.pool}
    found = {name: value for name, value in places.items() if value is not None}
    if settings.priority != 1:
        found["priority"] = settings.priority
    if settings.executor == "kubernetes" and (pod := _pod(settings, resources or Resources())):
        found["pod"] = pod
    return found


def _pod(settings: Airflow, resources: Resources) -> dict[str, Any]:
    """Return image and resources of a task's pod, in the quantities of Kubernetes."""
    wanted = {
        "cpu": f"{resources.cpu:g}" if resources.cpu is not None else None,
        "memory": str(resources.memory + BESIDE) if resources.memory is not None else None,
        "nvidia.com/gpu": str(resources.gpu) if resources.gpu else None,
    }
    given = {name: quantity for name, quantity in wanted.items() if quantity is not None}
    return {**({"image": settings.image} if settings.image else {}), **({"resources": given} if given else {})}


def _params(graph: Graph, defaults: dict[str, Any]) -> dict[str, Any]:
    """Return name → schema and default of the parameters, as Airflow's form shows them."""
    found: dict[str, Any] = {}
    for name, field in graph.params.items():
        found[name] = {"schema": _form(field.json_schema, graph.definitions)}
        if name in defaults:
            found[name]["default"] = defaults[name]
        elif not field.required:
            found[name]["default"] = field.default
    return found


def _form(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return what Airflow's form needs to know of a parameter: a section is an object, and no more.

    Airflow checks the schema of each parameter for each task whenever it reads a DAG: with those of large sections that
    takes minutes. `firnflow exec` checks the values anyhow.
    """
    plain = {key: value for key, value in schema.items() if key != "default"}
    if not _refers(plain):
        return plain
    kept: dict[str, Any] = {key: plain[key] for key in ("title", "description") if key in plain}
    target: dict[str, Any] = definitions.get(str(plain.get("$ref", "")).rpartition("/")[2], {})
    if target.get("type") == "object":
        return {**kept, "type": "object"}
    return kept if _refers(target) else {**target, **kept}


def _refers(schema: Any) -> bool:
    """Return whether a schema refers to another one."""
    if isinstance(schema, dict):
        return "$ref" in schema or any(map(_refers, schema.values()))
    return isinstance(schema, list) and any(map(_refers, schema))
