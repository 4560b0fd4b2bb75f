"""`firnflow trigger`."""

from __future__ import annotations

import time

import typer

from firnflow.cli import _options
from firnflow.cli._elsewhere import steered

_ASSIGNMENTS = typer.Option([], "--set", "-s", metavar="NAME=VALUE", help="Set a parameter. May be given again.")

_PARTITION = typer.Option(
    None, "--partition", metavar="KEY", help="What to run it for. Default: the newest partition that is complete."
)


@steered()
def command(
    pipeline: str | None = _options.PIPELINE,
    environment: str | None = _options.ENVIRONMENT,
    assignments: list[str] = _ASSIGNMENTS,
    partition: str | None = _PARTITION,
    as_json: bool = _options.JSON,
) -> None:
    """Have `firnflow up` run a pipeline now, or as soon as an earlier run of it has ended; also a paused one."""
    from firnflow.cli import _project, _schedules
    from firnflow.cli._print import print_json, stdout_is_data
    from firnflow.engine.origin import new_id
    from firnflow.engine.partitions import settled
    from firnflow.engine.request import RunRequest
    from firnflow.engine.run import params_of
    from firnflow.engine.schedules.up import CHANCE
    from firnflow.stores.state.ledger import Ledger, Planned

    with stdout_is_data():
        project = _project.load(environment)
        name = _project.named(project, pipeline, "trigger")
        params_of(project, project.pipeline(name), assignments)  # what is wrong is said now, not to `up`
        now, chosen = time.time(), project.settings.environment
        wish = settled(project.pipeline(name).build(), RunRequest(name, partition=partition), now)
    run = new_id(name, now, CHANCE)
    state = _schedules.open_state(project.settings)
    Ledger(state, chosen).trigger(name, Planned(now, run, wish.partition), assignments)
    is_up = _schedules.is_up(state, chosen)
    if as_json:
        print_json({"pipeline": name, "run": run, "up": is_up})
        return
    typer.echo(f"run {run} is to start. See: firnflow runs")
    if not is_up:
        typer.echo(f"Nothing is up for environment {chosen}: it waits for `firnflow up --env {chosen}`", err=True)
