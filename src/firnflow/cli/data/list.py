"""`firnflow data list`."""

from __future__ import annotations

import typer

from firnflow.cli import _options
from firnflow.cli.data import _shared


def command(environment: str | None = _options.ENVIRONMENT, as_json: bool = _options.JSON) -> None:
    """List the named tables, each with its newest version."""
    from firnflow.cli import _format
    from firnflow.cli._print import print_json, print_table
    from firnflow.errors import NotFoundError
    from firnflow.stores.tables.base import NO_TABLES
    from firnflow.stores.tables.versions import newest, versions

    try:
        tables = _shared.opened(environment)
        found = [tables.get(name) for name in tables.names()]
    except NotFoundError:
        found = []
    if as_json:
        print_json([{**newest(table).to_json(), "versions": len(versions(table))} for table in found])
    elif not found:
        typer.echo(NO_TABLES)
    else:
        rows = []
        for table in found:
            last = newest(table)
            columns = len(table.columns)
            made = (_format.when(last.at), _shared.made_by(last))
            rows.append((last.table, str(last.number), f"{last.rows:,}", str(columns), *made))
        print_table(("table", "version", "rows", "columns", "published", "by"), rows)
