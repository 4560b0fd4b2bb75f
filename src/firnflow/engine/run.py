"""Runs and resumes a pipeline of a project on this machine."""

from __future__ import annotations

import dataclasses
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firnflow._crash import crash_point
from firnflow._text import listing
from firnflow.context import RunSummary
from firnflow.engine import in_snowflake, partitions, sources, tables
from firnflow.engine.driver import FINALIZER, Driver
from firnflow.engine.eventlog import EventLog
from firnflow.engine.events import Event
from firnflow.engine.fingerprint import Fingerprinter
from firnflow.engine.history import finished
from firnflow.engine.inline import InlinePool
from firnflow.engine.job import Job
from firnflow.engine.lease import Lease
from firnflow.engine.origin import new_id, new_run, written
from firnflow.engine.pool import Pool
from firnflow.engine.request import RunRequest, RunResult
from firnflow.engine.scheduler import Scheduler
from firnflow.engine.selection import given_outputs, select
from firnflow.engine.workplace import open_workplace, register
from firnflow.errors import FirnflowError, NotFoundError, RunConflictError
from firnflow.graph.resolve import resolve_params
from firnflow.project import redact
from firnflow.status import BROKEN, COMMITTED, RunStatus, TaskStatus
from firnflow.stores.state import this_process

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.engine.attempt import Workplace
    from firnflow.engine.events import Listener
    from firnflow.engine.selection import Outputs
    from firnflow.engine.warm import WarmPool
    from firnflow.graph.model import Graph
    from firnflow.graph.params import Params
    from firnflow.graph.pipeline import Pipeline
    from firnflow.project import Project
    from firnflow.stores.state import Attempt, Run


def run(
    project: Project,
    request: RunRequest,
    listeners: Sequence[Listener] = (),
    echo: Any = None,
    run_id: str | None = None,
    *,
    unless_done: bool = False,
    warm: WarmPool | None = None,
) -> RunResult:
    """Run a pipeline and return how it went; a failed run is a result, not an exception.

    Args:
        project: the loaded project.
        request: what to run.
        listeners: who is told of events while it runs.
        echo: with `inline`, where a task's output is shown as well as logged.
        run_id: its id, where the caller has chosen one.
        unless_done: refuse a partition that has succeeded.
        warm: where workers are taken from, and left for the next run of the pipeline.

    Raises:
        UsageError: the request cannot be carried out; nothing was started.
        RunConflictError: another process has taken over the run, there is a run of this id, or its partition is
            another run's.
    """
    pipeline, now = project.pipeline(request.pipeline), time.time()
    request = dataclasses.replace(request, inputs=sources.absolute(request.inputs, Path.cwd()))
    graph = sources.replace_given(pipeline.build(), request.inputs)
    params = params_of(project, pipeline, request.assignments)
    chosen = select(graph, request)
    sources.check(graph, project, chosen)
    request = partitions.settled(graph, request, now)
    request = dataclasses.replace(request, settles=partitions.counts(graph, request, now))
    graph = partitions.filled(graph, project.catalog, request.partition, chosen)
    with open_workplace(project, echo) as place:
        place.state.reap()
        register(place, project)
        given, given_by = given_outputs(graph, chosen, place.state, partition=request.partition)
        settled = tables.settle(graph, chosen, place.state, place.stores)
        outside = in_snowflake.settle(project, graph, chosen)
        request = dataclasses.replace(request, given_by=given_by, tables=settled, sources=outside)
        graph = in_snowflake.pinned(tables.pinned(graph, settled), outside)
        digest, text = written(graph)
        until = time.time() + project.settings.lease
        name = run_id or new_id(graph.pipeline, time.time())
        record = new_run(project, request, name, digest, params, this_process(), until)
        place.state.create_run(record, text, unless_done=unless_done)
        return _Session(project, pipeline, graph, request, record, place, listeners, warm).go(chosen, given)


