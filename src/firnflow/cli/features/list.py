"""`firnflow features list`."""

from __future__ import annotations

import typer

from firnflow.cli import _options
from firnflow.cli.features import _shared


def command(environment: str | None = _options.ENVIRONMENT, as_json: bool = _options.JSON) -> None:
    """List the feature views that were applied, each in its current version."""
    from dataclasses import asdict

    from firnflow.cli import _format
    from firnflow.cli._print import print_json, print_table
    from firnflow.errors import NotFoundError
    from firnflow.stores.state.views import NO_VIEWS

    try:
        found = list(_shared.registry(environment)[1].current().values())
    except NotFoundError:
        found = []
    if as_json:
        print_json([asdict(view) for view in found])
    elif not found:
        typer.echo(NO_VIEWS)
    else:
        rows = [
            (
                view.name,
                view.version,
                ", ".join(view.about["entities"]) or "-",
                str(len(view.about["features"]) or "?"),
                view.about["owner"] or "-",
                _format.when(view.applied_at),
                view.about["description"],
            )
            for view in found
        ]
        print_table(("view", "version", "of", "features", "owner", "applied", "description"), rows)
