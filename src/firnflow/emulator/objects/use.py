"""USE, ALTER SESSION, SET: what a session's names mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.objects.given import parsed, settings
from firnflow.emulator.registry import statement
from firnflow.emulator.result import Result, done

if TYPE_CHECKING:
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_GONE = "SQL compilation error:\nObject does not exist, or operation cannot be performed."


@statement("USE ROLE", "sql-reference/sql/use-role")
def _use_role(session: Session, given: Statement) -> Result:
    (name,) = given.reader.name()
    given.reader.end()
    if session.account.catalog.get("ROLE", (name,)) is None:
        raise errors.SnowflakeError(2043, "02000", _GONE)
    if name not in session.own_roles():
        raise errors.SnowflakeError(
            3013,
            "42501",
            f"SQL access control error:\nRequested role '{name}' is not assigned to the executing user. Specify "
            "another role to activate.",
        )
    session.role = name
    return done()


@statement("USE SECONDARY ROLES", "sql-reference/sql/use-secondary-roles", partly="ALL and NONE, no list of roles")
def _use_secondary(session: Session, given: Statement) -> Result:
    word = given.reader.word()
    given.reader.end()
    if word not in ("ALL", "NONE"):
        raise errors.unknown(f"USE SECONDARY ROLES {word}", ["USE SECONDARY ROLES ALL", "USE SECONDARY ROLES NONE"])
    session.secondary = word == "ALL"
    return done()


@statement("USE WAREHOUSE", "sql-reference/sql/use-warehouse")
def _use_warehouse(session: Session, given: Statement) -> Result:
    (name,) = given.reader.name()
    given.reader.end()
    if not session.account.access.sees(session.roles, "WAREHOUSE", (name,)):
        raise errors.SnowflakeError(2043, "02000", _GONE)
    session.warehouse = name
    return done()


@statement("USE DATABASE", "sql-reference/sql/use-database")
def _use_database(session: Session, given: Statement) -> Result:
    path = session.path("DATABASE", given.reader.name())
    given.reader.end()
    use(session, *path)
    return done()


@statement("USE SCHEMA", "sql-reference/sql/use-schema")
def _use_schema(session: Session, given: Statement) -> Result:
    path = session.path("SCHEMA", given.reader.name())
    given.reader.end()
    session.find("SCHEMA", path)
    use(session, *path)
    return done()


@statement("USE", "sql-reference/sql/use")
def _use(session: Session, given: Statement) -> Result:
    name = given.reader.name()
    given.reader.end()
    if len(name) == 1:
        use(session, *name)
    else:
        session.find("SCHEMA", session.path("SCHEMA", name))
        use(session, *session.path("SCHEMA", name))
    return done()


def use(session: Session, database: str, schema: str | None = None) -> None:
    """Make a database the current one, with a schema of it: by default PUBLIC, if it has one.

    Raises:
        SnowflakeError: the session may not see it.
    """
    if not session.account.access.sees(session.roles, "DATABASE", (database,)):
        raise errors.SnowflakeError(2043, "02000", _GONE)
    wanted = schema or "PUBLIC"
    seen = session.account.access.sees(session.roles, "SCHEMA", (database, wanted))
    if schema is not None and not seen:
        raise errors.missing("SCHEMA", full((database, schema)))
    session.database, session.schema = database, wanted if seen else None
    session.engine.use(session.database, session.schema)


@statement("ALTER SESSION", "sql-reference/sql/alter-session", partly="only AUTOCOMMIT changes what statements do")
def _alter_session(session: Session, given: Statement) -> Result:
    asked = parsed(given)
    for key in asked.unset:
        session.parameters.pop(key, None)
    session.parameters.update(settings(asked.properties))
    if session.parameters.get("AUTOCOMMIT", True) and asked.get("AUTOCOMMIT") is not None:
        session.transaction.end("COMMIT")
    return done()


@statement("SET", "sql-reference/sql/set")
def _set(session: Session, given: Statement) -> Result:
    reader = given.reader
    grouped = reader.take("(")
    names = [reader.part()]
    while grouped and reader.take(","):
        names.append(reader.part())
    if grouped:
        reader.need(")")
    reader.need("=")
    found = session.execute(f"SELECT {reader.rest}", given.binds).table
    if found.num_columns != len(names) or found.num_rows != 1:
        raise errors.invalid("assignment to a session variable needs one row, with a value for each variable")
    for name, column in zip(names, found.columns, strict=True):
        session.variables[name] = column[0].as_py()
    return done()


@statement("UNSET", "sql-reference/sql/unset")
def _unset(session: Session, given: Statement) -> Result:
    grouped = given.reader.take("(")
    for (name,) in given.reader.names():
        session.variables.pop(name, None)
    if grouped:
        given.reader.need(")")
    given.reader.end()
    return done()
