"""`firnflow features materialize`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from firnflow.cli import _options
from firnflow.cli.features import _shared

if TYPE_CHECKING:
    from firnflow.features import FeatureView, Materialized
    from firnflow.stores.state import State

_VIEWS: Any = typer.Argument(None, metavar="[VIEW]...", help="Default: all.", autocompletion=_shared.complete)
_AT = typer.Option(None, "--at", metavar="MOMENT", help="As known then, e.g. 2026-01-31T12:00 (UTC); default: now.")


def command(
    views: list[str] = _VIEWS,
    at: str | None = _AT,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Bring the online store to what is known: of each view the last values of each entity, of which it writes changes.

    The views must have been applied as they are, and the named tables that they read be there.
    """
    from firnflow.cli._print import print_json
    from firnflow.features import materializing, place, registry

    project, known, state = _shared.project_views(environment)
    wanted = registry.chosen(known, views or ())
    _check_applied(state, wanted)
    moment, online = materializing.moment_of(at), place.of_settings(project.settings)
    tables, digests, _ = _shared.sources(project, state, wanted)
    done = [materializing.fill(online, view, tables, moment, digests=digests, exact=at is not None) for view in wanted]
    if as_json:
        print_json([_data(each) for each in done])
    else:
        _print(done)


def _check_applied(state: State, views: list[FeatureView]) -> None:
    from firnflow._text import listing
    from firnflow.errors import FeatureError
    from firnflow.stores.state.views import Views

    current = Views(state).current()
    other = [view.name for view in views if view.name not in current or current[view.name].version != view.version]
    if other:
        raise FeatureError(f"Not applied as they are now: {listing(other)}. Mend: firnflow features apply")


def _data(each: Materialized) -> dict[str, Any]:
    return {name: getattr(each, name) for name in each.__slots__} | {"at": f"{each.at.isoformat()}Z"}


def _print(done: list[Materialized]) -> None:
    from firnflow.cli._print import print_table

    rows = [
        (
            each.view,
            each.version,
            f"{each.at:%Y-%m-%d %H:%M:%S}",
            f"{each.keys:,}",
            f"{each.written:,}",
            f"{each.dropped:,}",
            "all" if each.whole else "what came since",
        )
        for each in done
    ]
    print_table(("view", "version", "as of (UTC)", "keys", "written", "removed", "looked at"), rows)
