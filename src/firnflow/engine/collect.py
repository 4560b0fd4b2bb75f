"""Garbage collection: old runs are forgotten, then what no committed attempt refers to is deleted.

Safe beside running runs, and after a crash at any point: a run is forgotten in one transaction before any of its
objects goes, what is in use is read after that, and an object that is younger than `GRACE`, or than an attempt that is
under way, stays: its attempt may be about to commit it. The newest complete run of a pipeline stays, since partial runs
take their inputs from it; while a pipeline runs, none of its runs is forgotten.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow._crash import crash_point
from firnflow.engine.logs import attempt_file
from firnflow.stores.state import COMMITTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from firnflow.stores.artifacts import ArtifactStore, StoredObject
    from firnflow.stores.state import Run, State

GRACE = 3600.0
"""Seconds for which an object stays although nothing refers to it."""
_SETTLE = 2.0  # seconds in which a run that has just looked a result up in the cache has written that down
_ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class Rule:
    """Which runs are old: ended `older_than` seconds ago, and not among the `keep` newest of their pipeline."""

    older_than: float
    keep: int


@dataclass(frozen=True, slots=True)
class Garbage:
    """What nobody needs any more.

    Attributes:
        runs: the runs to forget, with their logs.
        objects: the stored objects that only they, or nothing at all, refer to.
        log_bytes: how much their logs take.
    """

    runs: tuple[Run, ...]
    objects: tuple[StoredObject, ...]
    log_bytes: int

    @property
    def bytes(self) -> int:
        """How many bytes deleting it frees."""
        return sum(each.size for each in self.objects) + self.log_bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where garbage lies.

    Attributes:
        state: whose runs are forgotten.
        others: the states of other environments that keep their values in the same artifact store.
        artifacts: the store.
        logs: the folder of the logs.
    """

    state: State
    others: Sequence[State]
    artifacts: ArtifactStore
    logs: Path


def find(place: Place, rule: Rule) -> Garbage:
    """Return the garbage; nothing is changed."""
    runs = _old_runs(place.state, rule)
    objects = tuple(_unused(place, runs))
    return Garbage(runs, objects, sum(_size(_log_folder(place.logs, run.id)) for run in runs))


def collect(place: Place, garbage: Garbage) -> Garbage:
    """Delete garbage that `find` has found, as far as it still is, and return what was deleted."""
    crash_point("collect.marked")
    for run in garbage.runs:
        shutil.rmtree(_log_folder(place.logs, run.id), ignore_errors=True)
    place.state.delete_runs([run.id for run in garbage.runs])
    if any(state.runs(status="running", limit=1) for state in _states(place)):
        time.sleep(_SETTLE)
    deleted: list[StoredObject] = []
    for each in _unused(place, ()):
        place.artifacts.delete(each.where)
        deleted.append(each)
        if len(deleted) == 1:
            crash_point("collect.deleted")
    place.artifacts.sweep_scratch(GRACE)
    return Garbage(garbage.runs, tuple(deleted), garbage.log_bytes)


def _old_runs(state: State, rule: Rule) -> tuple[Run, ...]:
    state.reap()
    limit = time.time() - rule.older_than
    newest: Counter[str] = Counter()
    complete: set[str] = set()
    runs = state.runs(limit=_ALL)
    busy = {run.pipeline for run in runs if run.status == "running"}
    old = []
    for run in runs:
        newest[run.pipeline] += 1
        newest_complete = _is_complete(run) and run.pipeline not in complete
        if newest_complete:
            complete.add(run.pipeline)
        stays = newest_complete or newest[run.pipeline] <= rule.keep or run.pipeline in busy
        if not stays and (run.ended_at or run.started_at) < limit:
            old.append(run)
    return tuple(old)


def _is_complete(run: Run) -> bool:
    """Return whether a run has the outputs of every task of its pipeline."""
    return run.status == "succeeded" and not any(run.request.get(part) for part in ("start", "stop", "only"))


def _unused(place: Place, forgotten: Sequence[Run]) -> Iterator[StoredObject]:
    """Yield the objects that no committed attempt refers to, besides those of the forgotten runs."""
    limit = min([time.time() - GRACE, *(moment for state in _states(place) for moment in _under_way(state))])
    used: Counter[str] = Counter()
    for state in _states(place):
        for outputs in state.outputs_in_use():
            used.update(_places(outputs))
    for run in forgotten:
        for attempt in place.state.attempts(run.id):
            if attempt.status in COMMITTED:
                used.subtract(_places(attempt.outputs or {}))
    for each in place.artifacts.objects():
        if used[each.where] <= 0 and each.modified < limit:
            yield each


def _under_way(state: State) -> Iterator[float]:
    """Yield when each attempt that is under way began."""
    for run in state.runs(status="running", limit=_ALL):
        yield from (attempt.started_at for attempt in state.attempts(run.id) if attempt.status == "running")


def _states(place: Place) -> list[State]:
    return [place.state, *place.others]


def _places(refs: dict[Any, Any]) -> Iterator[str]:
    """Yield the places of stored refs and, of containers, of their items."""
    for ref in refs.values():
        if "where" in ref:
            yield ref["where"]
        items = ref.get("items") or {}
        yield from _places(items if isinstance(items, dict) else dict(enumerate(items)))


def _log_folder(logs: Path, run: str) -> Path:
    return attempt_file(logs, run, "-", -1, 0).parent


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*")) if folder.is_dir() else 0
