"""`firnflow data diff`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from firnflow.cli import _options
from firnflow.cli.data import _shared

if TYPE_CHECKING:
    from firnflow.stores.tables.diff import Difference

_FROM = typer.Argument(None, metavar="[FROM]", min=1, help="The earlier version; default: the one before TO.")
_TO = typer.Argument(None, metavar="[TO]", min=1, help="The later version; default: the newest.")
_PICTURE = typer.Option(None, "--output", "-o", metavar="FILE", help="Draw it too: a .png or .svg file.")


def command(
    name: str = _shared.NAME,
    before: int | None = _FROM,
    after: int | None = _TO,
    output: str | None = _PICTURE,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Compare two versions of a table: columns, rows, and how the values are distributed."""
    from firnflow.cli._print import print_json
    from firnflow.errors import UsageError
    from firnflow.stores.tables import diff_picture
    from firnflow.stores.tables.diff import diff
    from firnflow.stores.tables.versions import find, versions

    tables = _shared.opened(environment)
    table = tables.get(name)
    two = find(table, after)
    earlier = [each.number for each in versions(table) if each.number < two.number]
    if before is None and not earlier:
        raise UsageError(f"{name} has no version before {two.number} to compare with. See: firnflow data log {name}")
    one = find(table, before if before is not None else earlier[-1])
    if one.number == two.number:
        raise UsageError(f"Both are version {one.number}. See: firnflow data log {name}")
    found = diff(tables.stores, table, one, two)
    if output is not None:
        diff_picture.write(found, Path(output))
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)
        if output is not None:
            typer.echo(output)


def _print(found: Difference) -> None:
    from firnflow.cli import _format
    from firnflow.cli._print import print_table, say

    say(f"{found.table}: version {found.before} → {found.after}", "bold")
    change = found.rows[1] - found.rows[0]
    say(f"{found.rows[0]:,} → {found.rows[1]:,} rows ({change:+,}); {found.added:,} added, {found.removed:,} removed")
    if found.columns:
        typer.echo()
        rows = [(name, before or "—", after or "—") for name, (before, after) in found.columns.items()]
        print_table(("column", f"type in {found.before}", f"type in {found.after}"), rows)
    if found.moved:
        typer.echo()
        moved = []
        for each in found.moved:
            known = ("mean", "distinct", "min")
            figure = next(name for name in known if name in each.figures)
            values = [_value(value, _format.number) for value in each.figures[figure]]
            moved.append((each.column, f"{each.psi:.3f}", each.how_much, f"{figure} {values[0]} → {values[1]}"))
        print_table(("column", "PSI", "moved", "figure"), moved)


def _value(value: object, number: object) -> str:
    return "NULL" if value is None else number(value) if isinstance(value, int | float) else str(value)  # type: ignore[operator]
