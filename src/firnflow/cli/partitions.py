"""`firnflow partitions`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from firnflow.cli import _options

if TYPE_CHECKING:
    from firnflow.engine.backfill.grid import Grid, Line
    from firnflow.stores.state.partitions import Entry

_FROM = typer.Option(None, "--from", metavar="KEY", help="The first partition. Default: the first one there is.")
_TO = typer.Option(None, "--to", metavar="KEY", help="The last one. Default: the newest that is complete.")
_PICTURE = typer.Option(None, "--output", "-o", metavar="FILE", help="Draw it too: a .png or .svg file.")
_SIGNS = {
    "succeeded": ("■", "green"),
    "running": ("▶", "blue"),
    "failed": ("✗", "red"),
    "crashed": ("✗", "red"),
    "cancelled": ("□", "yellow"),
    "outdated": ("↻", "cyan"),
    "missing": ("·", "dim"),
}
_SHOWN = 10
_WIDE = 40  # columns from which on there is no room between them


def command(
    pipeline: str | None = _options.PIPELINE,
    first: str | None = _FROM,
    last: str | None = _TO,
    output: str | None = _PICTURE,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Show the partitions of a pipeline as a calendar: what is done, has failed, or is missing."""
    from firnflow.cli import _project
    from firnflow.cli._print import print_json, stdout_is_data
    from firnflow.engine.backfill import picture, plan
    from firnflow.engine.backfill.grid import grid
    from firnflow.stores.state.partitions import Partitions

    with stdout_is_data():
        project = _project.load(environment)
        name = _project.named(project, pipeline, "partitions")
        partition = _project.partitioned(project, name)
    state = _project.find_state(project.root, project.settings)
    entries: dict[str, Entry] = {}
    if state is not None:
        state.reap()
        entries = Partitions(state, project.settings.environment).of(name)
    chosen = plan.chosen(partition, first, last, [], time.time(), entries)
    found = grid(name, partition, chosen.keys, entries)
    if output is not None:
        picture.write(found, Path(output))
    if as_json:
        print_json(_data(name, chosen.keys, entries, found))
        return
    _print(found)
    _print_failed({key: entries[key] for key in chosen.keys if key in entries and entries[key].status in plan.BROKEN})
    if output is not None:
        typer.echo(output)


def _data(pipeline: str, keys: tuple[str, ...], entries: dict[str, Entry], found: Grid) -> dict[str, Any]:
    rows = []
    for key in keys:
        entry = entries.get(key)
        what = {"status": entry.status, "run": entry.run, "since": entry.since, "error": entry.error} if entry else {}
        rows.append({"partition": key, **(what or {"status": "missing", "run": None, "since": None, "error": None})})
    return {"pipeline": pipeline, "counts": found.counts, "partitions": rows}


def _print(found: Grid) -> None:
    from firnflow.cli._print import paint, say

    left, gap = max(len(line.label) for line in found.lines), "" if len(found.head) > _WIDE else " "
    if len(found.head) > 1:
        say(f"{'':{left}}  {_head(found.head, gap)}".rstrip(), "dim")
    for line in found.lines:
        sys.stdout.write(f"{line.label:{left}}  {_cells(line, len(found.head), gap)}".rstrip() + "\n")
    counts = (
        f"{paint(sign, colour, sys.stdout)} {found.counts[state]:,} {state}"
        for state, (sign, colour) in _SIGNS.items()
        if state in found.counts
    )
    sys.stdout.write("\n" + "   ".join(counts) + "\n")
    sys.stdout.flush()


def _head(names: tuple[str, ...], gap: str) -> str:
    """Return the names of the columns, as many as there is room for."""
    width = 1 + len(gap)
    text = [" "] * (width * len(names) + 2)
    for column, name in enumerate(names):
        if column == 0 or not name.isdecimal() or int(name) % 5 == 0:
            text[column * width : column * width + len(name)] = name
    return "".join(text)


def _cells(line: Line, columns: int, gap: str) -> str:
    from firnflow.cli._print import paint

    signs = (_SIGNS[line.cells[column]] if column in line.cells else (" ", "") for column in range(columns))
    return gap.join(paint(sign, colour, sys.stdout) for sign, colour in signs)


def _print_failed(failed: dict[str, Entry]) -> None:
    from firnflow.cli._print import print_table
    from firnflow.project import redact

    if failed:
        typer.echo()
        rows = [
            (key, each.status, each.run, redact(each.error or "").partition("\n")[0]) for key, each in failed.items()
        ]
        print_table(("partition", "status", "run", "error"), rows[-_SHOWN:], states="status")
        if len(rows) > _SHOWN:
            typer.echo(f"… {len(rows) - _SHOWN:,} more before: --json lists them all")
