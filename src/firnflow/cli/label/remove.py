"""`firnflow label remove`."""

from __future__ import annotations

import typer

from firnflow.cli import _options
from firnflow.cli.label import _shared

_LABEL = typer.Argument(..., metavar="LABEL", help="Its id, as `firnflow label list` shows it, or how that begins.")
_NOTE = typer.Option("", "--note", "-n", metavar="TEXT", help="Why.")


def command(
    series: str = _shared.SERIES,
    label: str = _LABEL,
    note: str = _NOTE,
    by: str | None = _shared.BY,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Take a label back; that it was given stays written down."""
    from firnflow.cli._print import print_json, say

    found = _shared.opened(series, environment).remove(label, by=_shared.author(by), note=note)
    if as_json:
        print_json(_shared.label_data(found))
    else:
        say(f"Removed. {found}")
