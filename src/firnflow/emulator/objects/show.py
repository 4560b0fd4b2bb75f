"""SHOW: which objects, in which order, with which columns.

https://docs.snowflake.com/en/sql-reference/sql/show
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow.emulator.kinds import KINDS
from firnflow.emulator.result import Result, rows

if TYPE_CHECKING:
    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.reader import Reader
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

Columns = tuple[tuple[str, str, Callable[["Session", "Object"], Any]], ...]
"""Name, type, and what reads the value of an object."""


@dataclass(frozen=True)
class Asked:
    """Which objects are asked for.

    Attributes:
        like: a pattern of any case, or None.
        within: the container's full name; () is the account.
        of: the kind of what stands behind IN, e.g. `TABLE`; "" where none does.
        starts: how names begin.
        limit: how many, or None.
        after: only names behind this one.
    """

    like: str | None = None
    within: FullName = ()
    of: str = ""
    starts: str = ""
    limit: int | None = None
    after: str = ""

    def takes(self, name: str) -> bool:
        """Return whether an object of this name is asked for."""
        fits = self.like is None or like(self.like, name)
        return fits and name.startswith(self.starts) and name > self.after


def like(pattern: str, text: str) -> bool:
    """Return whether a text is as a pattern of LIKE, in any case; a backslash takes a letter as it is."""
    parts = {"%": ".*", "_": "."}
    made = re.sub(
        r"\\(.)|(.)", lambda m: re.escape(m[1]) if m[1] else parts.get(m[2], re.escape(m[2])), pattern, flags=re.DOTALL
    )
    return re.fullmatch(made, text, re.IGNORECASE | re.DOTALL) is not None


def asked(session: Session, reader: Reader, depth: int, scopes: tuple[str, ...] = ()) -> Asked:
    """Read what stands behind SHOW and the kind.

    Args:
        session: whose current schema is meant where nothing else is said.
        reader: stands behind the kind.
        depth: of the kind's full names.
        scopes: what IN may name beside ACCOUNT, DATABASE and SCHEMA.
    """
    reader.take("HISTORY")
    pattern = reader.string() if reader.take("LIKE") else None
    within, of = _scope(session, reader, depth, scopes)
    starts = reader.string() if reader.take("STARTS", "WITH") else ""
    limit = int(reader.value()) if reader.take("LIMIT") else None
    after = reader.string() if limit is not None and reader.take("FROM") else ""
    reader.end()
    return Asked(pattern, within, of, starts, limit, after)


def _scope(session: Session, reader: Reader, depth: int, scopes: tuple[str, ...]) -> tuple[FullName, str]:
    if depth == 1:
        if reader.take("IN"):
            reader.need("ACCOUNT")
        return (), ""
    current = tuple(part for part in (session.database, session.schema) if part is not None)[: depth - 1]
    if not reader.take("IN"):
        return current, ""
    if reader.take("ACCOUNT"):
        return (), "ACCOUNT"
    of = next((scope for scope in ("DATABASE", "SCHEMA", *scopes) if reader.take(*scope.split())), "")
    if reader.ended or reader.is_next("STARTS") or reader.is_next("LIMIT"):
        return current[:1] if of == "DATABASE" else current, of
    name = reader.name()
    kind = of or ("DATABASE" if depth == 2 else "SCHEMA")
    path = session.path(kind, name)
    if kind in ("DATABASE", "SCHEMA"):
        session.find(kind, path)
    return path, of


def every(_: Object) -> bool:
    """Take an object, whichever it is."""
    return True


def shown(
    session: Session, given: Statement, kind: str, columns: Columns, takes: Callable[[Object], bool] = every
) -> Result:
    """Return the objects of a kind that are asked for and that the session may see, as `chosen` does."""
    wanted = asked(session, given.reader, KINDS[kind].depth)
    return table(session, chosen(session, kind, wanted, takes), columns)


def chosen(session: Session, kind: str, wanted: Asked, takes: Callable[[Object], bool] = every) -> list[Object]:
    """Return the objects of a kind that are asked for, that something takes, and that the session may see."""
    account, roles = session.account, session.roles
    found = [
        thing
        for thing in account.catalog.all(kind, wanted.within)
        if wanted.takes(thing.name)
        and takes(thing)
        and thing.body.get("session") in (None, session.token)
        and account.access.sees(roles, kind, thing.path)
    ]
    return found[: wanted.limit]


def table(session: Session, things: list[Object], columns: Columns) -> Result:
    """Return objects as an answer, a row each."""
    made = [[get(session, thing) for *_, get in columns] for thing in things]
    return rows([(name, sort) for name, sort, _ in columns], made, kind=0x4400)


def created(_: Session, thing: Object) -> dt.datetime:
    """Return when an object was made."""
    return dt.datetime.fromtimestamp(thing.created, dt.UTC)


def name(_: Session, thing: Object) -> str:
    """Return an object's own name."""
    return thing.name


def owner(_: Session, thing: Object) -> str:
    """Return the role that owns an object."""
    return thing.owner


def constant(value: Any) -> Callable[[Session, Object], Any]:
    """Return what says the same of every object."""
    return lambda *_: value


def part(at: int) -> Callable[[Session, Object], str]:
    """Return what reads a part of the full name: 0 is the database, 1 the schema."""
    return lambda _, thing: thing.path[at]


def comment(_: Session, thing: Object) -> str:
    """Return the comment on an object."""
    return str(thing.body.get("COMMENT") or "")


NAMED: Columns = (
    ("created_on", "timestamp_ltz", created),
    ("name", "text", name),
    ("database_name", "text", part(0)),
    ("schema_name", "text", part(1)),
)
"""How what SHOW says of most objects of a schema begins."""
