"""`firnflow resume` in an environment that runs elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import typer

from firnflow.cli import _running, _summary
from firnflow.cli._elsewhere._follow import follow, goes_on, outcome
from firnflow.cli._print import print_json
from firnflow.engine.external.run import EXTERNAL, PATIENCE
from firnflow.errors import FirnflowError, RunConflictError
from firnflow.status import RunStatus

if TYPE_CHECKING:
    from firnflow.cli._elsewhere._site import Row, Site


def command(
    site: Site,
    *,
    run: str | None,
    wait: bool,
    timeout: float | None,
    as_json: bool,
    quiet: bool,
    workers: int | None,
    inline: bool,
) -> int:
    """Have the target repeat what has not succeeded; what the state has committed is not done again."""
    site.refuse(workers=workers, inline=inline)
    shown = _running.Shown(as_json=as_json, quiet=quiet)
    row = site.find(run)
    there = site.there(row)
    if not row.is_over:
        raise RunConflictError(f"it is under way: {goes_on(site, row.id)}")
    if row.status == RunStatus.SUCCEEDED:
        result = outcome(site, there)
        _running.show(result, site.root, site.settings, shown)
        return _summary.exit_code(result)
    site.awake(row.pipeline)
    begin(site, row)
    if wait:
        graph = site.graph(row) or site.load(row.pipeline, "resume")[0].pipeline(row.pipeline).build()
        return follow(site, there, graph, shown, timeout, again=True)
    if as_json:
        print_json({"run": row.id, "pipeline": row.pipeline, "status": RunStatus.RUNNING})
    elif not quiet:
        typer.echo(goes_on(site, row.id))
    return 0


def begin(site: Site, row: Row) -> None:
    """Let a run that has ended go on there. One that was cancelled is opened first, or its tasks would be refused."""
    there, record = site.there(row), row.record
    epoch = None
    if record is not None and record.status == RunStatus.CANCELLED:
        epoch = site.state.claim(record.id, EXTERNAL, time.time() + PATIENCE)
    try:
        site.operator.retry(there)
    except FirnflowError:
        if record is not None and epoch is not None:
            site.state.end_run(record.id, epoch, RunStatus.CANCELLED, record.error)
        raise
