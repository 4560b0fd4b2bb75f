"""`firnflow label add`."""

from __future__ import annotations

import datetime as dt

import typer

from firnflow.cli import _options
from firnflow.cli.label import _shared
from firnflow.errors import UsageError

_FIRST = typer.Argument(..., metavar="FIRST", help="The day, or the first of them: 2026-01-31.")
_LAST = typer.Argument(None, metavar="[LAST]", help="The last day; default: the first.")
_ANSWER = typer.Option(None, "--yes/--no", help="Whether something had happened.")
_NOTE = typer.Option("", "--note", "-n", metavar="TEXT", help="What had happened, or why it is nothing.")


def command(
    series: str = _shared.SERIES,
    first: str = _FIRST,
    last: str | None = _LAST,
    answer: bool | None = _ANSWER,
    category: str | None = _shared.CATEGORY,
    note: str = _NOTE,
    by: str | None = _shared.BY,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Say of days of a series that something had happened (--yes), or that nothing had (--no)."""
    from firnflow.cli._print import print_json, say

    if answer is None:
        raise UsageError(f"Had something happened? E.g.: firnflow label add {series} {first} --yes, or --no")
    begin = _day(first)
    end = begin if last is None else _day(last)
    labels = _shared.opened(series, environment)
    found, new = labels.add(begin, end, anomaly=answer, by=_shared.author(by), category=category, note=note)
    if as_json:
        print_json({**_shared.label_data(found), "new": new})
    else:
        say(f"{'Labelled' if new else 'Labelled already'}. {found}")


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r:.60} is no day. Write 2026-01-31") from None
