"""Tells a tracker what it does not know yet: runs while they go on and when they have ended, then models."""

from __future__ import annotations

import hashlib
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from firnflow.context import Point
from firnflow.errors import NotFoundError, StoreError
from firnflow.graph.check import read_graph
from firnflow.models.tracking.base import PAGE, Registering
from firnflow.models.tracking.mirror import Mirror, first_line
from firnflow.models.tracking.story import Source, story_of, to_tell
from firnflow.status import RunStatus, TaskStatus
from firnflow.stores.state import metrics
from firnflow.stores.state.models import Models
from firnflow.stores.state.tracked import Told, Tracked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firnflow.models.tracking.base import Tracker
    from firnflow.project import Settings
    from firnflow.stores.artifacts import ArtifactStore
    from firnflow.stores.state import Attempt, Run, State

_SECONDS = 20.0  # of work in one round: others wait for it
_ATTEMPTS = 100  # told at once: what a killed sender tells again
_FAILURES = 2  # in a row: the service is away, or takes nothing


class TrackingDeliverer:
    """Tells one tracker of the runs and models of one environment.

    Args:
        tracker: who is told.
        backend: its kind, such as `mlflow`.
        settings: the environment.
        state: where runs are.
        artifacts: where their values are.
    """

    def __init__(
        self, tracker: Tracker, backend: str, settings: Settings, state: State, artifacts: ArtifactStore
    ) -> None:
        self.name = f"{backend} at {tracker.place}"
        self._tracker, self._settings, self._state, self._artifacts = tracker, settings, state, artifacts
        url = settings.tracking.url
        place = url.place_digest() if url is not None else hashlib.sha256(tracker.place.encode()).hexdigest()
        self._tracked = Tracked(state, f"{backend}:{place[:16]}")
        self._mirror: Mirror | None = None
        if isinstance(tracker, Registering):
            self._mirror = Mirror(tracker, self._tracked, Models(state), artifacts, self._experiment("models"))

    def check(self) -> None:
        """Raise StoreError where the tracker is out of reach."""
        self._tracker.check()

    def waiting(self) -> list[str]:
        """Return the runs and models that the tracker does not know as they are."""
        runs = [f"run {run}" for run in self._tracked.untold(self._settings.environment)]
        return [*runs, *(f"model {name}" for name in (self._mirror.changed() if self._mirror else ()))]

    def deliver(self) -> list[str]:
        """Tell some; raise StoreError where the tracker does not take it."""
        environment = self._settings.environment
        under_way = self._tracked.under_way(environment) if self._tracker.live else []
        until = time.monotonic() + _SECONDS
        error, failures = "", 0
        for run in [*under_way, *self._tracked.untold(environment)]:
            if time.monotonic() > until or failures >= _FAILURES:
                break
            try:
                self._tell(self._state.run(run))
                failures = 0
            except Exception as broken:  # noqa: BLE001 - the libraries of services raise anything; others may be taken
                error, failures = f"run {run}: {first_line(broken)}", failures + 1
                self._tracker.check()  # raises where the service is away: then no other run is tried
        said = self._mirror.deliver() if self._mirror and failures < _FAILURES else []
        if error:
            raise StoreError(error)
        return said

    def page(self, run: str) -> str | None:
        """Return where the tracker shows a run, as far as it has been told and has pages."""
        return self._tracked.get(run).remote.get(PAGE)

    def close(self) -> None:
        """Let go of the tracker."""
        self._tracker.close()

    def _tell(self, run: Run) -> None:
        """Tell of one run what is new, some attempts at a time."""
        told = self._tracked.get(run.id)
        known = set(told.sent.get("attempts", ())) if self._tracker.live else set()
        attempts = self._state.attempts(run.id)
        news = to_tell(run, attempts, known)
        if not news and run.ended_at is None and told.sent.get("status") == run.status:
            return
        remote = dict(told.remote)
        some = _ATTEMPTS if self._tracker.live else max(1, len(news))
        with tempfile.TemporaryDirectory(prefix="firnflow-") as scratch:
            for part in _batches(news, some):
                source = Source(
                    run=run,
                    graph=read_graph(self._state.graph_json(run.graph)),
                    attempts=attempts,
                    history=self._history(part),
                    project=self._settings.project,
                    experiment=self._experiment(run.pipeline),
                    artifacts=self._artifacts,
                    scratch=Path(scratch),
                )
                try:
                    remote = self._tracker.tell(story_of(source, part), remote)
                except NotFoundError:
                    if not told.remote:
                        raise
                    self._tracked.forget(run.id)  # it is gone there, the database perhaps: it is told anew
                    self._tell(run)
                    return
                known.update(attempt.id for attempt in part)
                sent = {"status": run.status, "attempts": sorted(known)}
                self._tracked.put(run.id, Told(remote, sent))
        if run.ended_at is not None:
            self._tracked.put(run.id, _whole(run, remote, sorted(known)))

    def _history(self, attempts: Sequence[Attempt]) -> dict[int, Sequence[Point]]:
        """Return the points of attempts; of a cached one those of the attempt that made what it has."""
        found: dict[int, Sequence[Point]] = {}
        makers: dict[str, dict[int, list[Attempt]]] = {}
        for attempt in attempts:
            if attempt.metrics:
                maker = self._state.made_by(attempt) if attempt.status == TaskStatus.CACHED else attempt
                found[attempt.id] = [
                    Point(name, value, 0, attempt.started_at) for name, value in attempt.metrics.items()
                ]
                if maker is not None:
                    makers.setdefault(maker.run, {}).setdefault(maker.id, []).append(attempt)
            elif attempt.status == TaskStatus.FAILED:
                makers.setdefault(attempt.run, {}).setdefault(attempt.id, []).append(attempt)
        for run, wanted in makers.items():
            for maker_id, points in metrics.history(self._state, run, wanted).items():
                found |= {attempt.id: points for attempt in wanted[maker_id]}
        return found

    def _experiment(self, pipeline: str) -> str:
        return self._settings.tracking.experiment or f"{self._settings.project}/{pipeline}"


def _whole(run: Run, remote: dict[str, str], attempts: list[int]) -> Told:
    """Return what is to be known of a run that is told to its end: less, where it cannot go on."""
    if run.status != RunStatus.SUCCEEDED or run.ended_at is None:
        return Told(remote, {"status": run.status, "attempts": attempts}, run.ended_at or 0.0)
    kept = {key: name for key, name in remote.items() if key in {run.id, PAGE} or key.startswith("model:")}
    return Told(kept, {}, run.ended_at)


def _batches(items: list[Attempt], most: int) -> list[list[Attempt]]:
    """Return the items in lists of so many; one empty list where there are none: a run without news may have ended."""
    return [items[start : start + most] for start in range(0, len(items), most)] or [[]]
