"""Task graphs in an account: found, made, altered and dropped, task by task.

While one is altered its root is suspended, as https://docs.snowflake.com/en/user-guide/tasks-graphs wants it; a run
that is under way ends on the tasks that it began with. It is resumed last: killed in the middle, it is found suspended,
or with other tasks than it should have, and the next apply goes on.
"""

from __future__ import annotations

from dataclasses import replace
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

from firnflow._crash import crash_point
from firnflow.errors import DeployConflictError
from firnflow.targets.snowflake.grammar import render_name
from firnflow.targets.snowflake.grammar.statements import Alter, Drop, Select, Show
from firnflow.targets.snowflake.grammar.values import Call, Constant, Name, Property
from firnflow.targets.snowflake.shown import (
    PAUSED,
    STARTED,
    own_limits,
    predecessors,
    shown_task,
    shown_text,
    starts_itself,
    wanted_task,
)
from firnflow.targets.snowflake.tags import set_tags, told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firnflow.targets.snowflake.account import Account
    from firnflow.targets.snowflake.compile.place import Place
    from firnflow.targets.snowflake.compile.tasks import Task, TaskGraph
    from firnflow.targets.snowflake.shown import Limits

Row = dict[str, Any]


class Graphs:
    """The task graphs of an environment.

    Args:
        account: where they are.
        place: in which schema.
    """

    def __init__(self, account: Account, place: Place) -> None:
        self._account, self._place = account, place

    def rows(self, pipeline: str) -> dict[str, Row]:
        """Return name → row of SHOW TASKS of all tasks that have, or could have, to do with a pipeline."""
        root = self._place.root(pipeline)
        rows = self._account.show("TASKS", self._place.schema_name, starts=root)
        return {row["name"]: row for row in rows if row["name"] == root or row["name"].startswith(f"{root}$")}

    def own(self, rows: Mapping[str, Row]) -> dict[str, Row]:
        """Return those that are ours."""
        return {name: row for name, row in rows.items() if self._place.is_marked(row.get("comment"))}

    def text(self, pipeline: str, rows: Mapping[str, Row]) -> str:
        """Return what is there of a pipeline, in the form of `wanted_text`."""
        return self._text(pipeline, self._with_tags(rows), self._limits(rows))

    def _text(self, pipeline: str, rows: Mapping[str, Row], limits: Mapping[str, Limits]) -> str:
        root = self._place.root(pipeline)
        return shown_text(rows.values(), limits, starts_itself(rows.get(root, {})), root)

    def _limits(self, rows: Mapping[str, Row]) -> dict[str, Limits]:
        """Return task → what it sets of its limits. Snowflake tells them of one task at a time."""
        asked = [Show("PARAMETERS", None, ("IN TASK", self._place.named(name))) for name in rows]
        found = self._account.looked_at_once(asked)
        return {name: own_limits(each) for name, each in zip(rows, found, strict=True)}

    def _with_tags(self, rows: Mapping[str, Row]) -> dict[str, Row]:
        """Return tasks with their tags, which SHOW does not tell."""
        names = [render_name(self._place.named(name)) for name in rows]
        tags = told(self._account, self._place, "TASK", names)
        return {name: {**row, "tags": each} for (name, row), each in zip(rows.items(), tags, strict=True)}

    def put(self, graph: TaskGraph, before: str | None, *, starts: str | None = None) -> None:
        """Make a pipeline's tasks what they should be.

        Args:
            graph: what they should be.
            before: what was there when the plan was made.
            starts: the pipeline that they start; they are new, and it is paused: so are they.

        Raises:
            DeployConflictError: something else is there now, or a task of somebody else.
            StoreError: Snowflake refuses.
        """
        rows = self.rows(graph.pipeline)
        own = self._with_tags(self.own(rows))
        foreign = next((each.name for each in graph.tasks if each.name in rows and each.name not in own), None)
        if foreign is not None:
            raise self._conflict(f"there is a task {foreign} that this deployment has not made")
        limits = self._limits(own)
        if (self._text(graph.pipeline, own, limits) if own else None) != before:
            raise self._conflict(f"the tasks of {graph.pipeline!r} were changed by somebody else")
        is_paused = _is_paused(own[graph.root] if graph.root in own else self._root(starts))
        if graph.root in own:
            self._account.do(self._alter(graph.root, "SUSPEND"))
            crash_point("snowflake.suspended")
        self._make(graph, own, limits, is_paused=is_paused)
        wanted = {each.name for each in graph.tasks}
        for name in (each for each in leaves_first(own, graph.root) if each not in wanted):
            self._account.do(Drop("TASK", self._place.named(name), if_exists=True))
        crash_point("snowflake.dropped")
        self._start(graph, own, is_paused=is_paused)

    def _root(self, pipeline: str | None) -> Row:
        """Return the row of a pipeline's root; an empty one where there is none of ours."""
        return self.own(self.rows(pipeline)).get(self._place.root(pipeline), {}) if pipeline is not None else {}

    def drop(self, pipeline: str, before: str) -> None:
        """Drop the tasks of a pipeline that are ours. Raises as `put`."""
        own = self.own(self.rows(pipeline))
        if not own:
            return
        if self.text(pipeline, own) != before:
            raise self._conflict(f"the tasks of {pipeline!r} were changed by somebody else")
        root = self._place.root(pipeline)
        if root in own:
            self._account.do(self._alter(root, "SUSPEND"))
        for name in leaves_first(own, root):
            self._account.do(Drop("TASK", self._place.named(name), if_exists=True))
            crash_point("snowflake.dropped")

    def _make(self, graph: TaskGraph, own: Mapping[str, Row], limits: Mapping[str, Limits], *, is_paused: bool) -> None:
        """Make the tasks that are not there, and alter those that are not as they should be."""
        for each in graph.tasks:
            if each.name in own and _is_as_wanted(each, own[each.name], limits[each.name], self._place):
                self._tag(each, own)
                continue
            statement = each.statement(self._place)
            if each.name == graph.root and is_paused:
                marked = (_paused(one) if one.name == "COMMENT" else one for one in statement.properties)
                statement = replace(statement, properties=tuple(marked))
            self._account.do(statement)
            crash_point("snowflake.made")
            self._tag(each, own)

    def _tag(self, task: Task, own: Mapping[str, Row]) -> None:
        if task.name not in own or own[task.name]["tags"] != self._place.tag_text():
            set_tags(self._account, self._place, "TASK", self._place.named(task.name))

    def _start(self, graph: TaskGraph, own: Mapping[str, Row], *, is_paused: bool) -> None:
        """Resume the tasks, the root last: all by one call, where the root has to run too."""
        if graph.has_schedule and not is_paused:
            root = render_name(self._place.named(graph.root))
            self._account.do(Select((Call(Name(("SYSTEM$TASK_DEPENDENTS_ENABLE",)), (Constant(root),)),)))
            return
        for each in graph.tasks[1:]:
            if str(own.get(each.name, {}).get("state", "")).lower() != STARTED:
                self._account.do(self._alter(each.name, "RESUME"))

    def _alter(self, name: str, action: str) -> Alter:
        return Alter("TASK", self._place.named(name), action, if_exists=True)

    def _conflict(self, what: str) -> DeployConflictError:
        where = render_name(self._place.schema_name)
        return DeployConflictError(f"{where}: {what} since the plan was made. Mend: plan again")


def leaves_first(rows: Mapping[str, Row], root: str) -> list[str]:
    """Return the names of tasks, each behind all that come after it, the root last: a task without a root is one."""
    above = {name: [each for each in predecessors(row) if each in rows] for name, row in rows.items()}
    for name, names in above.items():
        if name != root and not names and root in rows:
            names.append(root)
    return [*TopologicalSorter(above).static_order()][::-1]


def _is_as_wanted(task: Task, row: Row, limits: Limits, place: Place) -> bool:
    """Whether a task is there as it should be, whether it is started and tagged or not."""
    row = {**row, "tags": place.tag_text()}
    return shown_task(row, limits, has_state=False) == wanted_task(task, place, is_started=False)


def _is_paused(root: Row) -> bool:
    return str(root.get("comment") or "").endswith(PAUSED)


def _paused(comment: Property) -> Property:
    return Property("COMMENT", f"{comment.value}{PAUSED}")
