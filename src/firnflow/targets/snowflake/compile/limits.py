"""What a task graph of Snowflake may be at most. https://docs.snowflake.com/en/user-guide/tasks-graphs ."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from firnflow.errors import UsageError

if TYPE_CHECKING:
    from firnflow.graph.model import Graph
    from firnflow.targets.snowflake.compile.tasks import Task

MOST_TASKS = 1000
MOST_AROUND = 100
"""Tasks before one, and tasks behind one."""
MOST_RETURNED = 10_000
"""Bytes of a return value; https://docs.snowflake.com/en/sql-reference/functions/system_set_return_value ."""


def check_limits(graph: Graph, tasks: list[Task]) -> None:
    """Check the tasks of a pipeline.

    Raises:
        UsageError: they are too many, too many are around one, or a case is too long.
    """
    start = f"pipeline {graph.pipeline!r}:"
    if len(tasks) > MOST_TASKS:
        raise UsageError(
            f"{start} would be {len(tasks):,} tasks in Snowflake, which takes {MOST_TASKS:,}. "
            "Mend: map over a computed list, which is one task, or two pipelines"
        )
    behind = Counter(name for each in tasks for name in each.after)
    named = {each.name: each.of or "the start" for each in tasks}
    for each in tasks:
        for count, where in ((len(each.after), "before"), (behind[each.name], "behind")):
            if count > MOST_AROUND:
                raise UsageError(
                    f"{start} {count} tasks would stand {where} {named[each.name]!r} in Snowflake, which takes "
                    f"{MOST_AROUND}. Mend: gather them in steps, or map over a computed list, which is one task"
                )
    cases = [str(condition.case) for node in graph.tasks.values() for condition in node.when]
    if long := next((case for case in cases if len(case.encode()) > MOST_RETURNED), None):
        raise UsageError(f"{start} case {long[:40]!r}… has more than the {MOST_RETURNED:,} bytes of a return value")
