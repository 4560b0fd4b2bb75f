"""`firnflow data track`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the annotation

import typer

from firnflow.cli import _options

_PATH = typer.Argument(..., metavar="PATH", help="A file or a folder in a git repository that is set up for DVC.")


def command(path: Path = _PATH, as_json: bool = _options.JSON) -> None:
    """Keep versions of a file by DVC: its content goes to DVC's cache, and git gets a small file to commit."""
    from dataclasses import asdict

    from firnflow.cli._print import print_json
    from firnflow.stores.sources.track import track

    found = track(path)
    if as_json:
        print_json(asdict(found))
        return
    if not found.staged:
        typer.echo(f"{found.path} is tracked as it is: there is nothing to commit")
        return
    typer.echo(f"{found.path} is tracked. Staged: {', '.join(found.staged)}")
    typer.echo(f"Commit it:  git commit -m 'Track {found.path}'")
    typer.echo('Then name the version in catalog.toml:  revision = "TAG, BRANCH OR COMMIT"')
    typer.echo("For others to read it:  dvc push  (to a remote: dvc remote add -d NAME URL)")
