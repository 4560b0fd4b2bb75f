"""`firnflow label list`."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import typer

from firnflow.cli import _options
from firnflow.cli.label import _shared

if TYPE_CHECKING:
    from firnflow.monitoring.labels import Label

_ALL = typer.Option(False, "--all", help="Everything that was ever said, with what was taken back.")  # noqa: FBT003


def command(
    series: str = _shared.SERIES,
    category: str | None = _shared.CATEGORY,
    everything: bool = _ALL,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """List the labels of a series, the newest first."""
    from firnflow.cli._print import print_json, print_table, say

    labels = _shared.opened(series, environment)
    found = [
        label
        for label in reversed(labels.read()[0] if everything else labels.current())
        if category is None or label.category == category
    ]
    if as_json:
        print_json([_shared.label_data(label) for label in found])
    elif found:
        head = ("label", "first", "last", "category", "answer", "who", "when", "note")
        print_table(head, [_row(label) for label in found])
    else:
        say(f"{series} has no label{'' if category is None else f' of {category}'}")


def _row(label: Label) -> tuple[str, ...]:
    from firnflow.cli import _format

    answer = "removed" if label.removed else "yes" if label.anomaly else "no"
    when = _format.when(label.at.replace(tzinfo=dt.UTC).timestamp())
    return (label.id, str(label.first), str(label.last), label.category, answer, label.by, when, label.note)
