"""What has run and what runs: table functions of INFORMATION_SCHEMA.

https://docs.snowflake.com/en/sql-reference/functions/task_history, …/current_task_graphs, …/complete_task_graphs,
…/task_dependents
"""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.reader import Reader
from firnflow.emulator.registry import relation
from firnflow.emulator.result import Result, rows
from firnflow.emulator.tasks.graph import STARTED, finalized, graph_of, parents, root_of
from firnflow.emulator.tasks.listings import COLUMNS
from firnflow.emulator.tasks.runs import EXECUTING, FAILED, SCHEDULED, SKIPPED, SUCCEEDED, GraphRun, TaskRun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firnflow.emulator.catalog import Object
    from firnflow.emulator.session import Session

_HOUR, _WEEK = 3600.0, 7 * 86_400.0
_MOMENT = "timestamp_ltz"
GRAPH_COLUMNS = (
    *(("ROOT_TASK_NAME", "text"), ("DATABASE_NAME", "text"), ("SCHEMA_NAME", "text"), ("STATE", "text")),
    *(("SCHEDULED_FROM", "text"), ("FIRST_ERROR_TASK_NAME", "text"), ("FIRST_ERROR_CODE", "fixed")),
    *(("FIRST_ERROR_MESSAGE", "text"), ("SCHEDULED_TIME", _MOMENT), ("QUERY_START_TIME", _MOMENT)),
    *(("NEXT_SCHEDULED_TIME", _MOMENT), ("COMPLETED_TIME", _MOMENT), ("ROOT_TASK_ID", "text")),
    *(("GRAPH_VERSION", "fixed"), ("RUN_ID", "fixed"), ("ATTEMPT_NUMBER", "fixed"), ("CONFIG", "text")),
    ("GRAPH_RUN_GROUP_ID", "text"),
)
_TASK_COLUMNS = (
    *(("QUERY_ID", "text"), ("NAME", "text"), ("DATABASE_NAME", "text"), ("SCHEMA_NAME", "text")),
    *(("QUERY_TEXT", "text"), ("CONDITION_TEXT", "text"), ("STATE", "text"), ("ERROR_CODE", "fixed")),
    *(("ERROR_MESSAGE", "text"), ("SCHEDULED_TIME", _MOMENT), ("QUERY_START_TIME", _MOMENT)),
    *(("NEXT_SCHEDULED_TIME", _MOMENT), ("COMPLETED_TIME", _MOMENT), ("ROOT_TASK_ID", "text")),
    *(("GRAPH_VERSION", "fixed"), ("RUN_ID", "fixed"), ("RETURN_VALUE", "text"), ("SCHEDULED_FROM", "text")),
    *(("ATTEMPT_NUMBER", "fixed"), ("CONFIG", "text"), ("GRAPH_RUN_GROUP_ID", "text")),
)


def _known(given: dict[str, Any], *names: str) -> None:
    for name in given:
        if name not in names:
            raise errors.invalid(f"Invalid argument '{name.upper()}'. It is one of: {', '.join(names).upper()}")


def _moment(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)


def _seconds(value: Any) -> float:
    moment = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(str(value))
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _may_see(session: Session, run: GraphRun) -> bool:
    """Return whether a role may see runs: the owner's, one with a privilege on the root, or MONITOR EXECUTION."""
    access = session.account.access
    owner = run.tasks[0]["owner"]
    return (
        owner in session.roles
        or "ACCOUNTADMIN" in session.roles
        or access.holds(session.roles, ("MONITOR EXECUTION",), "ACCOUNT", ())
        or access.holds(session.roles, ("MONITOR", "OPERATE"), "TASK", run.root)
    )


def graphs(session: Session, root: str | None, *, current: bool) -> Iterator[GraphRun]:
    """Yield the runs that are under way, or have ended, that the session may see; the last one first."""
    for run in session.account.runner.runs.graphs():
        named = root is None or run.root[-1].upper() == root.upper()
        if named and run.state != SKIPPED and (run.state == EXECUTING) == current and _may_see(session, run):
            yield run


def graph_row(session: Session, run: GraphRun) -> tuple[Any, ...]:
    """Return what the functions tell of a run."""
    records = session.account.runner.runs.tasks(run.id)
    failed = next((each for each in records if each.state == FAILED), None)
    root = next((each for each in records if each.path == run.root), None)
    return (
        *(run.root[-1], *run.root[:2], run.state, run.origin),
        *((failed.path[-1], failed.error_code, failed.error_message) if failed else (None, None, None)),
        *(_moment(run.scheduled), _moment(root.started if root else None), _next(session, run), _moment(run.ended)),
        *(run.root_id, run.version, run.run_id, run.attempt, run.config, run.group),
    )


def _next(session: Session, run: GraphRun) -> dt.datetime | None:
    root = session.account.catalog.get("TASK", run.root)
    return _moment(session.account.runner.next_of(root)) if root and root.body["id"] == run.root_id else None


