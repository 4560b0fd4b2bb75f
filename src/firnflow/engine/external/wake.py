"""Starts, for another scheduler, pipelines that wait for named tables: says which runs are to begin.

Whoever publishes a version asks afterwards whether all that a pipeline waits for has come. The ledger of schedules says
it, as it does for `firnflow up`: what is due is written down with the id of its run, in one transaction with what is no
news any more. So of two that publish at once one is told to start the run, and one that died before it could is told
again, with the same id: a run that was started twice is one run. Of a paused pipeline nothing begins and nothing is
written down; whoever lets it start again asks too.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from firnflow.engine.origin import new_id
from firnflow.engine.schedules.partitions import APART, DuePartitions
from firnflow.engine.schedules.up import CHANCE, counts_by
from firnflow.engine.schedules.updates import Looks, NamedTables
from firnflow.errors import NotFoundError, StoreError
from firnflow.graph.model import updates_of
from firnflow.stores.lock import held
from firnflow.stores.state.deployments import Deployments
from firnflow.stores.state.ledger import Cause, DueStatus, Ledger, Planned

if TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.engine.attempt import Workplace
    from firnflow.graph.model import Schedule
    from firnflow.project import Project
    from firnflow.stores.state.ledger import Due, Standing

PATIENCE = 120.0
"""Seconds to wait for others that ask at the same moment."""
_STARTED = "its run has begun"


def wake(
    project: Project, place: Workplace, pipelines: Iterable[str], run: str | None, *, again: bool
) -> list[dict[str, str | None]]:
    """Return the runs that are to begin, each once: `pipeline`, `run`, the end of its id, and `partition`.

    Args:
        project: the loaded project.
        place: its stores and its state.
        pipelines: which ones wait for what was published.
        run: the run that has published it; None: nobody has, they were paused.
        again: whether who asks has asked before, and may not have done what it was told then.

    Raises:
        StoreError: others ask for too long, or the tables cannot be read.
        NotFoundError: there is no such pipeline.
    """
    names = [project.pipeline(name).name for name in pipelines]
    settings = project.settings
    with held(place.state.engine, f"wake-{settings.project}-{settings.environment}", PATIENCE) as is_ours:
        if not is_ours:
            raise StoreError(f"other runs look at {', '.join(names)} for too long. Mend: the same call goes on")
        waiting = _Waiting(project, place, run)
        for name in names:
            waiting.write_down(name)
        return [_told(each) for each in waiting.take(names, again=again)]


class _Waiting:
    """The pipelines of an environment that wait for tables, looked at by one process at a time."""

    def __init__(self, project: Project, place: Workplace, run: str | None) -> None:
        known = {name: each.partition for name, each in project.pipelines.items() if each.partition is not None}
        state, self._environment = place.state, project.settings.environment
        self._project, self._state, self._run = project, state, run
        self._ledger, self._tables = Ledger(state, self._environment), NamedTables(state, place.stores)
        self._looks = Looks(self._tables, None, lambda: known, lambda _: None)
        self._partitions = DuePartitions(state, self._environment, lambda: known)

    def write_down(self, pipeline: str) -> None:
        """Write down what is due of a pipeline."""
        schedule, now = self._project.pipeline(pipeline).schedule, time.time()
        if schedule is None:
            return
        standing = self._standing(pipeline, schedule, now)
        news = self._looks.look({pipeline: schedule}, {pipeline: standing}, now)
        found = self._looks.found(pipeline, schedule, standing.seen, news, now)
        if found is None:
            return
        changed = self._looks.changed(schedule, standing.seen, found.seen)
        keys = self._partitions.of_update(pipeline, changed, now)
        moments = [now + APART * number for number in range(len(keys))]
        runs = [Planned(at, _id(pipeline, at), key) for at, key in zip(moments, keys, strict=True)]
        self._ledger.add_update(standing, found.seen, now, runs)

    def take(self, pipelines: list[str], *, again: bool) -> list[Due]:
        """Return what is to begin, and write down that somebody begins it."""
        paused = {name for name, standing in self._ledger.standings().items() if standing.paused_at is not None}
        found = []
        for each in self._ledger.open():
            if each.pipeline not in pipelines or each.cause != Cause.UPDATE:
                continue
            if self._has_begun(each.run):
                self._ledger.settle(each, DueStatus.ENDED, _STARTED, time.time())
            elif self._ledger.claim(each, overlap=True) or (again and each.pipeline not in paused):
                found.append(each)
        return found

    def _standing(self, pipeline: str, schedule: Schedule, now: float) -> Standing:
        """Return what is no news for a pipeline; a schedule that is new, or was changed, counts from its deployment."""
        standing, counts = self._ledger.standings().get(pipeline), counts_by(schedule)
        if standing is None or standing.counts != counts:
            known = standing.seen if standing is not None else {}
            tables = {each.table for each in updates_of(schedule) if each.table is not None}
            before = self._tables.before(tables - known.keys(), self._deployed(pipeline))
            self._ledger.begin(
                pipeline, counts, now, {**before, **{name: known[name] for name in tables & known.keys()}}
            )
            standing = self._ledger.standings()[pipeline]
        return standing

    def _deployed(self, pipeline: str) -> float:
        """Return when a pipeline was deployed; where nobody has written that down, when the run began."""
        settings = self._project.settings
        deployed = Deployments(self._state, settings.project, self._environment, settings.orchestrator).read()
        moments = [record.at for address, record in deployed.records.items() if address.name == pipeline]
        if not moments:
            return self._state.run(self._run).started_at if self._run is not None else time.time()
        return max(moments)

    def _has_begun(self, run: str) -> bool:
        try:
            return self._state.run(run).id == run
        except NotFoundError:
            return False


def _id(pipeline: str, at: float) -> str:
    return f"{pipeline}.{new_id('', at, CHANCE).lstrip('-')}"


def _told(due: Due) -> dict[str, str | None]:
    return {"pipeline": due.pipeline, "run": due.run.removeprefix(f"{due.pipeline}."), "partition": due.partition}
