"""Drives one run: asks the scheduler what may start, gives it to workers, writes down what came of it."""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections import Counter, deque
from concurrent import futures
from typing import TYPE_CHECKING, Any

from firnflow._crash import crash_point
from firnflow.engine import limits
from firnflow.engine.attempt import Outcome
from firnflow.engine.binding import Value
from firnflow.engine.events import Event
from firnflow.engine.selection import gather_outputs, outputs_of
from firnflow.engine.units import Unit, make_unit
from firnflow.errors import FirnflowError, RunConflictError
from firnflow.project import redact
from firnflow.status import COMMITTED, TaskStatus, overall
from firnflow.stores.state import Attempt

if TYPE_CHECKING:
    from concurrent.futures import Future

    from firnflow.context import RunSummary
    from firnflow.engine.events import Kind
    from firnflow.engine.inline import InlinePool
    from firnflow.engine.job import Job
    from firnflow.engine.lease import Lease
    from firnflow.engine.pool import Pool, Report

FINALIZER = "finalizer"
_TICK = 0.5  # seconds between two looks at time limits, memory and wishes to stop
_GLANCE = 0.05  # likewise while tasks run and sources are looked at


class Driver:
    """One run from its first task to its last; `job` says what, `pool` does it."""

    def __init__(self, job: Job, pool: Pool | InlinePool, lease: Lease) -> None:
        self._job, self._pool, self._lease = job, pool, lease
        self._queue: deque[Unit] = deque()
        self._later: list[tuple[float, int, Unit]] = []
        self._count = itertools.count()
        self._running: dict[int, Unit] = {}
        self._looking: dict[str, Future[str]] = {}
        self._notes: list[Attempt] = []
        self._parts: dict[str, list[Unit]] = {}
        self._left: Counter[str] = Counter()
        self._started = 0
        self.finalized: TaskStatus | None = None

    # -- the run ------------------------------------------------------------------------------------------------------

    def drive(self) -> None:
        """Run until every task is settled, or somebody asks to stop.

        Raises:
            RunConflictError: another process has taken over the run.
        """
        self._loop()
        if self._lease.cancelled:
            then = "the finalizer still runs" if self._job.graph.finalizer else "nothing more starts"
            again = " Ctrl-C once more ends all at once." if self._lease.cancelled == "SIGINT" else ""
            said = f"{self._lease.cancelled}: what is under way is ended, {then}.{again}"
            self._tell("notice", message=said)
            self._stop_all()
        self._flush()

    def finalize(self, summary: RunSummary) -> None:
        """Run the finalizer, where there is one; `finalized` says how it went."""
        crash_point("finalizer.before")
        node = self._job.graph.finalizer
        if node is None:
            return
        if self._job.after_crash and (FINALIZER, -1) in self._job.committed and not self._started:
            self.finalized = TaskStatus.SUCCEEDED
            return
        wanted = next(name for name, port in node.arguments.items() if "RunSummary" in port.type)
        plain = {name: getattr(summary, name) for name in summary.__dataclass_fields__}
        self._lease.cancelled = None  # it runs although the run was cancelled; asking again cancels it too
        self._parts[FINALIZER] = [make_unit(FINALIZER, node, self._job.code(node), {wanted: Value(plain)})]
        self._left[FINALIZER] = 1
        self._queue.append(self._parts[FINALIZER][0])
        self._loop()
        if self.finalized is None:
            self._stop_all()
            self.finalized = TaskStatus.CANCELLED

    def _loop(self) -> None:
        while not self._lease.cancelled:
            self._advance()
            self._flush()
            self._start()
            if not (self._running or self._queue or self._later or self._looking):
                return
            self._wait()
            limits.enforce(self._pool, {attempt: unit.node for attempt, unit in self._running.items()})
            if self._lease.lost:
                raise RunConflictError(f"another process has taken over run {self._job.run}; this one stops")

    def _wait(self) -> None:
        """Wait until a task has ended, a source has been looked at, or the next attempt is due: a tick at the most."""
        due = self._later[0][0] - time.monotonic() if self._later else _TICK
        patience = max(0.0, min(_TICK, due))
        if self._looking and not self._running:
            futures.wait(self._looking.values(), patience, futures.FIRST_COMPLETED)
            patience = 0.0
        for report in self._pool.wait(min(patience, _GLANCE) if self._looking else patience):
            self._take(report)

    # -- before a unit runs -------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Settle what needs no worker, and queue what does."""
        while self._later and self._later[0][0] <= time.monotonic():
            self._enqueue(heapq.heappop(self._later)[2])
        for task in itertools.chain(self._looked_at(), self._job.scheduler.take_ready()):
            try:
                decision = self._job.scheduler.decide(task)
                if decision is None and self._must_look(task):
                    continue
                units = self._job.units(task) if decision is None else []
            except (FirnflowError, OSError) as error:  # a source that is away, a damaged verdict, lists that do not fit
                self._fail_unopened(task, error)
                continue
            if decision is None:
                self._open(task, units)
            else:
                self._note(task, decision)
                self._job.scheduler.settle(task, decision)
                self._tell("task_finished", task, state=decision, seconds=0.0)

    def _must_look(self, task: str) -> bool:
        """Begin to look at what a source holds, unless that has been done; return whether it has just begun."""
        look = self._job.look(task)
        if look is None or look.done():
            return False
        self._looking[task] = look
        return True

    def _looked_at(self) -> list[str]:
        """Return the sources that have been looked at since the last call."""
        done = [task for task, look in self._looking.items() if look.done()]
        for task in done:
            del self._looking[task]
        return done

    def _open(self, task: str, units: list[Unit]) -> None:
        """Take the units of a task that are done already, and queue the others."""
        self._parts[task] = units
        self._left[task] = len(units)
        for unit in units:
            if not self._reuse(unit):
                self._enqueue(unit)
        if not units:
            number = self._job.next_number(task, -1, runs=False)
            self._notes.append(Attempt(task=task, elements=0, number=number, status=TaskStatus.SUCCEEDED, outputs={}))
            self._settle(task)

    def _enqueue(self, unit: Unit) -> None:
        """Let a unit wait for room, before those of a lower priority and after all others."""
        priority = unit.node.options.priority
        at = len(self._queue)
        while at > 0 and self._queue[at - 1].node.options.priority < priority:
            at -= 1
        self._queue.insert(at, unit)

    def _reuse(self, unit: Unit) -> bool:
        """Take what this run has committed, or what an earlier one left in the cache."""
        found = self._job.find_committed(unit)
        if found is None and (cached := self._job.find_cached(unit)) is not None:
            found = cached
            self._note(unit.task, TaskStatus.CACHED, unit, cached)
        if found is None:
            return False
        unit.outputs, unit.metrics, unit.reused = outputs_of(found), found.metrics or {}, True
        self._done(unit, TaskStatus.CACHED, 0.0)
        return True

    def _fail_unopened(self, task: str, error: Exception) -> None:
        said = {"kind": "exception", "type": type(error).__name__, "message": str(error), "traceback": ""}
        self._note(task, TaskStatus.FAILED, error=said)
        self._job.result(task).error = said
        self._job.scheduler.settle(task, TaskStatus.FAILED)
        self._tell("task_finished", task, state=TaskStatus.FAILED, seconds=0.0, error=said)

    # -- a unit runs --------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Give queued units to workers while there is room."""
        crowded = []
        while self._queue:
            unit = self._queue[0]
            if self._load() + self._weight(unit) > self._pool.size:
                break  # whatever comes later waits too, so that a large task is not passed for ever
            if self._crowded(unit):
                crowded.append(self._queue.popleft())
                continue
            if not self._pool.has_room():
                break
            self._send(self._queue.popleft())
        self._queue.extendleft(reversed(crowded))

    def _send(self, unit: Unit) -> None:
        unit.number = self._job.next_number(unit.task, unit.element)
        unit.tries += 1
        self._started += 1
        started = [unit.record(TaskStatus.RUNNING)]
        (unit.attempt,) = self._job.state.add_attempts(self._job.run, self._job.epoch, started)
        self._running[unit.attempt] = unit
        self._job.result(unit.task).attempts += 1
        self._tell("task_started", unit.task, unit, attempt=unit.number)
        self._pool.send(unit.call(self._job.run, self._job.graph.pipeline), unit.stored)

    def _load(self) -> int:
        return sum(self._weight(unit) for unit in self._running.values())

    def _weight(self, unit: Unit) -> int:
        """Return how many of the pool's places a unit takes: one per processor that it asks for."""
        return min(math.ceil(unit.node.options.resources.cpu or 1), self._pool.size)

    def _crowded(self, unit: Unit) -> bool:
        most = unit.node.options.concurrency
        return most is not None and sum(other.task == unit.task for other in self._running.values()) >= most

    # -- a unit has ended ---------------------------------------------------------------------------------------------

    def _take(self, report: Report) -> None:
        crash_point("driver.told")
        unit = self._running.pop(report.call.attempt)
        message = report.message
        if message is None:
            self._lost(unit, report.lost, report.said)
        elif "given_up" in message:
            raise RunConflictError(message["given_up"])
        else:
            outcome = Outcome.from_json(message["outcome"])
            result = self._job.result(unit.task)
            result.seconds += outcome.seconds
            result.peak_memory = max(result.peak_memory or 0, outcome.peak_memory or 0) or None
            if outcome.status == TaskStatus.SUCCEEDED:
                unit.take(outcome)
                self._done(unit, TaskStatus.SUCCEEDED, outcome.seconds)
            else:
                unit.metrics = outcome.metrics  # what it had counted until it failed: wrong rows, rounds
                self._failed(unit, outcome.error or {}, outcome.seconds)

    def _lost(self, unit: Unit, why: str, said: str) -> None:
        """Settle a unit whose worker is gone, unless it had committed before."""
        kind = why if why in {"timeout", "memory", "cancelled"} else "worker_lost"
        error = limits.explain(kind, unit.node, why, redact(said))
        self._job.log(unit.task, unit.element, unit.number, f"{said}\n{error['message']}".strip())
        status = {"worker_lost": TaskStatus.LOST, "cancelled": TaskStatus.CANCELLED}.get(kind, TaskStatus.FAILED)
        if not self._job.state.fail(unit.attempt, status, error):
            attempt = self._job.state.attempt(unit.attempt)
            if attempt.status in COMMITTED:
                unit.outputs, unit.metrics = outputs_of(attempt), attempt.metrics or {}
                self._done(unit, TaskStatus.SUCCEEDED, (attempt.ended_at or 0) - attempt.started_at)
                return
        self._failed(unit, error, 0.0)

    def _failed(self, unit: Unit, error: dict[str, Any], seconds: float) -> None:
        options = unit.node.options
        if unit.tries <= options.retries and not self._lease.cancelled:
            wait = options.retry_delay * options.backoff ** (unit.tries - 1)
            heapq.heappush(self._later, (time.monotonic() + wait, next(self._count), unit))
            self._tell("task_retrying", unit.task, unit, error=error, seconds=wait)
            return
        unit.error = error
        result = self._job.result(unit.task)
        result.error = result.error or error
        self._done(unit, _state(unit), seconds)

    def _done(self, unit: Unit, state: TaskStatus, seconds: float) -> None:
        self._tell("task_finished", unit.task, unit, state=state, seconds=seconds, error=unit.error)
        self._left[unit.task] -= 1
        if self._left[unit.task] == 0:
            self._settle(unit.task)

    def _settle(self, task: str) -> None:
        """Settle a task whose units have all ended."""
        units = self._parts[task]
        result = self._job.result(task)
        result.elements = len(units) if self._is_mapped(task) else None
        for unit in units:
            self._job.add_metrics(unit.task, unit.label, unit.metrics)
        state = overall(map(_state, units))
        if task == FINALIZER:
            self.finalized = state
            return
        parts = [unit.outputs for unit in units if unit.outputs is not None]
        outputs = gather_outputs(self._job.graph.tasks[task], parts) if self._is_mapped(task) else None
        self._job.scheduler.settle(task, state, outputs if outputs is not None or not parts else parts[0])

    def _is_mapped(self, task: str) -> bool:
        return task != FINALIZER and self._job.graph.tasks[task].mapping is not None

    # -- writing down -------------------------------------------------------------------------------------------------

    def _note(
        self,
        task: str,
        status: TaskStatus,
        unit: Unit | None = None,
        found: Attempt | None = None,
        error: dict[str, Any] | None = None,
    ) -> None:
        """Remember to write an attempt that was settled without running."""
        number = self._job.next_number(task, unit.element if unit else -1, runs=False)
        if unit is None:
            self._notes.append(Attempt(task=task, number=number, status=status, error=error))
            return
        unit.number = number
        self._notes.append(unit.record(status, found))

    def _flush(self) -> None:
        if self._notes:
            self._job.state.add_attempts(self._job.run, self._job.epoch, self._notes)
            self._notes = []

    def _stop_all(self) -> None:
        """End what is under way, and settle the rest as cancelled."""
        self._queue.clear()
        self._later.clear()
        self._looking.clear()
        for worker in list(self._pool.workers):
            self._pool.kill(worker, "cancelled")
        until = time.monotonic() + limits.KILL_SECONDS
        while self._running and time.monotonic() < until:
            for report in self._pool.wait(_TICK):
                self._take(report)
        self._running.clear()

    def _tell(self, kind: Kind, task: str = "", unit: Unit | None = None, **data: Any) -> None:
        if unit is not None and unit.elements is not None:
            data["elements"] = unit.elements
        self._job.tell(Event(kind, task, unit.element if unit else -1, unit.label if unit else None, data))


def _state(unit: Unit) -> TaskStatus:
    """Return how a unit that has ended went."""
    if unit.error is None:
        return TaskStatus.CACHED if unit.reused else TaskStatus.SUCCEEDED
    return TaskStatus.CANCELLED if unit.error["kind"] == "cancelled" else TaskStatus.FAILED
