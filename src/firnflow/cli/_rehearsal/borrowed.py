"""Tables of others for a rehearsal: some rows of each that pipelines use, from the account to the emulated one.

`borrow` reads the real account, before the rehearsal begins; `lend` makes what it has read in the emulated one. What
both know is in a folder: a Parquet file for each source, and what they are.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from firnflow._sql import identifier
from firnflow._text import counted
from firnflow.cli._print import say
from firnflow.errors import FirnflowError, UsageError
from firnflow.project import load_catalog, load_project
from firnflow.targets.snowflake import outside

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from firnflow.project import Project, Settings
    from firnflow.project.catalog import Source

MOST = 1000
"""Rows of each."""
_KNOWN = "sources.json"
_BENEATH = "$ROWS"
"""At the end of the name of the table that stands beneath a view."""


def borrow(root: Path, settings: Settings, pipelines: Collection[str], folder: Path) -> None:
    """Fetch rows of the tables and views in Snowflake that pipelines use; without any, no account is asked.

    Args:
        root: the project's folder.
        settings: of the environment.
        pipelines: which are rehearsed; none: all that can be.
        folder: of the rehearsal.

    Raises:
        UsageError: one of them, or each there is, reads a query of the account.
    """
    if not any(each.in_snowflake for each in load_catalog(root).values()):
        return
    project = load_project(root, settings.environment)
    left = reading_queries(project)
    refused = next((name for name in pipelines or left if name in left), None)
    if refused is not None and (pipelines or len(left) == len(project.pipelines)):
        raise UsageError(f"--rehearse: {refused} cannot be rehearsed: {why_left(left[refused])}")
    graphs = [pipeline.build() for name, pipeline in project.pipelines.items() if name not in left]
    if sources := outside.used(project, graphs).values():
        _fetch(sources, root, settings, folder)


def reading_queries(project: Project) -> dict[str, str]:
    """Return pipeline → a source of it that is a query: nobody knows which tables it reads, so none is borrowed."""
    used = {name: outside.used(project, [pipeline.build()]) for name, pipeline in project.pipelines.items()}
    queries = {name: [each.name for each in there.values() if each.query is not None] for name, there in used.items()}
    return {name: found[0] for name, found in queries.items() if found}


def why_left(source: str) -> str:
    """Return why pipelines that read a query are left out of a rehearsal."""
    return (
        f"source {source} is a query, whose tables are only in the account. Mend: make a view of it there, and "
        "view = '…' in catalog.toml"
    )


def _fetch(sources: Collection[Source], root: Path, settings: Settings, folder: Path) -> None:
    from firnflow.stores.snowflake.account import Account
    from firnflow.stores.sources.snowflake import Reading
    from firnflow.stores.warehouse import DuckDBWarehouse

    place = folder / "borrowed"
    place.mkdir(mode=0o700)
    embedded = DuckDBWarehouse(settings.memory, settings.threads, place / "tmp")
    known = []
    with contextlib.closing(Account(settings, root)) as account, contextlib.closing(embedded):
        for each in sources:
            try:
                reading = Reading(account, each, None)
                reading.check(MOST)
                raw, whole = place / f"{each.name}.raw", place / f"{each.name}.parquet"
                reading.fetched(embedded, raw, list(reading.natural), MOST)
            except FirnflowError as error:
                say(f"Note: source {each.name} is left out: {error}", "yellow")
                continue
            names = ", ".join(f"c{at} AS {identifier(name)}" for at, name in enumerate(reading.natural))
            embedded.write_parquet(embedded.read_parquet(raw).alias("t").sql(f"SELECT {names} FROM t"), whole)  # noqa: S608 - quoted
            kind = "TABLE" if each.table is not None else "VIEW"
            known.append({"file": whole.name, "kind": kind, "parts": reading.parts, "types": reading.natural})
            say(f"  borrowed: {counted(MOST, 'row')} at most of {kind.lower()} {reading.found.shown}")
    (place / _KNOWN).write_text(json.dumps(known), encoding="utf-8")


def lend(connection: Any, settings: Settings, folder: Path) -> list[str]:
    """Make in an emulated account what was borrowed, and return the statements that let a role read it.

    Args:
        connection: to the emulated account, of its administrator.
        settings: of the environment.
        folder: of the rehearsal.
    """
    from firnflow.stores.snowflake.loading import load
    from firnflow.stores.snowflake.places import Place
    from firnflow.stores.snowflake.warehouse import SnowflakeWarehouse
    from firnflow.stores.warehouse import DuckDBWarehouse

    place = folder / "borrowed"
    if not (place / _KNOWN).is_file():
        return []
    granted = []
    embedded = DuckDBWarehouse(settings.memory, settings.threads, place / "tmp")
    with contextlib.closing(embedded):
        for each in json.loads((place / _KNOWN).read_text(encoding="utf-8")):
            database, schema, name = each["parts"]
            view = Place(database, schema, name)
            table = view if each["kind"] == "TABLE" else Place(database, schema, name + _BENEATH)
            _do(connection, f"CREATE DATABASE IF NOT EXISTS {identifier(database)}")
            _do(connection, f"CREATE SCHEMA IF NOT EXISTS {identifier(database)}.{identifier(schema)}")
            _do(connection, f"USE SCHEMA {identifier(database)}.{identifier(schema)}")
            warehouse = SnowflakeWarehouse(embedded, lambda: connection, lambda: "rehearsal")
            load(warehouse, place / each["file"], embedded.ibis_types(each["types"]), table)
            if table is not view:
                _do(connection, f"CREATE VIEW {view.sql} AS SELECT * FROM {table.sql}")  # noqa: S608 - quoted
                granted.append(f"GRANT SELECT ON TABLE {table.sql} TO ROLE")
            _do(connection, f"ALTER {each['kind']} {view.sql} SET CHANGE_TRACKING = TRUE")
    return granted


def _do(connection: Any, text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(text)
