"""Runs an environment's task graphs in Snowflake: what the verbs of the command line ask a target for."""

from __future__ import annotations

import functools
import json
import time
import uuid
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from firnflow._text import printable
from firnflow.engine.driver import FINALIZER
from firnflow.errors import NotFoundError, RunConflictError, StoreError, TargetError, UsageError
from firnflow.project import Project
from firnflow.stores.snowflake.connection import connect
from firnflow.stores.snowflake.session import CutError
from firnflow.targets.operate import QUEUED, LogLine, Order, TargetRun, TargetTask
from firnflow.targets.snowflake import containers
from firnflow.targets.snowflake.account import Account, is_passing
from firnflow.targets.snowflake.beside.procedure import CONFIG, run_id
from firnflow.targets.snowflake.compile.place import GRAPH, place_of
from firnflow.targets.snowflake.compile.tasks import as_config
from firnflow.targets.snowflake.compile.triggers import name_of
from firnflow.targets.snowflake.grammar import render_name
from firnflow.targets.snowflake.grammar.statements import Alter, ExecuteTask, Select
from firnflow.targets.snowflake.grammar.values import Call, Constant, Name, Property
from firnflow.targets.snowflake.graphs import Graphs
from firnflow.targets.snowflake.history import BY_SCHEDULE, EXECUTING, SCHEDULED, History
from firnflow.targets.snowflake.runs import PARTITION, RUN, START, GraphRun, places_in, runs_of, tasks_of
from firnflow.targets.snowflake.said import lines as logs_here
from firnflow.targets.snowflake.shown import PAUSED, STARTED, starts_itself

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from firnflow.graph.model import Graph
    from firnflow.project import Settings

P = ParamSpec("P")
R = TypeVar("R")
Row = dict[str, Any]
APPEARS = 30.0
"""Seconds within which the history is to tell of what was started."""
_PACE = 0.5


