"""`firnflow unpause`."""

from __future__ import annotations

import time

import typer

from firnflow.cli import _options
from firnflow.cli._elsewhere import steered


@steered()
def command(pipeline: str | None = _options.PIPELINE, environment: str | None = _options.ENVIRONMENT) -> None:
    """Let a paused pipeline start by itself again; moments that have passed meanwhile are not made up for."""
    from firnflow.cli import _project, _schedules
    from firnflow.cli._print import stdout_is_data
    from firnflow.stores.state.ledger import Ledger

    with stdout_is_data():
        project = _project.load(environment)
        name = _schedules.scheduled(project, pipeline, "unpause")
    ledger = Ledger(_schedules.open_state(project.settings), project.settings.environment)
    typer.echo(f"{name} starts by itself again" if ledger.unpause(name, time.time()) else f"{name} is not paused")
