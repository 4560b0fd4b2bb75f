"""SHOW of databases, schemas, tables, views, columns, objects and parameters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from firnflow._sql import identifier
from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.kinds import RELATIONS
from firnflow.emulator.objects import columns, making, relations
from firnflow.emulator.objects.show import (
    NAMED,
    Columns,
    asked,
    chosen,
    comment,
    constant,
    created,
    like,
    name,
    owner,
    part,
    shown,
    table,
)
from firnflow.emulator.objects.topics import body
from firnflow.emulator.registry import statement
from firnflow.emulator.result import Result, rows

if TYPE_CHECKING:
    from firnflow.emulator.catalog import Object
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_TRACKING = ("change_tracking", "text", lambda _, thing: "ON" if thing.body.get("CHANGE_TRACKING") else "OFF")
_RETENTION = ("retention_time", "text", body("DATA_RETENTION_TIME_IN_DAYS", "1"))
_ROLE = ("owner_role_type", "text", constant("ROLE"))


def _kind(_: Session, thing: Object) -> str:
    if thing.kind != "TABLE":
        return thing.kind.replace(" ", "_")
    return "TEMPORARY" if "session" in thing.body else "TRANSIENT" if thing.body.get("transient") else "TABLE"


def count_rows(session: Session, thing: Object) -> int:
    """Return how many rows a table has; DuckDB's own estimate still counts those that were deleted."""
    databases = session.account.databases
    there = "SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?"
    if not databases.run(there, list(thing.path)):
        return 0
    return int(databases.run(f"SELECT count(*) FROM {'.'.join(map(identifier, thing.path))}", [])[0][0])  # noqa: S608 - quoted


def _flag(what: str) -> Any:
    return lambda _, thing: "true" if thing.body.get(what) else "false"


_DATABASES: Columns = (
    ("created_on", "timestamp_ltz", created),
    ("name", "text", name),
    ("is_default", "text", constant("N")),
    ("is_current", "text", lambda session, thing: "Y" if session.database == thing.name else "N"),
    ("origin", "text", constant("")),
    ("owner", "text", owner),
    ("comment", "text", comment),
    ("options", "text", lambda _, thing: "TRANSIENT" if thing.body.get("transient") else ""),
    _RETENTION,
    ("kind", "text", constant("STANDARD")),
    ("budget", "text", constant(None)),
    _ROLE,
)
_SCHEMAS: Columns = (
    ("created_on", "timestamp_ltz", created),
    ("name", "text", name),
    ("is_default", "text", constant("N")),
    ("is_current", "text", lambda session, thing: "Y" if (session.database, session.schema) == thing.path else "N"),
    ("database_name", "text", part(0)),
    ("owner", "text", owner),
    ("comment", "text", comment),
    ("options", "text", lambda _, thing: "MANAGED ACCESS" if thing.body.get("managed") else ""),
    _RETENTION,
    _ROLE,
)
_TABLES: Columns = (
    *NAMED,
    ("kind", "text", _kind),
    ("comment", "text", comment),
    ("cluster_by", "text", constant("")),
    ("rows", "fixed", count_rows),
    ("bytes", "fixed", constant(0)),
    ("owner", "text", owner),
    _RETENTION,
    ("automatic_clustering", "text", constant("OFF")),
    _TRACKING,
    ("is_external", "text", constant("N")),
    _ROLE,
    ("is_dynamic", "text", lambda _, thing: "Y" if thing.kind == "DYNAMIC TABLE" else "N"),
)
_VIEWS: Columns = (
    ("created_on", "timestamp_ltz", created),
    ("name", "text", name),
    ("reserved", "text", constant("")),
    ("database_name", "text", part(0)),
    ("schema_name", "text", part(1)),
    ("owner", "text", owner),
    ("comment", "text", comment),
    ("text", "text", body("text", "")),
    ("is_secure", "text", _flag("secure")),
    ("is_materialized", "text", constant("false")),
    _ROLE,
    _TRACKING,
)
_OBJECTS: Columns = tuple(column for column in _TABLES if column[0] not in ("automatic_clustering", "change_tracking"))


@statement("SHOW DATABASES", "sql-reference/sql/show-databases")
def _show_databases(session: Session, given: Statement) -> Result:
    return shown(session, given, "DATABASE", _DATABASES)


@statement("SHOW SCHEMAS", "sql-reference/sql/show-schemas")
def _show_schemas(session: Session, given: Statement) -> Result:
    return shown(session, given, "SCHEMA", _SCHEMAS)


@statement("SHOW TABLES", "sql-reference/sql/show-tables")
def _show_tables(session: Session, given: Statement) -> Result:
    return shown(session, given, "TABLE", _TABLES)


@statement("SHOW VIEWS", "sql-reference/sql/show-views")
def _show_views(session: Session, given: Statement) -> Result:
    return shown(session, given, "VIEW", _VIEWS)


@statement("SHOW OBJECTS", "sql-reference/sql/show-objects")
def _show_objects(session: Session, given: Statement) -> Result:
    wanted = asked(session, given.reader, 3)
    found = [thing for kind in RELATIONS for thing in chosen(session, kind, wanted)]
    return table(session, sorted(found, key=lambda thing: thing.path), _OBJECTS)


