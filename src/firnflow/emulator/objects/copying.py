"""Schemas and databases that are cloned, or get another name.

https://docs.snowflake.com/en/sql-reference/sql/create-clone: a clone has the objects with their grants, but none of the
grants on the container itself, and no internal stages. A view reads in its new container what it names without saying
that, and else what the name says: https://docs.snowflake.com/en/user-guide/object-clone . What says the names of other
objects (tasks, streams, dynamic tables), or lives in more than the catalog, is refused.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from firnflow._sql import identifier
from firnflow.emulator import errors
from firnflow.emulator.catalog import full, key
from firnflow.emulator.engine import trees
from firnflow.emulator.kinds import KINDS
from firnflow.emulator.objects import making
from firnflow.emulator.stages import places

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session

_COPIED = ("TABLE", "VIEW", "FILE FORMAT", "PROCEDURE", "FUNCTION", "TAG")
_LEFT = ("STAGE", "SCHEMA")
"""Kinds whose objects go with a container by their definition alone; those that a clone has not, or that hold them."""


def check(session: Session, path: FullName) -> None:
    """Raise SnowflakeError where a container cannot be cloned."""
    kind = "SCHEMA" if len(path) == 2 else "DATABASE"
    session.need(kind, path, "USAGE")
    _check(session, path, (*_COPIED, *_LEFT), f"CREATE {kind} … CLONE")


def clone(session: Session, path: FullName, new: FullName) -> None:
    """Fill a new, empty schema or database with copies of what another one has, which was checked."""
    catalog = session.account.catalog
    for schema in catalog.all("SCHEMA", path) if len(path) == 1 else ():
        if catalog.get("SCHEMA", (*new, schema.name)) is None:
            session.account.databases.run(f"CREATE SCHEMA {_duck(*new, schema.name)}")
            making.made(session, "SCHEMA", (*new, schema.name), dict(schema.body))
    for each in _COPIED:
        for thing in catalog.all(each, path):
            if "session" not in thing.body:
                _copy(session, thing, path, new)
    _make_views(session, _texts(session, catalog.all("VIEW", path)), path, new)


def _copy(session: Session, thing: Object, path: FullName, new: FullName) -> None:
    catalog = session.account.catalog
    where = (*new, *thing.path[len(path) :])
    if thing.kind == "TABLE":
        _copy_table(session, thing.path, where)
    body = {name: value for name, value in thing.body.items() if name not in ("history", "loaded")}
    catalog.put(replace(thing, path=where, owner=session.role, body=body, created=time.time()))
    catalog.run(
        "INSERT OR REPLACE INTO privilege SELECT name, kind, ?, role, granted_by, may_grant, created FROM privilege "
        "WHERE kind = ? AND path = ?",
        *(key(where), thing.kind, key(thing.path)),
    )


def renamed(session: Session, thing: Object, new: FullName) -> None:
    """Give a schema or database another name.

    Raises:
        SnowflakeError: the name is taken, the role may not make it, or something in it says the old name.
    """
    path, kind = thing.path, thing.kind
    _check(session, path, (*_COPIED, *_LEFT), f"ALTER {kind} … RENAME TO")
    if any("session" in each.body for each in session.account.catalog.all("TABLE", path)):
        raise errors.unknown(f"ALTER {kind} … RENAME TO while it has temporary tables", ["DROP TABLE"])
    session.need_create(kind, new)
    if session.account.catalog.get(kind, new) is not None:
        raise errors.exists(full(new))
    views = session.account.catalog.all("VIEW", path)
    tables = session.account.catalog.all("TABLE", path)
    within = [other for other in session.account.sessions() if (other.database, other.schema)[: len(path)] == path]
    for other in within:
        other.engine.use(None, None)
    texts, run = _texts(session, views), session.account.databases.run
    if kind == "DATABASE":
        texts = [(view, text) for view, text in texts if not _said(view, path)]  # which cannot be read any more
        session.account.databases.rename(path[0], new[0])
        for view, _ in texts:
            run(f"DROP VIEW {_duck(*new, *view.path[1:])}")
        _make_views(session, texts, path, new)
    else:
        run(f"CREATE SCHEMA {_duck(*new)}")
        for table in tables:
            _copy_table(session, table.path, (*new, table.name))
        _make_views(session, texts, path, new)  # as long as there is what they read by its old name
        run(f"DROP SCHEMA {_duck(*path)} CASCADE")
    session.account.catalog.move(kind, path, new)
    folder = places.folder(session.account, path)
    if folder.exists():
        folder.rename(places.folder(session.account, new))
    for other in within:
        other.database, other.schema = new[0], (new[1] if kind == "SCHEMA" else other.schema)
        other.engine.use(other.database, other.schema)


def _check(session: Session, path: FullName, known: tuple[str, ...], what: str) -> None:
    """Raise SnowflakeError where something in a container is of no known kind."""
    for kind in KINDS:
        found = session.account.catalog.all(kind, path) if kind not in known else []
        if found:
            raise errors.unknown(f"{what} of what has a {kind} ({found[0].name})", [f"{what} of tables and views"])


def _duck(*path: str) -> str:
    return ".".join(map(identifier, path))


def _copy_table(session: Session, path: FullName, new: FullName) -> None:
    """Make a table with the columns, defaults, keys and rows of another one."""
    import sqlglot

    run = session.account.databases.run
    where = "WHERE database_name = ? AND schema_name = ? AND table_name = ?"
    ((text,),) = run(f"SELECT sql FROM duckdb_tables() {where}", list(path))  # noqa: S608 - a constant
    tree = sqlglot.parse_one(text, read="duckdb")
    _put(tree.this.this, new)
    run(tree.sql(dialect="duckdb"))
    run(f"INSERT INTO {_duck(*new)} FROM {_duck(*path)}")


def _texts(session: Session, views: Iterable[Object]) -> list[tuple[Object, str]]:
    """Return views with DuckDB's statement for each."""
    where = "WHERE database_name = ? AND schema_name = ? AND view_name = ?"
    read = "SELECT sql FROM duckdb_views() "
    return [(view, text) for view in views for (text,) in session.account.databases.run(read + where, list(view.path))]


