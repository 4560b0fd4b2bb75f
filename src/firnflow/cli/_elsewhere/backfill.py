"""`firnflow backfill` in an environment that runs elsewhere."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

from firnflow.cli import _backfilling
from firnflow.cli._elsewhere._follow import PACE, PATIENCE, outcome
from firnflow.cli._elsewhere.resume import begin
from firnflow.cli._elsewhere.run import given_params
from firnflow.errors import FirnflowError, RunConflictError, TargetError, UsageError
from firnflow.project import redact
from firnflow.stores.state.partitions import Partitions, PartitionStatus
from firnflow.targets.operate import Order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from firnflow.cli._elsewhere._site import Site
    from firnflow.engine.backfill.drive import Order as Wanted
    from firnflow.targets.operate import TargetRun


def command(
    site: Site,
    *,
    pipeline: str | None,
    first: str | None,
    last: str | None,
    keys: list[str],
    workers: int,
    only_failed: bool,
    force: bool,
    dry_run: bool,
    assignments: list[str],
    cache: bool,
    as_json: bool,
    serve: bool,
) -> int:
    """Have the target run the partitions that are missing: by its own backfill where it can, else one run each."""
    site.refuse(**{"no-cache": not cache, "serve": serve})
    project, name = site.load(pipeline, "backfill")
    params, graph = given_params(project, name, assignments), project.pipeline(name).build()
    if "partition" in graph.params:
        raise UsageError(
            f"{name} has a parameter `partition`, which is in the partition's place there. Mend: rename it"
        )
    asked = _backfilling.Asked(first, last, _backfilling.names(keys), workers, only_failed, force, dry_run, as_json)

    def crew(wanted: list[str]) -> _backfilling.Crew:
        site.awake(name)
        taken = site.operator.backfill(graph, wanted, params, workers)
        note = f"{site.operator.name} goes on with what its own backfill has begun" if taken else ""
        started = {key: run.id for key, run in taken.items()}
        return _backfilling.Crew(lambda: TargetHand(site, name, params, taken), started, note)

    return _backfilling.perform(project, name, asked, crew)


class TargetHand:
    """Has the target run partitions, one after the other, and waits for each.

    The run of a partition has an id that is known before: one that was started by a backfill which died is found again.

    Args:
        site: where they run.
        pipeline: whose partitions they are.
        params: parameter → value, of those that were given.
        taken: partition → its run, of those that the target sees to by itself.
    """

    def __init__(self, site: Site, pipeline: str, params: Mapping[str, Any], taken: Mapping[str, TargetRun]) -> None:
        self._site, self._pipeline, self._params, self._taken = site, pipeline, params, taken
        self._run: TargetRun | None = None
        self._refused: dict[str, Any] | None = None
        self._looked_at = self._heard_at = 0.0

    def give(self, order: Wanted) -> None:
        """Start the run of a partition, or go on with it; where that is refused, `answer` says so."""
        self._looked_at, self._heard_at = 0.0, time.monotonic()
        try:
            self._run = self._taken.get(order.partition) or self._begun(order)
            self._refused = {"conflict": "it was done meanwhile"} if self._run is None else None
        except FirnflowError as error:
            self._refused = _failed(error)

    def answer(self) -> dict[str, Any] | None:
        """Return what came of the partition, or None: it is under way."""
        if self._refused is not None or self._run is None:
            return self._refused
        if time.monotonic() < self._looked_at + PACE:
            return None
        self._looked_at = time.monotonic()
        try:
            now = self._site.operator.find(self._pipeline, self._run.native)
            if now is None:
                return {"status": "failed", "error": f"run {self._run.id} was deleted in {self._site.operator.name}"}
            self._heard_at = time.monotonic()
            if not now.is_over:
                return None
            result = outcome(self._site, now)
        except TargetError as error:
            is_away = error.is_passing and time.monotonic() < self._heard_at + PATIENCE
            return None if is_away else _failed(error)
        return {"status": result.status, "error": redact(result.error or "") or None}

    def stop(self) -> None:
        """Cancel the run."""
        if self._run is not None:
            self._site.state.request_cancel(self._run.id)
            self._site.operator.cancel(self._run)

    def dismiss(self) -> None:
        """Nothing is left behind: what runs, runs there."""

    def _begun(self, order: Wanted) -> TargetRun | None:
        """Return the run of a partition: one that was stopped or killed, else a new one; None: it has just ended."""
        if order.resume:
            row = self._site.find(order.run)
            if row.is_over:
                begin(self._site, row)
            return self._site.there(row)
        for number in itertools.count(1):
            name = f"backfill-{order.partition}" + (f"-{number}" if number > 1 else "")
            try:
                return self._site.start(Order(self._pipeline, name, self._params, order.partition))
            except RunConflictError:
                there = self._site.operator.find(self._pipeline, name)
                if there is not None and not there.is_over:  # started by a backfill that is no more
                    return there
                if self._is_done(order.partition):
                    break
        return None

    def _is_done(self, partition: str) -> bool:
        entry = Partitions(self._site.state, self._site.settings.environment).find(self._pipeline, partition)
        return entry is not None and entry.status == PartitionStatus.SUCCEEDED


def _failed(error: FirnflowError) -> dict[str, Any]:
    return {"status": "failed", "error": redact(str(error))}