@statement("SHOW COLUMNS", "sql-reference/sql/show-columns")
def _show_columns(session: Session, given: Statement) -> Result:
    wanted = asked(session, given.reader, 3, ("TABLE", "VIEW"))
    things = [thing for kind in RELATIONS for thing in session.account.catalog.all(kind, wanted.within)]
    if len(wanted.within) == 3:
        things = [relations.need(session, wanted.within, "SELECT", "REFERENCES")]
    head = (
        *("table_name", "schema_name", "column_name", "data_type", "null?", "default", "kind", "expression"),
        *("comment", "database_name", "autoincrement"),
    )
    made = [
        (
            *(thing.path[2], thing.path[1], column, json.dumps(_described(kind)), "true" if null else "false"),
            *(default or "", "COLUMN", "", thing.body.get("comments", {}).get(column, ""), thing.path[0], ""),
        )
        for thing in things
        if session.account.access.sees(session.roles, thing.kind, thing.path)
        for column, kind, null, default in columns.found_columns(session, thing)
        if wanted.takes(column)
    ]
    return rows([(each, "text") for each in head], made[: wanted.limit], kind=0x4400)


def _described(kind: str) -> dict[str, Any]:
    """Return a type of DuckDB's as SHOW COLUMNS says it, in JSON."""
    text = columns.snowflake_type(kind, None)
    base, _, sizes = text.rstrip(")").partition("(")
    if base == "NUMBER":
        precision, scale = map(int, sizes.split(","))
        return {"type": "FIXED", "precision": precision, "scale": scale, "nullable": True}
    if base == "VARCHAR":
        return {"type": "TEXT", "length": int(sizes), "byteLength": int(sizes), "nullable": True, "fixed": False}
    return {"type": {"FLOAT": "REAL"}.get(base, base), "nullable": True}


@statement("SHOW ONLINE FEATURE TABLES", "sql-reference/sql/show-online-feature-tables", partly="there are none")
def _show_online(session: Session, given: Statement) -> Result:
    asked(session, given.reader, 3)
    head = ("created_on", "name", "database_name", "schema_name", "owner", "comment", "target_lag", "scheduling_state")
    return rows([(each, "text") for each in head], [], kind=0x4400)


@statement("DROP ONLINE FEATURE TABLE", "sql-reference/sql/drop-online-feature-table", partly="there are none")
def _drop_online(_: Session, given: Statement) -> Result:
    optional = given.reader.take("IF", "EXISTS")
    name = given.reader.name()
    given.reader.end()
    if not optional:
        raise errors.missing("ONLINE FEATURE TABLE", full(name))
    return making.gone(name[-1])


_PARAMETER = ("key", "value", "default", "level", "description", "type")
_OF_TASKS = {
    "SUSPEND_TASK_AFTER_NUM_FAILURES": (10, "After how many failures in a row a task is suspended"),
    "TASK_AUTO_RETRY_ATTEMPTS": (0, "How often a graph is tried again"),
    "USER_TASK_TIMEOUT_MS": (3_600_000, "Milliseconds that a task may take"),
}
_PARAMETERS = {
    "AUTOCOMMIT": (True, "Whether each statement commits by itself"),
    "QUERY_TAG": ("", "Tags the statements of the session"),
    "QUOTED_IDENTIFIERS_IGNORE_CASE": (False, "Whether the case of quoted identifiers is ignored"),
    "TIMEZONE": ("Etc/UTC", "Time zone"),
    "PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": ("ARROW", "In which form results are sent"),
}


@statement("SHOW PARAMETERS", "sql-reference/sql/show-parameters", partly="those of the session and of tasks only")
def _show_parameters(session: Session, given: Statement) -> Result:
    pattern = given.reader.string() if given.reader.take("LIKE") else "%"
    scoped = given.reader.take("IN") or given.reader.take("FOR")
    scope = given.reader.word() if scoped else "SESSION"
    if scope == "TASK":
        return _of_task(session, given, pattern)
    if scope != "SESSION":
        known = ["SHOW PARAMETERS IN SESSION", "SHOW PARAMETERS IN TASK"]
        raise errors.unknown("SHOW PARAMETERS IN another scope", known)
    given.reader.end()
    found = {**{key: default for key, (default, _) in _PARAMETERS.items()}, **session.parameters}
    made = [
        (
            *(key, _said(value), _said(_PARAMETERS.get(key, ("", ""))[0])),
            *("SESSION" if key in session.parameters else "", _PARAMETERS.get(key, ("", ""))[1]),
            "BOOLEAN" if isinstance(value, bool) else "STRING",
        )
        for key, value in sorted(found.items())
        if like(pattern, key)
    ]
    return rows([(each, "text") for each in _PARAMETER], made, kind=0x4400)


def _of_task(session: Session, given: Statement, pattern: str) -> Result:
    """Return the parameters of a task, which says of some itself how they are."""
    task = session.find("TASK", session.path("TASK", given.reader.name()))
    given.reader.end()
    made = [
        (key, _said(task.body.get(key, default)), _said(default), "TASK" if key in task.body else "", what, "NUMBER")
        for key, (default, what) in _OF_TASKS.items()
        if like(pattern, key)
    ]
    return rows([(each, "text") for each in _PARAMETER], made, kind=0x4400)


def _said(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
