"""`firnflow pause`."""

from __future__ import annotations

import time

import typer

from firnflow.cli import _options
from firnflow.cli._elsewhere import steered


@steered()
def command(pipeline: str | None = _options.PIPELINE, environment: str | None = _options.ENVIRONMENT) -> None:
    """Let a pipeline start no more by itself; a run under way goes on, and `firnflow trigger` still works."""
    from firnflow.cli import _project, _schedules
    from firnflow.cli._print import stdout_is_data
    from firnflow.engine.origin import who
    from firnflow.stores.state.ledger import Ledger

    with stdout_is_data():
        project = _project.load(environment)
        name = _schedules.scheduled(project, pipeline, "pause")
    by = who()
    ledger = Ledger(_schedules.open_state(project.settings), project.settings.environment)
    done = ledger.pause(name, time.time(), f"{by['user']}@{by['host']}")
    typer.echo(f"{name} is paused" if done else f"{name} was paused already")
