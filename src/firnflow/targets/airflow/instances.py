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
"""Stands in the name of the logger of our operator."""
_GROUP, _SOURCES, _CALL = "::", "::group::Log message source details", "Calling "
_BAD = {"warning", "error", "critical"}


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
    """Return a log: what the task has said, and what Airflow warns of; not what Airflow says of itself besides.

    An error that the task has said, and its operator has told Airflow once more, is there once.
    """
    found: list[LogLine] = []
    said: set[str] = set()
    at, is_ours = 0.0, True
    for each in content:
        row = each if isinstance(each, dict) else {"event": str(each)}
        text, level = str(row.get("event") or ""), str(row.get("level") or "info").lower()
        if text.startswith(_GROUP):
            is_ours = text != _SOURCES  # the files that Airflow has read
            continue
        at, source = _moment(row.get("timestamp")) or at, str(row.get("logger") or "")
        is_task = not source or _OURS in source
        if not text or not is_ours or not (is_task or level in _BAD) or (level == "error" and text in said):
            continue
        said.add(text)
        level = "debug" if is_task and text.startswith(_CALL) else level
        found.append(LogLine(at, level, source, text + _cause(row.get("error_detail"))))
    return found


def _cause(detail: Any) -> str:
    """Return what was raised, where Airflow says so."""
    if not isinstance(detail, list) or not detail or not isinstance(detail[-1], dict):
        return ""
    return f": {detail[-1].get('exc_type')}: {detail[-1].get('exc_value')}"


def _moment(text: Any) -> float | None:
    return dt.datetime.fromisoformat(text).timestamp() if isinstance(text, str) and text else None
