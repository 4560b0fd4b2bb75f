"""Streams: what has changed in a table since somebody used the changes.

A stream keeps a copy of its table. Its rows are those that are in the table and not in the copy, and the other way
round; a statement that changes rows and reads a stream gets what has changed until it begins, and moves the stream on.
https://docs.snowflake.com/en/user-guide/streams-intro
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from firnflow._sql import identifier
from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.engine import failures, trees
from firnflow.emulator.engine.databases import KEPT
from firnflow.emulator.objects import hybrid, making, relations
from firnflow.emulator.objects.given import parsed, settings
from firnflow.emulator.objects.show import NAMED, comment, constant, owner, shown
from firnflow.emulator.reader import Reader
from firnflow.emulator.registry import function, statement
from firnflow.emulator.result import Result, status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_PARTLY = (
    "on tables and views; a row that is updated is deleted and inserted, without ISUPDATE; in a transaction it has "
    "what has changed until that first uses it; never stale"
)
_SOURCES = {"ON TABLE": "TABLE", "ON VIEW": "VIEW"}
_KNOWN = {*_SOURCES, "APPEND_ONLY", "SHOW_INITIAL_ROWS", "COMMENT", "COPY GRANTS", "TAG"}


@statement("CREATE STREAM", "sql-reference/sql/create-stream", partly=_PARTLY)
def _create(session: Session, given: Statement) -> Result:
    made = parsed(given)
    path, said = session.path("STREAM", made.name.parts), settings(made.properties)
    for key in set(said) - _KNOWN:
        raise errors.unknown(f"CREATE STREAM … {key}", ["CREATE STREAM … ON TABLE"])
    kind = next(kind for on, kind in _SOURCES.items() if on in said)
    table = session.path(kind, said[f"ON {kind}"])
    _check_source(session, kind, relations.need(session, table, "SELECT"))
    replaces = "OR REPLACE" in made.variants
    if found := making.begin(session, "STREAM", path, replaces=replaces, optional=made.if_not_exists):
        return found
    _forget(session, session.account.catalog.get("STREAM", path))
    copy = _copied(session, table, empty=bool(said.get("SHOW_INITIAL_ROWS")))
    making.made(session, "STREAM", path, {**said, "table": list(table), "source": kind, "copy": copy})
    return status(f"Stream {path[2]} successfully created.")


def _check_source(session: Session, kind: str, thing: Object) -> None:
    """Check that changes of a table or view can be had; who owns it has them tracked by making the first stream.

    https://docs.snowflake.com/en/sql-reference/sql/create-stream#access-control-requirements

    Raises:
        SnowflakeError: it is of another kind, hybrid, or nobody tracks it and the role does not own it.
    """
    if thing.kind != kind or hybrid.is_hybrid(thing):
        raise errors.unknown(f"CREATE STREAM … ON {kind} of a {thing.kind}", ["CREATE STREAM … ON TABLE"])
    tracked = str(thing.body.get("CHANGE_TRACKING", "false")).lower() == "true"
    if not tracked and not session.account.access.holds(session.roles, (), thing.kind, thing.path):
        raise errors.SnowflakeError(
            3001,
            "42501",
            "SQL access control error:\nInsufficient privileges to operate on stream source without CHANGE_TRACKING "
            f"enabled '{thing.name}'",
        )
    if not tracked:
        session.account.catalog.put(thing.changed(CHANGE_TRACKING=True))


@statement("DROP STREAM", "sql-reference/sql/drop-stream")
def _drop(session: Session, given: Statement) -> Result:
    optional = given.reader.take("IF", "EXISTS")
    path = session.path("STREAM", given.reader.name())
    given.reader.end()
    thing = making.droppable(session, "STREAM", path, optional=optional)
    if thing is None:
        return making.gone(path[2])
    _forget(session, thing)
    session.account.catalog.drop("STREAM", path)
    return status(f"{path[2]} successfully dropped.")


@statement("SHOW STREAMS", "sql-reference/sql/show-streams")
def _show(session: Session, given: Statement) -> Result:
    columns = (
        *NAMED,
        ("owner", "text", owner),
        ("comment", "text", comment),
        ("table_name", "text", lambda _, thing: full(thing.body["table"])),
        ("source_type", "text", lambda _, thing: thing.body.get("source", "TABLE").capitalize()),
        ("base_tables", "text", lambda _, thing: full(thing.body["table"])),
        ("type", "text", constant("DELTA")),
        ("stale", "text", constant("false")),
        ("mode", "text", lambda _, thing: "APPEND_ONLY" if thing.body.get("APPEND_ONLY") else "DEFAULT"),
    )
    return shown(session, given, "STREAM", columns)


@function("SYSTEM$STREAM_HAS_DATA")
def _has_data(session: Session, text: str) -> bool:
    """https://docs.snowflake.com/en/sql-reference/functions/system_stream_has_data."""
    thing = session.need("STREAM", session.path("STREAM", Reader(text).name()), "SELECT")
    relations.need(session, tuple(thing.body["table"]), "SELECT")
    changes = _changes(thing, _duck(thing.body["table"]))
    with failures.translated():  # the table may have other columns than when the stream was made
        return bool(session.account.databases.run(f"SELECT EXISTS ({changes})")[0][0])


