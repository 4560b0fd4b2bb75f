"""What the verbs on named tables share: opening them, the arguments, what is said of a version."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

import typer

from firnflow.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from firnflow.stores.tables.base import TableLike, TablesLike
    from firnflow.stores.tables.versions import Version

_PLACE = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_]{0,99})(?:/(?P<version>[0-9]{1,9}))?")


def complete(incomplete: str) -> list[str]:
    """Return the tables whose names begin so; after a name, its versions."""
    with contextlib.suppress(Exception):
        from firnflow.stores.tables.versions import versions

        tables = opened(None)
        name = incomplete.partition("/")[0]
        names = tables.names()
        if name in names:
            names = [name, *(f"{name}/{version.number}" for version in versions(tables.get(name)))]
        return sorted(each for each in names if each.startswith(incomplete))
    return []


TABLE: Any = typer.Argument(..., metavar="TABLE", help="NAME or NAME/3.", autocompletion=complete)
NAME: Any = typer.Argument(..., metavar="NAME", help="Its name.", autocompletion=complete)
AS_OF: Any = typer.Option(
    None, "--as-of", metavar="WHEN", help="As it was: a day stands for its end, without an offset it is UTC."
)


def opened(environment: str | None) -> TablesLike:
    """Return the named tables of the project around the working directory.

    Raises:
        NotFoundError: there are none yet.
    """
    from firnflow.cli import _project
    from firnflow.stores import Stores
    from firnflow.stores.tables.base import NO_TABLES

    root, settings = _project.settings_of(environment)
    state = _project.find_state(root, settings)
    if state is None:
        raise NotFoundError(NO_TABLES)
    stores = Stores.open(settings, root)
    tables = stores.tables(state)
    _project.opened.callback(stores.close)
    _project.opened.callback(tables.close)
    if not tables.exists:
        raise NotFoundError(NO_TABLES)
    return tables


def chosen(tables: TablesLike, place: str, as_of: str | None = None) -> tuple[TableLike, Version]:
    """Return the table and the version that `NAME` or `NAME/3` stands for.

    Raises:
        UsageError: the text is no place, or the moment none.
        NotFoundError: there is no such table or version.
    """
    from firnflow.graph.table import parse_moment
    from firnflow.stores.tables.versions import find

    match = _PLACE.fullmatch(place)
    if match is None:
        raise UsageError(f"{place!r:.120} is no table. Write NAME or NAME/3")
    table = tables.get(match["name"])
    if as_of is not None and match["version"] is not None:
        raise UsageError(f"{place} names a version: leave --as-of out")
    try:
        _ = as_of and parse_moment(as_of)
    except (ValueError, OverflowError):
        raise UsageError(f"--as-of {as_of!r} is no moment. Write 2026-01-31 or 2026-01-31T12:00+01:00") from None
    return table, find(table, int(match["version"]) if match["version"] else None, as_of)


def made_by(version: Version) -> str:
    """Return the run and task that have published a version, or who did it by hand."""
    return f"{version.run} {version.task}" if version.run else version.by


def how(version: Version) -> str:
    """Return how a version came about, in a few words."""
    if version.restored is not None:
        return f"restore of {version.restored}"
    if version.partitions is None:
        return version.mode
    shown = ", ".join(version.partitions[:3])
    more = len(version.partitions) - 3
    return f"{version.mode} {shown}{f' … {more} more' if more > 0 else ''}".strip()
