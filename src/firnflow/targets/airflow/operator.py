"""Runs an environment's DAGs through Airflow's REST API: what the verbs of the command line ask a target for."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from firnflow._text import printable
from firnflow.engine.driver import FINALIZER
from firnflow.errors import NotFoundError, RunConflictError, TargetError, UsageError
from firnflow.status import RunStatus
from firnflow.targets.airflow import backfills, instances
from firnflow.targets.airflow.api import Api
from firnflow.targets.airflow.names import DAG, PARTITION, run_id
from firnflow.targets.operate import QUEUED, LogLine, Order, Standing, TargetRun, TargetTask

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from firnflow.graph.model import Graph
    from firnflow.project import Settings

P = ParamSpec("P")
R = TypeVar("R")
_PAGE = 100  # rows; Airflow gives no more at once
_STATUS: dict[str, Standing] = {
    "queued": QUEUED,
    "running": RunStatus.RUNNING,
    "success": RunStatus.SUCCEEDED,
    "failed": RunStatus.FAILED,
}
CANCELLED = "cancelled by firnflow"
"""The note at a run that was: to Airflow it has failed."""
_UNDER_WAY = ("queued", "running")
_WRONG = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}


def _understood(method: Callable[P, R]) -> Callable[P, R]:
    """Return a method that says, where an answer has another form than Airflow's, that it is none of Airflow's."""

    @functools.wraps(method)
    def ask(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return method(*arguments, **options)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            operator: Any = arguments[0]
            what = f"{type(error).__name__}: {printable(str(error))[:100]}"
            mend = "is url that of an Airflow of 3.2 or newer?"
            raise TargetError(f"{operator.place} answers otherwise than Airflow does ({what}). Mend: {mend}") from error

    return ask


class AirflowOperator:
    """An environment's Airflow.

    Args:
        settings: of the environment.
        api: its API.

    Raises:
        ConfigError: nobody says where it is.
    """

    name = "Airflow"
    kind = DAG
    why_paused = " (a new DAG is, unless Airflow is told otherwise)"
    needs_state = False

    def __init__(self, settings: Settings, api: Api | None = None) -> None:
        self._settings, self._prefix = settings, settings.airflow.prefix
        self._api = api or Api(settings)
        self.place = self._api.url

    # -- runs ---------------------------------------------------------------------------------------------------------

    @_understood
    def look(self) -> str:
        """Return Airflow's version."""
        self._api.get("dags", limit=1)
        return str(self._api.get("version")["version"])

    @_understood
    def start(self, order: Order) -> TargetRun:
        """Start a run. As it has an id of its own, a call that is repeated starts it once."""
        dag, native = self._dag(order.pipeline), order.id.removeprefix(f"{order.pipeline}.")
        conf = {**order.params, **({PARTITION: order.partition} if order.partition is not None else {})}
        body = {"dag_run_id": native, "logical_date": None, "conf": conf}
        try:
            return self._run(self._api.post("dags", dag, "dagRuns", data=body, repeat=True))
        except TargetError as error:
            if error.status == HTTPStatus.CONFLICT:
                there = self._api.get("dags", dag, "dagRuns", native)
                if error.is_again and there.get("conf") == conf:  # the answer to an earlier try was lost
                    return self._run(there)
                raise RunConflictError(f"there is a run {run_id(order.pipeline, native)} already") from error
            if error.status in _WRONG and not self._import_error(order.pipeline):
                raise UsageError(f"{self.name} does not take the run: {error}") from error
            raise self._not_deployed(error, order.pipeline) from error

    @_understood
    def find(self, pipeline: str, run: str) -> TargetRun | None:
        """Return a run by its id; one that is too long for Firnflow is looked for among the runs of the DAG."""
        dag = self._dag(pipeline)
        for native in dict.fromkeys((run.removeprefix(f"{pipeline}."), run)):
            try:
                return self._run(self._api.get("dags", dag, "dagRuns", native))
            except TargetError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
        return next((each for each in self.runs([pipeline], _PAGE) if each.id == run), None)

    @_understood
    def runs(self, pipelines: Collection[str], limit: int) -> list[TargetRun]:
        """Return the newest runs, by when they were to start."""
        found: list[TargetRun] = []
        dags = sorted(map(self._dag, pipelines))
        while dags and len(found) < limit:
            size = min(_PAGE, limit - len(found))
            body = {"dag_ids": dags, "order_by": "-run_after", "page_limit": size, "page_offset": len(found)}
            rows = self._api.post("dags", "~", "dagRuns", "list", data=body, repeat=True)["dag_runs"]
            found += map(self._run, rows)
            if len(rows) < size:
                break
        return found

    @_understood
    def tasks(self, run: TargetRun) -> list[TargetTask]:
        """Return how the tasks of a run stand."""
        return instances.tasks(list(self._instances(run)), time.time())

    @_understood
    def log(self, run: TargetRun, task: TargetTask, attempt: int) -> list[LogLine]:
        """Return what an attempt has said so far; nothing where Airflow has no log of it yet."""
        path = (*self._path(run), "taskInstances", task.task, "logs", str(attempt))
        try:
            answer = self._api.get(*path, map_index=task.element, full_content="true")
        except TargetError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return []
            raise
        return instances.lines(answer.get("content") or [])

    @_understood
    def cancel(self, run: TargetRun) -> None:
        """Have Airflow fail the run: it kills what is under way, skips what is not, and still runs the teardown.

        A run that has not begun has nothing to tear down, and would wait for its turn to do so; in a paused DAG no
        teardown begins. So these end at once.
        """
        if run.status == QUEUED or self.is_paused(run.pipeline):
            with contextlib.suppress(TargetError):  # it has begun at this moment
                self._api.patch(*self._path(run), "taskInstances", FINALIZER, data={"new_state": "failed"})
        self._api.patch(*self._path(run), data={"state": "failed", "note": CANCELLED})

    @_understood
    def retry(self, run: TargetRun) -> None:
        """Clear what has not succeeded, the finalizer among it."""
        left = instances.left(list(self._instances(run)))
        if not left:
            raise RunConflictError(f"run {run.id}: all its tasks have succeeded, there is nothing to repeat")
        body = {"dry_run": False, "dag_run_id": run.native, "task_ids": left, "only_failed": False}
        try:
            self._api.post("dags", self._dag(run.pipeline), "clearTaskInstances", data=body)
        except TargetError as error:
            now = self.find(run.pipeline, run.native) if error.is_passing else None
            if now is None or now.is_over:  # else the answer was lost, and it goes on
                raise

    # -- pipelines ----------------------------------------------------------------------------------------------------

    @_understood
    def is_paused(self, pipeline: str) -> bool:
        """Return whether the DAG is paused."""
        return bool(self._pipeline(pipeline)["is_paused"])

    @_understood
    def next_at(self, pipeline: str) -> float | None:
        """Return when the DAG starts next by its timetable."""
        return _moment(self._pipeline(pipeline)["next_dagrun_run_after"])

    @_understood
    def pause(self, pipeline: str, *, paused: bool) -> bool:
        """Pause the DAG, or let it start again."""
        if self.is_paused(pipeline) == paused:
            return False
        self._api.patch("dags", self._dag(pipeline), data={"is_paused": paused})
        return True

    @_understood
    def backfill(
        self, graph: Graph, partitions: Sequence[str], params: Mapping[str, Any], at_once: int
    ) -> dict[str, TargetRun]:
        """Have Airflow's own backfill run the longest stretch of partitions that it can."""
        moments = backfills.moments(graph, partitions, time.time())
        under_way = self._backfilled(graph.pipeline, moments)
        found = backfills.stretch(graph, {key: at for key, at in moments.items() if key not in under_way})
        if len(found) < 2 or self._backfill_under_way(graph.pipeline):
            return under_way
        body = {
            "dag_id": self._dag(graph.pipeline),
            "from_date": _text(min(found.values())),
            "to_date": _text(max(found.values())),
            "dag_run_conf": dict(params),
            "reprocess_behavior": "none",
            "max_active_runs": at_once,
        }
        planned = self._api.post("backfills", "dry_run", data=body, repeat=True)["backfills"]
        if {_moment(each["logical_date"]) for each in planned} != set(found.values()):
            return under_way
        self._start_backfill(body)
        return self._backfilled(graph.pipeline, moments)

    def _backfilled(self, pipeline: str, moments: Mapping[str, float]) -> dict[str, TargetRun]:
        """Return partition → the run of Airflow's backfill that is under way for its moment."""
        if not moments:
            return {}
        between = {
            f"logical_date_{end}": _text(at)
            for end, at in (("gte", min(moments.values())), ("lte", max(moments.values())))
        }
        path = ("dags", self._dag(pipeline), "dagRuns")
        rows = self._pages("dag_runs", *path, run_type="backfill", order_by="logical_date", **between)
        keys = {at: key for key, at in moments.items()}
        found = {keys.get(_moment(row["logical_date"]) or 0.0): self._run(row) for row in rows}
        return {key: run for key, run in found.items() if key is not None and not run.is_over}

    def _start_backfill(self, body: dict[str, Any]) -> None:
        """Start a backfill. One of which the answer was lost is there."""
        try:
            self._api.post("backfills", data=body)
        except TargetError as error:
            if not (error.is_passing and self._backfill_under_way(body["dag_id"].removeprefix(self._prefix))):
                raise

    def _backfill_under_way(self, pipeline: str) -> bool:
        rows = self._api.get("backfills", dag_id=self._dag(pipeline), order_by="-id", limit=1)["backfills"]
        return any(each["completed_at"] is None for each in rows)

    # -- what Airflow says --------------------------------------------------------------------------------------------

    def _dag(self, pipeline: str) -> str:
        return f"{self._prefix}{pipeline}"

    def _pipeline(self, pipeline: str) -> Any:
        """Return what Airflow says of a DAG."""
        try:
            return self._api.get("dags", self._dag(pipeline))
        except TargetError as error:
            raise self._not_deployed(error, pipeline) from error

    def _path(self, run: TargetRun) -> tuple[str, ...]:
        return ("dags", self._dag(run.pipeline), "dagRuns", run.native)

    def _instances(self, run: TargetRun) -> Iterator[dict[str, Any]]:
        return self._pages("task_instances", *self._path(run), "taskInstances", order_by="id")

    def _pages(self, key: str, *path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Yield all rows of a list, page by page."""
        seen = 0
        while True:
            page = self._api.get(*path, limit=_PAGE, offset=seen, **query)
            yield from page[key]
            seen += len(page[key])
            if not page[key] or seen >= (page["total_entries"] or 0):
                return

    def _run(self, data: dict[str, Any]) -> TargetRun:
        pipeline = str(data["dag_id"]).removeprefix(self._prefix)
        partition = (data.get("conf") or {}).get(PARTITION)
        status = _STATUS.get(data["state"], RunStatus.RUNNING)
        if status == RunStatus.FAILED and data.get("note") == CANCELLED:
            status = RunStatus.CANCELLED
        return TargetRun(
            id=run_id(pipeline, data["dag_run_id"]),
            native=data["dag_run_id"],
            pipeline=pipeline,
            status=status,
            partition=partition if isinstance(partition, str) else None,
            cause=str(data["run_type"]),
            began_at=_moment(data["start_date"]) or _moment(data["queued_at"]) or _moment(data["run_after"]) or 0.0,
            ended_at=_moment(data["end_date"]) if data["state"] not in _UNDER_WAY else None,
        )

    def _not_deployed(self, error: TargetError, pipeline: str) -> Exception:
        """Return what it means that a DAG is not there, or an error as it is."""
        broken = self._import_error(pipeline)
        if broken:
            return TargetError(f"{self.name} cannot read the DAG {self._dag(pipeline)}: {broken}. Mend: firnflow plan")
        if error.status != HTTPStatus.NOT_FOUND:
            return error
        mend = f"firnflow apply --env {self._settings.environment}; Airflow looks for new DAGs every few minutes"
        return NotFoundError(f"{self.name} at {self.place} knows no DAG {self._dag(pipeline)}. Mend: {mend}")

    def _import_error(self, pipeline: str) -> str:
        """Return the last line of why Airflow cannot read a DAG file of ours, or ""."""
        name = f"firnflow-{self._settings.project}-{self._settings.environment}/{pipeline}.py"
        try:
            rows = self._api.get("importErrors", limit=_PAGE)["import_errors"]
        except TargetError:  # who may run a DAG need not be allowed to see this
            return ""
        traces = [str(each["stack_trace"]) for each in rows if str(each["filename"]).endswith(name)]
        return printable(traces[0].strip().splitlines()[-1]) if traces and traces[0].strip() else ""


def _moment(text: str | None) -> float | None:
    return dt.datetime.fromisoformat(text).timestamp() if text else None


def _text(moment: float) -> str:
    return dt.datetime.fromtimestamp(moment, dt.UTC).isoformat()
