"""Users: https://docs.snowflake.com/en/sql-reference/sql/create-user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.objects import making
from firnflow.emulator.objects.show import comment, created, name, owner, shown
from firnflow.emulator.objects.topics import body
from firnflow.emulator.registry import statement
from firnflow.emulator.result import Result, done, status

if TYPE_CHECKING:
    from firnflow.emulator.reader import Reader
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_TEXTS = ("LOGIN_NAME", "DISPLAY_NAME", "FIRST_NAME", "LAST_NAME", "EMAIL", "COMMENT", "TYPE")
_NAMES = ("DEFAULT_WAREHOUSE", "DEFAULT_NAMESPACE", "DEFAULT_ROLE")
_SECRETS = ("PASSWORD", "RSA_PUBLIC_KEY", "RSA_PUBLIC_KEY_2", "MUST_CHANGE_PASSWORD")
_SETTINGS = (*_TEXTS, *_NAMES, *_SECRETS, "DISABLED", "DEFAULT_SECONDARY_ROLES")
_COLUMNS = (
    ("name", "text", name),
    ("created_on", "timestamp_ltz", created),
    ("login_name", "text", lambda _, thing: thing.body.get("LOGIN_NAME", thing.name)),
    ("display_name", "text", lambda _, thing: thing.body.get("DISPLAY_NAME", thing.name)),
    ("first_name", "text", body("FIRST_NAME")),
    ("last_name", "text", body("LAST_NAME")),
    ("email", "text", body("EMAIL")),
    ("comment", "text", comment),
    ("disabled", "text", lambda _, thing: str(bool(thing.body.get("DISABLED"))).lower()),
    ("default_warehouse", "text", body("DEFAULT_WAREHOUSE")),
    ("default_namespace", "text", body("DEFAULT_NAMESPACE")),
    ("default_role", "text", body("DEFAULT_ROLE")),
    ("default_secondary_roles", "text", lambda _, thing: str(thing.body.get("DEFAULT_SECONDARY_ROLES", ["ALL"]))),
    ("owner", "text", owner),
    ("type", "text", body("TYPE")),
)
_PARTLY = "no policies; passwords and keys are not kept, as nobody's is checked"


def _settings(reader: Reader) -> dict[str, Any]:
    given = reader.settings(_SETTINGS, "USER")
    for key in _SECRETS:
        given.pop(key, None)
    return given


@statement("CREATE USER", "sql-reference/sql/create-user", partly=_PARTLY)
def _create(session: Session, given: Statement) -> Result:
    optional = given.reader.take("IF", "NOT", "EXISTS")
    path = session.path("USER", given.reader.name())
    settings = _settings(given.reader)
    if found := making.begin(session, "USER", path, replaces=given.replaces, optional=optional):
        return found
    making.made(session, "USER", path, settings)
    return status(f"User {path[0]} successfully created.")


@statement("ALTER USER", "sql-reference/sql/alter-user", partly=_PARTLY)
def _alter(session: Session, given: Statement) -> Result:
    optional = given.reader.take("IF", "EXISTS")
    path = session.path("USER", given.reader.name())
    if optional and session.account.catalog.get("USER", path) is None:
        return done()
    thing = session.find_or_manage("USER", path[0])
    if given.reader.take("UNSET"):
        session.account.catalog.put(thing.changed(**{key: None for (key,) in given.reader.names()}))
        return done()
    given.reader.need("SET")
    session.account.catalog.put(thing.changed(**_settings(given.reader)))
    return done()


@statement("DROP USER", "sql-reference/sql/drop-user")
def _drop(session: Session, given: Statement) -> Result:
    optional = given.reader.take("IF", "EXISTS")
    path = session.path("USER", given.reader.name())
    given.reader.end()
    if session.account.catalog.get("USER", path) is None:
        if optional:
            return making.gone(path[0])
        raise errors.missing("USER", path[0])
    session.find_or_manage("USER", path[0])
    session.account.access.forget("USER", path[0])
    session.account.catalog.drop("USER", path)
    return status(f"{path[0]} successfully dropped.")


@statement("SHOW USERS", "sql-reference/sql/show-users")
def _show(session: Session, given: Statement) -> Result:
    return shown(session, given, "USER", _COLUMNS)
