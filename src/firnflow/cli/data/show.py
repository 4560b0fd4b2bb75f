"""`firnflow data show`."""

from __future__ import annotations

import typer

from firnflow.cli import _options
from firnflow.cli.data import _shared

_LIMIT = typer.Option(10, "--limit", "-n", metavar="N", min=0, max=1_000_000, help="How many rows.")


def command(
    table: str = _shared.TABLE,
    as_of: str | None = _shared.AS_OF,
    limit: int = _LIMIT,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Show a version of a table: where it comes from, its columns, the first rows."""
    import ibis

    from firnflow import values
    from firnflow._text import counted
    from firnflow.cli import _format
    from firnflow.cli._print import print_json, print_table, say
    from firnflow.cli._rows import computing, plain_rows, print_rows
    from firnflow.project import redact
    from firnflow.stores.tables.read import ref_of

    tables = _shared.opened(environment)
    found, version = _shared.chosen(tables, table, as_of)
    ref = ref_of(found, version)
    rows = values.load(ref, ibis.Table, tables.stores)
    columns: dict[str, str] = (ref.meta or {})["columns"]
    if as_json:
        with computing():
            head = plain_rows(rows.limit(limit))
        about = {"columns": columns, "files": len(ref.items or ()), "bytes": ref.size, "head": head}
        print_json({**version.to_json(), **about})
        return
    say(f"{version.table}, version {version.number}", "bold")
    files = ref.where if ref.is_kept else counted(len(ref.items or ()), "file")
    say(f"{counted(version.rows, 'row')} in {files}, {_format.size(ref.size)}")
    say(f"{_shared.how(version)} {_format.when(version.at)} by {_shared.made_by(version)}\n")
    print_table(("column", "type"), list(columns.items()))
    if limit:
        typer.echo()
        with computing():
            print_rows(rows, limit, redact)
