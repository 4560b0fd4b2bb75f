"""`firnflow models list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from firnflow.cli import _options
from firnflow.cli.models import _shared

if TYPE_CHECKING:
    from firnflow.models.registry import ModelVersion, Registry

_NAME = typer.Argument(None, metavar="[NAME]", help="Only versions of this one.", autocompletion=_shared.complete)


def command(
    name: str | None = _NAME, environment: str | None = _options.ENVIRONMENT, as_json: bool = _options.JSON
) -> None:
    """List the models, or the versions of one, the newest first."""
    from firnflow.cli._print import print_json
    from firnflow.errors import NotFoundError

    try:
        registry = _shared.opened(environment)
    except NotFoundError:
        if name is not None:
            raise
        found: list[tuple[ModelVersion, dict[str, int]]] = []
    else:
        names = [name] if name is not None else registry.names()
        found = [(each, registry.aliases(one)) for one in names for each in registry.versions(one)]
    if as_json:
        print_json([_shared.version_data(each, aliases) for each, aliases in found])
    elif found:
        _print(registry, found)
    else:
        typer.echo(_shared.NO_MODELS)


def _print(registry: Registry, found: list[tuple[ModelVersion, dict[str, int]]]) -> None:
    from firnflow.cli import _format
    from firnflow.cli._print import print_table, say

    rows = []
    for each, aliases in found:
        called = " ".join(f"@{alias}" for alias, number in sorted(aliases.items()) if number == each.version)
        rows.append((each.place, called, each.status, _format.when(each.created_at), each.run or "", each.created_by))
    print_table(("model", "alias", "status", "registered", "run", "by"), rows)
    for name in sorted({each.name for each, _ in found}):
        for row in registry.waiting(name):
            place = f"{name}/{row.to_version}"
            say(f"{place} waits for an approval: firnflow models approve {place} --reason WHY", "yellow")
