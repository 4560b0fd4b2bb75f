"""Runs of task graphs, and of their tasks, in the account's catalog.

A run that was under way when the server ended is FAILED when it starts again, and can be retried: Snowflake's
documentation knows no such case.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firnflow.emulator.catalog import Catalog, FullName

SUCCEEDED, FAILED, SKIPPED, CANCELLED = "SUCCEEDED", "FAILED", "SKIPPED", "CANCELLED"
EXECUTING, SCHEDULED, NOT_EXECUTED, SUSPENDED = "EXECUTING", "SCHEDULED", "NOT_EXECUTED", "SUSPENDED"
BY_SCHEDULE, BY_HAND, BY_RETRY, BY_ITSELF = "SCHEDULE", "EXECUTE TASK", "MANUAL RETRY", "AUTOMATIC RETRY"
BY_STREAM = "TRIGGER"
_TABLES = (
    "CREATE TABLE IF NOT EXISTS graph_run (id TEXT PRIMARY KEY, root_id TEXT, state TEXT, started REAL, body TEXT)",
    "CREATE TABLE IF NOT EXISTS task_run (id TEXT PRIMARY KEY, graph TEXT, started REAL, body TEXT)",
)
_STOPPED = (604, "The emulator was stopped while this was running.")


@dataclass
class TaskRun:
    """A run of one task.

    Attributes:
        graph: the id of the graph's run.
        path: the task's full name.
        state: how it stands.
        definition, condition: of the task.
        query_id, started, completed: of the statement.
        error_code, error_message: where it has failed.
        return_value: what the task has set.
    """

    graph: str
    path: FullName
    state: str
    definition: str
    condition: str | None = None
    query_id: str | None = None
    started: float = 0.0
    completed: float | None = None
    error_code: int | None = None
    error_message: str | None = None
    return_value: str | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass
class GraphRun:
    """A run of a graph; each retry is one of its own, in the same group.

    Attributes:
        group: the id that the retries share.
        run_id: when the first of the group was to start, in milliseconds since 1970.
        attempt: 1 for the first.
        root: the root's full name.
        root_id: the root itself, whatever becomes of its name.
        version: of the graph.
        tasks: the tasks that it began with, as the catalog has them, those before others first.
        finalizer: the full name of the finalizer, which is one of the tasks.
        origin: what has started it.
        scheduled, original: when it, and when the first of the group was to start.
        config: of this run, in JSON.
        last_good: group and original moment of the last group that had succeeded.
        kept: full name → state and return value of tasks that an earlier attempt is asked for.
    """

    group: str
    run_id: int
    attempt: int
    root: FullName
    root_id: str
    version: int
    tasks: list[dict[str, Any]]
    finalizer: FullName | None
    origin: str
    scheduled: float
    original: float
    config: str | None = None
    last_good: tuple[str, float] | None = None
    kept: list[tuple[FullName, str, str | None]] = field(default_factory=list)
    state: str = EXECUTING
    started: float = field(default_factory=time.time)
    ended: float | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


class Runs:
    """All runs of an account.

    Args:
        catalog: where they are kept.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        for table in _TABLES:
            catalog.run(table)
        self._end_those_left()

    def _end_those_left(self) -> None:
        now = time.time()
        for run in self.graphs(states=(EXECUTING,)):
            for task in self.tasks(run.id):
                if task.state == EXECUTING:
                    task.state, task.completed = FAILED, now
                    task.error_code, task.error_message = _STOPPED
                    self.put_task(task)
            run.state, run.ended = FAILED, now
            self.put(run)

    def put(self, run: GraphRun) -> None:
        """Write a run of a graph."""
        self._catalog.run(
            "INSERT OR REPLACE INTO graph_run (id, root_id, state, started, body) VALUES (?, ?, ?, ?, ?)",
            *(run.id, run.root_id, run.state, run.started, _text(run)),
        )

    def put_task(self, run: TaskRun) -> None:
        """Write a run of a task."""
        self._catalog.run(
            "INSERT OR REPLACE INTO task_run (id, graph, started, body) VALUES (?, ?, ?, ?)",
            *(run.id, run.graph, run.started, _text(run)),
        )

    def graphs(self, *, states: tuple[str, ...] = (), root_id: str | None = None) -> list[GraphRun]:
        """Return runs of graphs, the last one first."""
        found = self._catalog.run("SELECT state, root_id, body FROM graph_run ORDER BY started DESC")
        return [
            GraphRun(**_read(body, GraphRun))
            for state, of, body in found
            if (not states or state in states) and root_id in (None, of)
        ]

    def tasks(self, graph: str) -> list[TaskRun]:
        """Return the runs of tasks of a run of a graph, in the order in which they started."""
        rows = self._catalog.run("SELECT body FROM task_run WHERE graph = ? ORDER BY started", graph)
        return [TaskRun(**_read(body, TaskRun)) for (body,) in rows]


def _text(run: GraphRun | TaskRun) -> str:
    return json.dumps({each.name: getattr(run, each.name) for each in fields(run)})


def _read(body: str, kind: type[GraphRun | TaskRun]) -> dict[str, Any]:
    """Return the arguments of a run; JSON has made lists of full names."""
    found: dict[str, Any] = json.loads(body)
    for key in ("root", "path", "finalizer", "last_good"):
        if found.get(key) is not None:
            found[key] = tuple(found[key])
    if kind is GraphRun:
        found["kept"] = [(tuple(path), state, value) for path, state, value in found["kept"]]
    return found