def put(session: Session, tree: Any) -> None:
    """Put the changes of a table in the places where a statement reads a stream.

    Raises:
        SnowflakeError: the stream may not be read, or its table is gone.
    """
    from sqlglot import exp

    uses = isinstance(tree, exp.Insert | exp.Merge | exp.Update | exp.Delete) or (
        isinstance(tree, exp.Create) and tree.kind == "TABLE"
    )
    for node in list(trees.tables(tree)):
        try:
            path = session.path("STREAM", trees.name_of(node))
        except errors.SnowflakeError:
            continue
        if session.account.catalog.get("STREAM", path) is None or relations.find(session, path) is not None:
            continue
        thing = session.need("STREAM", path, "SELECT")
        relations.need(session, tuple(thing.body["table"]), "SELECT")
        until = _duck(thing.body["table"])
        if uses and path not in session.used_streams:
            session.used_streams[path] = _copied(session, tuple(thing.body["table"]))
        if path in session.used_streams:  # all statements of a transaction see the same
            until = f"{KEPT}.main.{identifier(session.used_streams[path])}"
        with failures.translated():
            made = session.engine.scratch.view(_changes(thing, until))
        made.set("alias", node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(path[2], quoted=True)))
        node.replace(made)


def settle(session: Session, *, done: bool) -> None:
    """Move the streams on that were used in what is committed, or leave them where they are."""
    while session.used_streams:
        path, copy = session.used_streams.popitem()
        thing = session.account.catalog.get("STREAM", path)
        if done and thing is not None:
            session.account.catalog.put(thing.changed(copy=copy))
            copy = thing.body["copy"]
        session.account.databases.run(f"DROP TABLE IF EXISTS {KEPT}.main.{identifier(copy)}")


def leave(session: Session, held: Mapping[FullName, str]) -> None:
    """Forget that a statement which has failed has used streams, but for those that its transaction had used before."""
    for path in session.used_streams.keys() - held.keys():
        session.account.databases.run(f"DROP TABLE IF EXISTS {KEPT}.main.{identifier(session.used_streams.pop(path))}")


def _changes(thing: Object, until: str) -> str:
    """Return the query of what has changed between a stream's copy and a relation."""
    held = f"{KEPT}.main.{identifier(thing.body['copy'])}"
    parts = [_rows("INSERT", until, held)]
    if not thing.body.get("APPEND_ONLY"):
        parts.append(_rows("DELETE", held, until))
    return " UNION ALL ".join(parts)


def _rows(action: str, there: str, not_there: str) -> str:
    return (
        f'SELECT *, \'{action}\' AS "METADATA$ACTION", FALSE AS "METADATA$ISUPDATE", '  # noqa: S608 - quoted names
        f'md5(CAST(to_json(r) AS VARCHAR)) AS "METADATA$ROW_ID" FROM (FROM {there} EXCEPT ALL FROM {not_there}) AS r'
    )


def _copied(session: Session, table: FullName, *, empty: bool = False) -> str:
    """Return the name of a copy of a table as it is now."""
    copy = f"s{uuid.uuid4().hex}"
    rows = " LIMIT 0" if empty else ""
    session.account.databases.run(f"CREATE TABLE {KEPT}.main.{identifier(copy)} AS FROM {_duck(table)}{rows}")
    return copy


def _forget(session: Session, thing: Object | None) -> None:
    if thing is not None:
        session.account.databases.run(f"DROP TABLE IF EXISTS {KEPT}.main.{identifier(thing.body['copy'])}")


def _duck(path: Any) -> str:
    return str(trees.table(path).sql(dialect="duckdb"))
