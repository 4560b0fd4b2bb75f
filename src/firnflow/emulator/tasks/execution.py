"""Runs one graph once, from its root to its finalizer.

https://docs.snowflake.com/en/user-guide/tasks-graphs. A task starts when all before it have ended, and if they have
succeeded; one whose WHEN asks how they have ended starts whenever WHEN says so:
https://docs.snowflake.com/en/sql-reference/functions/system_predecessors_state.
"""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow.emulator.errors import SnowflakeError
from firnflow.emulator.tasks import bodies
from firnflow.emulator.tasks.context import Context
from firnflow.emulator.tasks.graph import STARTED
from firnflow.emulator.tasks.runs import (
    CANCELLED,
    EXECUTING,
    FAILED,
    NOT_EXECUTED,
    SKIPPED,
    SUCCEEDED,
    SUSPENDED,
    GraphRun,
    Runs,
    TaskRun,
)

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from firnflow.emulator.account import Account
    from firnflow.emulator.catalog import FullName

_ASKS = ("SYSTEM$PREDECESSORS_STATE", "SYSTEM$TASK_COMPLETION_STATE")
_LOOK = 0.05
_TIMEOUT = 3_600_000
"""Milliseconds: https://docs.snowflake.com/en/sql-reference/parameters#user-task-timeout-ms."""


@dataclass
class _Running:
    path: FullName
    body: bodies.Body
    record: TaskRun
    context: Context
    until: float


class Execution:
    """A run of a graph.

    Args:
        account: where.
        runs: where it is written down.
        run: the run.
        pool: runs the statements.
        closing: set when the account closes, which ends all of it.

    Attributes:
        cancelled: set to end all but the finalizer.
        is_root_done: whether the root task has ended.
    """

    def __init__(
        self, account: Account, runs: Runs, run: GraphRun, pool: ThreadPoolExecutor, closing: threading.Event
    ) -> None:
        self._account, self._runs, self.run, self._pool, self._closing = account, runs, run, pool, closing
        self.cancelled = threading.Event()
        self._tasks: dict[FullName, dict[str, Any]] = {tuple(task["path"]): task for task in run.tasks}
        self._states: dict[FullName, str] = {path: state for path, state, _ in run.kept}
        self._values: dict[FullName, str] = {path: value for path, _, value in run.kept if value is not None}
        self._running: dict[Future[Any], _Running] = {}
        self._end_of_graph = run.started + self._timeout(run.root)

    @property
    def is_root_done(self) -> bool:
        """Whether the root task has ended."""
        return self._states.get(self.run.root) is not None

    def go(self) -> str:
        """Run it, and return how it has ended."""
        self._runs.put(self.run)
        self._work([path for path in self._tasks if path != self.run.finalizer])
        if self.run.finalizer is not None and self._states.get(self.run.root) != SKIPPED:
            self._work([self.run.finalizer])
        states = set(self._states.values())
        ended = next((each for each in (FAILED, CANCELLED) if each in states), SUCCEEDED)
        self.run.state = SKIPPED if self._states.get(self.run.root) == SKIPPED else ended
        self.run.ended = time.time()
        self._runs.put(self.run)
        return self.run.state

    def _work(self, paths: list[FullName]) -> None:
        """Run these tasks until none runs and none can start."""
        while True:
            for path in paths:
                if path not in self._states and not any(each.path == path for each in self._running.values()):
                    self._consider(path)
            if not self._running and all(path in self._states for path in paths):
                return
            if self._running:
                done, _ = wait(self._running, timeout=_LOOK, return_when=FIRST_COMPLETED)
                for future in done:
                    self._finish(self._running.pop(future), future)
                self._note_queries()
                self._end_late()

    def _note_queries(self) -> None:
        """Write down by which statement each task runs now: by its id it can be cancelled."""
        for each in self._running.values():
            if each.body.query_id != each.record.query_id:
                each.record.query_id = each.body.query_id
                self._runs.put_task(each.record)

    def _consider(self, path: FullName) -> None:
        """Start a task, or say that it does not run, as soon as all before it have ended."""
        task = self._tasks[path]
        before = self._before(path)
        if any(each not in self._states for each in before):
            return
        states = [self._states[each] for each in before]
        asks = any(each in (task["body"].get("WHEN") or "").upper() for each in _ASKS)
        said = _before_says(states, asks=asks)
        if path != self.run.root and task["body"].get("state") != STARTED:
            self._states[path] = SUSPENDED
        elif self._is_cancelled(path):
            self._states[path] = CANCELLED
        elif said is not None:
            self._states[path] = said
            if said == SKIPPED:
                self._runs.put_task(self._record(path, SKIPPED, completed=time.time()))
        else:
            self._start(path, before)

    def _before(self, path: FullName) -> list[FullName]:
        """Return the tasks of this graph that a task comes after."""
        found = (tuple(each) for each in self._tasks[path]["body"].get("AFTER", []))
        return [each for each in found if each in self._tasks]

    def _above(self, path: FullName) -> frozenset[FullName]:
        found: set[FullName] = set()
        waiting = self._before(path) if path != self.run.finalizer else list(self._tasks)
        while waiting:
            each = waiting.pop()
            if each not in found:
                found.add(each)
                waiting += self._before(each)
        return frozenset(found - {path})

    def _start(self, path: FullName, before: list[FullName]) -> None:
        context = Context(self.run, path, before, self._states, self._values, self._above(path))
        record = self._record(path, EXECUTING)
        body = bodies.Body(self._account, self._tasks[path], context)
        future = self._pool.submit(body.run)
        self._runs.put_task(record)
        until = record.started + self._timeout(path)
        if path not in (self.run.root, self.run.finalizer) and "USER_TASK_TIMEOUT_MS" not in self._body(path):
            until = min(until, self._end_of_graph)
        self._running[future] = _Running(path, body, record, context, until)

    def _record(self, path: FullName, state: str, **more: Any) -> TaskRun:
        body = self._body(path)
        return TaskRun(self.run.id, path, state, body["AS"], body.get("WHEN"), started=time.time(), **more)

    def _body(self, path: FullName) -> dict[str, Any]:
        found: dict[str, Any] = self._tasks[path]["body"]
        return found

    def _timeout(self, path: FullName) -> float:
        return int(self._body(path).get("USER_TASK_TIMEOUT_MS", _TIMEOUT)) / 1000

    def _end_late(self) -> None:
        """Stop what takes too long, and all but the finalizer where the run is cancelled."""
        for each in self._running.values():
            if time.time() > each.until:
                each.body.stop(f"Statement reached its statement timeout of {self._timeout(each.path):g} second(s).")
            elif self._is_cancelled(each.path):
                each.body.stop(None)

    def _is_cancelled(self, path: FullName) -> bool:
        return self._closing.is_set() or (self.cancelled.is_set() and path != self.run.finalizer)

    def _finish(self, done: _Running, future: Future[Any]) -> None:
        record, failure = done.record, future.exception()
        record.completed, record.query_id = time.time(), done.body.query_id
        if failure is None:
            record.state = SUCCEEDED if future.result() else SKIPPED
            record.return_value = next(iter(done.context.returned), None)
        else:
            record.state = CANCELLED if done.body.is_cancelled else FAILED
            record.error_code = int(failure.code) if isinstance(failure, SnowflakeError) else 603
            record.error_message = str(failure)
        if record.return_value is not None:
            self._values[done.path] = record.return_value
        self._runs.put_task(record)
        self._states[done.path] = record.state


