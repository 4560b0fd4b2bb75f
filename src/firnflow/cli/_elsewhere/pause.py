"""`firnflow pause` in an environment that runs elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import typer

from firnflow.engine.origin import who
from firnflow.graph.model import updates_of

if TYPE_CHECKING:
    from firnflow.cli._elsewhere._site import Site


def command(site: Site, *, pipeline: str | None) -> None:
    """Let a pipeline start no more there, neither by itself nor by hand."""
    project, name = site.load(pipeline, "pause")
    done = site.operator.pause(name, paused=True)
    if site.operator.needs_state and any(updates_of(project.pipeline(name).schedule)):
        by = who()
        done |= site.ledger.pause(name, time.time(), f"{by['user']}@{by['host']}")
    typer.echo(f"{name} is paused" if done else f"{name} was paused already")
