"""`firnflow sources`."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import typer

from firnflow.cli import _complete, _options

if TYPE_CHECKING:
    from firnflow.project import Source
    from firnflow.stores.sources.look import Look

_NAME = typer.Argument(
    None,
    metavar="[NAME]",
    help="A source of catalog.toml, to list its files; default: all.",
    autocompletion=_complete.sources,
)
_LIMIT = typer.Option(50, "--limit", "-n", min=1, help="How many files, the newest first.")


def command(
    name: str | None = _NAME,
    limit: int = _LIMIT,
    environment: str | None = _options.ENVIRONMENT,
    as_json: bool = _options.JSON,
) -> int:
    """List the outside sources: where, how many files, how large, how new, and whether they can be read.

    No data is read. Exit code 1 if a source cannot be read.
    """
    from firnflow._text import listing, nearest
    from firnflow.cli import _project
    from firnflow.cli._print import print_json
    from firnflow.engine.in_snowflake import reached
    from firnflow.errors import NotFoundError
    from firnflow.project import load_catalog
    from firnflow.stores.sources.look import look

    root, settings = _project.settings_of(environment)
    catalog = load_catalog(root)
    if name is not None and name not in catalog:
        known = f"{nearest(name, catalog)} Known: {listing(catalog)}"
        raise NotFoundError(f"source {name!r} is not in catalog.toml.{known}")
    with reached(settings, root) as account:
        looks = {each: look(source, root, account) for each, source in sorted(catalog.items()) if name in {None, each}}
    if as_json and name is not None:
        print_json({**_data(catalog[name], looks[name]), "list": _files(looks[name], None)})
    elif as_json:
        print_json([_data(catalog[each], found) for each, found in looks.items()])
    elif name is not None:
        _print_one(catalog[name], looks[name], limit)
    else:
        _print_all(catalog, looks)
    return 1 if any(found.problem for found in looks.values()) else 0


def _data(source: Source, found: Look) -> dict[str, Any]:
    return {
        "name": source.name,
        "description": source.description,
        "from": source.place,
        "format": found.format,
        "files": len(found.files),
        "bytes": found.size,
        "newest": _moment(found.newest),
        "readable": found.problem is None,
        "problem": found.problem,
    }


def _files(found: Look, limit: int | None) -> list[dict[str, Any]]:
    files = sorted(found.files, key=lambda file: (-file.modified, file.shown))[:limit]
    return [{"file": each.shown, "bytes": each.size, "modified": _moment(each.modified)} for each in files]


def _moment(seconds: float) -> str | None:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds") if seconds else None


def _ago(moment: float) -> str:
    from firnflow.cli import _format

    return _format.when(moment) if moment else ""


def _print_all(catalog: dict[str, Source], looks: dict[str, Look]) -> None:
    from firnflow.cli import _format
    from firnflow.cli._print import print_table

    if not catalog:
        typer.echo("There is no source. Write one into catalog.toml: [orders], and below it path = 'data/orders.csv'")
        return
    rows = []
    for name, found in looks.items():
        count, size = (f"{len(found.files):,}", _format.size(found.size)) if found.files else ("", "")
        readable = "no" if found.problem else "yes"
        rows.append((name, catalog[name].place, found.format, count, size, _ago(found.newest), readable))
    print_table(("source", "from", "format", "files", "size", "newest", "readable"), rows)
    _print_problems(looks)


def _print_one(source: Source, found: Look, limit: int) -> None:
    from firnflow._text import counted
    from firnflow.cli import _format
    from firnflow.cli._print import print_table, say
    from firnflow.project import redact

    say(redact(f"{source.name}: {source.place}" + (f"  {source.description}" if source.description else "")), "bold")
    files = sorted(found.files, key=lambda file: (-file.modified, file.shown))
    if files:
        say(f"{counted(len(files), 'file')} of {found.format or 'no known format'}, {_format.size(found.size)}")
        rows = [(redact(file.shown), _format.size(file.size), _ago(file.modified)) for file in files[:limit]]
        print_table(("file", "size", "modified"), rows)
    if len(files) > limit:
        say(f"… {len(files) - limit:,} more")
    _print_problems({source.name: found})


def _print_problems(looks: dict[str, Look]) -> None:
    from firnflow.cli._print import say
    from firnflow.project import redact

    for found in looks.values():
        if found.problem:
            say(redact(found.problem), stderr=True)