def _before_says(states: list[str], *, asks: bool) -> str | None:
    """Return the state of a task that does not run because of those before it; None: it runs, or its WHEN says."""
    known = [each for each in states if each != SUSPENDED]
    if len(states) > 1 and not known:
        return NOT_EXECUTED
    if asks or all(each == SUCCEEDED for each in known):
        return None
    return SKIPPED if all(each in (SUCCEEDED, SKIPPED) for each in known) else NOT_EXECUTED


def retried(run: GraphRun, records: list[TaskRun], origin: str) -> GraphRun:
    """Return the run that retries another: what has failed, what comes after that, and the finalizer.

    https://docs.snowflake.com/en/sql-reference/sql/execute-task (RETRY LAST)
    """
    ended = {path: (state, value) for path, state, value in run.kept}
    ended |= {record.path: (record.state, record.return_value) for record in records}
    again = {tuple(task["path"]) for task in run.tasks} - set(ended)
    again |= {path for path, (state, _) in ended.items() if state in (FAILED, CANCELLED, EXECUTING)}
    for task in run.tasks:  # those before others come first
        if any(tuple(each) in again for each in task["body"].get("AFTER", [])):
            again.add(tuple(task["path"]))
    kept = [(path, *found) for path, found in ended.items() if path not in again and path != run.finalizer]
    given = json.loads(json.dumps(run.tasks))
    return GraphRun(
        *(run.group, run.run_id, run.attempt + 1, run.root, run.root_id, run.version, given, run.finalizer, origin),
        *(time.time(), run.original, run.config, run.last_good, kept),
    )
