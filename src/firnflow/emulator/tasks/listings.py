"""SHOW and DESCRIBE of tasks: https://docs.snowflake.com/en/sql-reference/sql/show-tasks."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.objects.given import parsed
from firnflow.emulator.objects.show import Asked, chosen, comment, constant, created, name, owner, part, table
from firnflow.emulator.objects.topics import body
from firnflow.emulator.registry import statement
from firnflow.emulator.tasks.graph import finalized, graph_of, parents

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.emulator.catalog import Object
    from firnflow.emulator.objects.show import Columns
    from firnflow.emulator.result import Result
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement


def moment(key: str) -> Callable[[Session, Object], Any]:
    """Return what reads a moment of a task."""

    def read(_: Session, task: Object) -> dt.datetime | None:
        found = task.body.get(key)
        return None if found is None else dt.datetime.fromtimestamp(found, dt.UTC)

    return read


def predecessors(_: Session, task: Object) -> str:
    """Return the tasks before a task, as JSON."""
    return json.dumps([full(each) for each in parents(task)])


def relations(session: Session, task: Object) -> str:
    """Return what a task is to others, as JSON."""
    found: dict[str, Any] = {"Predecessors": [full(each) for each in parents(task)]}
    root = finalized(task)
    if root is not None:
        found["FinalizedRootTask"] = full(root)
    elif not parents(task) and (finalizer := graph_of(session.account.catalog, task).finalizer):
        found["FinalizerTask"] = full(finalizer.path)
    return json.dumps(found)


def _overlaps(_: Session, task: Object) -> str:
    policy = task.body.get("OVERLAP_POLICY", "NO_OVERLAP")
    return "true" if policy != "NO_OVERLAP" or task.body.get("ALLOW_OVERLAPPING_EXECUTION") else "false"


COLUMNS: Columns = (
    ("created_on", "timestamp_ltz", created),
    ("name", "text", name),
    ("id", "text", body("id")),
    ("database_name", "text", part(0)),
    ("schema_name", "text", part(1)),
    ("owner", "text", owner),
    ("comment", "text", comment),
    ("warehouse", "text", body("WAREHOUSE")),
    ("schedule", "text", body("SCHEDULE")),
    ("predecessors", "text", predecessors),
    ("state", "text", body("state")),
    ("definition", "text", body("AS")),
    ("condition", "text", body("WHEN")),
    ("allow_overlapping_execution", "text", _overlaps),
    ("error_integration", "text", constant("null")),
    ("last_committed_on", "timestamp_ltz", moment("resumed")),
    ("last_suspended_on", "timestamp_ltz", moment("suspended")),
    ("owner_role_type", "text", constant("ROLE")),
    ("config", "text", body("CONFIG")),
    ("budget", "text", constant(None)),
    ("task_relations", "text", relations),
    ("last_suspended_reason", "text", body("reason")),
)


@statement("SHOW TASKS", "sql-reference/sql/show-tasks", partly="no TERSE")
def _show(session: Session, given: Statement) -> Result:
    asked = parsed(given)
    if "TERSE" in asked.flags:
        raise errors.unknown("SHOW TERSE TASKS", ["SHOW TASKS"])
    tasks = chosen(session, "TASK", wanted(session, asked))
    if "ROOT ONLY" in asked.flags:
        tasks = [task for task in tasks if not parents(task) and not finalized(task)]
    return table(session, tasks[: asked.limit], COLUMNS)


def wanted(session: Session, asked: Any) -> Asked:
    """Return which tasks a SHOW asks for; the limit is left to the caller."""
    current = tuple(part for part in (session.database, session.schema) if part is not None)
    within = current
    if asked.of is not None:
        scope, scope_name = asked.of
        kind = scope.removeprefix("IN ")
        if kind not in ("ACCOUNT", "DATABASE", "SCHEMA"):
            raise errors.unknown(f"SHOW TASKS {scope}", ["SHOW TASKS IN SCHEMA", "SHOW TASKS IN DATABASE"])
        within = () if kind == "ACCOUNT" else current[:1] if kind == "DATABASE" else current
        if scope_name is not None:
            within = session.path(kind, scope_name.parts)
            session.find(kind, within)
    return Asked(asked.like, within, "", asked.starts_with or "", None, asked.after or "")


@statement("DESCRIBE TASK", "sql-reference/sql/desc-task")
def _describe(session: Session, given: Statement) -> Result:
    path = session.path("TASK", parsed(given).name.parts)
    return table(session, [session.find("TASK", path)], COLUMNS)
