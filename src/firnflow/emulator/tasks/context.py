"""What a task that runs knows of its graph: the system functions that only tasks can call.

https://docs.snowflake.com/en/sql-reference/functions/system_task_runtime_info and those named below.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.registry import function
from firnflow.emulator.tasks.runs import CANCELLED, FAILED, NOT_EXECUTED, SKIPPED, SUCCEEDED, SUSPENDED

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.emulator.catalog import FullName
    from firnflow.emulator.session import Session
    from firnflow.emulator.tasks.runs import GraphRun

LONGEST_VALUE = 10_000
"""Bytes: https://docs.snowflake.com/en/sql-reference/functions/system_set_return_value."""


@dataclass
class Context:
    """A run of one task, as its session knows it.

    Attributes:
        run: of the graph.
        path: the task's full name.
        predecessors: those that it comes directly after.
        states: full name → how tasks of the graph stand.
        values: full name → what tasks have returned.
        above: those that it comes after at all.
        returned: what it has returned itself.
    """

    run: GraphRun
    path: FullName
    predecessors: list[FullName]
    states: dict[FullName, str]
    values: dict[FullName, str]
    above: frozenset[FullName] = frozenset()
    returned: list[str] = field(default_factory=list)


_CONDITIONS: dict[str, Callable[[list[str]], bool]] = {
    "ALL_SUCCEEDED": lambda states: all(each == SUCCEEDED for each in states),
    "ALL_FAILED": lambda states: all(each == FAILED for each in states),
    "ALL_DONE": lambda _: True,
    "ALL_SKIPPED": lambda states: all(each == SKIPPED for each in states),
    "AT_LEAST_ONE_FAILED": lambda states: FAILED in states,
    "AT_LEAST_ONE_SUCCEEDED": lambda states: SUCCEEDED in states,
    "NONE_FAILED": lambda states: all(each in (SUCCEEDED, SKIPPED) for each in states),
    "NONE_FAILED_MIN_ONE_SUCCEEDED": lambda states: (
        SUCCEEDED in states and all(each in (SUCCEEDED, SKIPPED) for each in states)
    ),
    "NONE_SKIPPED": lambda states: SKIPPED not in states,
}
"""https://docs.snowflake.com/en/sql-reference/functions/system_predecessors_state"""


def _context(session: Session, name: str) -> Context:
    if session.task is None:
        raise errors.SnowflakeError(
            91084, "55000", f"Function {name} must be called from within a task: there is no task in this session."
        )
    return session.task


def enabled(context: Context) -> list[FullName]:
    """Return the predecessors that are not suspended."""
    return [each for each in context.predecessors if context.states.get(each) != SUSPENDED]


@function("SYSTEM$SET_RETURN_VALUE")
def _set_return_value(session: Session, value: Any) -> str:
    """Set what the task returns: https://docs.snowflake.com/en/sql-reference/functions/system_set_return_value."""
    context, text = _context(session, "SYSTEM$SET_RETURN_VALUE"), str(value)
    if len(text.encode()) > LONGEST_VALUE:
        raise errors.SnowflakeError(
            100078, "22000", f"Return value of a task is {len(text.encode())} bytes, longer than {LONGEST_VALUE}."
        )
    context.returned[:] = [text]
    return "Return value set."


@function("SYSTEM$GET_PREDECESSOR_RETURN_VALUE")
def _get_return_value(session: Session, name: str | None = None) -> str | None:
    """Return what a task before this one has returned.

    https://docs.snowflake.com/en/sql-reference/functions/system_get_predecessor_return_value: names are as they are
    kept; one further above counts too.
    """
    context = _context(session, "SYSTEM$GET_PREDECESSOR_RETURN_VALUE")
    found = enabled(context)
    if name is None:
        if len(found) != 1:
            raise errors.invalid(f"Task {full(context.path)} has {len(found)} enabled predecessors: name one.")
        return context.values.get(found[0])
    named = [each for each in (*found, *sorted(context.above)) if each[-1] == name]
    if not named or context.states.get(named[0]) == SUSPENDED:
        raise errors.invalid(f"Task '{name}' is no enabled predecessor of {full(context.path)}.")
    return context.values.get(named[0])


@function("SYSTEM$PREDECESSORS_STATE")
def _predecessors_state(session: Session, condition: str) -> bool:
    context = _context(session, "SYSTEM$PREDECESSORS_STATE")
    if condition not in _CONDITIONS:
        raise errors.invalid(f"Invalid condition '{condition}'. It is one of: {', '.join(_CONDITIONS)}")
    return bool(_CONDITIONS[condition]([context.states[each] for each in enabled(context)]))


@function("SYSTEM$TASK_COMPLETION_STATE")
def _completion_state(session: Session, name: str) -> str:
    """https://docs.snowflake.com/en/sql-reference/functions/system_task_completion_state."""
    context = _context(session, "SYSTEM$TASK_COMPLETION_STATE")
    found = (*context.run.root[:2], name)
    if found not in {tuple(task["path"]) for task in context.run.tasks}:
        raise errors.invalid(f"Task '{name}' is not in the graph of {full(context.run.root)}.")
    state = context.states.get(found)
    return state if state in (SUCCEEDED, FAILED, SKIPPED, CANCELLED) else NOT_EXECUTED


@function("SYSTEM$GET_TASK_GRAPH_CONFIG")
def _config(session: Session, key: str | None = None) -> str | None:
    """https://docs.snowflake.com/en/sql-reference/functions/system_get_task_graph_config."""
    text = _context(session, "SYSTEM$GET_TASK_GRAPH_CONFIG").run.config
    if key is None or text is None:
        return text
    value = json.loads(text).get(key)
    return value if isinstance(value, str | None) else json.dumps(value)


@function("SYSTEM$CURRENT_USER_TASK_NAME")
def _current_task(session: Session) -> str:
    """https://docs.snowflake.com/en/sql-reference/functions/system_current_user_task_name."""
    return full(_context(session, "SYSTEM$CURRENT_USER_TASK_NAME").path)


@function("SYSTEM$TASK_RUNTIME_INFO")
def _runtime_info(session: Session, what: str) -> str | None:
    context = _context(session, "SYSTEM$TASK_RUNTIME_INFO")
    run, last = context.run, context.run.last_good
    known = {
        "CURRENT_TASK_NAME": full(context.path),
        "CURRENT_ROOT_TASK_NAME": full(run.root),
        "CURRENT_ROOT_TASK_UUID": run.root_id,
        "CURRENT_TASK_GRAPH_RUN_GROUP_ID": run.group,
        "CURRENT_TASK_GRAPH_ORIGINAL_SCHEDULED_TIMESTAMP": _moment(run.original),
        "LAST_SUCCESSFUL_TASK_GRAPH_RUN_GROUP_ID": last[0] if last else None,
        "LAST_SUCCESSFUL_TASK_GRAPH_ORIGINAL_SCHEDULED_TIMESTAMP": _moment(last[1]) if last else None,
    }
    if what.upper() not in known:
        raise errors.invalid(f"Invalid argument '{what}'. It is one of: {', '.join(known)}")
    return known[what.upper()]


def _moment(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " Z"
