"""A task as the REST interface says it, and as a statement says it.

https://docs.snowflake.com/en/developer-guide/snowflake-rest-api/reference/task
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from firnflow.emulator.catalog import full
from firnflow.emulator.errors import invalid, unknown
from firnflow.emulator.objects.show import created
from firnflow.emulator.reader import Reader
from firnflow.emulator.tasks.graph import finalized, parents
from firnflow.emulator.tasks.listings import moment, relations
from firnflow.stores.snowflake.names import literal

if TYPE_CHECKING:
    from firnflow.emulator.catalog import FullName, Object
    from firnflow.emulator.session import Session

_TEXTS = {"comment": "COMMENT", "user_task_managed_initial_warehouse_size": "USER_TASK_MANAGED_INITIAL_WAREHOUSE_SIZE"}
_PLAIN = {
    "task_auto_retry_attempts": "TASK_AUTO_RETRY_ATTEMPTS",
    "user_task_timeout_ms": "USER_TASK_TIMEOUT_MS",
    "suspend_task_after_num_failures": "SUSPEND_TASK_AFTER_NUM_FAILURES",
    "allow_overlapping_execution": "ALLOW_OVERLAPPING_EXECUTION",
    "overlap_policy": "OVERLAP_POLICY",
}
_READ_ONLY = (
    *("task_relations", "created_on", "id", "owner", "owner_role_type", "state", "last_committed_on"),
    *("last_suspended_on", "database_name", "schema_name"),
)
_SESSION = re.compile(r"[A-Z][A-Z0-9_]*")


def statement(schema: FullName, given: dict[str, Any]) -> str:
    """Return a task as it stands behind CREATE TASK.

    Args:
        schema: where it is.
        given: the task as a request says it.

    Raises:
        SnowflakeError: something in it is not known.
    """
    left = {key: value for key, value in given.items() if value is not None and key not in _READ_ONLY}
    parts = [full((*schema, Reader(left.pop("name")).name()[-1]))]
    if "warehouse" in left:
        parts.append(f"WAREHOUSE = {full(Reader(left.pop('warehouse')).name())}")
    if "schedule" in left:
        parts.append(f"SCHEDULE = {literal(_schedule(left.pop('schedule')))}")
    if "config" in left:
        parts.append(f"CONFIG = {literal(json.dumps(left.pop('config')))}")
    if "finalize" in left:
        parts.append(f"FINALIZE = {full(_beside(schema, left.pop('finalize')))}")
    parts += [f"{word} = {literal(str(left.pop(key)))}" for key, word in _TEXTS.items() if key in left]
    parts += [f"{word} = {_word(left.pop(key))}" for key, word in _PLAIN.items() if key in left]
    parts += [_parameter(key, value) for key, value in left.pop("session_parameters", {}).items()]
    if above := left.pop("predecessors", None):
        parts.append("AFTER " + ", ".join(full(_beside(schema, each)) for each in above))
    if "condition" in left:
        parts.append(f"WHEN {left.pop('condition')}")
    parts.append(f"AS {left.pop('definition')}")
    if left:
        raise unknown(f"a task with {min(left)}", [*_TEXTS, *_PLAIN, "config", "finalize", "predecessors", "condition"])
    return " ".join(parts)


def _word(value: Any) -> str:
    text = str(value).upper()
    if not re.fullmatch(r"[A-Z_]+|\d+", text):
        raise invalid(f"Invalid value '{value}'.")
    return text


def _parameter(key: str, value: Any) -> str:
    if not _SESSION.fullmatch(key.upper()):
        raise invalid(f"Invalid session parameter '{key}'.")
    return f"{key} = {literal(value) if isinstance(value, str) else str(value).upper()}"


def _beside(schema: FullName, name: str) -> list[str]:
    parts = list(Reader(name).name())
    return [*schema, *parts] if len(parts) == 1 else parts


def _schedule(given: dict[str, Any]) -> str:
    if "cron_expr" in given:
        return f"USING CRON {given['cron_expr']} {given['timezone']}"
    return f"{int(given['minutes']) * 60 + int(given.get('seconds') or 0)} SECONDS"


def shown(session: Session, task: Object) -> dict[str, Any]:
    """Return a task as the interface says it; what it does not have is left out."""
    body = task.body
    root = finalized(task)
    found = {
        "name": task.name,
        "database_name": task.path[0],
        "schema_name": task.path[1],
        "definition": body["AS"],
        "warehouse": body.get("WAREHOUSE"),
        "schedule": _told_schedule(body.get("SCHEDULE")),
        "config": json.loads(body["CONFIG"]) if "CONFIG" in body else None,
        "predecessors": [full(each) for each in parents(task)],
        "finalize": full(root) if root else None,
        "condition": body.get("WHEN"),
        "task_relations": relations(session, task),
        "id": body["id"],
        "state": body["state"],
        "owner": task.owner,
        "owner_role_type": "ROLE",
        "created_on": created(session, task).isoformat(),
        **{key: body.get(word) for key, word in {**_TEXTS, **_PLAIN}.items()},
    }
    for key, word in (("last_committed_on", "resumed"), ("last_suspended_on", "suspended")):
        when = moment(word)(session, task)
        found[key] = when.isoformat() if when else None
    return {key: value for key, value in found.items() if value is not None}


def _told_schedule(schedule: str | None) -> dict[str, Any] | None:
    if schedule is None:
        return None
    words = schedule.split()
    if words[0].upper() == "USING":
        return {"schedule_type": "CRON_TYPE", "cron_expr": " ".join(words[2:7]), "timezone": words[7]}
    number, unit = re.fullmatch(r"(\d+)\s*(\w)\w*", schedule.strip()).groups()  # type: ignore[union-attr]
    seconds = int(number) * {"S": 1, "M": 60, "H": 3600}[unit.upper()]
    return {"schedule_type": "MINUTES_TYPE", "minutes": seconds // 60, "seconds": seconds % 60}


def told_run(row: dict[str, Any]) -> dict[str, Any]:
    """Return a run as the interface says it: clients want a next moment also of a graph that nothing starts."""
    return {**row, "next_scheduled_time": row["next_scheduled_time"] or row["scheduled_time"]}
