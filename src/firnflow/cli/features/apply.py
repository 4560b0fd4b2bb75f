"""`firnflow features apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from firnflow.cli import _options
from firnflow.cli.features import _shared

if TYPE_CHECKING:
    from firnflow.features.feature_store import Registered
    from firnflow.features.registry import Change

_DRY = typer.Option(False, "--dry-run", help="Only say what would be written down.")  # noqa: FBT003 - Typer's way


def command(
    dry_run: bool = _DRY, environment: str | None = _options.ENVIRONMENT, as_json: bool = _options.JSON
) -> None:
    """Write down the feature views that the project defines: what is new, what has changed, what is as it was.

    Where the named table that a view reads is there, the view is checked against it first. Views that the project does
    not define any more stay as they are. In an environment with `features = "snowflake"` they are then made in the
    Feature Store, too.
    """
    from firnflow.cli._print import print_json, stdout_is_data
    from firnflow.engine.origin import who
    from firnflow.features import registry
    from firnflow.stores.state.views import Views

    project, views, state = _shared.project_views(environment)
    wanted = registry.chosen(views, ())
    there, _, _ = _shared.sources(project, state, wanted)
    changes = registry.plan(wanted, Views(state).current(), there)
    if not dry_run:
        registry.apply(state, changes, "@".join(each or "?" for each in who().values()))
    if not as_json:
        _print(changes, [view.source for view in wanted if isinstance(view.source, str) and view.source not in there])
        _say_end(changes, dry_run=dry_run)
    made: list[Registered] = []
    if project.settings.features == "snowflake":
        from firnflow.features.feature_store import register

        with stdout_is_data():
            made = register(wanted, project.settings, project.root, dry_run=dry_run)
    if as_json:
        about = {"applied": not dry_run, "views": [_data(change) for change in changes]}
        print_json({**about, **({"snowflake": [_made(each) for each in made]} if made else {})})
    elif made:
        _print_made(made)


def _data(change: Change) -> dict[str, object]:
    said = {"action": change.action, "before": change.before, "changes": list(change.parts)}
    return {"name": change.view.name, "version": change.view.version, **said}


def _made(each: Registered) -> dict[str, object]:
    return {"view": each.view.name, "place": each.place, "action": each.action, "lag": each.lag}


def _print_made(made: list[Registered]) -> None:
    from firnflow.cli._print import print_table

    typer.echo("In Snowflake's Feature Store:")
    rows = [(each.place, each.action, f"at most {each.lag} old" if each.lag else "computed when read") for each in made]
    print_table(("view/version", "", "rows"), rows)


def _print(changes: list[Change], missing: list[str]) -> None:
    from firnflow._text import counted, listing
    from firnflow.cli._print import print_table, say

    rows = [(each.view.name, each.view.version, each.action, ", ".join(each.parts)) for each in changes]
    print_table(("view", "version", "", "what"), rows)
    if missing:
        names = sorted(set(missing))
        say(f"Not checked, as there is no such table yet: {counted(len(names), 'source')} ({listing(names)})")


def _say_end(changes: list[Change], *, dry_run: bool) -> None:
    from firnflow._text import counted
    from firnflow.features.registry import SAME

    count = sum(change.action != SAME for change in changes)
    if not count:
        typer.echo("Nothing to do: all are written down as they are.")
    elif dry_run:
        typer.echo(f"Would write down {counted(count, 'view')}. Do it: the same command without --dry-run")
    else:
        typer.echo(f"Wrote down {counted(count, 'view')}.")
