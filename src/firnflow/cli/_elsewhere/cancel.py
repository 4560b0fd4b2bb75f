"""`firnflow cancel` in an environment that runs elsewhere."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import typer

from firnflow.cli._print import print_json
from firnflow.engine.external import run as external_run
from firnflow.errors import RunConflictError
from firnflow.status import RunStatus

if TYPE_CHECKING:
    from firnflow.cli._elsewhere._site import Row, Site

_PACE = 0.5  # seconds


def command(site: Site, *, run: str | None, wait: float, as_json: bool) -> int:
    """Have the target end a run: the state hears of it first, so that nothing of it begins any more."""
    row = site.find(run)
    if not row.is_over or row.status == RunStatus.RUNNING:
        if row.record is not None:
            site.state.request_cancel(row.id)
        if row.there is not None and not row.is_over:
            site.operator.cancel(row.there)
        row = _wait(site, row, wait)
    if as_json:
        print_json({"run": row.id, "status": row.status})
    elif not row.is_over:
        typer.echo(
            f"run {row.id} has been asked to stop, and has not ended yet. See: firnflow runs{site.option}", err=True
        )
    else:
        typer.echo(f"run {row.id} {row.status}")
    return 0 if row.is_over else 1


def _wait(site: Site, row: Row, seconds: float) -> Row:
    """Wait until a run has ended there; what has not said so by then is ended in the state, and can commit no more."""
    until = time.monotonic() + seconds
    row = site.fresh(row)
    while not row.is_over and time.monotonic() < until:
        time.sleep(_PACE)
        row = site.fresh(row)
        if row.record is not None:  # one that was queued begins with its finalizer
            site.state.request_cancel(row.id)
    if row.record is not None and row.record.status == RunStatus.RUNNING:
        with contextlib.suppress(RunConflictError):  # it has ended at this moment
            external_run.cancel(site.state, row.record)
        row = site.fresh(row)
    return row
