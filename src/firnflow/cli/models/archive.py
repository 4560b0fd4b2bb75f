"""`firnflow models archive`."""

from __future__ import annotations

import typer

from firnflow.cli import _options
from firnflow.cli.models import _shared

_UNDO = typer.Option(False, "--undo", help="Take it back.")  # noqa: FBT003 - Typer's way


def command(
    model: str = _shared.MODEL,
    reason: str | None = _shared.REASON,
    by: str | None = _shared.BY,
    undo: bool = _UNDO,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Put a version aside: it stays loadable, but is out of the way."""
    from firnflow.cli._print import print_json

    why = _shared.why(reason)
    registry = _shared.opened(environment)
    found = _shared.version_of(registry, model, verb="archive")
    change = registry.restore if undo else registry.archive
    changed = change(found.name, found.version, reason=why, by=by)
    if as_json:
        print_json(_shared.version_data(changed, registry.aliases(changed.name)))
    else:
        typer.echo(f"{changed.place} is {changed.status}")
