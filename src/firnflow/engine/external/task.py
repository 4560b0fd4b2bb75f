"""Executes one task of a run for another scheduler: what `firnflow exec` calls, one process a task.

The inputs are what the run has committed; `external.run` says who holds the run. What it has committed with the same
code and inputs is not done again. An attempt of the same task that is under way was given up by the scheduler: it can
commit nothing any more. The time limit and retries are the scheduler's business.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from firnflow.context import RunSummary
from firnflow.engine import in_snowflake, limits, partitions, peak, sources, tables
from firnflow.engine.attempt import Outcome, execute_attempt
from firnflow.engine.binding import Value
from firnflow.engine.driver import FINALIZER
from firnflow.engine.external import graph as graphs
from firnflow.engine.external import run as runs
from firnflow.engine.external.outgrown import MemoryLimit
from firnflow.engine.external.plan import Plan
from firnflow.engine.lease import Lease
from firnflow.engine.logs import attempt_file
from firnflow.engine.origin import written
from firnflow.engine.request import RunRequest
from firnflow.engine.run import params_of
from firnflow.engine.schedules.partitions import has_begun
from firnflow.engine.selection import gather_outputs, outputs_of
from firnflow.engine.units import make_unit
from firnflow.engine.workplace import open_workplace, register
from firnflow.errors import RunConflictError, UsageError
from firnflow.graph.check import read_graph
from firnflow.status import BROKEN, COMMITTED, RunStatus, TaskStatus, overall
from firnflow.stores.snowflake import procedure
from firnflow.stores.state import Attempt
from firnflow.values import Ref

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.engine.attempt import Workplace
    from firnflow.engine.external.plan import Wish
    from firnflow.engine.units import Unit
    from firnflow.graph.model import Graph, TaskNode
    from firnflow.graph.pipeline import Pipeline
    from firnflow.graph.task import Task
    from firnflow.project import Project
    from firnflow.stores.state import Run

    Hire: TypeAlias = Callable[[int | None], str | None]


def execute_task(
    project: Project,
    wish: Wish,
    echo: Any = None,
    leave: Callable[[dict[str, Any]], None] = lambda _: None,
    hire: Hire | None = None,
) -> dict[str, Any]:
    """Execute one task and return what came of it as JSON; a failure is an answer, not an exception.

    Args:
        project: the loaded project.
        wish: what to execute.
        echo: where the task's output is shown as well as logged.
        leave: ends the process with an answer, where the task has outgrown its memory.
        hire: has the task, or an element of a map, executed elsewhere by another `firnflow exec`, which commits it, and
            returns why that has failed; None: it is executed here.

    Raises:
        UsageError: the graph does not fit the project's code, or the task's inputs are not committed; nothing was done.
        RunConflictError: somebody else holds the run, or has cancelled it or given up this attempt meanwhile.
    """
    pipeline = project.pipeline(wish.graph.pipeline)
    with open_workplace(project, echo) as place:
        tasks = sources.with_builtins(pipeline, project, place)
        graphs.check_code(wish.graph, wish.task, tasks)
        place.state.reap()
        known = runs.find(place.state, wish.run)
        params = _params(project, pipeline, wish, known)
        graphs.check_params(wish.graph, params)
        ends = wish.task == FINALIZER
        runs.check(known, wish.graph, params, ends=ends)
        request = _request(known) if known else _new_request(wish, place, project)
        graph, wish = wish.graph, _pinned(wish, request, project)
        alike = _alike(place, known, graph)
        plan = Plan(project, wish, place, tasks, known, params, alike)
        if known is None:  # who has made the run has left the mark
            register(place, project)
        run = runs.join(place.state, project, graph, wish.run, params, request, known=known, ends=ends)
        if _request(run) != request:  # another process has just made the run, which reads the versions that it has seen
            wish = _pinned(replace(wish, graph=graph), _request(run), project)
            plan = Plan(project, wish, place, tasks, run, params, _alike(place, run, graph))
        stop, alone = lambda: os.kill(os.getpid(), signal.SIGTERM), procedure.current() is not None
        lease = Lease(place.state, run.id, run.epoch, runs.PATIENCE, stop, renews=not alone)
        with lease, lease.signals(at_once=True):
            news = written(graph) if alike is not None else None
            return _Execution(wish, plan, place, tasks, run, lease, leave, news, hire).answer()


def give_up(project: Project, wish: Wish, why: str) -> dict[str, Any]:
    """End a run as failed that its scheduler has given up, and return what is known of it; one that has ended stays.

    Args:
        project: the loaded project.
        wish: says the run, which is made where no task of it has come to that.
        why: in one line.

    Raises:
        RunConflictError: a `firnflow run` holds it.
    """
    pipeline = project.pipeline(wish.graph.pipeline)
    with open_workplace(project) as place:
        place.state.reap()
        run = runs.find(place.state, wish.run)
        if run is None:
            params = params_of(project, pipeline, wish.assignments)
            request = _new_request(wish, place, project)
            run = runs.join(place.state, project, wish.graph, wish.run, params, request, ends=True)
        is_news = runs.give_up(place.state, run, why)
        ended = place.state.run(run.id)
        return {"run": ended.id, "status": ended.status, "error": ended.error, "is_news": is_news}


def _alike(place: Workplace, run: Run | None, graph: Graph) -> frozenset[str] | None:
    """Return the tasks that are wired alike in the graph with which a run began; None: that is the same one."""
    if run is None or run.graph == written(graph)[0]:
        return None
    return graphs.wired_alike(read_graph(place.state.graph_json(run.graph)), graph)


def _request(run: Run) -> RunRequest:
    return RunRequest.from_json(run.request)


def _new_request(wish: Wish, place: Workplace, project: Project) -> RunRequest:
    """Return what a new run is asked for: which versions of named tables it reads, and for which partition it is."""
    graph, now = wish.graph, time.time()
    settled = tables.settle(graph, graph.tasks, place.state, place.stores)
    moment = now if wish.due is None or wish.partition is not None else min(wish.due, now)
    kind = graph.partition
    changed = max((key for key in wish.changed if kind is not None and has_begun(kind, key, now)), default=None)
    wanted = wish.partition if wish.partition is not None else changed
    outside = in_snowflake.settle(project, graph, graph.tasks)
    asked = RunRequest(graph.pipeline, tables=settled, sources=outside, partition=wanted)
    request = partitions.settled(graph, asked, moment)
    return replace(request, settles=partitions.counts(graph, request, now))


def _pinned(wish: Wish, request: RunRequest, project: Project) -> Wish:
    """Return the wish with a graph that names what is read. Raises UsageError where the run is for another."""
    if wish.partition not in {None, request.partition}:
        raise UsageError(f"--partition {wish.partition}: run {wish.run} is for {request.partition}")
    graph = partitions.filled(wish.graph, project.catalog, request.partition, wish.graph.tasks)
    return replace(wish, graph=in_snowflake.pinned(tables.pinned(graph, request.tables), request.sources))


def _params(project: Project, pipeline: Pipeline, wish: Wish, known: Run | None) -> dict[str, Any]:
    """Return the parameters of the call: those of the run that is there, unless the call names others.

    Of parameters that came with a later graph, a run has those of the call.
    """
    if known is not None and (wish.keep or not wish.assignments):
        is_all = wish.graph.params.keys() <= known.params.keys()
        return known.params if is_all else {**params_of(project, pipeline, wish.assignments), **known.params}
    return params_of(project, pipeline, wish.assignments)


class _Execution:
    """One task of one run."""

    def __init__(
        self,
        wish: Wish,
        plan: Plan,
        place: Workplace,
        tasks: dict[str, Task[...]],
        run: Run,
        lease: Lease,
        leave: Callable[[dict[str, Any]], None],
        news: tuple[str, str] | None,
        hire: Hire | None,
    ) -> None:
        self._wish, self._plan, self._place, self._tasks = wish, plan, place, tasks
        self._run, self._lease, self._job, self._leave = run, lease, plan.job, leave
        self._news, self._hire = news, hire

    def answer(self) -> dict[str, Any]:
        """Return what came of the task."""
        if self._wish.task == FINALIZER:
            return self._finish()
        if self._plan.is_skipped:
            if self._wish.writes:
                self._note(self._wish.task, TaskStatus.SKIPPED)
            return self._as_json(TaskStatus.SKIPPED)
        if self._plan.is_empty and self._wish.writes:
            self._note(self._wish.task, TaskStatus.SUCCEEDED, elements=0)
        if self._wish.list_elements:
            elements = [{"element": unit.element, "label": unit.label} for unit in self._plan.units]
            return {**self._as_json(TaskStatus.SUCCEEDED), "elements": elements}
        return self._all([self._unit(unit) for unit in self._plan.units], self._wish.graph.tasks[self._wish.task])

    # -- a task -------------------------------------------------------------------------------------------------------

    def _unit(self, unit: Unit) -> dict[str, Any]:
        """Execute a unit, or take what is there."""
        state = self._place.state
        if self._wish.cache and (found := self._job.find_committed(unit)) is not None:
            return self._as_json(TaskStatus.SUCCEEDED, unit, _taken(found))
        found = self._job.find_cached(unit)
        unit.number = self._job.next_number(unit.task, unit.element, runs=found is None)
        if found is not None:
            state.add_attempts(self._run.id, self._run.epoch, [unit.record(TaskStatus.CACHED, found)])
            return self._as_json(TaskStatus.CACHED, unit, _taken(found))
        if self._hire is not None:
            return self._elsewhere(unit, self._hire)
        for stale in self._plan.attempts:
            if (stale.task, stale.element, stale.status) == (unit.task, unit.element, TaskStatus.RUNNING):
                state.fail(
                    stale.id, TaskStatus.LOST, limits.explain("worker_lost", unit.node, "it was started again", "")
                )
        (unit.attempt,) = state.add_attempts(self._run.id, self._run.epoch, [unit.record(TaskStatus.RUNNING)])
        outcome = self._execute(unit)
        return self._as_json(outcome.status, unit, outcome)

    def _elsewhere(self, unit: Unit, hire: Hire) -> dict[str, Any]:
        """Have a unit executed elsewhere, and return what has been written down of it there."""
        before = {each.id for each in self._plan.attempts}
        try:
            why = hire(unit.element if unit.element >= 0 else None)
        except KeyboardInterrupt:  # what it had begun is ended, and has written that down
            return self._as_json(TaskStatus.CANCELLED, unit, self._stopped(unit))
        there = self._place.state.attempts(self._run.id)
        new = [
            each for each in there if each.id not in before and (each.task, each.element) == (unit.task, unit.element)
        ]
        if new and new[-1].status != TaskStatus.RUNNING:
            last = new[-1]
            unit.number = last.number
            outputs = outputs_of(last) if last.status in COMMITTED else {}
            seconds = (last.ended_at or last.started_at) - last.started_at
            outcome = Outcome(last.status, outputs, last.metrics or {}, last.error, seconds, last.peak_memory)
            return self._as_json(last.status, unit, outcome)
        error = limits.explain("worker_lost", unit.node, why or "it has written nothing down", "")
        return self._as_json(TaskStatus.FAILED, unit, Outcome(TaskStatus.FAILED, error=error))

    def _execute(self, unit: Unit) -> Outcome:
        call = unit.call(self._run.id, self._run.pipeline)
        try:
            with MemoryLimit(self._wish.memory, lambda: self._outgrown(unit)):
                return execute_attempt(call, self._tasks[call.key], self._place)
        except KeyboardInterrupt:
            outcome = self._stopped(unit)
            self._place.state.fail(unit.attempt, TaskStatus.CANCELLED, outcome.error)
            return outcome

    def _stopped(self, unit: Unit) -> Outcome:
        """Return what has come of a unit that was stopped. Raises RunConflictError where the run is no more ours."""
        if self._lease.lost:
            raise RunConflictError(f"run {self._run.id} was cancelled, or taken over; this attempt stops") from None
        why = f"stopped by {self._lease.cancelled or 'its time limit'}"
        error = limits.explain("cancelled", unit.node, why, "")
        error["message"] = why
        return Outcome(TaskStatus.CANCELLED, error=error)

    def _outgrown(self, unit: Unit) -> None:
        """Write down that a unit holds more memory than it may, and leave, unless it has committed meanwhile."""
        error = limits.explain("memory", unit.node, "", "", self._wish.memory)
        if self._place.state.fail(unit.attempt, TaskStatus.FAILED, error, peak.read()):
            self._leave(self._as_json(TaskStatus.FAILED, unit, Outcome(TaskStatus.FAILED, error=error)))

    # -- the end ------------------------------------------------------------------------------------------------------

    def _finish(self) -> dict[str, Any]:
        """Run the finalizer, where there is one, and end the run."""
        states = {task: self._job.scheduler.settled[task].status for task in self._wish.graph.tasks}
        error = next((self._plan.failed[task] for task in states if states[task] == TaskStatus.FAILED), None)
        error = error or self._missing([task for task in states if states[task] == TaskStatus.CANCELLED])
        for task in self._plan.skipped:
            self._note(task, TaskStatus.SKIPPED)
        status = RunStatus.FAILED if BROKEN.intersection(states.values()) else RunStatus.SUCCEEDED
        if self._place.state.run(self._run.id).cancel_requested:  # also since it began
            status, error = RunStatus.CANCELLED, "stopped by firnflow cancel"
        node = self._wish.graph.finalizer
        answer = self._as_json(TaskStatus.SKIPPED)
        if node is not None:
            seconds = time.time() - self._run.started_at
            summary = RunSummary(
                self._run.id, self._run.pipeline, status, seconds, {**states}, error, self._run.partition
            )
            plain = {name: getattr(summary, name) for name in summary.__dataclass_fields__}
            wanted = next(name for name, port in node.arguments.items() if "RunSummary" in port.type)
            answer = self._unit(make_unit(FINALIZER, node, self._job.code(node), {wanted: Value(plain)}))
            if answer["state"] not in COMMITTED and status == RunStatus.SUCCEEDED:
                status, error = RunStatus.FAILED, f"the finalizer {answer['state']}"
        self._place.state.end_run(self._run.id, self._run.epoch, status, error, self._news)
        return {**answer, "status": status}

    def _missing(self, open_: list[str]) -> str | None:
        """Return in one line what became of tasks that the scheduler has given up without a word from them."""
        begun = {attempt.task for attempt in self._plan.attempts if attempt.status == TaskStatus.RUNNING}
        if self._plan.outdated:
            return f"task {self._plan.outdated[0]} was committed before the pipeline was changed, and would differ now"
        lost = next((task for task in open_ if task in begun), None)
        if lost is not None:
            return f"task {lost}: WorkerLostError: its process was ended from outside, and has said nothing"
        return f"task {open_[0]} was never started" if open_ else None

    # -- writing down -------------------------------------------------------------------------------------------------

    def _note(self, task: str, status: TaskStatus, elements: int | None = None) -> None:
        number = self._job.next_number(task, -1, runs=False)
        outputs: dict[str, Any] | None = {} if elements == 0 else None
        new = Attempt(task=task, elements=elements, number=number, status=status, outputs=outputs)
        self._place.state.add_attempts(self._run.id, self._run.epoch, [new])

    def _all(self, answers: list[dict[str, Any]], node: TaskNode) -> dict[str, Any]:
        """Return the answer of a task: that of its one unit, or of all elements together."""
        if node.mapping is None or self._wish.element is not None:
            return answers[0]
        state = overall(each["state"] for each in answers)
        bad = next((each for each in answers if each["state"] not in COMMITTED), None)
        parts = [{name: Ref.from_json(ref) for name, ref in each["outputs"].items()} for each in answers]
        outputs = {} if bad or self._wish.share else gather_outputs(node, parts)
        seconds = sum(each["seconds"] for each in answers)
        whole = self._as_json(state, outcome=Outcome(state, outputs, error=bad and bad["error"], seconds=seconds))
        return {**whole, "elements": answers}

    def _as_json(self, state: TaskStatus, unit: Unit | None = None, outcome: Outcome | None = None) -> dict[str, Any]:
        outcome = outcome or Outcome(state)
        answer: dict[str, Any] = {
            "run": self._run.id,
            "partition": self._run.partition,
            "task": self._wish.task,
            "state": state,
            "seconds": round(outcome.seconds, 4),
            "peak_memory": outcome.peak_memory,
            "outputs": {name: ref.to_json() for name, ref in outcome.outputs.items()},
            "metrics": outcome.metrics,
            "error": outcome.error,
        }
        if unit is not None:
            log = attempt_file(self._place.logs, self._run.id, unit.task, unit.element, unit.number)
            answer |= {"attempt": unit.number, "log": str(log)} if unit.number > 0 else {"attempt": None, "log": None}
        if unit is not None and unit.element >= 0:
            answer |= {"element": unit.element, "label": unit.label}
        return answer


def _taken(found: Attempt) -> Outcome:
    """Return what an attempt has committed as an outcome."""
    return Outcome(TaskStatus.SUCCEEDED, outputs_of(found), found.metrics or {})
