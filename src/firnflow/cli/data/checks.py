"""`firnflow data checks`."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from firnflow._text import counted
from firnflow.cli import _options
from firnflow.cli.data import _shared

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.stores.checks.result import CheckResult

_NAME = typer.Argument(
    None, metavar="[NAME]", help="Its name; default: all tables, one line each.", autocompletion=_shared.complete
)
_PAGE = typer.Option(None, "--output", "-o", metavar="FILE", help="Write it as a page too: an .html file.")
_LIMIT = typer.Option(1, "--limit", "-n", metavar="N", min=1, max=1000, help="How many results.")


def command(
    name: str | None = _NAME,
    output: str | None = _PAGE,
    limit: int = _LIMIT,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> None:
    """Show what the checks of a table have found in its last runs, the newest first."""
    from firnflow.cli._print import print_json
    from firnflow.errors import NotFoundError, UsageError

    if output is not None and (name is None or Path(output).suffix.lower() != ".html"):
        raise UsageError(f"--output {output}: a page is of one table, and its name ends in .html")
    found = _found(name, limit, environment)
    if not found and name is not None:
        raise NotFoundError(
            f"No run has checked a table {name!r}. Mend: publish it with checks=, or write rules in catalog.toml; "
            "all that were checked: firnflow data checks"
        )
    if output is not None:
        _write(found[0], Path(output))
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
    elif name is None:
        _print_all(found)
    else:
        for each in found:
            _print(each)
        if output is not None:
            typer.echo(output)


def _found(name: str | None, limit: int, environment: str | None) -> list[CheckResult]:
    """Return the last results of a table, or the last one of each."""
    from firnflow.cli import _project
    from firnflow.stores.checks.history import results

    root, settings = _project.settings_of(environment)
    state = _project.find_state(root, settings)
    if state is None:
        return []
    if name is not None:
        return list(itertools.islice(results(state, name), limit))
    last: dict[str, CheckResult] = {}
    for each in results(state):
        last.setdefault(each.table, each)
    return [last[table] for table in sorted(last)]


def _write(found: CheckResult, path: Path) -> None:
    from firnflow._disk import writing
    from firnflow.errors import UsageError
    from firnflow.steps._checks_page import page

    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path.parent} is no folder")
    with writing(path):
        path.write_text(page(found), encoding="utf-8")


def _print_all(found: Iterable[CheckResult]) -> None:
    from firnflow.cli._format import when
    from firnflow.cli._print import print_table

    rows = [
        (
            each.table,
            each.outcome,
            f"{each.rows:,}",
            f"{each.bad_rows:,}",
            str(len(each.warnings)),
            when(each.checked_at),
            each.run,
        )
        for each in found
    ]
    if rows:
        print_table(("table", "outcome", "rows", "bad rows", "warnings", "checked", "run"), rows)
    else:
        typer.echo("No run has checked a table yet: publish(…, checks=…), or rules in catalog.toml")


def _print(found: CheckResult) -> None:
    from firnflow.cli._format import when
    from firnflow.cli._print import print_table, say
    from firnflow.project import redact

    say(redact(found.summary), "bold")
    say(f"{when(found.checked_at)} by {found.run} {found.task}")
    if found.note:
        say(redact(found.note))
    typer.echo()
    rows = [
        (_mark(each.status, each.severity), redact(each.name), _rows(each.rows), redact(each.found))
        for each in [*found.broken, *(each for each in found.findings if each.status != "failed")]
    ]
    print_table(("", "rule", "broken by", "found"), rows)
    if found.kept_in and found.bad_rows:
        typer.echo(f"\nThe rows: firnflow data show {found.kept_in}")


def _mark(status: str, severity: str) -> str:
    return {"passed": "✓", "skipped": "–"}.get(status) or {"error": "✗", "warn": "!"}[severity]


def _rows(count: int | None) -> str:
    return "" if count is None else counted(count, "row")
