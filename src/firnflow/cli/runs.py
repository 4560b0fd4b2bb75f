"""`firnflow runs`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from firnflow.cli import _complete, _options
from firnflow.cli._elsewhere import steered
from firnflow.status import RunStatus

if TYPE_CHECKING:
    from firnflow.stores.state import Run

_PIPELINE = typer.Option(
    None, "--pipeline", "-p", metavar="NAME", help="Only runs of this pipeline.", autocompletion=_complete.pipelines
)
_STATUS = typer.Option(
    None, "--status", help="Only runs that are running, or have succeeded, failed, been cancelled or crashed."
)
_LIMIT = typer.Option(20, "--limit", "-n", min=1, max=1_000_000, help="How many at the most.")


@steered(state_will_do=True)
def command(
    pipeline: str | None = _PIPELINE,
    status: str | None = _STATUS,
    limit: int = _LIMIT,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """List the runs, the newest first."""
    from firnflow.cli import _project
    from firnflow.cli._print import print_json

    root, settings = _project.settings_of(environment)
    state = _project.find_state(root, settings)
    found = []
    if state is not None:
        state.reap()
        found = state.runs(pipeline=pipeline, status=known(status), limit=limit)
    if as_json:
        print_json([as_data(run) for run in found])
    elif found:
        print_runs([listed(run) for run in found])
    else:
        no_runs = f"{_project.NO_RUNS}{_project.option(environment)}"
        typer.echo(no_runs if status is None and pipeline is None else "There is no such run.")


class Listed(NamedTuple):
    """What stands of a run in the list; times are seconds since 1970."""

    id: str
    pipeline: str
    partition: str | None
    status: str
    started_at: float
    ended_at: float | None
    error: str


def listed(run: Run) -> Listed:
    """Return what stands of a run of the state in the list."""
    return Listed(run.id, run.pipeline, run.partition, run.status, run.started_at, run.ended_at, run.error or "")


def known(status: str | None, *more: str) -> str | None:
    """Return what `--status` asks for. Raises UsageError where no run is ever so.

    Args:
        status: as it was given.
        more: how runs can stand beside what the state knows.
    """
    from firnflow._text import listing, nearest
    from firnflow.errors import UsageError

    names = [*map(str, RunStatus), *more]
    if status is not None and status not in names:
        raise UsageError(f"--status {status!r}: no run is ever so.{nearest(status, names)} Known: {listing(names)}")
    return status


def print_runs(found: list[Listed]) -> None:
    """Print runs as a table."""
    from firnflow.cli import _format
    from firnflow.cli._print import print_table
    from firnflow.project import redact

    rows, partitioned = [], any(run.partition is not None for run in found)
    for run in found:
        took = _format.seconds((run.ended_at or time.time()) - run.started_at)
        error = redact(run.error).partition("\n")[0]
        what = (run.partition or "",) if partitioned else ()
        rows.append((run.id, run.pipeline, *what, run.status, _format.when(run.started_at), took, error))
    head = ("run", "pipeline", *(("partition",) if partitioned else ()), "status", "started", "took", "error")
    print_table(head, rows, states="status")


def as_data(run: Run) -> dict[str, Any]:
    """Return what the state knows of a run as plain data."""
    return {
        "run": run.id,
        "pipeline": run.pipeline,
        "environment": run.environment,
        "partition": run.partition,
        "due": run.due,
        "status": run.status,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "params": run.params,
        "request": run.request,
        "origin": run.origin,
        "error": run.error,
    }
