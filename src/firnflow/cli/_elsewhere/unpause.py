"""`firnflow unpause` in an environment that runs elsewhere."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import typer

from firnflow.errors import RunConflictError
from firnflow.graph.model import updates_of
from firnflow.targets.operate import Order

if TYPE_CHECKING:
    from firnflow.cli._elsewhere._site import Site
    from firnflow.project import Project


def command(site: Site, *, pipeline: str | None) -> None:
    """Let a paused pipeline start again there, and at once for what it waits for and has come meanwhile."""
    project, name = site.load(pipeline, "unpause")
    done = site.operator.pause(name, paused=False)
    if site.operator.needs_state:
        done |= site.ledger.unpause(name, time.time())
    typer.echo(f"{name} starts again" if done else f"{name} is not paused")
    if site.operator.needs_state and any(updates_of(project.pipeline(name).schedule)):
        _begin(site, project, name)


def _begin(site: Site, project: Project, pipeline: str) -> None:
    """Start what has come while a pipeline was paused; also what an earlier call could not start any more."""
    from firnflow.engine.external.wake import wake
    from firnflow.engine.workplace import open_workplace

    with open_workplace(project) as place:
        found = wake(project, place, [pipeline], None, again=True)
    for each in found:
        with contextlib.suppress(RunConflictError):  # who published has just started it
            run = site.start(Order(pipeline, str(each["run"]), {}, each["partition"]))
            typer.echo(f"run {run.id} is to start, for what has come meanwhile. See: firnflow runs{site.option}")
