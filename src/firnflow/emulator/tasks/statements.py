"""CREATE, ALTER, DROP and EXECUTE TASK."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import Object, full
from firnflow.emulator.objects import making
from firnflow.emulator.objects.given import parsed, plain, settings
from firnflow.emulator.objects.tags import set_tags, unset_tags
from firnflow.emulator.registry import function, statement
from firnflow.emulator.result import Result, done, status
from firnflow.emulator.tasks import settings as rules
from firnflow.emulator.tasks.graph import (
    STARTED,
    SUSPENDED,
    finalized,
    graph_of,
    is_triggered,
    need_suspended,
    parents,
    root_of,
)
from firnflow.emulator.tasks.runner import need_root
from firnflow.emulator.tasks.runs import BY_HAND

if TYPE_CHECKING:
    from firnflow.emulator.catalog import FullName
    from firnflow.emulator.session import Session
    from firnflow.emulator.statement import Statement

_PARTLY = (
    "no ERROR_INTEGRATION, SUCCESS_INTEGRATION, CLONE, EXECUTE AS USER; sizes of serverless tasks, and how often "
    "streams may start one, are written down"
)


@statement("CREATE TASK", "sql-reference/sql/create-task", partly=_PARTLY)
def _create(session: Session, given: Statement) -> Result:
    made = parsed(given)
    path = session.path("TASK", made.name.parts)
    body = rules.resolved(session, path, settings(made.properties))
    tags = body.pop("TAG", [])
    there = session.account.catalog.get("TASK", path)
    if "OR ALTER" in made.variants and there is not None:
        return _or_alter(session, there, body)
    replaces = "OR REPLACE" in made.variants
    if found := making.begin(session, "TASK", path, replaces=replaces, optional=made.if_not_exists):
        return found
    if there is not None:
        need_suspended(session, there)
    rules.check(session, path, body)
    task = making.made(session, "TASK", path, {**body, "id": str(uuid.uuid4()), "state": SUSPENDED})
    if tags:
        session.account.catalog.put(set_tags(session, task, tags))
    return status(f"Task {path[-1]} successfully created.")


def _or_alter(session: Session, there: Object, body: dict[str, Any]) -> Result:
    """Make a task what CREATE OR ALTER says; what it does not name goes back to its default, its state stays.

    https://docs.snowflake.com/en/sql-reference/sql/create-task (CREATE OR ALTER TASK)
    """
    session.need("TASK", there.path)
    need_suspended(session, there)
    rules.check(session, there.path, body)
    kept = {key: value for key, value in there.body.items() if not key.isupper()}
    session.account.catalog.put(Object("TASK", there.path, there.owner, {**kept, **body}, there.created))
    return status(f"{there.name} successfully altered.")


@statement("ALTER TASK", "sql-reference/sql/alter-task", partly=_PARTLY)
def _alter(session: Session, given: Statement) -> Result:
    asked = parsed(given)
    path = session.path("TASK", asked.name.parts)
    if asked.if_exists and not session.account.access.sees(session.roles, "TASK", path):
        return done()
    operates = ("OPERATE",) if asked.action in ("RESUME", "SUSPEND") else ()
    task = session.need("TASK", path, *operates)
    if asked.action == "RENAME TO":
        raise errors.unknown("ALTER TASK … RENAME TO", ["CREATE TASK", "DROP TASK"])
    if asked.action == "SUSPEND":
        if root_of(session.account.catalog, task).path != path:
            need_suspended(session, task)
        session.account.catalog.put(task.changed(state=SUSPENDED, suspended=time.time(), reason="USER_SUSPENDED"))
        return done()
    if asked.action == "RESUME":
        resume(session, task)
        return done()
    need_suspended(session, task)
    new = _altered(session, task, asked)
    rules.check(session, path, new.body)
    session.account.catalog.put(new)
    return done()


def _altered(session: Session, task: Object, asked: Any) -> Object:
    """Return a task as an ALTER makes it."""
    path, value = task.path, plain(asked.value)
    if asked.action == "SET":
        return task.changed(**rules.resolved(session, path, settings(asked.properties)))
    if asked.action == "UNSET":
        return task.changed(**dict.fromkeys(asked.unset))
    if asked.action in ("ADD AFTER", "REMOVE AFTER"):
        names = rules.resolved(session, path, {"AFTER": value})["AFTER"]
        left = [each for each in parents(task) if each not in names]
        added = names if asked.action == "ADD AFTER" else []
        return task.changed(AFTER=[*left, *added] or None)
    if asked.action in _SIMPLE:
        key, takes = _SIMPLE[asked.action]
        return task.changed(**rules.resolved(session, path, {key: value}) if takes else {key: None})
    if asked.action in _TAGS:
        return _TAGS[asked.action](session, task, value)
    raise errors.unknown(f"ALTER TASK {asked.action}", [f"ALTER TASK {each}" for each in _SIMPLE])


_SIMPLE = {
    "MODIFY AS": ("AS", True),
    "MODIFY WHEN": ("WHEN", True),
    "REMOVE WHEN": ("WHEN", False),
    "SET FINALIZE": ("FINALIZE", True),
    "UNSET FINALIZE": ("FINALIZE", False),
}
"""Action → what it changes, and whether it takes a value."""
_TAGS = {"SET TAG": set_tags, "UNSET TAG": unset_tags}


def resume(session: Session, task: Object) -> None:
    """Let a task run.

    Raises:
        SnowflakeError: its owner may not run tasks, its root runs already, or it is a root that nothing starts.
    """
    account = session.account
    if not account.access.holds(account.access.closure([task.owner]), ("EXECUTE TASK",), "ACCOUNT", ()):
        raise errors.SnowflakeError(
            91089, "23001", "Cannot execute task , EXECUTE TASK privilege must be granted to owner role"
        )
    if task.body.get("state") == STARTED:
        return
    if parents(task) or finalized(task):
        need_suspended(session, task)
    elif "SCHEDULE" not in task.body and not is_triggered(task):
        raise errors.SnowflakeError(
            91087, "55000", f"Task {full(task.path)} has no schedule, so it cannot be resumed: EXECUTE TASK runs it."
        )
    account.catalog.put(task.changed(state=STARTED, resumed=time.time(), reason=None))


@statement("DROP TASK", "sql-reference/sql/drop-task")
def _drop(session: Session, given: Statement) -> Result:
    asked = parsed(given)
    path = session.path("TASK", asked.name.parts)
    task = making.droppable(session, "TASK", path, optional=asked.if_exists)
    if task is None:
        return making.gone(path[-1])
    need_suspended(session, task)
    _unlink(session, path)
    session.account.catalog.drop("TASK", path)
    return status(f"{path[-1]} successfully dropped.")


def _unlink(session: Session, path: FullName) -> None:
    """Take a task out of all that come after it: https://docs.snowflake.com/en/user-guide/tasks-graphs (unlink)."""
    catalog = session.account.catalog
    for task in catalog.all("TASK", path[:2]):
        if path in parents(task):
            catalog.put(task.changed(AFTER=[each for each in parents(task) if each != path] or None))
        elif finalized(task) == path:
            catalog.put(task.changed(FINALIZE=None))


