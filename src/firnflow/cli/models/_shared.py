"""What the verbs on models share: opening the registry, the arguments, rows and JSON of versions and of the audit."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import typer

from firnflow.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from firnflow.models.registry import ModelVersion, Promotion, Registry

NO_MODELS = "No model is registered yet. A pipeline registers one by steps.register"


def complete(incomplete: str) -> list[str]:
    """Return the models whose names begin so; after a name, its versions and aliases."""
    with contextlib.suppress(Exception):
        registry = opened(None)
        name = incomplete.partition("/")[0].partition("@")[0]
        names = registry.names()
        if name in names:
            places = [version.place for version in registry.versions(name)]
            names = [name, *places, *(f"{name}@{alias}" for alias in registry.aliases(name))]
        return sorted(each for each in names if each.startswith(incomplete))
    return []


MODEL: Any = typer.Argument(..., metavar="MODEL", help="NAME, NAME/3 or NAME@ALIAS.", autocompletion=complete)
NAME: Any = typer.Argument(..., metavar="NAME", help="Its name.", autocompletion=complete)
REASON: Any = typer.Option(None, "--reason", "-r", metavar="TEXT", help="Why: it is kept in the audit.")
BY: Any = typer.Option(None, "--by", metavar="NAME", help="Who decides; default: you.")


def opened(environment: str | None, *, stores: bool = False) -> Registry:
    """Return the registry of the project around the working directory.

    Raises:
        NotFoundError: nothing has run yet.
    """
    from firnflow.cli import _project
    from firnflow.models.registry import Registry
    from firnflow.stores import Stores

    root, settings = _project.settings_of(environment)
    state = _project.find_state(root, settings)
    if state is None:
        raise NotFoundError(NO_MODELS)
    if not stores:
        return Registry(state)
    files = Stores.open(settings, root)
    _project.opened.callback(files.close)
    return Registry(state, files)


def version_of(registry: Registry, place: str, *, verb: str) -> ModelVersion:
    """Return the version that is meant; its number must be said where something is changed.

    Raises:
        UsageError: only a name was given.
        NotFoundError: there is no such version.
    """
    if "/" not in place and "@" not in place:
        newest = registry.versions(place)[0]
        raise UsageError(f"Which version of {place!r}? E.g.: firnflow models {verb} {newest.place}")
    return registry.get(place)


def why(reason: str | None) -> str:
    """Return the reason, which must be given. Raises UsageError."""
    if reason is None or not reason.strip():
        raise UsageError("Say why, for the audit: --reason 'drift in county data'")
    return reason.strip()


def version_data(version: ModelVersion, aliases: dict[str, int]) -> dict[str, Any]:
    """Return a version as JSON."""
    names = ("name", "version", "status", "digest", "run", "task", "created_at", "created_by", "metadata", "tags")
    data = {name: getattr(version, name) for name in names}
    return {**data, "aliases": sorted(alias for alias, number in aliases.items() if number == version.version)}


def audit_data(row: Promotion) -> dict[str, Any]:
    """Return a row of the audit as JSON."""
    return {name: getattr(row, name) for name in row.__slots__}


def done(row: Promotion, *, as_json: bool) -> None:
    """Say what a decision changed."""
    from firnflow.cli._print import print_json

    if as_json:
        print_json(audit_data(row))
        return
    before = f" (before: version {row.from_version})" if row.from_version is not None else ""
    texts = {
        "reject": f"{row.name}/{row.to_version} is rejected",
        "request": f"{row.name}/{row.to_version} waits for an approval",
    }
    typer.echo(texts.get(row.action, f"{row.name}@{row.alias} is version {row.to_version} now{before}"))
