"""`firnflow next` in an environment that runs elsewhere."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import typer

from firnflow.cli._print import print_json, print_table
from firnflow.errors import UsageError

if TYPE_CHECKING:
    from firnflow.cli._elsewhere._site import Site


def command(site: Site, *, pipeline: str | None, limit: int, as_json: bool) -> None:
    """Show when the target starts pipelines next, and which are paused there."""
    if limit > 1:
        raise UsageError(f"--limit {limit}: {site.operator.name} says only when a pipeline starts next")
    names = [site.load(pipeline, "next")[1]] if pipeline else site.pipelines
    found = [_outlook(site, name) for name in names]
    if as_json:
        print_json({"environment": site.settings.environment, "up": True, "pipelines": found})
    elif found:
        rows = [(each["pipeline"], *(each["next"] or ["-"]), "paused" if each["paused"] else "") for each in found]
        print_table(("pipeline", "next", "now"), rows)
    else:
        typer.echo(f"Nothing is deployed. Mend: firnflow apply{site.option}")


def _outlook(site: Site, pipeline: str) -> dict[str, Any]:
    moment = site.operator.next_at(pipeline)
    next_one = [dt.datetime.fromtimestamp(moment, dt.UTC).isoformat(timespec="seconds")] if moment is not None else []
    return {"pipeline": pipeline, "next": next_one, "paused": site.is_paused(pipeline)}
