"""What the verbs on labels share: opening them, the arguments, JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from firnflow.cli.data import _shared as data

if TYPE_CHECKING:
    from firnflow.monitoring.labels import Label, Labels

SERIES: Any = typer.Argument(..., metavar="SERIES", help="The named table.", autocompletion=data.complete)
CATEGORY: Any = typer.Option(None, "--category", "-c", metavar="NAME", help="Of the series, where it has several.")
BY: Any = typer.Option(None, "--by", metavar="NAME", help="Who says so; default: you.")


def opened(series: str, environment: str | None) -> Labels:
    """Return the labels of a series of the project around the working directory. Raises NotFoundError, UsageError."""
    from firnflow.monitoring.labels import Labels

    return Labels(data.opened(environment), series)


def author(by: str | None) -> str:
    """Return who says so: the one who is named, else the user of this process."""
    from firnflow.models.registry import who

    return who() if by is None else by


def label_data(label: Label) -> dict[str, Any]:
    """Return a label as JSON."""
    return label.model_dump(mode="json")
