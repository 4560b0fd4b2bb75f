"""What Snowflake tells of runs: its table functions TASK_HISTORY, CURRENT_TASK_GRAPHS and COMPLETE_TASK_GRAPHS.

https://docs.snowflake.com/en/sql-reference/functions/task_history: seven days, 10,000 rows at the most; one row for
each time that a task has run, and one with the state SCHEDULED for what waits.
https://docs.snowflake.com/en/sql-reference/functions/current_task_graphs, …/complete_task_graphs: the last hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow.stores.snowflake.names import identifier, literal

if TYPE_CHECKING:
    import datetime as dt

    from firnflow.targets.snowflake.account import Account
    from firnflow.targets.snowflake.compile.place import Place

SCHEDULED, EXECUTING, SUCCEEDED, SKIPPED, CANCELLED = "SCHEDULED", "EXECUTING", "SUCCEEDED", "SKIPPED", "CANCELLED"
UNDER_WAY = (SCHEDULED, EXECUTING)
BY_SCHEDULE = "SCHEDULE"
_MOST = 10_000
_TASKS = (
    *("NAME", "STATE", "ATTEMPT_NUMBER", "GRAPH_RUN_GROUP_ID", "ROOT_TASK_ID", "QUERY_ID", "SCHEDULED_FROM"),
    *("SCHEDULED_TIME", "QUERY_START_TIME", "COMPLETED_TIME", "ERROR_MESSAGE", "QUERY_TEXT", "CONFIG"),
)
_GRAPHS = ("STATE", "ATTEMPT_NUMBER", "GRAPH_RUN_GROUP_ID", "SCHEDULED_FROM", "SCHEDULED_TIME")


@dataclass(frozen=True, slots=True)
class Ran:
    """One time that a task has run, runs, or is to run. Times are seconds since 1970.

    Attributes:
        name: the task's own name in the schema.
        state: how it stands, in Snowflake's words.
        attempt: of the graph, from 1.
        group: the run of the graph, with all its attempts; None: it has none yet.
        root_id: of the graph.
        query: the id of its statement, once that has begun.
        cause: what has started the run.
        due: when it was to start.
        began: when its statement began.
        ended: when it ended.
        error: why it has failed.
        text: what it does.
        config: of the run, as JSON.
    """

    name: str
    state: str
    attempt: int
    group: str | None
    root_id: str
    query: str | None
    cause: str
    due: float
    began: float | None
    ended: float | None
    error: str
    text: str
    config: str

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state not in UNDER_WAY


@dataclass(frozen=True, slots=True)
class GraphRan:
    """One attempt to run a graph: how it stands, its number, its group, what has started it, when it is or was due."""

    state: str
    attempt: int
    group: str | None
    cause: str
    due: float


class History:
    """What has run in the schema of an environment.

    Args:
        account: where it is.
        place: the schema.
    """

    def __init__(self, account: Account, place: Place) -> None:
        self._account, self._place = account, place

    def of_tasks(self, *names: str) -> list[Ran]:
        """Return the runs of these tasks, the newest first."""
        parts = [self._select(_TASKS, "TASK_HISTORY", {"TASK_NAME": name}, {"NAME": name}) for name in names]
        rows = self._account.query(" UNION ALL ".join(parts))
        return sorted(map(_ran, rows), key=lambda each: (each.due, each.attempt), reverse=True)

    def of_run(self, root_id: str, group: str) -> list[Ran]:
        """Return the runs of all tasks in one run of a graph, the newest attempt first."""
        select = self._select(_TASKS, "TASK_HISTORY", {"ROOT_TASK_ID": root_id}, {"GRAPH_RUN_GROUP_ID": group})
        return sorted(map(_ran, self._account.query(select)), key=lambda each: -each.attempt)

    def current(self, root: str) -> list[GraphRan]:
        """Return the runs of a graph that are under way, wait, or come next by its schedule."""
        return self._graphs("CURRENT_TASK_GRAPHS", root)

    def complete(self, root: str) -> list[GraphRan]:
        """Return the runs of a graph that have ended within the last hour."""
        return self._graphs("COMPLETE_TASK_GRAPHS", root)

    def _graphs(self, function: str, root: str) -> list[GraphRan]:
        rows = self._account.query(self._select(_GRAPHS, function, {"ROOT_TASK_NAME": root}, {"ROOT_TASK_NAME": root}))
        return [
            GraphRan(row["state"], int(row["attempt_number"] or 1), *_texts(row), _moment(row["scheduled_time"]) or 0.0)
            for row in rows
        ]

    def _select(self, columns: tuple[str, ...], function: str, arguments: dict[str, str], equal: dict[str, str]) -> str:
        """Return a query of what a function tells of the schema."""
        given = {name: literal(value) for name, value in arguments.items()} | {"RESULT_LIMIT": str(_MOST)}
        call = ", ".join(f"{name} => {value}" for name, value in given.items())
        where = {"DATABASE_NAME": self._place.database, "SCHEMA_NAME": self._place.schema, **equal}
        conditions = " AND ".join(f"{name} = {literal(value)}" for name, value in where.items())
        place = f"{identifier(self._place.database)}.INFORMATION_SCHEMA.{function}"
        return f"SELECT {', '.join(columns)} FROM TABLE({place}({call})) WHERE {conditions}"  # noqa: S608 - quoted


def _ran(row: dict[str, Any]) -> Ran:
    group, cause = _texts(row)
    return Ran(
        name=row["name"],
        state=row["state"],
        attempt=int(row["attempt_number"] or 1),
        group=group,
        root_id=str(row["root_task_id"]),
        query=row["query_id"],
        cause=cause,
        due=_moment(row["scheduled_time"]) or 0.0,
        began=_moment(row["query_start_time"]),
        ended=_moment(row["completed_time"]),
        error=row["error_message"] or "",
        text=row["query_text"] or "",
        config=row["config"] or "",
    )


def _texts(row: dict[str, Any]) -> tuple[str | None, str]:
    group = row["graph_run_group_id"]
    return (str(group) if group is not None else None), str(row["scheduled_from"] or "").replace("_", " ").lower()


def _moment(value: dt.datetime | None) -> float | None:
    return None if value is None else value.timestamp()