def resume(
    project: Project,
    run_id: str | None,
    listeners: Sequence[Listener] = (),
    *,
    workers: int | None = None,
    inline: bool = False,
    echo: Any = None,
    warm: WarmPool | None = None,
) -> RunResult:
    """Go on with a run that failed, was cancelled or crashed, from what it has committed.

    Args:
        project: the loaded project.
        run_id: the run, or the beginning of its id; None: the newest.
        listeners: who is told of events.
        workers: how many processes; None: as at the first time.
        inline: run everything in this process.
        echo: as in `run`.
        warm: likewise.

    Raises:
        NotFoundError: there is no such run.
        RunConflictError: it is under way in another process.
    """
    with open_workplace(project, echo) as place:
        place.state.reap()
        newest = place.state.runs(limit=1)
        if run_id is None and not newest:
            raise NotFoundError("there is no run yet. Start one: firnflow run")
        record = place.state.run(run_id) if run_id is not None else newest[0]
        if record.status == RunStatus.SUCCEEDED:
            return finished(place.state, record)
        request = RunRequest.from_json(record.request)
        request = dataclasses.replace(request, workers=workers or request.workers, inline=inline or request.inline)
        pipeline = project.pipeline(record.pipeline)
        graph = sources.replace_given(pipeline.build(), request.inputs)
        chosen = select(graph, request)
        if request.partition is not None:
            partitions.checked(graph, request.partition, time.time())
        graph = partitions.filled(graph, project.catalog, request.partition, chosen)
        given, _ = given_outputs(graph, chosen, place.state, request.given_by)
        settled = tables.settle(graph, chosen - request.tables.keys(), place.state, place.stores)
        outside = in_snowflake.settle(project, graph, chosen - request.sources.keys())
        graph = in_snowflake.pinned(tables.pinned(graph, {**settled, **request.tables}), {**outside, **request.sources})
        until = time.time() + project.settings.lease
        register(place, project)
        epoch = place.state.claim(record.id, this_process(), until, written(graph))
        record = dataclasses.replace(record, epoch=epoch, params=_still_valid(pipeline, record.params))
        return _Session(project, pipeline, graph, request, record, place, listeners, warm).go(chosen, given)


