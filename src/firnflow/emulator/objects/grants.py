"""GRANT and REVOKE, and SHOW GRANTS.

https://docs.snowflake.com/en/sql-reference/sql/grant-privilege
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.access import grantable
from firnflow.emulator.catalog import full
from firnflow.emulator.kinds import KINDS, PLURALS, RELATIONS
from firnflow.emulator.objects import relations
from firnflow.emulator.programs.overloads import signed
from firnflow.emulator.registry import statement
from firnflow.emulator.result import Result, done, rows
from firnflow.targets.snowflake.grammar.cursor import Cursor
from firnflow.targets.snowflake.grammar.expressions import type_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.reader import Reader
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_NO = "no database or application roles, no shares"
_COLUMNS = ("created_on", "privilege", "granted_on", "name", "granted_to", "grantee_name", "grant_option", "granted_by")


@statement("GRANT", "sql-reference/sql/grant-privilege", partly=_NO)
def _grant(session: Session, given: Statement) -> Result:
    return _privileges(session, given.reader, revokes=False)


@statement("REVOKE", "sql-reference/sql/revoke-privilege", partly=f"{_NO}; CASCADE is as RESTRICT")
def _revoke(session: Session, given: Statement) -> Result:
    return _privileges(session, given.reader, revokes=True)


def _privileges(session: Session, reader: Reader, *, revokes: bool) -> Result:
    """Run GRANT or REVOKE of privileges; only the option to pass on is what GRANT OPTION FOR takes away."""
    option_only = revokes and reader.take("GRANT", "OPTION", "FOR")
    asked = _read_privileges(reader)
    reader.need("ON")
    on, where = _on(session, reader)
    reader.need("FROM" if revokes else "TO")
    role = _role(session, reader)
    may_grant = not revokes and reader.take("WITH", "GRANT", "OPTION")
    if revokes:
        reader.take("CASCADE") or reader.take("RESTRICT")
    reader.end()
    access = session.account.access
    for kind, path in where:
        privileges = _checked(on, asked)
        _need_to_grant(session, kind, path, privileges)
        for privilege in privileges:
            if option_only or not revokes:
                access.grant(privilege, kind, path, role, by=session.role, may_grant=may_grant)
            else:
                access.revoke(privilege, kind, path, role)
    return done()


def _read_privileges(reader: Reader) -> list[str]:
    found = []
    while True:
        words = [reader.word()]
        while not (reader.is_next(",") or reader.is_next("ON")):
            words.append(reader.word())
        found.append(" ".join(words))
        if not reader.take(","):
            return ["ALL"] if found in (["ALL"], ["ALL PRIVILEGES"]) else found


def _container(session: Session, reader: Reader) -> FullName:
    """Read the database or schema that is there."""
    above = "DATABASE" if reader.take("DATABASE") else "SCHEMA"
    if above == "SCHEMA":
        reader.need("SCHEMA")
    container = session.path(above, reader.name())
    session.find(above, container)
    return container


def _on(session: Session, reader: Reader) -> tuple[str, list[tuple[str, FullName]]]:
    """Read what is granted on: the kind whose privileges it has, and the objects; a FUTURE grant is on a container."""
    if reader.take("ACCOUNT"):
        return "ACCOUNT", [("ACCOUNT", ())]
    for how in ("ALL", "FUTURE"):
        if reader.take(how):
            kind = _word(reader, PLURALS).word
            reader.need("IN")
            container = _container(session, reader)
            if how == "FUTURE":
                return kind, [(f"FUTURE {kind}", container)]
            return kind, [(kind, thing.path) for thing in session.account.catalog.all(kind, container)]
    kind = _word(reader, {**KINDS, "NOTIFICATION INTEGRATION": KINDS["INTEGRATION"]}).word
    path = session.path(kind, reader.name())
    if kind in ("PROCEDURE", "FUNCTION"):
        path = signed(path, Cursor(reader.enclosed()).in_parentheses(type_of))
    thing = relations.find(session, path) if kind in RELATIONS else session.account.catalog.get(kind, path)
    if thing is None:
        raise errors.missing(kind, full(path))
    return thing.kind, [(thing.kind, path)]


def _word(reader: Reader, known: dict[str, Any]) -> Any:
    """Read the word or words of a kind; the longest that fits."""
    for word in sorted(known, key=len, reverse=True):
        if reader.take(*word.split()):
            return known[word]
    raise errors.unknown(f"GRANT ON {reader.next.value}", [f"GRANT ON {word}" for word in known])


def _role(session: Session, reader: Reader) -> str:
    reader.take("ROLE")
    if reader.is_next("DATABASE", "ROLE") or reader.is_next("SHARE") or reader.is_next("APPLICATION"):
        raise errors.unknown(f"GRANT TO {reader.word()} ROLE", ["GRANT TO ROLE"])
    (role,) = reader.name()
    if session.account.catalog.get("ROLE", (role,)) is None:
        raise errors.missing("ROLE", role)
    return role


def _checked(kind: str, asked: Sequence[str]) -> tuple[str, ...]:
    """Return the privileges that are asked for.

    Raises:
        SnowflakeError: one is none that this kind of object has.
    """
    known = grantable(kind)
    if list(asked) == ["ALL"]:
        return known
    for privilege in asked:
        if privilege not in known:
            near = errors.unknown(privilege, known).message.partition("Near")[2]
            raise errors.SnowflakeError(
                3077,
                "0LP01",
                f"SQL compilation error:\nInvalid privilege {privilege} on {kind.lower()}."
                + (f" Near{near}" if near else ""),
            )
    return tuple(asked)


def _need_to_grant(session: Session, kind: str, path: FullName, privileges: Iterable[str]) -> None:
    """Raise SnowflakeError unless the session owns the object, may pass the privileges on, or has MANAGE GRANTS."""
    access, roles = session.account.access, session.roles
    if access.holds(roles, ("MANAGE GRANTS",), "ACCOUNT", ()):
        return
    passed_on = {name for name, role, _, may, _ in access.on(kind, path) if may and role in roles}
    container = kind.startswith("FUTURE ")
    if container or not (access.holds(roles, (), kind, path) or passed_on.issuperset(privileges)):
        raise errors.denied(kind.lower(), path[-1] if path else "EMULATOR")


@statement("GRANT ROLE", "sql-reference/sql/grant-role")
def _grant_role(session: Session, given: Statement) -> Result:
    role, kind, grantee = _membership(session, given.reader, "TO")
    access = session.account.access
    if kind == "ROLE" and grantee in _below(session, role):
        raise errors.SnowflakeError(
            3004,
            "42501",
            f"SQL compilation error:\nRole '{role}' is already granted to role '{grantee}' or is a parent of it.",
        )
    access.join(role, kind, grantee, by=session.role)
    return done()


def _below(session: Session, role: str) -> frozenset[str]:
    return session.account.access.closure([role]) - {"PUBLIC"}


@statement("REVOKE ROLE", "sql-reference/sql/revoke-role")
def _revoke_role(session: Session, given: Statement) -> Result:
    role, kind, grantee = _membership(session, given.reader, "FROM")
    session.account.access.leave(role, kind, grantee)
    return done()


def _membership(session: Session, reader: Reader, word: str) -> tuple[str, str, str]:
    (role,) = reader.name()
    reader.need(word)
    kind = "USER" if reader.take("USER") else "ROLE"
    if kind == "ROLE":
        reader.need("ROLE")
    (grantee,) = reader.name()
    reader.end()
    session.find_or_manage("ROLE", role)
    if session.account.catalog.get(kind, (grantee,)) is None:
        raise errors.missing(kind, grantee)
    return role, kind, grantee


@statement("GRANT OWNERSHIP", "sql-reference/sql/grant-ownership")
def _grant_ownership(session: Session, given: Statement) -> Result:
    reader = given.reader
    reader.need("ON")
    _, where = _on(session, reader)
    reader.need("TO")
    role = _role(session, reader)
    copies = reader.take("COPY", "CURRENT", "GRANTS")
    revokes = reader.take("REVOKE", "CURRENT", "GRANTS")
    reader.end()
    catalog, access = session.account.catalog, session.account.access
    for kind, path in where:
        if kind.startswith("FUTURE ") or kind == "ACCOUNT":
            raise errors.unknown("GRANT OWNERSHIP ON FUTURE", ["GRANT OWNERSHIP ON ALL", "GRANT OWNERSHIP ON"])
        thing = session.need(kind, path) if not _manages(session) else catalog.get(kind, path)
        held = access.on(kind, path)
        if held and not copies and not revokes:
            raise errors.SnowflakeError(
                3036,
                "42501",
                "SQL execution error:\nDependent grant of privilege exists on the object: use COPY CURRENT GRANTS or "
                "REVOKE CURRENT GRANTS.",
            )
        for name, grantee, *_ in held if revokes else []:
            access.revoke(name, kind, path, grantee)
        assert thing is not None  # noqa: S101 - _on has found it
        catalog.put(replace(thing, owner=role))
    return done()


def _manages(session: Session) -> bool:
    return session.account.access.holds(session.roles, ("MANAGE GRANTS",), "ACCOUNT", ())


@statement("SHOW GRANTS", "sql-reference/sql/show-grants")
def _show_grants(session: Session, given: Statement) -> Result:
    reader = given.reader
    if reader.take("OF", "ROLE"):
        (role,) = reader.name()
        reader.end()
        found = [(_moment(when), role, kind, who, by) for kind, who, by, when in session.account.access.members(role)]
        columns = ("created_on", "role", "granted_to", "grantee_name", "granted_by")
        return rows([(c, "timestamp_ltz" if c == "created_on" else "text") for c in columns], found, kind=0x4400)
    if reader.take("ON"):
        _, where = _on(session, reader)
        reader.end()
        found = [row for kind, path in where for row in _on_object(session, kind, path)]
    else:
        kind, name = _whose(session, reader)
        found = _of_user(session, name) if kind == "USER" else _of_role(session, name)
    return rows([(c, "timestamp_ltz" if c == "created_on" else "text") for c in _COLUMNS], found, kind=0x4400)


@statement("SHOW FUTURE GRANTS", "sql-reference/sql/show-grants")
def _show_future(session: Session, given: Statement) -> Result:
    reader = given.reader
    role, container = "", None
    if reader.take("TO", "ROLE"):
        (role,) = reader.name()
    else:
        reader.need("IN")
        container = _container(session, reader)
    reader.end()
    access = session.account.access
    roles = [role] if role else [thing.name for thing in session.account.catalog.all("ROLE")]
    found = [
        (
            _moment(when),
            privilege,
            kind[7:].replace(" ", "_"),
            full((*path, f"<{kind[7:]}>")),
            "ROLE",
            each,
            str(may).lower(),
        )
        for each in roles
        for privilege, kind, path, _, may, when in access.of(each)
        if kind.startswith("FUTURE ") and container in (None, path)
    ]
    head = ("created_on", "privilege", "grant_on", "name", "grant_to", "grantee_name", "grant_option")
    return rows([(c, "timestamp_ltz" if c == "created_on" else "text") for c in head], found, kind=0x4400)


def _whose(session: Session, reader: Reader) -> tuple[str, str]:
    if reader.ended:
        return "USER", session.user
    reader.need("TO")
    kind = "USER" if reader.take("USER") else "ROLE"
    reader.take("ROLE")
    (name,) = reader.name()
    reader.end()
    if session.account.catalog.get(kind, (name,)) is None:
        raise errors.missing(kind, name)
    return kind, name


def _on_object(session: Session, kind: str, path: FullName) -> list[tuple[Any, ...]]:
    word, name = kind.replace(" ", "_"), full(path) or "EMULATOR"
    thing: Object | None = session.account.catalog.get(kind, path)
    owner = (
        [(_moment(thing.created), "OWNERSHIP", word, name, "ROLE", thing.owner, "true", thing.owner)] if thing else []
    )
    return owner + [
        (_moment(when), privilege, word, name, "ROLE", role, str(may).lower(), by)
        for privilege, role, by, may, when in session.account.access.on(kind, path)
    ]


def _of_role(session: Session, role: str) -> list[tuple[Any, ...]]:
    owned = [
        (_moment(t.created), "OWNERSHIP", kind.replace(" ", "_"), full(t.path), "ROLE", role, "true", role)
        for kind in KINDS
        for t in session.account.catalog.all(kind)
        if t.owner == role
    ]
    granted = [
        (_moment(when), privilege, kind.replace(" ", "_"), full(path) or "EMULATOR", "ROLE", role, str(may).lower(), by)
        for privilege, kind, path, by, may, when in session.account.access.of(role)
    ]
    roles = [
        (None, "USAGE", "ROLE", each, "ROLE", role, "false", "")
        for each in session.account.access.granted("ROLE", role)
    ]
    return owned + granted + roles


def _of_user(session: Session, user: str) -> list[tuple[Any, ...]]:
    return [
        (None, "USAGE", "ROLE", role, "USER", user, "false", "")
        for role in session.account.access.granted("USER", user)
    ]


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
