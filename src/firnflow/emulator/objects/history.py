"""Time travel: what a table held before, for its retention time.

Before a table changes, the state that it is in is kept, with the moment until which it held. Rows that are added stand
behind those that were there, so that what was before an INSERT is the first rows of what is after it: only other
changes copy the table.
https://docs.snowflake.com/en/user-guide/data-time-travel
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from typing import TYPE_CHECKING, Any

from firnflow._sql import identifier
from firnflow.emulator import errors
from firnflow.emulator.catalog import Object, full, key
from firnflow.emulator.engine import calls, trees
from firnflow.emulator.engine.databases import KEPT
from firnflow.emulator.objects import hybrid, making, relations
from firnflow.emulator.reader import Reader
from firnflow.emulator.registry import function, statement
from firnflow.emulator.result import Result, status

if TYPE_CHECKING:
    from firnflow.emulator.catalog import FullName
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_DAY = 86_400.0
_STAMP = "LAST CHANGE"
"""The kind under which the catalog has when a table was changed."""


def keep(session: Session, path: FullName, *, appends: bool = False) -> None:
    """Keep the state of a table that is about to change.

    Args:
        session: whose statement changes it.
        path: the table.
        appends: rows are only added.
    """
    thing = relations.find(session, path)
    if thing is None or thing.kind != "TABLE" or hybrid.is_hybrid(thing):
        return
    session.changed.add(path)
    run = session.account.databases.run
    table = trees.table(path).sql(dialect="duckdb")
    change: dict[str, Any] = {"until": time.time(), "query": session.query_ids[-1] if session.query_ids else ""}
    if appends:
        change["rows"] = run(f"SELECT count(*) FROM {table}")[0][0]  # noqa: S608 - one quoting function
    else:
        change["copy"] = f"v{uuid.uuid4().hex}"
        run(f"CREATE TABLE {KEPT}.main.{identifier(change['copy'])} AS FROM {table}")
    _write(session, thing, [*thing.body.get("history", []), change])


def settle(session: Session, *, done: bool) -> None:
    """Note which tables have changed by what is committed; where nothing is, forget it."""
    changed, session.changed = session.changed, set()
    if done and changed:
        for path in changed:
            session.account.catalog.put(Object(_STAMP, path, "", {"at": time.time_ns()}))
        session.account.commits += 1


def _write(session: Session, thing: Object, changes: list[dict[str, Any]]) -> None:
    """Write what is known of a table's past, without what is older than its retention time."""
    oldest = time.time() - float(thing.body.get("DATA_RETENTION_TIME_IN_DAYS", 1)) * _DAY
    for change in changes:
        if change["until"] < oldest and "copy" in change:
            session.account.databases.run(f"DROP TABLE IF EXISTS {KEPT}.main.{identifier(change['copy'])}")
    session.account.catalog.put(thing.changed(history=[change for change in changes if change["until"] >= oldest]))


def travelled(session: Session, tree: Any) -> None:
    """Put what tables held before in the places of `AT(…)` and `BEFORE(…)`.

    https://docs.snowflake.com/en/sql-reference/constructs/at-before

    Raises:
        SnowflakeError: the moment is before the table was made or behind its retention time, or is none.
    """
    from sqlglot import exp

    for node in [each for each in tree.find_all(exp.Table) if each.args.get("when") is not None]:
        path = session.path("TABLE", trees.name_of(node))
        thing = relations.need(session, path, "SELECT")
        made = session.engine.scratch.view(f"SELECT * FROM {_as_of(session, thing, node.args['when'])}")  # noqa: S608
        made.set("alias", node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(path[2], quoted=True)))
        node.replace(made)


def _as_of(session: Session, thing: Object, when: Any) -> str:
    """Return the relation that has the state of a table at or before a moment."""
    changes = thing.body.get("history", [])
    kind = str(when.args["kind"]).upper()
    value = session.engine.run(calls.answered(session, _constant(when.expression), [])).table[0][0].as_py()
    if kind == "STATEMENT":
        first = next((at for at, change in enumerate(changes) if change["query"] == value), None)
        if first is None:
            return _by_time(thing, session.account.queries.get(str(value)).started)
        return _state(thing, first if str(when.this).upper() == "BEFORE" else first + 1)
    moment = time.time() + float(value) if kind == "OFFSET" else _seconds(value)
    return _by_time(thing, moment)