def params_of(project: Project, pipeline: Pipeline, assignments: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of a run as JSON: defaults, then firnflow.toml, then `--set`. Raises ParameterError."""
    return _plain(resolve_params(pipeline.params, project.settings.params.get(pipeline.name, ()), assignments))


def _plain(params: Params | None) -> dict[str, Any]:
    return params.model_dump(mode="json") if params is not None else {}


def _still_valid(pipeline: Pipeline, params: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of an earlier run as the pipeline's class reads them now."""
    return _plain(resolve_params(pipeline.params, [("", params)]))


_AT_REST = (RunStatus.SUCCEEDED, RunStatus.FAILED)  # nothing is under way any more


class _Session:
    """One run in this process, from its first event to its last."""

    def __init__(
        self,
        project: Project,
        pipeline: Pipeline,
        graph: Graph,
        request: RunRequest,
        record: Run,
        place: Workplace,
        listeners: Sequence[Listener],
        warm: WarmPool | None,
    ) -> None:
        self._warm = warm
        self._project, self._graph, self._request, self._record = project, graph, request, record
        self._place, self._began = place, time.time()
        self._finalized: TaskStatus | None = None
        self._tasks = sources.with_builtins(pipeline, project, place)
        state = place.state
        self._job = Job(
            run=record.id,
            epoch=record.epoch,
            graph=graph,
            tasks=self._tasks,
            state=state,
            stores=place.stores,
            logs=place.logs,
            fingerprinter=Fingerprinter((project.root,)),
            source_code=lambda node: sources.fingerprint(node, project),
            attempts=state.attempts(record.id) if record.epoch > 1 else [],
            recent=self._recent(),
            after_crash=record.status == RunStatus.CRASHED,
            cache=request.cache and project.settings.cache,
            listeners=[*listeners, EventLog(place.logs, record.id, place.redact)],
        )

    def go(self, chosen: set[str], given: dict[str, Outputs | None]) -> RunResult:
        """Run to the end and write down how it ended."""
        job, record, status = self._job, self._record, RunStatus.RUNNING
        job.scheduler = Scheduler(self._graph, chosen, given, record.params, job.read_json)
        if record.partition is not None:
            job.tell(Event("notice", data={"message": self._partition_said()}))
        job.tell(Event("run_started", data={"run": record.id, "tasks": job.scheduler.selected, "epoch": record.epoch}))
        if given:
            said = f"inputs from run {self._request.given_by}: {listing(given)}"
            job.tell(Event("notice", data={"message": said}))
        pool = self._pool()
        lease = Lease(job.state, record.id, record.epoch, self._project.settings.lease)
        try:
            with lease, lease.signals(at_once=self._request.inline):
                crash_point("run.leased")
                driver = Driver(job, pool, lease)
                driver.drive()
                why = lease.cancelled
                status, error = self._verdict(why)
                driver.finalize(self._summary(status, error))
                self._finalized = driver.finalized
                if driver.finalized in BROKEN and status == RunStatus.SUCCEEDED:
                    status, error = RunStatus.FAILED, f"the finalizer {driver.finalized}"
                crash_point("run.ending")
                job.state.end_run(record.id, record.epoch, status, error)
        except KeyboardInterrupt:  # asked twice: no finalizer, no waiting
            status, error = RunStatus.CANCELLED, f"stopped by {lease.cancelled}"
            job.state.end_run(record.id, record.epoch, status, error)
        except FirnflowError as broken:
            if not isinstance(broken, RunConflictError):
                job.state.end_run(record.id, record.epoch, RunStatus.FAILED, redact(str(broken)))
            raise
        finally:
            if self._warm is not None and isinstance(pool, Pool) and status in _AT_REST:
                self._warm.give_back(pool)
            else:
                pool.close()
        crash_point("run.ended")
        job.tell(Event("run_finished", data={"status": status, "seconds": self._seconds()}))
        return self._result(status, error)

    def _summary(self, status: RunStatus, error: str | None) -> RunSummary:
        record, states = self._record, {task: str(state) for task, state in self._states().items()}
        return RunSummary(record.id, record.pipeline, status, self._seconds(), states, error, record.partition)

    def _partition_said(self) -> str:
        said = f"partition {self._record.partition}"
        return (
            said if self._request.settles else f"{said}, which this run does not settle: it is a part of it, or early"
        )

    def _pool(self) -> Pool | InlinePool:
        if self._request.inline:
            return InlinePool(self._tasks, self._place)
        setup = {
            "root": str(self._project.root),
            "environment": self._project.settings.environment,
            "pipeline": self._record.pipeline,
        }
        size = self._request.workers or self._project.settings.workers
        new = partial(Pool, size, setup, self._job.libraries)
        return new() if self._warm is None else self._warm.take(new)

    def _recent(self) -> list[Attempt]:
        for earlier in self._place.state.runs(pipeline=self._record.pipeline, limit=5):
            if earlier.id != self._record.id:
                return [a for a in self._place.state.attempts(earlier.id) if a.status in COMMITTED]
        return []

    def _verdict(self, cancelled: str | None) -> tuple[RunStatus, str | None]:
        if cancelled:
            return RunStatus.CANCELLED, f"stopped by {cancelled}"
        for name, result in self._job.results.items():
            if result.error is not None and self._states().get(name) == TaskStatus.FAILED:
                said = f"task {name}: {result.error['type']}: {result.error['message']}"
                return RunStatus.FAILED, said.partition("\n")[0]
        return RunStatus.SUCCEEDED, None

    def _states(self) -> dict[str, TaskStatus]:
        settled = self._job.scheduler.settled
        return {t: settled[t].status if t in settled else TaskStatus.CANCELLED for t in self._job.scheduler.selected}

    def _seconds(self) -> float:
        return time.time() - self._began

    def _result(self, status: RunStatus, error: str | None) -> RunResult:
        states, results = self._states(), self._job.results
        for task, state in states.items():
            self._job.result(task).state = state
        if FINALIZER in results:
            results[FINALIZER].state = self._finalized or TaskStatus.CANCELLED
        settled = self._job.scheduler.settled
        outputs = {
            task if name == "result" else f"{task}.{name}": ref
            for task in states
            if task in settled
            for name, ref in (settled[task].outputs or {}).items()
        }
        ordered = {task: results[task] for task in [*states, FINALIZER] if task in results}
        record, metrics = self._record, self._job.metrics
        return RunResult(
            record.id, record.pipeline, status, self._seconds(), ordered, outputs, metrics, error, record.partition
        )
