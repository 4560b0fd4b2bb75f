"""`firnflow models delete`."""

from __future__ import annotations

import typer

from firnflow.cli import _options
from firnflow.cli.models import _shared


def command(
    model: str = _shared.MODEL,
    reason: str | None = _shared.REASON,
    by: str | None = _shared.BY,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Give a version's file up: the next `firnflow clean` deletes it. The audit keeps that it was there.

    A version that has an alias, or that has been champion, is kept: see `firnflow models archive`.
    """
    from firnflow.cli._print import print_json

    why = _shared.why(reason)
    registry = _shared.opened(environment)
    found = _shared.version_of(registry, model, verb="delete")
    changed = registry.delete(found.name, found.version, reason=why, by=by)
    if as_json:
        print_json(_shared.version_data(changed, registry.aliases(changed.name)))
    else:
        typer.echo(f"{changed.place} is deleted; its file goes with the next: firnflow clean")
