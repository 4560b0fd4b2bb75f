"""`firnflow features get`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

from firnflow.cli import _options
from firnflow.cli.features import _shared

if TYPE_CHECKING:
    from firnflow.features import FeatureView
    from firnflow.features.place import Online

_VIEWS: Any = typer.Argument(..., metavar="VIEW...", help="Feature views.", autocompletion=_shared.complete)
_ENTITY: Any = typer.Option(
    ...,
    "--entity",
    "-i",
    metavar="KEY=VALUE",
    help='One entity; of several keys a=1,b=2, or JSON: {"a": 1, "b": "x, y"}. May be given several times.',
)


def command(
    views: list[str] = _VIEWS,
    entity: list[str] = _ENTITY,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Print the online features of entities, as they were last materialised."""
    import ibis
    import pyarrow as pa

    from firnflow.cli._print import print_json
    from firnflow.cli._rows import plain_rows, print_rows
    from firnflow.features import online_features, place, registry
    from firnflow.project import redact

    project, known, _ = _shared.project_views(environment)
    wanted = registry.chosen(known, views)
    online = place.of_settings(project.settings)
    found = online_features(wanted, _entities(online, wanted, entity), online=online)
    table = ibis.memtable(pa.table(found))
    if as_json:
        print_json(plain_rows(table))
    else:
        print_rows(table, len(entity), redact)


def _entities(online: Online, views: list[FeatureView], given: list[str]) -> list[dict[str, Any]]:
    """Return the entities that texts stand for, each key as the views have it."""
    from firnflow.features import encoding
    from firnflow.features.place import Mark

    places = [(online.place(view), ()) for view in views]
    marks = [Mark.from_text(found.mark) for found in online.store.read(places)]
    kinds = {key: kind for mark in marks if mark is not None for key, kind in mark.keys.items()}
    return [
        {
            name: encoding.key_from_text(value, kinds.get(name, "text"), f"--entity {name}")
            if isinstance(value, str)
            else value
            for name, value in _pairs(text).items()
        }
        for text in given
    ]


def _pairs(text: str) -> dict[str, Any]:
    """Return `a=1,b=2` or a JSON object as a dict. Raises UsageError."""
    from firnflow.errors import UsageError

    if text.lstrip().startswith("{"):
        try:
            return dict(json.loads(text))
        except ValueError as error:
            raise UsageError(f"--entity {text!r:.120} is no JSON: {error}") from None
    pairs = [part.partition("=") for part in text.split(",")]
    for name, sign, _ in pairs:
        if not (name.strip() and sign):
            raise UsageError(f"--entity {text!r:.120}: write KEY=VALUE, of several keys a=1,b=2, or a JSON object")
    return {name.strip(): value for name, _, value in pairs}
