"""What making, dropping and renaming have in common for every kind of object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import Object, full
from firnflow.emulator.kinds import KINDS, RELATIONS
from firnflow.emulator.result import Result, status

if TYPE_CHECKING:
    from firnflow.emulator.catalog import FullName
    from firnflow.emulator.session import Session


def taken(session: Session, kind: str, path: FullName) -> Object | None:
    """Return what has the name already: tables and views share theirs."""
    for each in RELATIONS if kind in RELATIONS else (kind,):
        if found := session.account.catalog.get(each, path):
            return found
    return None


def begin(session: Session, kind: str, path: FullName, *, replaces: bool, optional: bool) -> Result | None:
    """Check that an object can be made; return an answer where it is there and need not be.

    Args:
        session: who makes it.
        kind: of the object.
        path: its full name.
        replaces: OR REPLACE.
        optional: IF NOT EXISTS.

    Raises:
        SnowflakeError: the role may not, both are asked for, or the name is taken.
    """
    if replaces and optional:
        raise errors.SnowflakeError(
            1004, "42000", "SQL compilation error:\noptions IF NOT EXISTS and OR REPLACE are incompatible."
        )
    session.need_create(kind, path)
    there = taken(session, kind, path)
    if there is None:
        return None
    if optional:
        return status(f"{path[-1]} already exists, statement succeeded.")
    if not replaces or there.kind != kind:
        raise errors.exists(full(path))
    session.need(kind, path)
    return None


def made(session: Session, kind: str, path: FullName, body: dict[str, Any]) -> Object:
    """Write a new object to the catalog, owned by the current role, with what was granted before there was one.

    One that it replaces goes, with the grants on it:
    https://docs.snowflake.com/en/sql-reference/sql/create-table#usage-notes
    """
    catalog, access = session.account.catalog, session.account.access
    catalog.drop(kind, path)
    thing = Object(kind, path, session.role, body)
    catalog.put(thing)
    if KINDS[kind].depth == 3:
        for privilege, role in access.future(kind, path):
            access.grant(privilege, kind, path, role, by=session.role)
    return thing


def droppable(session: Session, kind: str, path: FullName, *, optional: bool) -> Object | None:
    """Return the object to drop, or None if it is not there and need not be.

    Raises:
        SnowflakeError: it is not there, or the role does not own it.
    """
    found = session.account.catalog.get(kind, path)
    if found is None or not session.account.access.sees(session.roles, kind, path):
        if optional:
            return None
        raise errors.missing(kind, full(path))
    return session.need(kind, path)


def gone(name: str) -> Result:
    """Return the answer of DROP … IF EXISTS of what is not there."""
    return status(f"Drop statement executed successfully ({name} already dropped).")


def renamed(session: Session, kind: str, path: FullName, new: FullName) -> None:
    """Give an object another name, in the catalog.

    Raises:
        SnowflakeError: the name is taken, or the role may not make such an object there.
    """
    session.need_create(kind, new)
    if taken(session, kind, new) is not None:
        raise errors.exists(full(new))
    session.account.catalog.move(kind, path, new)
