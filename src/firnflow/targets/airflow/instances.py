"""What Airflow says of tasks and their logs, in our words."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from firnflow.engine.driver import FINALIZER
from firnflow.status import TaskStatus
from firnflow.targets.airflow.compile import ELEMENTS
from firnflow.targets.operate import LogLine, TargetTask

if TYPE_CHECKING:
    from collections.abc import Sequence

_STATUS = {
    "running": TaskStatus.RUNNING,
    "restarting": TaskStatus.RUNNING,
    "success": TaskStatus.SUCCEEDED,
    "failed": TaskStatus.FAILED,
    "skipped": TaskStatus.SKIPPED,
    "upstream_failed": TaskStatus.UPSTREAM_FAILED,
}
"""All others wait for something."""
_RETRIED = "up_for_retry"
_GONE = "removed"
_OURS = "firnflow"


def tasks(rows: Sequence[dict[str, Any]], now: float) -> list[TargetTask]:
    """Return task instances as tasks.

    What only looks which elements a map has is no task of the pipeline: it is left out, unless it has failed.

    Args:
        rows: the instances.
        now: seconds since 1970.
    """
    found = []
    for row in rows:
        status = _STATUS.get(row["state"] or "", TaskStatus.WAITING)
        if row["state"] == _GONE or (row["task_id"].endswith(ELEMENTS) and status != TaskStatus.FAILED):
            continue
        began, ended = _moment(row["start_date"]), _moment(row["end_date"])
        seconds = max(0.0, (ended or now) - began) if began is not None else 0.0
        element, again = int(row["map_index"]), 0.0 if row["state"] == _RETRIED else None
        label = row["rendered_map_index"] if element >= 0 else None
        found.append(TargetTask(row["task_id"], element, label, status, int(row["try_number"]), seconds, again))
    return sorted(found, key=lambda each: each.element)


def left(rows: Sequence[dict[str, Any]]) -> list[str | list[Any]]:
    """Return what has not succeeded, as Airflow clears it: tasks, and elements of maps."""
    return [
        row["task_id"] if row["map_index"] < 0 else [row["task_id"], row["map_index"]]
        for row in rows
        if row["state"] not in {"success", _GONE} or row["task_id"] == FINALIZER
    ]


def lines(content: Sequence[Any]) -> list[LogLine]:
    """Return a log: what the task has printed and what became of it, without what Airflow says of itself."""
    found: list[LogLine] = []
    at = 0.0
    for each in content:
        row = each if isinstance(each, dict) else {"event": str(each)}
        at = _moment(row.get("timestamp")) or at
        source, level = str(row.get("logger") or ""), str(row.get("level") or "info").lower()
        if row.get("event") and not str(row["event"]).startswith("::"):
            found.append(LogLine(at, level, source, str(row["event"])))
    return found


def _moment(text: Any) -> float | None:
    return dt.datetime.fromisoformat(text).timestamp() if isinstance(text, str) and text else None
