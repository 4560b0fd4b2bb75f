"""Views of the information schema: what there is, as far as the session may see it.

https://docs.snowflake.com/en/sql-reference/info-schema/tables, columns, views, schemata, databases
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from firnflow.emulator.catalog import Object
from firnflow.emulator.kinds import RELATIONS
from firnflow.emulator.objects.columns import found_columns, snowflake_type
from firnflow.emulator.objects.hybrid import is_hybrid
from firnflow.emulator.objects.show import created
from firnflow.emulator.result import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from firnflow.emulator.session import Session

    Row = dict[str, Any]
    Columns = list[tuple[str, str, bool, str | None]] | None

_TYPE = re.compile(r"([A-Z_]+)(?:\((\d+)(?:, ?(\d+))?\))?")
_NUMBERS = {
    "NUMERIC_PRECISION": "fixed",
    "NUMERIC_SCALE": "fixed",
    "ORDINAL_POSITION": "fixed",
    "ROW_COUNT": "fixed",
} | {
    **dict.fromkeys(("NUMERIC_PRECISION_RADIX", "CHARACTER_MAXIMUM_LENGTH", "CHARACTER_OCTET_LENGTH"), "fixed"),
    **dict.fromkeys(("DATETIME_PRECISION", "BYTES", "RETENTION_TIME"), "fixed"),
    **dict.fromkeys(("CREATED", "LAST_ALTERED", "LAST_DDL"), "timestamp_ltz"),
}
"""Columns that are no texts."""


def view(session: Session, database: str, name: str) -> Any:
    """Return the rows of a view of a database's information schema as Arrow; None: it is not one of these."""
    if name not in _VIEWS:
        return None
    kinds, told = _VIEWS[name]
    nothing = Object("TABLE", (database, "", ""), "")
    head = next(told(session, nothing, [("", "BOOLEAN", True, None)]))
    within = () if name == "DATABASES" else (database,)
    made = [row for thing in _seen(session, kinds, within) for row in told(session, thing, None)]
    typed = [(column, _NUMBERS.get(column, "text")) for column in head]
    return rows(typed, [tuple(row.values()) for row in made]).table


def _seen(session: Session, kinds: tuple[str, ...], within: tuple[str, ...]) -> Iterator[Object]:
    for kind in kinds:
        for thing in session.account.catalog.all(kind, within):
            if thing.body.get("session") in (None, session.token) and session.account.access.sees(
                session.roles, kind, thing.path
            ):
                yield thing


def _is(value: Any) -> str:
    return "YES" if value else "NO"


def _stamps(session: Session, thing: Object) -> Row:
    when = created(session, thing)
    return {"CREATED": when, "LAST_ALTERED": when}


def _tables(session: Session, thing: Object, _: Columns) -> Iterator[Row]:
    from firnflow.emulator.objects.listings import count_rows

    is_view, body = thing.kind == "VIEW", thing.body
    yield {
        "TABLE_CATALOG": thing.path[0],
        "TABLE_SCHEMA": thing.path[1],
        "TABLE_NAME": thing.name,
        "TABLE_OWNER": thing.owner,
        "TABLE_TYPE": "VIEW" if is_view else "LOCAL TEMPORARY" if "session" in body else "BASE TABLE",
        "IS_TRANSIENT": None if is_view else _is(body.get("transient")),
        "CLUSTERING_KEY": body.get("cluster_by"),
        "ROW_COUNT": None if is_view else count_rows(session, thing),
        "BYTES": None if is_view else 0,
        "RETENTION_TIME": None if is_view else int(body.get("DATA_RETENTION_TIME_IN_DAYS", 1)),
        "IS_INSERTABLE_INTO": _is(not is_view),
        "IS_TYPED": "YES",
        **_stamps(session, thing),
        "LAST_DDL": created(session, thing),
        "LAST_DDL_BY": thing.owner,
        "AUTO_CLUSTERING_ON": None if is_view else "NO",
        "COMMENT": body.get("COMMENT"),
        "IS_TEMPORARY": _is("session" in body),
        "IS_ICEBERG": "NO",
        "IS_DYNAMIC": _is(thing.kind == "DYNAMIC TABLE"),
        "IS_IMMUTABLE": "NO",
        "IS_HYBRID": _is(is_hybrid(thing)),
    }


