"""`firnflow run` in an environment that runs elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import typer

from firnflow.cli import _running
from firnflow.cli._elsewhere._follow import follow, goes_on
from firnflow.cli._print import print_json
from firnflow.engine import partitions
from firnflow.engine.origin import check_id, new_id
from firnflow.engine.request import RunRequest
from firnflow.engine.run import params_of
from firnflow.errors import RunConflictError, UsageError
from firnflow.stores.state.partitions import Partitions, PartitionStatus
from firnflow.targets.operate import Order

if TYPE_CHECKING:
    from firnflow.cli._elsewhere._site import Site
    from firnflow.project import Project

_CHANCE = 3  # bytes of a run's id that are chance


def command(
    site: Site,
    *,
    pipeline: str | None,
    assignments: list[str],
    partition: str | None,
    unless_done: bool,
    run_id: str | None,
    wait: bool,
    timeout: float | None,
    as_json: bool,
    quiet: bool,
    cache: bool,
    register: bool,
    inputs: list[str],
    start: list[str],
    stop: list[str],
    only: list[str],
    workers: int | None,
    inline: bool,
) -> int:
    """Start a run there, and follow it."""
    site.refuse(only=only, to=stop, input=inputs, workers=workers, inline=inline)
    site.refuse(**{"from": start, "no-cache": not cache, "no-register": not register})
    project, name = site.load(pipeline, "run")
    order = order_of(project, name, assignments, partition, run_id)
    entry = Partitions(site.state, site.settings.environment).find(name, order.partition) if order.partition else None
    if unless_done and entry is not None and entry.status == PartitionStatus.SUCCEEDED:
        raise RunConflictError(f"partition {order.partition} of {name} is done already, by run {entry.run}")
    site.awake(name)
    run = site.start(order)
    if wait:
        graph = project.pipeline(name).build()
        return follow(site, run, graph, _running.Shown(as_json=as_json, quiet=quiet), timeout)
    if as_json:
        print_json({"run": run.id, "pipeline": name, "status": run.status})
    elif not quiet:
        typer.echo(goes_on(site, run.id))
    return 0


def order_of(
    project: Project, pipeline: str, assignments: list[str], partition: str | None, run_id: str | None = None
) -> Order:
    """Return what to start, checked here as it is for a run here.

    Args:
        project: the loaded project.
        pipeline: the pipeline's name.
        assignments: `name=value`, as typed after `--set`.
        partition: what it is for; None: as the target's moment says.
        run_id: its id; None: a new one.

    Raises:
        UsageError: a parameter, the partition or the id is wrong.
    """
    graph, now = project.pipeline(pipeline).build(), time.time()
    params = given_params(project, pipeline, assignments)
    key = partitions.settled(graph, RunRequest(pipeline, partition=partition), now).partition
    if partition is not None and "partition" in graph.params:
        raise UsageError(
            f"--partition: {pipeline} has a parameter of that name, which is in its place there. Mend: rename it"
        )
    chosen = check_id(run_id, "--id") if run_id is not None else new_id("", now, _CHANCE).lstrip("-")
    return Order(pipeline, chosen, params, key if "partition" not in graph.params else None)


def given_params(project: Project, pipeline: str, assignments: list[str]) -> dict[str, Any]:
    """Return the parameters that were given, a section of them whole; all are checked. Raises ParameterError."""
    params = params_of(project, project.pipeline(pipeline), assignments)
    given = {text.partition("=")[0].partition(".")[0].strip() for text in assignments}
    return {name: value for name, value in params.items() if name in given}
