"""`firnflow clean`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from firnflow._text import counted
from firnflow.cli import _options

if TYPE_CHECKING:
    from firnflow.engine.collect import Garbage

_OLDER = typer.Option("30d", "--older-than", metavar="AGE", help="Forget runs that ended longer ago, e.g. 12h.")
_KEEP = typer.Option(
    5,
    "--keep",
    metavar="N",
    min=0,
    help="Keep the N newest runs of each pipeline, and versions of each table, all the same.",
)
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
    """Delete what no run needs: old runs and versions of named tables, and stored values that nothing refers to.

    Of a remote store also the local copies that were not used for as long. Without --yes it only says what it would
    delete. Always kept: runs under way, each pipeline's newest complete run, values written in the last hour, and of
    each table the newest version and those that a run or a model refers to. Many small files of a table are joined.
    """
    from firnflow.cli import _project
    from firnflow.engine import collect
    from firnflow.engine.neighbours import place_of
    from firnflow.stores import Stores, owners

    root, settings, state = _project.open_state(environment)
    rule = collect.Rule(_age(older_than), keep)
    with place_of(root, settings, state, Stores.open(settings, root).artifacts) as place:
        collect.check_owners(place, forget_owner)
        garbage = collect.find(place, rule)
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
            "versions": [{"table": each.table, "version": each.number} for each in garbage.versions],
            "joined": list(garbage.joined),
        }
    )


def _print(garbage: Garbage, *, deleted: bool) -> None:
    from firnflow.cli import _format

    if not (garbage.runs or garbage.objects or garbage.copies or garbage.waiting or garbage.versions or garbage.joined):
        typer.echo("Nothing to delete." if not deleted else "Nothing was to be deleted.")
        return
    for run in garbage.runs[:_SHOWN]:
        typer.echo(f"  run {run.id}  {run.status} {_format.when(run.started_at)}")
    if len(garbage.runs) > _SHOWN:
        typer.echo(f"  … {counted(len(garbage.runs) - _SHOWN, 'more run')}")
    for name in garbage.joined:
        typer.echo(f"  table {name}  its small files {'are' if deleted else 'would be'} joined")
    for name in sorted({each.table for each in garbage.versions}):
        numbers = [str(each.number) for each in garbage.versions if each.table == name]
        shown = numbers if len(numbers) <= _SHOWN else [*numbers[:3], "…", *numbers[-3:]]
        typer.echo(f"  table {name}  version {', '.join(shown)}")
    runs, objects = counted(len(garbage.runs), "run"), counted(len(garbage.objects), "stored value")
    copies = [counted(len(garbage.copies), "cached file")] if garbage.copies else []
    versions = [counted(len(garbage.versions), "version")] if garbage.versions else []
    amount = ", ".join([runs, *versions, objects, *copies, _format.size(garbage.bytes)])
    if garbage.waiting:
        stay = "stays" if garbage.waiting == 1 else "stay"
        amount += f"; {garbage.waiting} more {stay} until the runs under way have ended: clean again then"
    typer.echo(f"Deleted {amount}." if deleted else f"Would delete {amount}. Do it: the same command with --yes")
