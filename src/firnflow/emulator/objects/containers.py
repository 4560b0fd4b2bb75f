"""Databases and schemas."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from firnflow._sql import identifier
from firnflow.emulator.objects import making
from firnflow.emulator.objects.use import use
from firnflow.emulator.registry import statement
from firnflow.emulator.result import Result, status
from firnflow.emulator.stages import places

if TYPE_CHECKING:
    from firnflow.emulator.catalog import FullName
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_OPTIONS = ("COMMENT", "DATA_RETENTION_TIME_IN_DAYS", "MAX_DATA_EXTENSION_TIME_IN_DAYS")
_NO_CLONE = "no CLONE"


@statement("CREATE DATABASE", "sql-reference/sql/create-database", partly=_NO_CLONE)
def _create_database(session: Session, given: Statement) -> Result:
    optional = given.reader.take("IF", "NOT", "EXISTS")
    path = session.path("DATABASE", given.reader.name())
    body = {**given.reader.settings(_OPTIONS, "DATABASE"), "transient": "TRANSIENT" in given.modifiers}
    if found := making.begin(session, "DATABASE", path, replaces=given.replaces, optional=optional):
        return found
    account = session.account
    if account.catalog.get("DATABASE", path) is not None:
        _forget(session, path)
    account.databases.open(path[0])
    account.databases.run(f"CREATE SCHEMA IF NOT EXISTS {_duck(path[0], 'PUBLIC')}")
    making.made(session, "DATABASE", path, body)
    making.made(session, "SCHEMA", (*path, "PUBLIC"), {})
    use(session, path[0])
    return status(f"Database {path[0]} successfully created.")


@statement("DROP DATABASE", "sql-reference/sql/drop-database", partly="no UNDROP")
def _drop_database(session: Session, given: Statement) -> Result:
    optional = given.reader.take("IF", "EXISTS")
    path = session.path("DATABASE", given.reader.name())
    given.reader.take("CASCADE") or given.reader.take("RESTRICT")
    given.reader.end()
    if making.droppable(session, "DATABASE", path, optional=optional) is None:
        return making.gone(path[0])
    _forget(session, path)
    return status(f"{path[0]} successfully dropped.")


def _forget(session: Session, path: FullName) -> None:
    """Drop a database and all that lies in it; sessions in it are in none then."""
    for other in session.account.sessions():
        if other.database == path[0]:
            other.database = other.schema = None
            other.engine.use(None, None)
    session.account.databases.drop(path[0])
    session.account.catalog.drop("DATABASE", path)
    shutil.rmtree(places.folder(session.account, path), ignore_errors=True)


@statement("CREATE SCHEMA", "sql-reference/sql/create-schema", partly=_NO_CLONE)
def _create_schema(session: Session, given: Statement) -> Result:
    optional = given.reader.take("IF", "NOT", "EXISTS")
    path = session.path("SCHEMA", given.reader.name())
    managed = given.reader.take("WITH", "MANAGED", "ACCESS")
    body = {**given.reader.settings(_OPTIONS, "SCHEMA"), "transient": "TRANSIENT" in given.modifiers}
    if found := making.begin(session, "SCHEMA", path, replaces=given.replaces, optional=optional):
        return found
    if session.account.catalog.get("SCHEMA", path) is not None:
        _forget_schema(session, path)
    session.account.databases.run(f"CREATE SCHEMA {_duck(*path)}")
    making.made(session, "SCHEMA", path, {**body, "managed": managed})
    use(session, *path)
    return status(f"Schema {path[1]} successfully created.")


@statement("DROP SCHEMA", "sql-reference/sql/drop-schema", partly="no UNDROP; RESTRICT is as CASCADE")
def _drop_schema(session: Session, given: Statement) -> Result:
    optional = given.reader.take("IF", "EXISTS")
    path = session.path("SCHEMA", given.reader.name())
    given.reader.take("CASCADE") or given.reader.take("RESTRICT")
    given.reader.end()
    if making.droppable(session, "SCHEMA", path, optional=optional) is None:
        return making.gone(path[1])
    _forget_schema(session, path)
    return status(f"{path[1]} successfully dropped.")


def _forget_schema(session: Session, path: FullName) -> None:
    for other in session.account.sessions():
        if (other.database, other.schema) == path:
            other.schema = None
            other.engine.use(other.database, None)
    session.account.databases.run(f"DROP SCHEMA IF EXISTS {_duck(*path)} CASCADE")
    session.account.catalog.drop("SCHEMA", path)
    shutil.rmtree(places.folder(session.account, path), ignore_errors=True)


def _duck(*path: str) -> str:
    """Return a full name as DuckDB reads it."""
    return ".".join(map(identifier, path))
