"""`firnflow data restore`."""

from __future__ import annotations

import typer

from firnflow.cli import _options
from firnflow.cli.data import _shared

_VERSION = typer.Argument(..., metavar="VERSION", min=1, help="The older version.")


def command(
    name: str = _shared.NAME,
    version: int = _VERSION,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Make the rows of an older version the newest version, under a number of its own; nothing is copied."""
    from firnflow.cli._print import print_json
    from firnflow.engine.origin import who
    from firnflow.stores.tables.restore import restore

    tables = _shared.opened(environment)
    by = "@".join(each or "?" for each in who().values())
    made = restore(tables, name, version, by)
    if as_json:
        print_json(made.to_json())
    else:
        typer.echo(f"{name} is at version {made.number} now: the {made.rows:,} rows of version {version}")
