"""`firnflow data export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from firnflow.cli import _options
from firnflow.cli.data import _shared
from firnflow.errors import UsageError

if TYPE_CHECKING:
    import ibis

    from firnflow.stores import Stores

_FILE = typer.Argument(..., metavar="FILE", help="A .parquet or .csv file.")
_FORCE = typer.Option(False, "--force", "-f", help="Write over a file that is there.")  # noqa: FBT003 - Typer's way
_SUFFIXES = (".parquet", ".csv")


def command(
    table: str = _shared.TABLE,
    file: str = _FILE,
    as_of: str | None = _shared.AS_OF,
    force: bool = _FORCE,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Write a version of a table into one file: Parquet or CSV."""
    import ibis

    from firnflow import values
    from firnflow._text import counted
    from firnflow.cli._print import print_json
    from firnflow.stores.tables.read import ref_of

    path = Path(file)
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{file}: a table is written into a file that ends in {' or '.join(_SUFFIXES)}")
    if path.exists() and not force:
        raise UsageError(f"{file} is there already. Write over it: --force")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path.parent} is no folder")
    tables = _shared.opened(environment)
    found, version = _shared.chosen(tables, table, as_of)
    _write(tables.stores, values.load(ref_of(found, version), ibis.Table, tables.stores), path)
    if as_json:
        print_json(
            {"table": version.table, "version": version.number, "rows": version.rows, "file": str(path.absolute())}
        )
    else:
        typer.echo(f"{file}: {counted(version.rows, 'row')} of {version.table}, version {version.number}")


def _write(stores: Stores, rows: ibis.Table, path: Path) -> None:
    """Write the file whole or not at all."""
    from firnflow._disk import sync, writing

    part = path.with_name(f".{path.name}.part")
    with writing(part):
        if path.suffix.lower() == ".parquet":
            stores.warehouse.write_parquet(rows, part)
        else:
            rows.to_csv(part)
        sync(part)
        part.replace(path)
