"""`firnflow runs` in an environment that runs elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from firnflow.cli import runs
from firnflow.cli._elsewhere._site import LOOKED_AT
from firnflow.cli._print import print_json
from firnflow.targets.operate import QUEUED

if TYPE_CHECKING:
    from firnflow.cli._elsewhere._site import Row, Site


def command(site: Site, *, pipeline: str | None, status: str | None, limit: int, as_json: bool) -> None:
    """List the runs of the state, and those that the target has and the state does not know yet."""
    wanted = runs.known(status, QUEUED)
    rows = site.rows(pipeline, limit if wanted is None else max(limit, LOOKED_AT))
    found = [row for row in rows if wanted in {None, row.status}][:limit]
    if as_json:
        print_json([_data(row) for row in found])
    elif found:
        runs.print_runs([_listed(row) for row in found])
    elif status is None and pipeline is None:
        typer.echo(f"There is no run yet. Start one: firnflow run{site.option}")
    else:
        typer.echo("There is no such run.")


def _listed(row: Row) -> runs.Listed:
    if row.record is not None:
        listed = runs.listed(row.record)
        if row.status == row.record.status:
            return listed
        ended = row.there.ended_at if row.there is not None else None
        return listed._replace(status=row.status, ended_at=ended, error="ended before it could say how")
    assert row.there is not None  # noqa: S101 - one of the two is there
    there = row.there
    error = "no task of it has begun" if there.is_over else ""
    return runs.Listed(row.id, row.pipeline, there.partition, there.status, there.began_at, there.ended_at, error)


def _data(row: Row) -> dict[str, object]:
    there = row.there
    elsewhere = {"name": there.native, "status": there.status, "cause": there.cause} if there is not None else None
    if row.record is not None:
        return {**runs.as_data(row.record), "status": row.status, "elsewhere": elsewhere}
    listed = _listed(row)
    what = {"run": listed.id, "pipeline": listed.pipeline, "partition": listed.partition, "status": listed.status}
    return {**what, "started_at": listed.started_at, "ended_at": listed.ended_at, "elsewhere": elsewhere}
