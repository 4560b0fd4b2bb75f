"""Dynamic tables: the rows of a query, made anew when they are older than the table's lag and somebody reads them.

https://docs.snowflake.com/en/user-guide/dynamic-tables-about. Snowflake refreshes them by itself; what a reader sees is
in both no older than the lag.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import time
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.engine import trees
from firnflow.emulator.objects import selects
from firnflow.emulator.objects.columns import columns_of
from firnflow.emulator.objects.show import NAMED, comment, constant, owner
from firnflow.emulator.objects.topics import Topic, body
from firnflow.emulator.reader import Reader
from firnflow.emulator.registry import relation, statement
from firnflow.emulator.result import Result, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_LAG = re.compile(r"(\d+)\s*(second|minute|hour|day)s?", re.IGNORECASE)
_UNITS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
_SHORTEST = 60
_KEPT = 100
"""Refreshes that are remembered."""


def _check(session: Session, path: FullName, given: dict[str, Any]) -> None:
    """https://docs.snowflake.com/en/sql-reference/sql/create-dynamic-table: what has to be there."""
    for option in ("CLONE", "AT", "BEFORE", "REQUIRE USER"):
        if option in given:
            raise errors.unknown(f"CREATE DYNAMIC TABLE {option}", ["CREATE DYNAMIC TABLE … AS"])
    if "LAG" in given:
        given["TARGET_LAG"] = given.pop("LAG")
    for option in ("TARGET_LAG", "WAREHOUSE"):
        if option not in given:
            raise errors.invalid(f"Missing option(s): [{option}] for dynamic table '{path[2]}'.")
    if seconds(given["TARGET_LAG"]) is None and given["TARGET_LAG"] != "DOWNSTREAM":
        raise errors.invalid(
            f"Invalid TARGET_LAG '{given['TARGET_LAG']}': 'N minutes', 60 seconds at the least, or DOWNSTREAM"
        )
    session.need("WAREHOUSE", (given["WAREHOUSE"][-1],), "USAGE")


def seconds(lag: str) -> int | None:
    """Return a lag in seconds; None: it is none, as DOWNSTREAM."""
    found = _LAG.fullmatch(str(lag).strip())
    amount = int(found[1]) * _UNITS[found[2].lower()] if found else 0
    return amount if amount >= _SHORTEST else None


def fresh(session: Session, thing: Object) -> None:
    """Make the rows of a dynamic table anew if they are older than its lag; those of a suspended one stay."""
    lag = seconds(thing.body["TARGET_LAG"]) or 0
    if thing.body.get("state") != "SUSPENDED" and time.time() - thing.body["refreshed"] >= lag:
        session.account.catalog.put(refresh(session, thing))


def refresh(session: Session, thing: Object, _: Any = None) -> Object:
    """Make the rows anew, with the rights of the owner, and return the table as it is then."""
    from sqlglot import exp

    began = time.time()
    query = trees.parsed(thing.body["AS"])
    selects.headed(query)
    with as_owner(session, thing, thing.body["WAREHOUSE"][-1]):
        made = selects.prepared(session, query, [])
        names = [exp.to_identifier(column, quoted=True) for column in thing.body.get("columns", [])]
        if names:
            made = exp.select("*").from_(
                exp.Subquery(this=made, alias=exp.TableAlias(this=exp.to_identifier("made"), columns=names))
            )
        session.engine.run(exp.Create(this=trees.table(thing.path), kind="TABLE", replace=True, expression=made))
    held = session.account.catalog.get(thing.kind, thing.path) or thing
    refreshes = [*held.body.get("refreshes", []), [began, time.time()]][-_KEPT:]
    return held.changed(refreshed=time.time(), refreshes=refreshes)