def _make_views(session: Session, texts: list[tuple[Object, str]], old: FullName, new: FullName) -> None:
    """Make views in the new container, those first that others read; DuckDB has none of what is not there."""
    left = texts
    while left:
        waiting = [each for each in left if not _is_made(session, *each, old, new)]
        if len(waiting) == len(left):
            return
        left = waiting


def _is_made(session: Session, view: Object, text: str, old: FullName, new: FullName) -> bool:
    """Make a view that reads from the new container what it has read from its own; return whether all that is there."""
    import duckdb
    import sqlglot
    from sqlglot import exp

    tree = sqlglot.parse_one(text, read="duckdb")
    said = _said(view, old)
    for node in tree.find_all(exp.Table):
        parts = tuple(node.args[part].name for part in ("catalog", "db", "this") if node.args.get(part) is not None)
        if len(parts) == len(view.path) and parts[: len(old)] == old and parts not in said:
            _put(node, (*new, *parts[len(old) :]))
    _put(tree.this.this if isinstance(tree.this, exp.Schema) else tree.this, (*new, *view.path[len(old) :]))
    try:
        session.account.databases.run(tree.sql(dialect="duckdb"))
    except (duckdb.CatalogException, duckdb.BinderException):
        return False
    return True


def _said(view: Object, container: FullName) -> set[FullName]:
    """Return what a view reads by names that say the container; those stay as they are written."""
    names = map(trees.name_of, trees.tables(trees.parsed(view.body["text"]).expression))
    depth = len(view.path)
    return {(*view.path[: depth - len(name)], *name) for name in names if len(name) > depth - len(container)}


def _put(table: Any, path: FullName) -> None:
    from sqlglot import exp

    for part, name in zip(("catalog", "db", "this"), path, strict=True):
        table.set(part, exp.to_identifier(name, quoted=True))