def _constant(node: Any) -> Any:
    from sqlglot import exp

    return exp.select(exp.alias_(node.copy(), "moment"))


def _seconds(value: Any) -> float:
    if not isinstance(value, dt.datetime):
        raise errors.invalid("Invalid argument for AT or BEFORE: a TIMESTAMP is needed")
    return (value if value.tzinfo else value.replace(tzinfo=dt.UTC)).timestamp()


def _by_time(thing: Object, moment: float) -> str:
    retention = float(thing.body.get("DATA_RETENTION_TIME_IN_DAYS", 1)) * _DAY
    if moment < max(thing.created, time.time() - retention):
        raise errors.SnowflakeError(
            2,
            "02000",
            f"Time travel data is not available for table {thing.name}. The requested time is either beyond the "
            "allowed time travel period or before the object creation time.",
        )
    changes = thing.body.get("history", [])
    return _state(thing, next((at for at, change in enumerate(changes) if change["until"] > moment), len(changes)))


def _state(thing: Object, at: int) -> str:
    """Return the relation of the state before the change of this number; behind the last one it is the table."""
    changes = thing.body.get("history", [])
    if at >= len(changes):
        return str(trees.table(thing.path).sql(dialect="duckdb"))
    if "copy" in changes[at]:
        return f"{KEPT}.main.{identifier(changes[at]['copy'])}"
    return f"(FROM {_state(thing, at + 1)} LIMIT {int(changes[at]['rows'])})"


def dropped(session: Session, thing: Object) -> None:
    """Keep a table that is dropped, so that UNDROP finds it."""
    if thing.kind != "TABLE" or "session" in thing.body:
        return
    keep(session, thing.path)
    held = session.account.catalog.get("TABLE", thing.path)
    if held is not None:
        session.account.catalog.put(
            Object("DROPPED TABLE", (*thing.path, str(time.time())), held.owner, held.body, held.created)
        )


@statement("UNDROP TABLE", "sql-reference/sql/undrop-table", partly="without its grants")
def _undrop(session: Session, given: Statement) -> Result:
    path = session.path("TABLE", given.reader.name())
    given.reader.end()
    found = session.account.catalog.all("DROPPED TABLE", path)
    if not found or found[-1].owner not in session.roles:
        raise errors.missing("TABLE", full(path))
    if making.taken(session, "TABLE", path) is not None:
        raise errors.exists(full(path))
    last = found[-1]
    copy = f"{KEPT}.main.{identifier(last.body['history'][-1]['copy'])}"
    session.account.databases.run(f"CREATE TABLE {trees.table(path).sql(dialect='duckdb')} AS FROM {copy}")
    session.account.catalog.put(Object("TABLE", path, last.owner, last.body, last.created))
    session.account.catalog.run("DELETE FROM object WHERE kind = ? AND path = ?", "DROPPED TABLE", key(last.path))
    return status(f"Table {path[2]} successfully restored.")


@function("SYSTEM$LAST_CHANGE_COMMIT_TIME")
def _last_change(session: Session, text: str) -> int:
    """https://docs.snowflake.com/en/sql-reference/functions/system_last_change_commit_time."""
    return _stamp(session, relations.need(session, session.path("TABLE", Reader(text).name()), "SELECT"))


def _stamp(session: Session, thing: Object) -> int:
    """Return when a table, or one of those that a view reads, was changed or made, in nanoseconds since 1970."""
    if thing.kind == "VIEW":
        named = (trees.name_of(node) for node in trees.tables(trees.parsed(thing.body["text"])))
        below = {(*thing.path[: 3 - len(name)], *name) for name in named} - {thing.path}
        found = [each for path in below if (each := relations.find(session, path)) is not None]
        return max((_stamp(session, each) for each in found), default=int(thing.created * 1e9))
    stamp = session.account.catalog.get(_STAMP, thing.path)
    return max(int(thing.created * 1e9), stamp.body["at"] if stamp is not None else 0)
