"""`firnflow models compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from firnflow.cli import _options
from firnflow.cli.models import _shared

if TYPE_CHECKING:
    from firnflow.models.registry import ModelVersion

_OTHER = typer.Argument(
    None, metavar="[MODEL]", help="With which; default: the champion.", autocompletion=_shared.complete
)
_BAR = 24


def command(
    model: str = _shared.MODEL,
    other: str | None = _OTHER,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Compare two versions: figures, data, code and parameters. Figures of different test rows are marked.

    For a verdict on the same rows see `firnflow models show`: the gates compare on one holdout.
    """
    from firnflow.cli._print import print_json, say

    registry = _shared.opened(environment)
    one = registry.versions(model)[0] if "/" not in model and "@" not in model else registry.get(model)
    two = registry.get(other or f"{one.name}@champion")
    if as_json:
        print_json(_compared(one, two))
        return
    say(f"{one.place} beside {two.place}", "bold")
    _print_figures(one, two)
    for name, (mine, theirs) in _differences(one, two).items():
        say(f"  {name}: {theirs} → {mine}")


def _compared(one: ModelVersion, two: ModelVersion) -> dict[str, Any]:
    mine, theirs = _shared.figures(one), _shared.figures(two)
    names = sorted(mine.keys() | theirs.keys())
    return {
        "model": one.place,
        "other": two.place,
        "metrics": {name: {"model": mine.get(name), "other": theirs.get(name)} for name in names},
        "differences": {name: {"model": a, "other": b} for name, (a, b) in _differences(one, two).items()},
    }


def _print_figures(one: ModelVersion, two: ModelVersion) -> None:
    from firnflow.cli._print import print_table, say

    mine, theirs = _shared.figures(one), _shared.figures(two)
    rows = []
    for name in sorted(mine.keys() & theirs.keys()):
        change = mine[name] - theirs[name]
        rows.append((name, f"{theirs[name]:.5g}", f"{mine[name]:.5g}", f"{change:+.2g}", _bar(change, theirs[name])))
    if rows:
        print_table(("metric", two.place, one.place, "change", ""), rows)
    else:
        say("  They have no figure in common.")


def _bar(change: float, before: float) -> str:
    """Return a change as a bar, to the left where the figure fell; the full width is a tenth of it."""
    share = max(-1.0, min(1.0, 10 * change / abs(before))) if before else 0.0
    half = _BAR // 2
    length = round(abs(share) * half)
    return f"{'█' * length if share < 0 else '':>{half}}│{'█' * length if share > 0 else '':<{half}}"


def _differences(one: ModelVersion, two: ModelVersion) -> dict[str, tuple[str, str]]:
    """Return what of the lineage differs, flat: name → both as text."""
    flat = [_flat(version.metadata.get("lineage") or {}) for version in (one, two)]
    mine, theirs = ({name: text for name, text in each.items() if name != "graph"} for each in flat)
    names = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))
    return {name: (mine.get(name, "-"), theirs.get(name, "-")) for name in names}


def _flat(data: dict[str, Any], before: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in data.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{before}{name}.")
        else:
            text = str(value)
            found[before + name] = text[:12] if name == "digest" else text
    return found
