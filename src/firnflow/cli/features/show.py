"""`firnflow features show`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from firnflow.cli import _options
from firnflow.cli.features import _shared

if TYPE_CHECKING:
    from firnflow.stores.state.views import ViewVersion


def command(
    name: str = _shared.NAME, environment: str | None = _options.ENVIRONMENT, as_json: bool = _options.JSON
) -> None:
    """Show a feature view: what defines it, what its features mean, its versions, and the models trained on each."""
    from firnflow.cli import _format
    from firnflow.cli._print import print_json, print_table
    from firnflow.features.registry import trained_on

    state, views = _shared.registry(environment)
    versions = views.versions(name)
    models = trained_on(state, name)
    filled = _shared.filled(environment, versions[0])
    if as_json:
        told = [{"version": v.version, "made_at": v.made_at, "models": models.get(v.version, [])} for v in versions]
        print_json({**asdict(versions[0]), "online": filled, "versions": told})
        return
    _print(versions[0], filled or "not yet: firnflow features materialize")
    features = versions[0].about["features"].items()
    if features:
        rows = [(feature, said["type"] or "?", said["description"] or "-") for feature, said in features]
        print_table(("feature", "type", "meaning"), rows)
    else:
        typer.echo("Its features are not known yet: its source was not there when it was applied.")
    typer.echo()
    history = [(v.version, _format.when(v.made_at), ", ".join(models.get(v.version, [])) or "-") for v in versions]
    print_table(("version", "made", "models trained on it"), history)


def _print(view: ViewVersion, filled: str) -> None:
    from firnflow.cli import _format
    from firnflow.cli._print import say
    from firnflow.features.registry import lasts

    definition, about = view.definition, view.about
    source = definition["source"]
    entities = (f"{name} ({', '.join(keys)})" for name, *keys in definition["entities"])
    said = {
        "": about["description"],
        "entities": ", ".join(entities) or "none",
        "source": source if isinstance(source, str) else f"a table of its own ({', '.join(source)})",
        "timestamp": definition["timestamp"],
        "known at": definition["known_at"] or "its timestamp",
        "counts": lasts(definition["ttl"]),
        "owner": about["owner"] or "-",
        "tags": ", ".join(f"{name}={text}" for name, text in about["tags"].items()) or "-",
        "online": filled,
        "applied": f"{_format.when(view.applied_at)} by {view.applied_by}",
    }
    say(f"{view.name}, version {view.version}", "bold")
    for word, text in said.items():
        if word or text:
            say(f"  {word:<9}  {text}" if word else f"  {text}")
    typer.echo()
