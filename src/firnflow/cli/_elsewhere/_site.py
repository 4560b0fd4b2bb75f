"""An environment that runs elsewhere: its target and its state, seen together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from firnflow._text import listing, nearest
from firnflow.cli import _project, _schedules
from firnflow.errors import NotFoundError, StoreError, TargetError, UsageError
from firnflow.status import RunStatus

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.graph.model import Graph
    from firnflow.project import Project, Settings
    from firnflow.stores.state import Run, State
    from firnflow.stores.state.ledger import Ledger
    from firnflow.targets.operate import Operator, Order, Standing, TargetRun

PATIENCE = 120.0
"""Seconds for which a start waits for others of the same pipeline."""
LOOKED_AT = 300
"""Among how many of the newest runs some are looked for."""


@dataclass(frozen=True, slots=True)
class Row:
    """A run as the state knows it, as the target knows it, or both."""

    record: Run | None
    there: TargetRun | None

    @property
    def id(self) -> str:
        """Its id in the state, now or as soon as it stands there."""
        return self.record.id if self.record is not None else self._there.id

    @property
    def pipeline(self) -> str:
        """The pipeline's name."""
        return self.record.pipeline if self.record is not None else self._there.pipeline

    @property
    def status(self) -> Standing:
        """How it stands: as the state says, unless the target has ended it before it could write that down."""
        if self.record is None:
            return self._there.status
        if self.record.status != RunStatus.RUNNING or self.there is None or not self.there.is_over:
            return self.record.status
        return RunStatus.CANCELLED if self.there.status == RunStatus.CANCELLED else RunStatus.FAILED

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is under way."""
        return self.there.is_over if self.there is not None else self.status != RunStatus.RUNNING

    @property
    def began_at(self) -> float:
        """When it began, or was queued, in seconds since 1970."""
        return self.record.started_at if self.record is not None else self._there.began_at

    @property
    def _there(self) -> TargetRun:
        assert self.there is not None  # noqa: S101 - one of the two is there
        return self.there


class Site:
    """An environment of a project at a target.

    Args:
        root: the project's folder.
        settings: of the environment.
        operator: what runs its pipelines.
    """

    def __init__(self, root: Path, settings: Settings, operator: Operator) -> None:
        self.root, self.settings, self.operator = root, settings, operator

    @cached_property
    def state(self) -> State:
        """The state of the environment."""
        return _schedules.open_state(self.settings)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger of its schedules."""
        from firnflow.stores.state.ledger import Ledger

        return Ledger(self.state, self.settings.environment)

    def start(self, order: Order) -> TargetRun:
        """Start a run. Of two that start one of the same id at once, the later one is told.

        Raises:
            StoreError: others start runs of the pipeline for too long.
            FirnflowError: as an operator's `start`.
        """
        from firnflow.stores.lock import held

        if not self.operator.needs_state:
            return self.operator.start(order)
        if self._is_held(order.pipeline):
            self.awake(order.pipeline)
        work = f"start-{self.settings.project}-{self.settings.environment}-{order.pipeline}"
        with held(self.state.engine, work, PATIENCE) as is_ours:
            if not is_ours:
                raise StoreError(
                    f"others start runs of {order.pipeline} for {PATIENCE:g} s. Mend: the same command again"
                )
            return self.operator.start(order)

    @cached_property
    def pipelines(self) -> list[str]:
        """The pipelines that are deployed, as the state says; no module of the project is imported."""
        from firnflow.stores.state.deployments import Deployments

        key = (self.settings.project, self.settings.environment, self.settings.orchestrator)
        records = Deployments(self.state, *key).read().records
        return sorted(address.name for address in records if address.kind == self.operator.kind)

    @property
    def option(self) -> str:
        """What to write after a command for the same environment."""
        return f" --env {self.settings.environment}"

    def load(self, pipeline: str | None, verb: str) -> tuple[Project, str]:
        """Return the loaded project and the name of its pipeline that is meant; what its modules print is no data."""
        from firnflow.cli._print import stdout_is_data

        with stdout_is_data():
            project = _project.load(self.settings.environment)
            return project, _project.named(project, pipeline, verb)

    def rows(self, pipeline: str | None, limit: int) -> list[Row]:
        """Return the newest runs, the newest first: those of the state, and those of what is deployed at the target.

        Args:
            pipeline: only of this one; None: of all.
            limit: how many at the most.
        """
        deployed = [name for name in self.pipelines if pipeline in {None, name}]
        there = {each.id: each for each in self.operator.runs(deployed, limit)} if deployed else {}
        known = {each.id: each for each in self.state.runs(pipeline=pipeline, limit=limit)}
        for missing in there.keys() - known.keys():
            if (record := self.record(missing)) is not None:
                known[missing] = record
        found = [Row(known.get(name), there.get(name)) for name in {**known, **there}]
        return sorted(found, key=lambda row: (row.began_at, row.id), reverse=True)[:limit]

    def record(self, run: str) -> Run | None:
        """Return what the state knows of a run of exactly this id."""
        from firnflow.engine.external.run import find

        return find(self.state, run)

    def find(self, run: str | None) -> Row:
        """Return a run by its id, by the target's own id of it, or by the beginning of one; None: the newest.

        Raises:
            NotFoundError: there is none, or there are several.
        """
        if run is not None:
            exact = self._exact(run)
            if exact is not None:
                return exact
        rows = self.rows(None, LOOKED_AT)
        if run is None:
            if not rows:
                raise NotFoundError(f"There is no run yet. Start one: firnflow run{self.option}")
            return self.fresh(rows[0])
        near = [row for row in rows if row.id.startswith(run)] or [
            row for row in rows if row.there is not None and row.there.native == run
        ]
        if len(near) != 1:
            ids = [row.id for row in near]
            said = f": it could be {listing(ids)}" if near else ""
            raise NotFoundError(f"there is no run {run!r}{said}. See: firnflow runs{self.option}")
        return self.fresh(near[0])

    def fresh(self, row: Row) -> Row:
        """Return a run as both know it now."""
        there = self.operator.find(row.pipeline, row.there.native if row.there is not None else row.id)
        return Row(self.record(row.id), there)

    def _exact(self, run: str) -> Row | None:
        """Return the run of exactly this id, where its pipeline can be told by it."""
        from firnflow.engine.origin import check_id

        record = self.record(check_id(run, "run")) if len(run) > 1 else None
        if record is not None:
            return self.fresh(Row(record, None))
        pipeline = run.partition(".")[0]
        if pipeline not in self.pipelines:
            return None
        there = self.operator.find(pipeline, run)
        return Row(self.record(there.id), there) if there is not None else None

    def there(self, row: Row) -> TargetRun:
        """Return a run as the target knows it. Raises TargetError where it knows it no more."""
        if row.there is None:
            raise TargetError(
                f"{self.operator.name} at {self.operator.place} knows run {row.id} no more: it was deleted there, or "
                f"ran here. Mend: start another one: firnflow run {row.pipeline}{self.option}"
            )
        return row.there

    def graph(self, row: Row) -> Graph | None:
        """Return the graph of a run; None: the state does not know it yet."""
        from firnflow.graph.check import read_graph

        return read_graph(self.state.graph_json(row.record.graph)) if row.record is not None else None

    def refuse(self, **options: Any) -> None:
        """Raise UsageError for an option that was given, and that only what runs here can heed."""
        for name, value in options.items():
            if value:
                raise UsageError(
                    f"--{name.replace('_', '-')}: {self.operator.name} runs a pipeline as it was deployed. Mend: leave "
                    f"it out, or choose an environment that runs here"
                )

    def is_paused(self, pipeline: str) -> bool:
        """Return whether a pipeline starts nothing: as the target says, or the ledger, which outlives a deployment."""
        return self.operator.is_paused(pipeline) or self._is_held(pipeline)

    def _is_held(self, pipeline: str) -> bool:
        standing = self.ledger.standings().get(pipeline) if self.operator.needs_state else None
        return standing is not None and standing.paused_at is not None

    def awake(self, pipeline: str) -> None:
        """Raise UsageError where a pipeline is paused, so that nothing of it would begin."""
        if self.is_paused(pipeline):
            raise UsageError(
                f"{pipeline} is paused in {self.operator.name}{self.operator.why_paused}: nothing of a run would begin."
                f" Mend: firnflow unpause {pipeline}{self.option}"
            )

    def unknown(self, name: str, known: set[str], row: Row) -> NotFoundError:
        """Return the error for a task that a run does not have."""
        return NotFoundError(f"run {row.id} has no task {name!r}.{nearest(name, known)} It has: {listing(known)}")