def _understood(method: Callable[P, R]) -> Callable[P, R]:
    """Return a method whose errors are those of a target."""

    @functools.wraps(method)
    def ask(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return method(*arguments, **options)
        except StoreError as error:
            raise TargetError(str(error), is_passing=is_passing(error)) from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            operator: Any = arguments[0]
            what = f"{type(error).__name__}: {printable(str(error))[:100]}"
            raise TargetError(f"{operator.place} answers otherwise than Snowflake does ({what})") from error

    return ask


class SnowflakeOperator:
    """An environment's schema.

    Args:
        root: the project's folder.
        settings: of the environment.
        account: where it is; None: where the environment's connection leads.

    Raises:
        ConfigError: the section does not say where, or says it wrongly.
    """

    name = "Snowflake"
    kind = GRAPH
    why_paused = ""
    needs_state = True

    def __init__(self, root: Path, settings: Settings, account: Account | None = None) -> None:
        self._settings = settings
        self._place = place_of(Project(root, settings, {}, {}))
        self._account = account or Account(lambda: connect(settings, root)[0])
        self._graphs = Graphs(self._account, self._place)
        self._history = History(self._account, self._place)
        self._texts: dict[str, list[str]] = {}
        self._started: dict[str, TargetRun] = {}
        self.place = render_name(self._place.schema_name)

    # -- runs ---------------------------------------------------------------------------------------------------------

    @_understood
    def look(self) -> str:
        """Return Snowflake's version."""
        self._account.show("TASKS", self._place.schema_name)
        return str(self._account.one("SELECT CURRENT_VERSION()"))

    @_understood
    def start(self, order: Order) -> TargetRun:
        """Start a run: its name stands in its config, so that it is found among others that start at once."""
        name = order.id.removeprefix(f"{order.pipeline}.")
        if self._starts_nothing(self._root(order.pipeline)):
            environment = self._settings.environment
            raise UsageError(f"{order.pipeline} is paused. Mend: firnflow unpause {order.pipeline} --env {environment}")
        if (there := self._named(order.pipeline, name)) is not None:
            raise RunConflictError(f"there is a run {run_id(order.pipeline, there.native)} already")
        partition = {PARTITION: order.partition} if order.partition is not None else {}
        return self._begin(order.pipeline, name, {**as_config(order.params), **partition})

    @_understood
    def find(self, pipeline: str, run: str) -> TargetRun | None:
        """Return a run by its id, Firnflow's or the group that Snowflake has made for it."""
        found = self._named(pipeline, run.removeprefix(f"{pipeline}."))
        if found is not None:
            return found.as_target_run(time.time())
        started = self._started.get(run.removeprefix(f"{pipeline}."))
        is_new = started is not None and started.pipeline == pipeline and time.time() < started.began_at + 10 * APPEARS
        return started if is_new else None

    @_understood
    def runs(self, pipelines: Collection[str], limit: int) -> list[TargetRun]:
        """Return the newest runs, by when they were to start."""
        now = time.time()
        found: dict[str, TargetRun] = {}
        for each in (run.as_target_run(now) for name in pipelines for run in self._runs(name)):
            found.setdefault(each.id, each)
        return sorted(found.values(), key=lambda run: run.began_at, reverse=True)[:limit]

    @_understood
    def tasks(self, run: TargetRun) -> list[TargetTask]:
        """Return how the tasks of a run stand."""
        found = self._named(run.pipeline, run.native)
        rows = self._history.of_run(found.root.root_id, found.group) if found is not None else []
        if run.pipeline not in self._texts:
            own = self._graphs.own(self._graphs.rows(run.pipeline))
            self._texts[run.pipeline] = [str(row["definition"]).strip() for row in own.values()]
        return tasks_of(rows, self._texts[run.pipeline], run, time.time())

    @_understood
    def log(self, run: TargetRun, task: TargetTask, attempt: int) -> list[LogLine]:
        """Return what the jobs of an attempt have said so far, and where they say nothing, why it has failed."""
        found = self._named(run.pipeline, run.native)
        rows = self._history.of_run(found.root.root_id, found.group)[::-1] if found is not None else []
        mine = [row for row in rows if row.query is not None and _is_of(row.text, task)]
        if not 0 < attempt <= len(mine):
            return []
        row, later = mine[attempt - 1], mine[attempt:]
        until = later[0].began if later and later[0].began is not None else float("inf")
        jobs = [
            job
            for job in containers.containers(self._account, self._place, run.id)
            if task.task in job.tasks and job.element == task.element and (row.began or 0.0) <= job.made < until
        ]
        said = [line for job in jobs for line in containers.lines(self._account, job)]
        if not jobs:  # it was executed in the warehouse, or came to no container
            there = logs_here(self._account, self._place, run.id, task.task, task.element)
            said = [line for line in there if (row.began or 0.0) <= line.at < until]
        if not said and row.error:
            return [LogLine(row.ended or row.due, "error", "snowflake", line) for line in row.error.splitlines()]
        return said

    @_understood
    def cancel(self, run: TargetRun) -> None:
        """Have Snowflake cancel the statements of a run that are under way, and end their jobs; its finalizer runs.

        https://docs.snowflake.com/en/sql-reference/functions/system_cancel_query: only by its statements one run of
        several is told from the others. What has not begun does not begin: it comes after what is cancelled.
        """
        found = self._named(run.pipeline, run.native)
        if found is None or run.status == QUEUED:
            raise RunConflictError(
                f"run {run.id} waits for its turn, and Snowflake takes back nothing that waits. Mend: once it has "
                f"begun, again: firnflow cancel {run.id} --env {self._settings.environment}"
            )
        for row in self._history.of_run(found.root.root_id, found.group):
            if row.state == EXECUTING and row.query is not None and not _is_finalizer(row.text):
                self._ask("SYSTEM$CANCEL_QUERY", row.query)
        for job in containers.containers(self._account, self._place, run.id):
            if not job.is_over and FINALIZER not in job.tasks:
                containers.cancel(self._account, job)

    @_understood
    def retry(self, run: TargetRun) -> None:
        """Have Snowflake repeat what has failed of a run; where it does not, as the graph was changed, all of it.

        All of it is no more work: what the state has committed is not done again.
        """
        found = self._named(run.pipeline, run.native)
        if found is None:
            raise TargetError(f"{self.place} knows run {run.id} no more. Mend: start another one")
        if run.status == "succeeded":
            raise RunConflictError(f"run {run.id}: all its tasks have succeeded, there is nothing to repeat")
        ended = max((row.attempt for row in self._history.of_run(found.root.root_id, found.group)), default=1)
        try:
            self._account.once(ExecuteTask(self._root_name(run.pipeline), retry_group=found.group))
        except CutError:
            if self._attempt(found) <= ended:
                raise
        except StoreError:
            given = {name: value for name, value in found.config.items() if name != CONFIG}
            self._begin(run.pipeline, found.native, given)
            return
        until = time.monotonic() + APPEARS
        while self._attempt(found) <= ended and time.monotonic() < until:
            time.sleep(_PACE)

    # -- pipelines ----------------------------------------------------------------------------------------------------

    @_understood
    def is_paused(self, pipeline: str) -> bool:
        """Return whether the root task is paused, or suspended although it has a schedule."""
        return self._starts_nothing(self._root(pipeline))

    @_understood
    def next_at(self, pipeline: str) -> float | None:
        """Return when the graph starts next by its schedule."""
        self._root(pipeline)
        graphs = self._history.current(self._place.root(pipeline))
        found = [each.due for each in graphs if each.state == SCHEDULED and each.cause == BY_SCHEDULE.lower()]
        return min((due for due in found if due > time.time()), default=None)

    @_understood
    def pause(self, pipeline: str, *, paused: bool) -> bool:
        """Suspend the root task and say so in its comment, or take both back: killed in between, the same goes on."""
        starter = name_of(pipeline)  # of one that waits for tables of others
        is_done = self._pause(starter, paused=paused) if self._graphs.own(self._graphs.rows(starter)) else False
        return self._pause(pipeline, paused=paused) or is_done

    def _pause(self, pipeline: str, *, paused: bool) -> bool:
        root = self._root(pipeline)
        text, is_started = str(root["comment"]).removesuffix(PAUSED), str(root["state"]).lower() == STARTED
        is_marked, itself = text != str(root["comment"]), starts_itself(root)
        if (is_marked and not is_started) if paused else (not is_marked and (is_started or not itself)):
            return False
        name = self._root_name(pipeline)
        self._account.do(Alter("TASK", name, "SUSPEND"))
        marked = Property("COMMENT", text + (PAUSED if paused else ""))
        self._account.do(Alter("TASK", name, "SET", properties=(marked,)))
        if not paused and itself:
            self._account.do(Alter("TASK", name, "RESUME"))
        return True

    def backfill(
        self,
        graph: Graph,  # noqa: ARG002 - all are for targets that have something of their own
        partitions: Sequence[str],  # noqa: ARG002
        params: Mapping[str, Any],  # noqa: ARG002
        at_once: int,  # noqa: ARG002
    ) -> dict[str, TargetRun]:
        """Snowflake has nothing of its own for partitions: each is started as a run."""
        return {}

    # -- what Snowflake says ------------------------------------------------------------------------------------------

    def _root_name(self, pipeline: str) -> Name:
        return self._place.named(self._place.root(pipeline))

    def _root(self, pipeline: str) -> Row:
        """Return the row of SHOW TASKS of a pipeline's root."""
        own = self._graphs.own(self._graphs.rows(pipeline))
        if (root := own.get(self._place.root(pipeline))) is not None:
            return root
        name = render_name(self._root_name(pipeline))
        mend = f"firnflow apply --env {self._settings.environment}"
        raise NotFoundError(f"{self.name} has no task graph {name} of ours. Mend: {mend}")

    def _starts_nothing(self, root: Row) -> bool:
        is_marked, state = str(root["comment"]).endswith(PAUSED), str(root["state"]).lower()
        return is_marked or (bool(root["schedule"]) and state != STARTED)

    def _runs(self, pipeline: str) -> list[GraphRun]:
        """Return the runs of a pipeline, the newest first."""
        root, now = self._place.root(pipeline), time.time()
        graphs = self._history.current(root)
        rows = self._history.of_tasks(root, self._place.task(pipeline, FINALIZER))
        found = runs_of(pipeline, root, rows, graphs, now)
        if all(run.is_known for run in found):
            return found
        return runs_of(pipeline, root, rows, [*self._history.complete(root), *graphs], now)

    def _named(self, pipeline: str, name: str) -> GraphRun | None:
        """Return a run by the name that it got from us, by its group, or by the whole of its id."""
        runs = self._runs(pipeline)
        return next((run for run in runs if name in {run.native, run.group, run_id(pipeline, run.native)}), None)

    def _attempt(self, run: GraphRun) -> int:
        return max((row.attempt for row in self._history.of_run(run.root.root_id, run.group)), default=0)

    def _begin(self, pipeline: str, name: str, given: Mapping[str, Any]) -> TargetRun:
        """Execute the root task, and return the run as soon as the history tells of it."""
        start = uuid.uuid4().hex
        config = json.dumps({**given, CONFIG: {RUN: name, START: start}}, ensure_ascii=False)
        try:
            self._account.once(ExecuteTask(self._root_name(pipeline), config))
        except CutError:
            if self._wait_for(pipeline, start) is None:
                raise
        self._started[name] = TargetRun(
            run_id(pipeline, name), name, pipeline, QUEUED, given.get(PARTITION), "", time.time(), None
        )
        return self._wait_for(pipeline, start) or self._started[name]

    def _wait_for(self, pipeline: str, start: str) -> TargetRun | None:
        """Return the run of a start, or None: the history does not tell of it within APPEARS."""
        until = time.monotonic() + APPEARS
        while True:
            found = next((run for run in self._runs(pipeline) if run.own.get(START) == start), None)
            if found is not None or time.monotonic() > until:
                return found.as_target_run(time.time()) if found is not None else None
            time.sleep(_PACE)

    def _ask(self, function: str, argument: str) -> None:
        self._account.do(Select((Call(Name((function,)), (Constant(argument),)),)))


def _is_of(text: str, task: TargetTask) -> bool:
    return (task.task, task.element) in {(place.path, place.element) for place in places_in(text)}


def _is_finalizer(text: str) -> bool:
    return any(place.path == FINALIZER for place in places_in(text))
