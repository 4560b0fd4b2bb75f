"""`firnflow cancel`."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import typer

from firnflow.cli import _options
from firnflow.cli._elsewhere import steered
from firnflow.errors import RunConflictError
from firnflow.status import RunStatus

if TYPE_CHECKING:
    from firnflow.stores.state import Run, State

_WAIT = typer.Option(30.0, "--wait", metavar="SECONDS", min=0, help="How long to wait until it has ended.")
_POLL = 0.2  # seconds


@steered(state_will_do=True)
def command(
    run: str | None = _options.RUN,
    environment: str | None = _options.ENVIRONMENT,
    wait: float = _WAIT,
    as_json: bool = _options.JSON,
) -> int:
    """Ask a run to stop: what is under way is ended, its finalizer still runs."""
    from firnflow.cli import _project
    from firnflow.cli._print import print_json
    from firnflow.engine.external import run as external_run

    _, _, state = _project.open_state(environment)
    record = _project.find_run(state, run, environment)
    if external_run.cancel(state, record):
        record = state.run(record.id)
    elif state.request_cancel(record.id):
        record = _wait(state, record, wait)
    if as_json:
        print_json({"run": record.id, "status": record.status})
    elif record.status == RunStatus.RUNNING:
        typer.echo(f"run {record.id} has been asked to stop, and has not ended yet. See: firnflow runs", err=True)
    else:
        typer.echo(f"run {record.id} {record.status}")
    return 1 if record.status == RunStatus.RUNNING else 0


def _wait(state: State, record: Run, seconds: float) -> Run:
    until = time.monotonic() + seconds
    while record.status == RunStatus.RUNNING and time.monotonic() < until:
        time.sleep(_POLL)
        state.reap()
        record = state.run(record.id)
    if record.status == RunStatus.RUNNING and record.lease_until < time.time():  # its process lives, but hangs
        with contextlib.suppress(RunConflictError):  # it has ended at this moment
            state.end_run(
                record.id, record.epoch, RunStatus.CANCELLED, "stopped by firnflow cancel; its process did not hear"
            )
        record = state.run(record.id)
    return record