@relation("COMPLETE_TASK_GRAPHS")
def complete_graphs(
    session: Session, result_limit: int = 1000, root_task_name: str | None = None, **more: Any
) -> Result:
    """Return the runs of the last hour that have ended."""
    _known(more, "error_only")
    since = time.time() - _HOUR
    found = [
        run
        for run in graphs(session, root_task_name, current=False)
        if (run.ended or 0) >= since and not (more.get("error_only") and run.state == SUCCEEDED)
    ]
    found.sort(key=lambda run: -(run.ended or 0))
    return rows(GRAPH_COLUMNS, [graph_row(session, run) for run in found[: int(result_limit)]])


@relation("CURRENT_TASK_GRAPHS")
def current_graphs(
    session: Session, result_limit: int = 1000, root_task_name: str | None = None, **more: Any
) -> Result:
    """Return the runs that are under way, and those that come next by a schedule."""
    _known(more)
    found = [graph_row(session, run) for run in graphs(session, root_task_name, current=True)]
    for run in session.account.runner.waiting():
        if root_task_name in (None, run.root[-1]) and _may_see(session, run):
            row = graph_row(session, run)
            found.append((*row[:3], SCHEDULED, *row[4:]))
    for task in session.account.catalog.all("TASK"):
        due = session.account.runner.next_of(task) if task.body.get("state") == STARTED else None
        seen = session.account.access.sees(session.roles, "TASK", task.path)
        if due is not None and seen and root_task_name in (None, task.name):
            version = task.body.get("version", [1])[0]
            place = (task.name, *task.path[:2], SCHEDULED, "SCHEDULE", None, None, None, _moment(due), None, None, None)
            found.append((*place, task.body["id"], version, int(due * 1000), 1, task.body.get("CONFIG"), None))
    columns = [at for at, (name, _) in enumerate(GRAPH_COLUMNS) if name != "COMPLETED_TIME"]
    kept = [[row[at] for at in columns] for row in found[: int(result_limit)]]
    return rows([GRAPH_COLUMNS[at] for at in columns], kept)


@relation("TASK_HISTORY")
def task_history(session: Session, result_limit: int = 100, task_name: str | None = None, **more: Any) -> Result:
    """Return the runs of tasks of the last seven days, the last one first."""
    _known(more, "scheduled_time_range_start", "scheduled_time_range_end", "error_only", "root_task_id")
    start = _seconds(more.get("scheduled_time_range_start", _moment(time.time() - _WEEK)))
    end = _seconds(more.get("scheduled_time_range_end", _moment(time.time() + _WEEK)))
    runs = session.account.runner.runs
    found = [
        (run, TaskRun(run.id, run.root, SCHEDULED, run.tasks[0]["body"]["AS"]))
        for run in session.account.runner.waiting()
        if more.get("root_task_id") in (None, run.root_id) and _may_see(session, run)
        if task_name is None or run.root[-1].upper() == task_name.upper()
        if not more.get("error_only")
    ]
    found += [
        (run, task)
        for run in runs.graphs(root_id=more.get("root_task_id"))
        if start <= run.scheduled <= end and _may_see(session, run)
        for task in reversed(runs.tasks(run.id))
        if task_name is None or task.path[-1].upper() == task_name.upper()
        if not more.get("error_only") or task.state == FAILED
    ]
    return rows(_TASK_COLUMNS, [_task_row(session, *each) for each in found[: int(result_limit)]])


def _task_row(session: Session, run: GraphRun, task: TaskRun) -> tuple[Any, ...]:
    return (
        *(task.query_id, task.path[-1], *task.path[:2], task.definition, task.condition, task.state, task.error_code),
        *(task.error_message, _moment(run.scheduled), _moment(task.started if task.query_id else None)),
        *(_next(session, run) if task.path == run.root else None, _moment(task.completed), run.root_id, run.version),
        *(run.run_id, task.return_value, run.origin, run.attempt, run.config, run.group),
    )


@relation("TASK_DEPENDENTS")
def task_dependents(session: Session, task_name: str, recursive: bool = True) -> Result:
    """Return a task and those that come after it, as SHOW TASKS tells them."""
    found = dependents(session, session.find("TASK", session.path("TASK", Reader(task_name).name())), recursive)
    made = [[get(session, task) for *_, get in COLUMNS] for task in found]
    return rows([(name.upper(), sort) for name, sort, _ in COLUMNS], made)


def dependents(session: Session, task: Object, recursive: bool) -> list[Object]:
    """Return a task and those that come after it: all, or those directly after it."""
    graph = graph_of(session.account.catalog, root_of(session.account.catalog, task))
    below = {task.path}
    for each in graph.tasks:
        if any(parent in below and (recursive or parent == task.path) for parent in parents(each)):
            below.add(each.path)
    is_end = graph.finalizer is not None and finalized(graph.finalizer) == task.path
    return [each for each in graph.all if each.path in below or (is_end and each == graph.finalizer)]
