"""What is there, as SHOW tells it, in the form in which what should be there is written too.

The comment has a digest of the whole statement that made a task: a change in the project is always seen, one by hand
where SHOW tells of it. Columns: https://docs.snowflake.com/en/sql-reference/sql/show-tasks ; time limits are told by
https://docs.snowflake.com/en/sql-reference/sql/show-parameters , of one task at a time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from firnflow.targets.snowflake.grammar import ParseError, parse, read_name, render, render_expression
from firnflow.targets.snowflake.grammar.statements import Alter
from firnflow.targets.snowflake.grammar.values import Code, Name, Word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.targets.snowflake.compile.place import Place
    from firnflow.targets.snowflake.compile.tasks import Task, TaskGraph

STARTED = "started"
Limits: TypeAlias = Mapping[str, Any]
"""Parameter → its value, of those that a task sets itself."""
LIMITS = {"time limit, ms": "USER_TASK_TIMEOUT_MS", "suspended after failures": "SUSPEND_TASK_AFTER_NUM_FAILURES"}
_OVERLAPPING = (Word("ALLOW_ALL_OVERLAP"), Word("ALLOW_CHILD_OVERLAP"))
PAUSED = " paused"
"""At the end of a root task's comment: `firnflow pause` has suspended it."""


def wanted_text(graph: TaskGraph, place: Place) -> str:
    """Return the tasks of a pipeline as text, each by itself."""
    texts = {each.name: wanted_task(each, place, is_started=_is_started(graph, each)) for each in graph.tasks}
    return _joined(texts)


def wanted_task(task: Task, place: Place, *, is_started: bool) -> str:
    """Return a task as text."""
    settings = {each.name: each.value for each in task.statement(place).properties}
    condition = "" if task.condition is None else render_expression(task.condition)
    config = settings.get("CONFIG")
    return _text(
        {
            "comment": settings["COMMENT"],
            "tags": place.tag_text(),
            "warehouse": _last(settings["WAREHOUSE"]),
            "schedule": settings.get("SCHEDULE"),
            "config": _canonical(config.text) if isinstance(config, Code) else "",
            "after": ", ".join(sorted(task.after)),
            "finalizes": _last(settings.get("FINALIZE")),
            "overlap": "allowed" if settings.get("OVERLAP_POLICY") in _OVERLAPPING else "",
            **{name: str(settings[key]) for name, key in LIMITS.items() if key in settings},
            "when": condition,
            "as": task.body,
            "state": STARTED if is_started else "",
        }
    )


def shown_text(
    rows: Iterable[Mapping[str, Any]], limits: Mapping[str, Limits], graph_has_schedule: bool, root: str
) -> str:
    """Return the rows of SHOW TASKS as the same text. Of a root without a schedule the state says nothing.

    Args:
        rows: of the tasks.
        limits: task → its own time limits.
        graph_has_schedule: whether the root has one.
        root: the name of the root.
    """
    return _joined(
        {
            str(row["name"]): shown_task(
                row, limits.get(row["name"], {}), has_state=row["name"] != root or graph_has_schedule
            )
            for row in rows
        }
    )


def shown_task(row: Mapping[str, Any], limits: Limits, *, has_state: bool) -> str:
    """Return a row of SHOW TASKS, with its tags, as text. A root that was paused counts as started, as it should be."""
    comment = str(row.get("comment") or "")
    state = STARTED if comment.endswith(PAUSED) else str(row.get("state") or "").lower()
    return _text(
        {
            "comment": comment.removesuffix(PAUSED),
            "tags": row.get("tags"),
            "warehouse": row.get("warehouse"),
            "schedule": row.get("schedule"),
            "config": _canonical(str(row.get("config") or "")),
            "after": ", ".join(sorted(predecessors(row))),
            "finalizes": _own_name(str(_json(row.get("task_relations")).get("FinalizedRootTask") or "")),
            "overlap": "allowed" if str(row.get("allow_overlapping_execution")).lower() == "true" else "",
            **{name: limits[key] for name, key in LIMITS.items() if key in limits},
            "when": _condition(str(row.get("condition") or "")),
            "as": str(row.get("definition") or "").strip(),
            "state": state if has_state else "",
        }
    )


def starts_itself(root: Mapping[str, Any]) -> bool:
    """Whether a root task starts by a clock, or by streams that its WHEN asks; by the row of SHOW TASKS."""
    return bool(root.get("schedule") or root.get("condition"))


def _is_started(graph: TaskGraph, task: Task) -> bool:
    return task.name != graph.root or graph.has_schedule


def _text(parts: Mapping[str, object]) -> str:
    return "\n".join(f"  {name} {value}" for name, value in parts.items() if value)


def _joined(texts: Mapping[str, str]) -> str:
    return "\n".join(f"task {name}\n{text}" for name, text in sorted(texts.items()))


def _last(value: object) -> str:
    return value.last if isinstance(value, Name) else ""


def predecessors(row: Mapping[str, Any]) -> list[str]:
    """Return the own names of the tasks before one; SHOW tells a JSON list of full ones, or a list."""
    value = row.get("predecessors")
    found = json.loads(value) if isinstance(value, str) and value.strip() else value or []
    return [_own_name(str(each)) for each in found]


def own_limits(rows: Iterable[Mapping[str, Any]]) -> Limits:
    """Return what a task itself sets of its limits, by the rows of SHOW PARAMETERS."""
    return {row["key"]: row["value"] for row in rows if row["key"] in LIMITS.values() and row["level"] == "TASK"}


def _json(value: object) -> dict[str, Any]:
    """Return an object that SHOW tells as JSON; an empty one where it tells none."""
    found = json.loads(value) if isinstance(value, str) and value.strip() else value
    return found if isinstance(found, dict) else {}


def _own_name(text: str) -> str:
    try:
        return read_name(text).last
    except ParseError:
        return text


def _condition(text: str) -> str:
    """Return a condition as the grammar writes it, or as it is where it is none of ours."""
    if not text.strip():
        return ""
    try:
        found = parse(f"ALTER TASK T MODIFY WHEN {text}")
    except ParseError:
        return text.strip()
    return render(found).partition(" WHEN ")[2] if isinstance(found, Alter) else text


def _canonical(text: str) -> str:
    """Return JSON in one way of writing it; another text as it is."""
    try:
        return json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False) if text.strip() else ""
    except ValueError:
        return text.strip()