@statement("EXECUTE TASK", "sql-reference/sql/execute-task", partly="no AWAIT")
def _execute(session: Session, given: Statement) -> Result:
    asked = parsed(given)
    path = session.path("TASK", asked.name.parts)
    task = session.need("TASK", path, "OPERATE")
    need_root(task)
    account = session.account
    if not account.access.holds(account.access.closure([task.owner]), ("EXECUTE TASK",), "ACCOUNT", ()):
        raise errors.SnowflakeError(
            91089, "23001", "Cannot execute task , EXECUTE TASK privilege must be granted to owner role"
        )
    if asked.awaits:
        raise errors.unknown("EXECUTE TASK … AWAIT", ["EXECUTE TASK"])
    if asked.retry_last or asked.retry_group is not None:
        account.runner.retry(task, asked.retry_group)
    else:
        if asked.config is not None:
            rules.config_of(asked.config)
        account.runner.execute(task, BY_HAND, asked.config)
    return status(f"Task {path[-1]} is scheduled to run immediately.")


def _named(session: Session, name: str) -> Object:
    from firnflow.emulator.reader import Reader

    return session.need("TASK", session.path("TASK", Reader(name).name()), "OPERATE")


@function("SYSTEM$TASK_DEPENDENTS_ENABLE")
def _enable(session: Session, name: str) -> str:
    """Resume all tasks of a graph: https://docs.snowflake.com/en/sql-reference/functions/system_task_dependents_enable."""
    root = root_of(session.account.catalog, _named(session, name))
    graph = graph_of(session.account.catalog, root)
    for task in (*(each for each in graph.all if each.path != root.path), root):
        resume(session, task)
    return "Tasks enabled."


@function("SYSTEM$USER_TASK_CANCEL_ONGOING_EXECUTIONS")
def _cancel(session: Session, name: str) -> str:
    """https://docs.snowflake.com/en/sql-reference/functions/system_user_task_cancel_ongoing_executions."""
    root = root_of(session.account.catalog, _named(session, name))
    count = session.account.runner.cancel(root)
    return f"{count} graph run(s) of {full(root.path)} cancelled."
