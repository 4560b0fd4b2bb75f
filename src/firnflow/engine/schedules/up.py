"""Runs what is due, round after round: the heart of `firnflow up`.

A round writes down what has become due, looks after the runs that were started, and starts what may start. Everything
that a round decides stands in the ledger before it is done; what this object remembers besides (its processes) may be
lost at any moment. A run is a process of its own, which outlives this one.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Protocol

from firnflow._crash import crash_point
from firnflow._text import counted
from firnflow.engine.origin import new_id
from firnflow.engine.schedules.calendar import LATE, due
from firnflow.engine.schedules.partitions import APART, DuePartitions, is_under_way
from firnflow.engine.schedules.updates import Looks
from firnflow.errors import FirnflowError, NotFoundError
from firnflow.graph.model import Cron, Every
from firnflow.project import redact
from firnflow.status import RunStatus
from firnflow.stores.state.ledger import NOT_STARTED, Cause, DueStatus, Ledger, Planned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from firnflow.engine.schedules.updates import News, Sources, Versions
    from firnflow.graph.model import Schedule
    from firnflow.graph.partitions import ByKey, Timed
    from firnflow.stores.state import Run, State
    from firnflow.stores.state.ledger import Due, Standing

MOST_TRIES = 3
"""How often a run may die under our eyes before it is given up."""
_KEPT = 90 * 86_400.0  # seconds for which settled moments are kept
CHANCE = 4
"""How many bytes of the ids of runs that are due are chance: an id that is taken would be taken for the run itself."""
PACE = 1.0
"""Seconds between two rounds."""
_CANCELLING = 30.0  # seconds that a run is given to cancel itself


class Process(Protocol):
    """The process of a run."""

    def code(self) -> int | None:
        """Return None while it is there, else its exit code; of one that was killed, a negative number."""

    def said(self) -> str:
        """Return what it said last; called once it has ended."""

    def stop(self) -> None:
        """Ask it to cancel its run."""


class Starter(Protocol):
    """Starts runs."""

    def start(self, due: Due, *, resume: bool) -> Process:
        """Start a process that runs what is due, or goes on with it, under the run id that is fixed for it."""

    def tidy(self, before: float) -> None:
        """Delete what processes said before a moment, in seconds since 1970."""

    def tell(self) -> None:
        """Have people told of what could not start."""


class Up:
    """Runs the pipelines of one environment by their schedules.

    Args:
        state: the state database.
        environment: its name.
        schedules: returns pipeline → schedule, as the project says now.
        starter: starts runs.
        tables: the named tables.
        tell: takes a line for people.
        now: the clock, in seconds since 1970.
        most: how many runs may be under way at once.
        partitions: returns pipeline → partition, likewise.
        sources: the sources of the project; None: no schedule waits for one.
    """

    def __init__(
        self,
        state: State,
        environment: str,
        schedules: Callable[[], Mapping[str, Schedule]],
        starter: Starter,
        tables: Versions,
        tell: Callable[[str], None],
        now: Callable[[], float] = time.time,
        most: int = 2,
        partitions: Callable[[], Mapping[str, Timed | ByKey]] = dict,
        sources: Sources | None = None,
    ) -> None:
        self._state, self._environment, self._ledger = state, environment, Ledger(state, environment)
        self._schedules, self._starter, self._looks = schedules, starter, Looks(tables, sources, partitions, tell)
        self._tell, self._now, self._most = tell, now, most
        self._partitions = DuePartitions(state, environment, partitions)
        self._processes: dict[str, Process] = {}
        self._forgotten_at = float("-inf")

    def go(self, stop: threading.Event, grace: float, pace: float = PACE) -> None:
        """Work until somebody asks to stop; then wait for what is under way, and cancel what takes longer.

        Args:
            stop: set when it is to end; set again (it is cleared in between) when it is to end without waiting.
            grace: seconds to wait for runs under way.
            pace: seconds between two rounds.
        """
        trouble = ""
        while not stop.is_set():
            try:
                self.round()
                trouble = ""
            except (FirnflowError, OSError) as error:  # a full disk, a database that is away: they may come back
                if (said := redact(str(error))) != trouble:
                    self._tell(f"nothing can start: {said}")
                trouble = said
            stop.wait(pace)
        if self._processes:
            self._tell(f"stopping; waiting at most {grace:g} s for {counted(len(self._processes), 'run')}")
        stop.clear()
        self._finish(stop, grace)
        self.stop()
        self._finish(threading.Event(), _CANCELLING)

    def _finish(self, stop: threading.Event, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self.round(start=False) and time.monotonic() < until and not stop.wait(0.1):
            pass

    def round(self, *, start: bool = True) -> int:
        """Do what is to be done now, and return how many processes are under way.

        Args:
            start: start what waits and go on with what was killed; False: only see to what this object has started.

        Raises:
            FirnflowError: the state database cannot be used, or the named tables.
        """
        schedules = self._schedules() if start else {}
        if start:
            self._write_down(schedules)
            crash_point("schedule.written")
        self._state.reap()
        for each in self._ledger.open():
            if each.run in self._processes or (start and each.status != DueStatus.WAITING):
                self._look_after(each, start=start)
        if start:
            self._start(schedules)
        return len(self._processes)

    def stop(self) -> None:
        """Cancel the runs under way; the next `up` goes on with them."""
        for run, process in self._processes.items():
            self._tell(f"{run}  is stopped; the next `firnflow up` goes on with it")
            process.stop()

    # -- what is due --------------------------------------------------------------------------------------------------

    def _write_down(self, schedules: Mapping[str, Schedule]) -> None:
        now, standings = self._now(), self._ledger.standings()
        if not self._forgotten_at <= now < self._forgotten_at + 86_400:
            self._ledger.forget(now - _KEPT)
            self._starter.tidy(now - _KEPT)
            self._forgotten_at = now
        news = self._looks.look(schedules, standings, now)
        for pipeline, schedule in schedules.items():
            standing, counts = standings.get(pipeline), counts_by(schedule)
            if standing is None or standing.counts != counts:
                known = standing.seen if standing is not None else {}
                seen = self._looks.start(pipeline, schedule, known, news)
                if seen is not None:
                    self._ledger.begin(pipeline, counts, now, seen)
            elif standing.paused_at is None and isinstance(schedule, Cron | Every):
                self._write_moments(schedule, standing, now)
            elif standing.paused_at is None:
                self._write_update(schedule, standing, news, now)

    def _write_moments(self, schedule: Cron | Every, standing: Standing, now: float) -> None:
        found = due(schedule, standing.since, now)
        if found:
            planned = self._partitions.at_moments(schedule, standing, found)
            self._ledger.add(standing, found[-1], [_planned(standing.pipeline, at, key) for at, key in planned])

    def _write_update(self, schedule: Schedule, standing: Standing, news: News, now: float) -> None:
        pipeline = standing.pipeline
        found = self._looks.found(pipeline, schedule, standing.seen, news, now)
        if found is None:
            return
        keys: list[str | None] = [*found.partitions]
        if found.plain:
            changed = self._looks.changed(schedule, standing.seen, found.seen)
            keys += [key for key in self._partitions.of_update(pipeline, changed, now) if key not in keys]
        runs = [_planned(pipeline, now + APART * number, key) for number, key in enumerate(keys)]
        self._ledger.add_update(standing, found.seen, now, runs)

    # -- what was started ---------------------------------------------------------------------------------------------

    def _look_after(self, each: Due, *, start: bool) -> None:
        process = self._processes.get(each.run)
        code = process.code() if process is not None else None
        if process is not None and code is None:
            return
        self._processes.pop(each.run, None)
        run = self._run(each.run)
        if run is None and self._is_elsewhere(each):
            return
        if run is None and process is not None and code is not None and code >= 0:
            self._settle(each, DueStatus.ENDED, NOT_STARTED, process.said())
            self._starter.tell()
        elif run is not None and _has_ended(run):
            self._settle(each, DueStatus.ENDED, run.status, run.error)
        elif start and (run is None or run.status != RunStatus.RUNNING):  # else a process of an earlier `up` is at it
            self._go_on(each, run, process)

    def _go_on(self, each: Due, run: Run | None, died: Process | None) -> None:
        """Go on with a run whose process is gone; begin it where the process died before the run began.

        Args:
            each: what is due.
            run: its run, if it has begun.
            died: the process, if it was one of ours.
        """
        if died is not None and each.tries + 1 >= MOST_TRIES:
            why = f"its process died {MOST_TRIES} times; the last one said: {died.said()}"
            self._settle(each, DueStatus.ENDED, RunStatus.CRASHED, why)
            return
        if died is not None:
            self._ledger.count_try(each)
        self._go(each, resume=run is not None)

    def _run(self, run_id: str) -> Run | None:
        try:
            run = self._state.run(run_id)
        except NotFoundError:
            return None
        return run if run.id == run_id else None  # the beginning of an id finds a run too

    def _settle(self, each: Due, status: DueStatus, outcome: str, why: str | None = None) -> None:
        self._ledger.settle(each, status, f"{outcome}: {why}" if why else str(outcome), self._now())
        crash_point("schedule.settled")
        first = (why or "").partition("\n")[0]
        self._tell(f"{_name(each)}  {outcome}" + (f": {first}" if first else "") + f"  ({each.run})")

    # -- what may start -----------------------------------------------------------------------------------------------

    def _start(self, schedules: Mapping[str, Schedule]) -> None:
        there = self._ledger.open()
        started = {each.run for each in there if each.status != DueStatus.WAITING}
        busy = {each.pipeline for each in there if each.run in started}
        running = self._state.runs(status=RunStatus.RUNNING, limit=1000)
        here = [run for run in running if run.environment == self._environment]
        # a backfill of other partitions goes on beside
        busy |= {run.pipeline for run in here if run.partition is None or run.id in started}
        free = self._most - sum(each.status != DueStatus.WAITING for each in there)
        for each in self._wanted([each for each in there if each.status == DueStatus.WAITING], schedules):
            overlap = getattr(schedules.get(each.pipeline), "overlap", False)
            if free <= 0 or (each.pipeline in busy and not overlap) or self._is_elsewhere(each):
                continue
            if self._ledger.claim(each, overlap=overlap):
                crash_point("schedule.claimed")
                self._go(each, resume=False)
                busy.add(each.pipeline)
                free -= 1

    def _is_elsewhere(self, each: Due) -> bool:
        """Return whether another run has the partition; what is done by one is settled."""
        other = self._partitions.other(each)
        if other is not None and not is_under_way(other):
            self._settle(each, DueStatus.ENDED, f"partition {each.partition} is done by run {other.run}")
        return other is not None

    def _wanted(self, waiting: list[Due], schedules: Mapping[str, Schedule]) -> list[Due]:
        """Return what is to run of what waits, the oldest first; the rest is missed, as `catch_up` says."""
        newest = {each.pipeline: each.due for each in waiting if each.cause == Cause.SCHEDULE}
        wanted = []
        for each in waiting:
            schedule = schedules.get(each.pipeline)
            why = None
            if each.cause == Cause.SCHEDULE and not isinstance(schedule, Cron | Every):
                why = "the pipeline has no such schedule any more"
            elif each.cause == Cause.SCHEDULE and isinstance(schedule, Cron | Every):
                why = _missed(schedule, each.due, newest[each.pipeline], self._now())
            if why is None:
                wanted.append(each)
            else:
                self._settle(each, DueStatus.MISSED, "missed", why)
        return wanted

    def _go(self, each: Due, *, resume: bool) -> None:
        self._tell(f"{_name(each)}  {'goes on' if resume else 'starts'}  ({each.run})")
        self._processes[each.run] = self._starter.start(each, resume=resume)
        crash_point("schedule.started")


def _planned(pipeline: str, at: float, partition: str | None) -> Planned:
    return Planned(at, new_id(pipeline, at, CHANCE), partition)


def _name(each: Due) -> str:
    return each.pipeline if each.partition is None else f"{each.pipeline} {each.partition}"


def _has_ended(run: Run) -> bool:
    """Return whether a run has come to its end: by itself, or by `firnflow cancel`; a signal is none."""
    if run.status == RunStatus.CANCELLED:
        return bool(run.cancel_requested)
    return run.status not in {RunStatus.RUNNING, RunStatus.CRASHED}


def _missed(schedule: Cron | Every, at: float, newest: float, now: float) -> str | None:
    """Return why a moment that has not been started yet is given up, or None."""
    if schedule.catch_up == "last" and at < newest:
        return "a later moment was due before it could start"
    if schedule.catch_up == "none" and now - at > LATE:
        return f"it could not start for {LATE:g} s"
    return None


def counts_by(schedule: Schedule) -> str:
    """Return the part of a schedule that says when it is due."""
    if isinstance(schedule, Cron | Every):
        return schedule.model_dump_json(exclude={"catch_up", "overlap"})
    return schedule.model_dump_json(exclude_none=True)