@relation("DYNAMIC_TABLE_REFRESH_HISTORY")
def _history(session: Session, *, name: str | None = None, result_limit: int = 100) -> Result:
    """Return the refreshes of dynamic tables, the newest first.

    https://docs.snowflake.com/en/sql-reference/functions/dynamic_table_refresh_history
    """
    texts = ("name", "schema_name", "database_name", "state", "refresh_action", "refresh_trigger")
    head = [*((each.upper(), "text") for each in texts)]
    head += [(f"REFRESH_{when}_TIME", "timestamp_ltz") for when in ("START", "END")]
    made = [
        (
            *thing.path[::-1],
            "SUCCEEDED",
            "FULL",
            "SCHEDULED",
            *(dt.datetime.fromtimestamp(at, dt.UTC) for at in refresh),
        )
        for thing in session.account.catalog.all("DYNAMIC TABLE")
        if session.account.access.sees(session.roles, thing.kind, thing.path)
        if name is None or Reader(name).name()[-1] == thing.name
        for refresh in thing.body.get("refreshes", [])
    ]
    return rows(head, sorted(made, key=lambda row: str(row[-1]), reverse=True)[:result_limit])


@contextlib.contextmanager
def as_owner(session: Session, thing: Object, warehouse: str) -> Iterator[None]:
    """Let a session have the rights of an object's owner, a warehouse, and the object's schema, until the end."""
    held = session.role, session.secondary, session.warehouse, session.database, session.schema
    session.role, session.secondary, session.warehouse = thing.owner, False, warehouse
    session.database, session.schema = thing.path[:2]
    try:
        yield
    finally:
        session.role, session.secondary, session.warehouse, session.database, session.schema = held


def _begin(session: Session, thing: Object) -> None:
    catalog = session.account.catalog
    try:
        catalog.put(refresh(session, thing))
    except errors.SnowflakeError:
        catalog.drop(thing.kind, thing.path)
        raise


def _end(session: Session, thing: Object) -> None:
    session.account.databases.run(f"DROP TABLE IF EXISTS {trees.table(thing.path).sql(dialect='duckdb')}")


def _stamp(_: Session, thing: Object) -> dt.datetime:
    return dt.datetime.fromtimestamp(thing.body["refreshed"], dt.UTC)


def _rows(session: Session, thing: Object) -> int:
    table = trees.table(thing.path).sql(dialect="duckdb")
    return int(session.account.databases.run(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - one quoting function


Topic(
    "DYNAMIC TABLE",
    (
        *NAMED,
        ("cluster_by", "text", constant("")),
        ("rows", "fixed", _rows),
        ("bytes", "fixed", constant(0)),
        ("owner", "text", owner),
        ("target_lag", "text", body("TARGET_LAG")),
        ("refresh_mode", "text", constant("FULL")),
        ("refresh_mode_reason", "text", constant(None)),
        ("warehouse", "text", lambda _, thing: thing.body["WAREHOUSE"][-1]),
        ("comment", "text", comment),
        ("text", "text", body("text")),
        ("automatic_clustering", "text", constant("OFF")),
        ("scheduling_state", "text", body("state", "ACTIVE")),
        ("last_suspended_on", "timestamp_ltz", constant(None)),
        ("is_clone", "text", constant("false")),
        ("is_replica", "text", constant("false")),
        ("is_iceberg", "text", constant("false")),
        ("data_timestamp", "timestamp_ltz", _stamp),
        ("owner_role_type", "text", constant("ROLE")),
    ),
    "Dynamic table",
    check=_check,
    begun=_begin,
    ended=_end,
    actions={
        "REFRESH": refresh,
        "SUSPEND": lambda _, thing, __: thing.changed(state="SUSPENDED"),
        "RESUME": lambda _, thing, __: thing.changed(state="ACTIVE"),
    },
    operates=("REFRESH", "SUSPEND", "RESUME"),
    partly="each refresh is a full one, made when somebody reads what is older than the lag",
).register()


@statement("DESCRIBE DYNAMIC TABLE", "sql-reference/sql/desc-dynamic-table")
def _describe(session: Session, given: Statement) -> Result:
    path = session.path("DYNAMIC TABLE", given.reader.name())
    given.reader.take("TYPE", "=", "COLUMNS")
    given.reader.end()
    return columns_of(session, session.need("DYNAMIC TABLE", path, "SELECT", "MONITOR"))
