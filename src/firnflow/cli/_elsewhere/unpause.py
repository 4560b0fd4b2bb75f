"""`firnflow unpause` in an environment that runs elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from firnflow.cli._elsewhere._site import Site


def command(site: Site, *, pipeline: str | None) -> None:
    """Let a paused pipeline start again there."""
    _, name = site.load(pipeline, "unpause")
    done = site.operator.pause(name, paused=False)
    typer.echo(f"{name} starts again" if done else f"{name} is not paused")
