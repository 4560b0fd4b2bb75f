"""`firnflow clean`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from firnflow._text import counted
from firnflow.cli import _options

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.engine.collect import Garbage, Place
    from firnflow.project import Settings
    from firnflow.stores.state import State

_OLDER = typer.Option("30d", "--older-than", metavar="AGE", help="Forget runs that ended longer ago, e.g. 12h.")
_KEEP = typer.Option(5, "--keep", metavar="N", min=0, help="Keep the N newest runs of each pipeline all the same.")
_YES = typer.Option(False, "--yes", "-y", help="Delete; without it nothing is.")  # noqa: FBT003 - Typer's way
_GONE = typer.Option(
    [], "--forget-owner", metavar="ID", help="Another state database that used the same artifacts is gone for good."
)
_SHOWN = 10


def command(
    older_than: str = _OLDER,
    keep: int = _KEEP,
    yes: bool = _YES,
    forget_owner: list[str] = _GONE,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Delete what no run needs: old runs, and stored values that no remaining run refers to.

    Of a remote store also the local copies that were not used for as long. Without --yes it only says what it would
    delete. Always kept: runs under way, each pipeline's newest complete run, and values written in the last hour.
    """
    from firnflow.engine import collect
    from firnflow.stores import owners

    place = _place(environment)
    collect.check_owners(place, forget_owner)
    garbage = collect.find(place, collect.Rule(_age(older_than), keep))
    if yes:
        for identity in forget_owner:
            owners.forget(place.artifacts, identity)
        garbage = collect.collect(place, garbage)
    if as_json:
        _print_json(garbage, deleted=yes)
    else:
        _print(garbage, deleted=yes)


def _age(text: str) -> float:
    from firnflow.errors import UsageError
    from firnflow.graph.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--older-than: {error}, or '30d'") from None


def _place(environment: str | None) -> Place:
    from firnflow.cli import _project
    from firnflow.engine.collect import Place
    from firnflow.engine.workplace import logs_folder
    from firnflow.stores import Stores

    root, settings, state = _project.open_state(environment)
    others = [found for name in settings.environments if (found := _neighbour(root, settings, name)) is not None]
    return Place(state, others, Stores.open(settings, root).artifacts, logs_folder(root))


def _neighbour(root: Path, settings: Settings, name: str) -> State | None:
    """Return the state of another environment that keeps its values in the same artifact store but its runs elsewhere.

    Raises:
        StoreError: that state cannot be read, so nobody knows which values it needs.
    """
    from firnflow.cli import _project
    from firnflow.errors import FirnflowError, StoreError
    from firnflow.project import load_settings

    try:
        other = load_settings(root, name)
        if other.artifacts != settings.artifacts or other.state.reveal() == settings.state.reveal():
            return None
        return _project.find_state(root, other)
    except FirnflowError as error:
        raise StoreError(
            f"environment {name!r} keeps its values in the same store, and its state cannot be read, so nothing is "
            f"deleted: {error}. Mend: make it readable, or give {name!r} `artifacts` of its own"
        ) from error


def _print_json(garbage: Garbage, *, deleted: bool) -> None:
    from firnflow.cli._print import print_json

    print_json(
        {
            "deleted": deleted,
            "runs": [run.id for run in garbage.runs],
            "objects": [each.where for each in garbage.objects],
            "copies": [each.where for each in garbage.copies],
            "bytes": garbage.bytes,
            "waiting": garbage.waiting,
        }
    )


def _print(garbage: Garbage, *, deleted: bool) -> None:
    from firnflow.cli import _format

    if not (garbage.runs or garbage.objects or garbage.copies or garbage.waiting):
        typer.echo("Nothing to delete." if not deleted else "Nothing was to be deleted.")
        return
    for run in garbage.runs[:_SHOWN]:
        typer.echo(f"  run {run.id}  {run.status} {_format.when(run.started_at)}")
    if len(garbage.runs) > _SHOWN:
        typer.echo(f"  … {counted(len(garbage.runs) - _SHOWN, 'more run')}")
    runs, objects = counted(len(garbage.runs), "run"), counted(len(garbage.objects), "stored value")
    copies = [counted(len(garbage.copies), "cached file")] if garbage.copies else []
    amount = ", ".join([runs, objects, *copies, _format.size(garbage.bytes)])
    if garbage.waiting:
        stay = "stays" if garbage.waiting == 1 else "stay"
        amount += f"; {garbage.waiting} more {stay} until the runs under way have ended: clean again then"
    typer.echo(f"Deleted {amount}." if deleted else f"Would delete {amount}. Do it: the same command with --yes")
