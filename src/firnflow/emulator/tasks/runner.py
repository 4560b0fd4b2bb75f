"""Starts runs of task graphs: by their schedules, and when somebody asks for one.

https://docs.snowflake.com/en/user-guide/tasks-graphs (overlap, automatic retries, suspending after failures).
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from firnflow.emulator import errors
from firnflow.emulator.catalog import full
from firnflow.emulator.objects.use import use
from firnflow.emulator.tasks import schedules
from firnflow.emulator.tasks.execution import Execution, retried
from firnflow.emulator.tasks.graph import STARTED, SUSPENDED, Graph, finalized, graph_of, is_triggered, parents
from firnflow.emulator.tasks.runs import (
    BY_ITSELF,
    BY_RETRY,
    BY_SCHEDULE,
    BY_STREAM,
    CANCELLED,
    FAILED,
    GraphRun,
    Runs,
)
from firnflow.emulator.tasks.settings import config_of

if TYPE_CHECKING:
    from firnflow.emulator.account import Account
    from firnflow.emulator.catalog import Object

_log = logging.getLogger(__name__)
_LOOK = 0.5
_AT_ONCE = 16
_RETRIED_WITHIN = 14 * 86_400.0
_FAILURES = 10
"""After so many failures in a row a graph is suspended, unless it says another number."""


class Runner:
    """The runs of an account.

    Args:
        account: whose tasks.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self.runs = Runs(account.catalog)
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="task")
        self._active: dict[Execution, threading.Thread] = {}
        self._waiting: list[GraphRun] = []
        self._next: dict[str, tuple[str, float]] = {}
        self._looked: dict[str, tuple[str, int, int | None]] = {}
        self._told: dict[str, str] = {}
        self._lock = threading.Lock()
        self._ends = threading.Event()
        self._clock = threading.Thread(target=self._tick, name="schedule", daemon=True)
        self._clock.start()

    def execute(self, root: Object, origin: str, config: str | None = None, scheduled: float | None = None) -> None:
        """Start a run of a graph; where runs may not overlap, after those that are under way."""
        graph = graph_of(self._account.catalog, root)
        moment = time.time() if scheduled is None else scheduled
        self._submit(
            GraphRun(
                *(str(uuid.uuid4()), int(moment * 1000), 1, root.path, root.body["id"], self._version(graph)),
                *(_snapshot(graph), graph.finalizer.path if graph.finalizer else None, origin, moment, moment),
                _merged(root.body.get("CONFIG"), config),
                self._last_good(root),
            )
        )

    def retry(self, root: Object, group: str | None = None) -> None:
        """Retry the last run of a graph, or the last one of a group.

        Raises:
            SnowflakeError: it has not failed, is too old, or the graph has changed since.
        """
        found = [run for run in self.runs.graphs(root_id=root.body["id"]) if group in {None, run.group}]
        last = found[0] if found else None
        if last is None or last.state not in (FAILED, CANCELLED):
            raise _no_retry(root, "the last graph run has to be FAILED or CANCELLED")
        if time.time() - last.started > _RETRIED_WITHIN:
            raise _no_retry(root, "the last graph run is more than 14 days ago")
        if _digest(_snapshot(graph_of(self._account.catalog, root))) != _digest(last.tasks):
            raise _no_retry(root, "the graph was modified since its last run")
        self._submit(retried(last, self.runs.tasks(last.id), BY_RETRY))

    def cancel(self, root: Object) -> int:
        """Cancel the runs of a graph that are under way or wait; return how many."""
        with self._lock:
            mine = [each for each in self._active if each.run.root_id == root.body["id"]]
            left = [each for each in self._waiting if each.root_id != root.body["id"]]
            count, self._waiting = len(mine) + len(self._waiting) - len(left), left
        for each in mine:
            each.cancelled.set()
        return count

    def waiting(self) -> list[GraphRun]:
        """Return the runs that wait until they may begin, the last one first."""
        with self._lock:
            return self._waiting[::-1]

    def active(self) -> list[GraphRun]:
        """Return the runs that are under way."""
        with self._lock:
            return [each.run for each in self._active]

    def next_of(self, root: Object) -> float | None:
        """Return when a graph runs next by its schedule, or None."""
        schedule = root.body.get("SCHEDULE")
        if schedule is None or root.body.get("state") != STARTED:
            return None
        return schedules.following(schedule, root.body.get("resumed", root.created), time.time())

    def _version(self, graph: Graph) -> int:
        """Return the version of a graph, a new one where it has changed: tasks-graphs#versioning."""
        digest = _digest(_snapshot(graph))
        root = self._account.catalog.get("TASK", graph.root.path) or graph.root
        known = root.body.get("version", [0, ""])
        if known[1] != digest:
            known = [known[0] + 1, digest]
            self._account.catalog.put(root.changed(version=known))
        return int(known[0])

    def _last_good(self, root: Object) -> tuple[str, float] | None:
        good = self.runs.graphs(states=("SUCCEEDED",), root_id=root.body["id"])
        return (good[0].group, good[0].original) if good else None

    def _submit(self, run: GraphRun) -> None:
        with self._lock:
            self._waiting.append(run)
        self._start_waiting()

    def _start_waiting(self) -> None:
        with self._lock:
            for run in list(self._waiting):
                if not self._ends.is_set() and not self._is_blocked(run):
                    self._waiting.remove(run)
                    execution = Execution(self._account, self.runs, run, self._pool, self._ends)
                    thread = threading.Thread(target=self._go, args=(execution,), name=f"graph {run.root[-1]}")
                    self._active[execution] = thread
                    thread.start()

    def _is_blocked(self, run: GraphRun) -> bool:
        """Return whether a run has to wait: https://docs.snowflake.com/en/user-guide/tasks-graphs (overlap)."""
        body = run.tasks[0]["body"]
        policy = body.get("OVERLAP_POLICY", "ALLOW_CHILD_OVERLAP" if body.get("ALLOW_OVERLAPPING_EXECUTION") else "")
        mine = [each for each in self._active if each.run.root_id == run.root_id]
        if policy == "ALLOW_ALL_OVERLAP":
            return False
        return any(policy != "ALLOW_CHILD_OVERLAP" or not each.is_root_done for each in mine)

    def _go(self, execution: Execution) -> None:
        run = execution.run
        try:
            state = execution.go()
            allowed = int(run.tasks[0]["body"].get("TASK_AUTO_RETRY_ATTEMPTS", 0))
            if state == FAILED and run.attempt <= allowed and run.origin != BY_RETRY and not self._ends.is_set():
                with self._lock:
                    self._waiting.insert(0, retried(run, self.runs.tasks(run.id), BY_ITSELF))
            elif state == FAILED:
                self._suspend_failing(run)
        finally:
            with self._lock:
                self._active.pop(execution, None)
        self._start_waiting()

    def _suspend_failing(self, run: GraphRun) -> None:
        """Suspend a root whose last runs have all failed since it was resumed."""
        root = self._account.catalog.get("TASK", run.root)
        if root is None or root.body["id"] != run.root_id or root.body.get("state") != STARTED:
            return
        most = int(root.body.get("SUSPEND_TASK_AFTER_NUM_FAILURES", _FAILURES))
        groups: dict[str, str] = {}
        for each in self.runs.graphs(root_id=run.root_id):
            if each.started >= root.body.get("resumed", 0.0):
                groups.setdefault(each.group, each.state)
        last = list(groups.values())[:most]
        if 0 < most <= len(last) and set(last) == {FAILED}:
            self._account.catalog.put(
                root.changed(state=SUSPENDED, suspended=time.time(), reason="SUSPENDED_DUE_TO_ERRORS")
            )

    def _tick(self) -> None:
        roots: list[Object] = []
        known = -1
        while not self._ends.wait(_LOOK):
            if known != (changes := self._account.catalog.changes):
                started = (task for task in self._account.catalog.all("TASK") if task.body.get("state") == STARTED)
                roots, known = [task for task in started if not parents(task)], changes
            for task in roots:
                try:
                    if task.body.get("SCHEDULE"):
                        self._look_at(task)
                    elif is_triggered(task):
                        self._look_at_streams(task)
                except Exception as error:  # noqa: BLE001 - the other tasks are looked at all the same
                    self._tell(task, " ".join(f"{type(error).__name__}: {error}".split()))

    def _tell(self, task: Object, why: str) -> None:
        """Say why it is not known whether a task is due, but not at each look."""
        if self._told.get(task.body["id"]) != why:
            self._told[task.body["id"]] = why
            _log.warning("task %s cannot be started: %s", full(task.path), why)

    def _look_at_streams(self, root: Object) -> None:
        """Start a run if a stream has what the task waits for, unless one is under way, waits, or was just looked for.

        One that cannot be told is looked for again when anything has changed, else when rows have.

        https://docs.snowflake.com/en/user-guide/tasks-triggered
        """
        id_, changes = root.body["id"], self._account.catalog.changes
        mark = f"{root.body['WHEN']} {root.body.get('resumed')}", self._account.commits
        with self._lock:
            is_busy = any(each.root_id == id_ for each in (*self._waiting, *(each.run for each in self._active)))
        if is_busy or self._looked.get(id_) in ((*mark, None), (*mark, changes)):
            return
        session = self._account.session_as(root.owner)
        try:
            use(session, *root.path[:2])
            has_data = bool(session.execute(f"SELECT {root.body['WHEN']}").table[0][0].as_py())
        except Exception:
            self._looked[id_] = (*mark, changes)
            raise
        finally:
            self._account.logout(session.token)
        if has_data:
            self.execute(root, BY_STREAM)
        else:
            self._looked[id_] = (*mark, None)

    def _look_at(self, root: Object) -> None:
        """Start a run if it is due; a moment at which runs may not start is left out."""
        mark = f"{root.body['SCHEDULE']} {root.body.get('resumed')}"
        known = self._next.get(root.body["id"])
        if known is None or known[0] != mark:
            self._next[root.body["id"]] = (
                mark,
                schedules.following(root.body["SCHEDULE"], root.body.get("resumed", root.created), time.time()),
            )
        elif time.time() >= known[1]:
            self._next[root.body["id"]] = (
                mark,
                schedules.following(root.body["SCHEDULE"], root.body.get("resumed", root.created), time.time()),
            )
            with self._lock:
                mine = [each for each in self._active if each.run.root_id == root.body["id"]]
                free = not mine or not self._is_blocked(mine[0].run)
            if free:
                self.execute(root, BY_SCHEDULE, scheduled=known[1])

    def close(self) -> None:
        """End all runs, their finalizers too, and wait until they have ended."""
        self._ends.set()
        with self._lock:
            active = [*self._active.values()]
            self._waiting.clear()
        for thread in active:
            thread.join()
        self._clock.join()
        self._pool.shutdown()


