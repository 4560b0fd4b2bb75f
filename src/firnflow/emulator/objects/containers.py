"""Databases and schemas."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from firnflow._sql import identifier
from firnflow.emulator import errors
from firnflow.emulator.kinds import KINDS
from firnflow.emulator.objects import copying, making
from firnflow.emulator.objects.given import parsed, plain, settings
from firnflow.emulator.objects.show import created
from firnflow.emulator.objects.tags import set_tags, unset_tags
from firnflow.emulator.objects.use import use
from firnflow.emulator.registry import statement
from firnflow.emulator.result import Result, done, rows, status
from firnflow.emulator.stages import places

if TYPE_CHECKING:
    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_OPTIONS = ("COMMENT", "DATA_RETENTION_TIME_IN_DAYS", "MAX_DATA_EXTENSION_TIME_IN_DAYS")
_PARTLY = (
    "no AT with CLONE; CLONE and RENAME are refused where there is more than tables, views, stages and code; a view "
    "that cannot be read then never can"
)


@statement("CREATE DATABASE", "sql-reference/sql/create-database", partly=_PARTLY)
def _create_database(session: Session, given: Statement) -> Result:
    optional = given.reader.take("IF", "NOT", "EXISTS")
    path = session.path("DATABASE", given.reader.name())
    source = _source(session, given, "DATABASE")
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
    if source is not None:
        copying.clone(session, source, path)
    use(session, path[0])
    return status(f"Database {path[0]} successfully created.")


def _source(session: Session, given: Statement, kind: str) -> FullName | None:
    """Read CLONE, and return what is cloned."""
    if not given.reader.take("CLONE"):
        return None
    path = session.path(kind, given.reader.name())
    copying.check(session, path)
    if given.reader.is_next("AT") or given.reader.is_next("BEFORE"):
        raise errors.unknown(f"CREATE {kind} … CLONE … AT", [f"CREATE {kind} … CLONE", "CREATE TABLE … CLONE … AT"])
    return path


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


@statement("CREATE SCHEMA", "sql-reference/sql/create-schema", partly=_PARTLY)
def _create_schema(session: Session, given: Statement) -> Result:
    optional = given.reader.take("IF", "NOT", "EXISTS")
    path = session.path("SCHEMA", given.reader.name())
    source = _source(session, given, "SCHEMA")
    managed = given.reader.take("WITH", "MANAGED", "ACCESS")
    body = {**given.reader.settings(_OPTIONS, "SCHEMA"), "transient": "TRANSIENT" in given.modifiers}
    if found := making.begin(session, "SCHEMA", path, replaces=given.replaces, optional=optional):
        return found
    if session.account.catalog.get("SCHEMA", path) is not None:
        _forget_schema(session, path)
    session.account.databases.run(f"CREATE SCHEMA {_duck(*path)}")
    making.made(session, "SCHEMA", path, {**body, "managed": managed})
    if source is not None:
        copying.clone(session, source, path)
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


@statement(
    "ALTER DATABASE", "sql-reference/sql/alter-database", partly="SET, UNSET, tags and RENAME, as CLONE; no SWAP"
)
def _alter_database(session: Session, given: Statement) -> Result:
    return _alter(session, given, "DATABASE")


@statement("ALTER SCHEMA", "sql-reference/sql/alter-schema", partly="SET, UNSET, tags and RENAME, as CLONE; no SWAP")
def _alter_schema(session: Session, given: Statement) -> Result:
    return _alter(session, given, "SCHEMA")


def _alter(session: Session, given: Statement, kind: str) -> Result:
    asked = parsed(given)
    path = session.path(kind, asked.name.parts)
    if asked.if_exists and not session.account.access.sees(session.roles, kind, path):
        return done()
    if asked.action == "RENAME TO":
        copying.renamed(session, session.need(kind, path), session.path(kind, asked.value.parts))
        return done()
    thing = session.need(kind, path, "MODIFY")
    changes = {
        "SET": lambda: thing.changed(**settings(asked.properties)),
        "UNSET": lambda: thing.changed(**dict.fromkeys(asked.unset)),
        "SET TAG": lambda: set_tags(session, thing, plain(asked.value)),
        "UNSET TAG": lambda: unset_tags(session, thing, plain(asked.value)),
    }
    if asked.action not in changes:
        raise errors.unknown(f"ALTER {kind} {asked.action}", [f"ALTER {kind} {action}" for action in changes])
    session.account.catalog.put(changes[asked.action]())
    return done()


@statement("DESCRIBE DATABASE", "sql-reference/sql/desc-database")
def _describe_database(session: Session, given: Statement) -> Result:
    path = session.path("DATABASE", given.reader.name())
    given.reader.end()
    session.find("DATABASE", path)
    found = session.account.catalog.all("SCHEMA", path)
    return _contents(session, [(thing, "SCHEMA") for thing in found])


@statement("DESCRIBE SCHEMA", "sql-reference/sql/desc-schema")
def _describe_schema(session: Session, given: Statement) -> Result:
    path = session.path("SCHEMA", given.reader.name())
    given.reader.end()
    session.find("SCHEMA", path)
    found = [(thing, kind) for kind in KINDS for thing in session.account.catalog.all(kind, path)]
    return _contents(session, found)


def _contents(session: Session, things: list[tuple[Object, str]]) -> Result:
    """Return what lies in a database or schema, as far as the session may see it."""
    head = [("created_on", "timestamp_ltz"), ("name", "text"), ("kind", "text")]
    made = [
        (created(session, thing), thing.name, kind)
        for thing, kind in things
        if session.account.access.sees(session.roles, kind, thing.path)
    ]
    return rows(head, made, kind=0x4500)
