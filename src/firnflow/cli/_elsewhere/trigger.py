"""`firnflow trigger` in an environment that runs elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from firnflow.cli._elsewhere.run import order_of
from firnflow.cli._print import print_json

if TYPE_CHECKING:
    from firnflow.cli._elsewhere._site import Site


def command(site: Site, *, pipeline: str | None, assignments: list[str], partition: str | None, as_json: bool) -> None:
    """Start a run there, and leave it."""
    project, name = site.load(pipeline, "trigger")
    order = order_of(project, name, assignments, partition)
    is_paused = site.is_paused(name)
    run = site.start(order)
    if as_json:
        print_json({"pipeline": name, "run": run.id, "up": not is_paused})
        return
    typer.echo(f"run {run.id} is to start. See: firnflow runs{site.option}")
    if is_paused:
        typer.echo(
            f"{name} is paused in {site.operator.name}: it waits for `firnflow unpause {name}{site.option}`", err=True
        )