def _snapshot(graph: Graph) -> list[dict[str, Any]]:
    """Return the tasks of a graph as a run keeps them."""
    return [{"path": task.path, "owner": task.owner, "body": task.body} for task in graph.all]


def _digest(tasks: list[dict[str, Any]]) -> str:
    """Return a digest of what people can change of tasks: whether the root is started does not count."""
    told = [
        [list(task["path"]), {key: value for key, value in task["body"].items() if key.isupper() or key == "id"}]
        for task in tasks
    ]
    states = [task["body"].get("state") for task in tasks[1:]]
    return hashlib.sha256(json.dumps([sorted(told, key=json.dumps), states], sort_keys=True).encode()).hexdigest()


def _merged(default: str | None, given: str | None) -> str | None:
    """Return the configuration of one run: https://docs.snowflake.com/en/sql-reference/sql/execute-task."""
    if given is None:
        return default
    return json.dumps({**(config_of(default) if default else {}), **config_of(given)})


def _no_retry(root: Object, why: str) -> errors.SnowflakeError:
    return errors.SnowflakeError(
        91085,
        "55000",
        f"Cannot perform retry: no suitable run of graph with root task {full(root.path)} to retry: {why}.",
    )


def need_root(root: Object) -> None:
    """Raise SnowflakeError if a task is no root: only roots are executed."""
    if parents(root) or finalized(root):
        raise errors.SnowflakeError(
            91081, "55000", f"Task {full(root.path)} is not a root task: only root tasks can be executed."
        )
