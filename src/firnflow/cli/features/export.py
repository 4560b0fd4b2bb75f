"""`firnflow features export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from firnflow.cli import _options
from firnflow.cli.features import _shared

_FOLDER = typer.Argument(..., metavar="FOLDER", help="A new or an empty folder.")
_VIEWS: Any = typer.Argument(None, metavar="[VIEW]...", help="Default: all.", autocompletion=_shared.complete)
_FORCE = typer.Option(False, "--force", "-f", help="Write over what is there.")  # noqa: FBT003 - Typer's way


def command(
    folder: str = _FOLDER,
    views: list[str] = _VIEWS,
    force: bool = _FORCE,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Write feature views as a repository of Feast: definitions for `feast apply`, and their rows as Parquet.

    The rows are dated by when they were known, and are those of the named tables as they are now.
    """
    from firnflow.cli._print import print_json, print_table
    from firnflow.features import registry
    from firnflow.features.feast_repository import export_feast

    project, known, state = _shared.project_views(environment)
    wanted = registry.chosen(known, views or ())
    tables, _, stores = _shared.sources(project, state, wanted)
    counts = export_feast(
        wanted, Path(folder), project.settings.project, tables, stores.warehouse.embedded, force=force
    )
    if as_json:
        print_json(counts)
        return
    print_table(("view", "rows"), [(name, f"{count:,}") for name, count in counts.items()])
    typer.echo(f"Next: cd {folder} && feast apply")
