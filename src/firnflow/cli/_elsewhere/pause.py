"""`firnflow pause` in an environment that runs elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from firnflow.cli._elsewhere._site import Site


def command(site: Site, *, pipeline: str | None) -> None:
    """Let a pipeline start no more there, neither by its schedule nor by hand."""
    _, name = site.load(pipeline, "pause")
    done = site.operator.pause(name, paused=True)
    typer.echo(f"{name} is paused" if done else f"{name} was paused already")