def _columns(session: Session, thing: Object, columns: Columns) -> Iterator[Row]:
    types, comments = thing.body.get("types", {}), thing.body.get("comments", {})
    for at, (name, kind, null, default) in enumerate(columns or found_columns(session, thing), start=1):
        yield {
            "TABLE_CATALOG": thing.path[0],
            "TABLE_SCHEMA": thing.path[1],
            "TABLE_NAME": thing.name,
            "COLUMN_NAME": name,
            "ORDINAL_POSITION": at,
            "COLUMN_DEFAULT": default,
            "IS_NULLABLE": _is(null),
            **_typed(snowflake_type(kind, types.get(name))),
            "IS_IDENTITY": "NO",
            "COMMENT": comments.get(name),
        }


def _typed(said: str) -> Row:
    """Return a type as the view has it: `VARCHAR(10)` is a TEXT of 10 letters."""
    found = _TYPE.fullmatch(said)
    name, size, scale = found.groups() if found else (said, None, None)
    is_text, is_number = name in ("VARCHAR", "CHAR", "TEXT", "STRING"), name == "NUMBER"
    length = int(size or 16_777_216) if is_text or name == "BINARY" else None
    return {
        "DATA_TYPE": "TEXT" if is_text else name,
        "CHARACTER_MAXIMUM_LENGTH": length,
        "CHARACTER_OCTET_LENGTH": min(4 * length, 16_777_216) if is_text and length else length,
        "NUMERIC_PRECISION": int(size or 38) if is_number else None,
        "NUMERIC_PRECISION_RADIX": 10 if is_number else None,
        "NUMERIC_SCALE": int(scale or 0) if is_number else None,
        "DATETIME_PRECISION": int(size or 9) if name.startswith("TIME") else None,
    }


def _views(session: Session, thing: Object, _: Columns) -> Iterator[Row]:
    yield {
        "TABLE_CATALOG": thing.path[0],
        "TABLE_SCHEMA": thing.path[1],
        "TABLE_NAME": thing.name,
        "TABLE_OWNER": thing.owner,
        "VIEW_DEFINITION": thing.body.get("text"),
        "CHECK_OPTION": "NONE",
        "IS_UPDATABLE": "NO",
        "INSERTABLE_INTO": "NO",
        "IS_SECURE": _is(thing.body.get("secure")),
        **_stamps(session, thing),
        "COMMENT": thing.body.get("COMMENT"),
    }


def _schemata(session: Session, thing: Object, _: Columns) -> Iterator[Row]:
    yield {
        "CATALOG_NAME": thing.path[0],
        "SCHEMA_NAME": thing.name,
        "SCHEMA_OWNER": thing.owner,
        "IS_TRANSIENT": _is(thing.body.get("transient")),
        "IS_MANAGED_ACCESS": _is(thing.body.get("managed")),
        "RETENTION_TIME": int(thing.body.get("DATA_RETENTION_TIME_IN_DAYS", 1)),
        **_stamps(session, thing),
        "COMMENT": thing.body.get("COMMENT"),
    }


def _databases(session: Session, thing: Object, _: Columns) -> Iterator[Row]:
    yield {
        "DATABASE_NAME": thing.name,
        "DATABASE_OWNER": thing.owner,
        "IS_TRANSIENT": _is(thing.body.get("transient")),
        "COMMENT": thing.body.get("COMMENT"),
        **_stamps(session, thing),
        "RETENTION_TIME": int(thing.body.get("DATA_RETENTION_TIME_IN_DAYS", 1)),
        "TYPE": "STANDARD",
    }


_VIEWS: dict[str, tuple[tuple[str, ...], Callable[[Session, Object, Columns], Iterator[Row]]]] = {
    "TABLES": (RELATIONS, _tables),
    "COLUMNS": (RELATIONS, _columns),
    "VIEWS": (("VIEW",), _views),
    "SCHEMATA": (("SCHEMA",), _schemata),
    "DATABASES": (("DATABASE",), _databases),
}
"""Name → the kinds of what it lists, and what tells of one; of no columns but those that are given."""
