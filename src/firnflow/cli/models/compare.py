"""`firnflow models compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from firnflow.cli import _options
from firnflow.cli.models import _shared
from firnflow.errors import UsageError

if TYPE_CHECKING:
    from firnflow.models.comparison import Comparison
    from firnflow.models.registry import ModelVersion, Registry

_OTHER = typer.Argument(
    None, metavar="[MODEL]", help="With which; default: the champion.", autocompletion=_shared.complete
)
_PICTURE = typer.Option(None, "--output", "-o", metavar="FILE", help="Draw them too: a .png or .svg file.")
_BAR = 24


def command(
    model: str = _shared.MODEL,
    other: str | None = _OTHER,
    output: str | None = _PICTURE,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Compare two versions: figures and which is better, data, code and parameters.

    Where the gates have held just these two against each other, the figures are those of the gates, on the same rows.
    """
    from firnflow.cli._print import print_json
    from firnflow.models import comparison_picture
    from firnflow.models.comparison import compare

    registry = _shared.opened(environment)
    one = _one(registry, model)
    two = registry.get(other or f"{one.name}@champion")
    if one.place == two.place:
        raise UsageError(f"Both are {one.place}. Which is the other? See: firnflow models list {one.name}")
    found = compare(one, two, registry.history(one.name))
    if output is not None:
        comparison_picture.write(found, Path(output))
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _print(found)
        if output is not None:
            typer.echo(output)


def _one(registry: Registry, place: str) -> ModelVersion:
    """Return the version that is meant: of a name alone the newest, since its champion is what it is compared with."""
    newest = "/" not in place and "@" not in place
    return registry.versions(place)[0] if newest else registry.get(place)


def _print(found: Comparison) -> None:
    from firnflow.cli._print import print_table, say

    say(f"{found.model} beside {found.other}", "bold")
    rows = []
    for each in found.metrics:
        if each.model is not None and each.other is not None:
            change = each.model - each.other
            better = {"model": found.model, "other": found.other, None: ""}[each.better]
            bar = _bar(change, each.other)
            rows.append((each.name, f"{each.other:.5g}", f"{each.model:.5g}", f"{change:+.2g}", better, bar))
    if rows:
        print_table(("metric", found.other, found.model, "change", "better", ""), rows)
        same = f"on the same {found.rows:,} holdout rows" if found.rows else "each on the rows of its own run"
        say(f"  {same}", "dim")
    else:
        say("  They have no figure in common.")
    for name, changed in found.differences.items():
        say(f"  {name}: {changed.other or '-'} → {changed.model or '-'}")


def _bar(change: float, before: float) -> str:
    """Return a change as a bar, to the left where the figure fell; the full width is a tenth of it."""
    share = max(-1.0, min(1.0, 10 * change / abs(before))) if before else 0.0
    half = _BAR // 2
    length = round(abs(share) * half)
    return f"{'█' * length if share < 0 else '':>{half}}│{'█' * length if share > 0 else '':<{half}}"
