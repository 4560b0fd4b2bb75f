"""Garbage collection: old runs are forgotten, then what no committed attempt refers to is deleted.

Safe beside running runs, and after a crash at any point:

- A run is forgotten in one transaction before any of its objects goes, and what is in use is read after that.
- A run under way may have looked up, and not yet written down, that it takes an object of a run which is forgotten now.
  So it is written down since when an object is garbage, and it is deleted when no run is under way that is older than
  that: by a later call, if need be.
- An object that is younger than `GRACE`, or than an attempt that is under way, stays: it may be about to be committed.
- The newest complete run of a pipeline stays, since partial runs take their inputs from it, and so does a run from
  which one took them that may be resumed; while a pipeline runs, none of its runs is forgotten.
- Tables of a warehouse are objects like others; what is loaded there of a file is in use as long as the file is.
- A local copy of a remote object goes when nobody has used it for as long as an old run is old, and at least `GRACE`.
- Of named tables old versions expire by the same rule, but for the newest, and for those that a run or a model refers
  to; what only they had is garbage then. Data files of versions that are kept are in use.
- Nothing goes while the store has the mark of a state that cannot be asked here.
"""

from __future__ import annotations

import hashlib
import math
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow._crash import crash_point
from firnflow.engine import tables as named
from firnflow.engine.logs import attempt_file
from firnflow.errors import NotFoundError, StoreError
from firnflow.status import COMMITTED, RunStatus, TaskStatus
from firnflow.stores import owners

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from firnflow.stores import Stores
    from firnflow.stores.artifacts import ArtifactStore, StoredObject
    from firnflow.stores.owners import Owner
    from firnflow.stores.state import Run, State
    from firnflow.stores.tables.versions import Version

GRACE = 3600.0
"""Seconds for which an object stays although nothing refers to it."""
_SKEW = 60.0  # seconds by which the clocks of two machines may differ
_ALL = 1_000_000
_LONGEST = 120  # characters of a place in the state


@dataclass(frozen=True, slots=True)
class Rule:
    """Which runs are old: ended `older_than` seconds ago, and not among the `keep` newest of their pipeline.

    While a pipeline runs, none of its runs is old, unless that run is `asking`: its finalizer, which looks nothing up.
    """

    older_than: float
    keep: int
    asking: str | None = None


@dataclass(frozen=True, slots=True)
class Garbage:
    """What nobody needs any more.

    Attributes:
        runs: the runs to forget, with their logs.
        objects: the stored objects that only they, or nothing at all, refer to.
        log_bytes: how much their logs take.
        copies: local copies of remote objects that nobody has used for long.
        waiting: how many more objects stay until the runs have ended that were under way.
        versions: the versions of named tables that have expired.
        joined: the named tables with many small files, which are joined.
    """

    runs: tuple[Run, ...]
    objects: tuple[StoredObject, ...]
    log_bytes: int
    copies: tuple[StoredObject, ...] = ()
    waiting: int = 0
    versions: tuple[Version, ...] = ()
    joined: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """How many bytes deleting it frees."""
        return sum(each.size for each in (*self.objects, *self.copies)) + self.log_bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where garbage lies.

    Attributes:
        state: whose runs are forgotten.
        others: the states of other environments that keep their values in the same artifact store.
        artifacts: the store.
        logs: the folder of the logs.
        stores: the store, and a warehouse for named tables.
    """

    state: State
    others: Sequence[State]
    artifacts: ArtifactStore
    logs: Path
    stores: Stores


def find(place: Place, rule: Rule) -> Garbage:
    """Return the garbage; nothing is changed."""
    runs = _old_runs(place.state, rule)
    old = named.outdated(place.state, place.stores, rule.older_than, rule.keep, lambda: _needed(place, runs))
    objects = tuple(_unused(place, runs, old.versions))
    limit, going = time.time() - max(rule.older_than, GRACE), {each.where for each in objects}
    copies = tuple(each for each in place.artifacts.copies() if each.modified < limit and each.where not in going)
    logs = sum(_size(_log_folder(place.logs, run.id)) for run in runs)
    return Garbage(runs, objects, logs, copies, versions=old.versions, joined=old.compact)


def collect(place: Place, garbage: Garbage) -> Garbage:
    """Delete garbage that `find` has found, as far as it still is, and return what was deleted."""
    crash_point("collect.marked")
    for run in garbage.runs:
        shutil.rmtree(_log_folder(place.logs, run.id), ignore_errors=True)
    place.state.delete_runs([run.id for run in garbage.runs])
    needed = _needed(place, ()) if garbage.versions else set()
    old = [version for version in garbage.versions if (version.table, version.number) not in needed]
    versions = named.tidy(place.state, place.stores, old, garbage.joined, GRACE)
    oldest = _oldest_under_way(place)
    unused = list(_unused(place, ()))
    since = place.state.condemn({_noted(each.where): each.modified for each in unused})
    free = [each for each in unused if since[_noted(each.where)] + _SKEW < oldest]
    deleted: list[StoredObject] = []
    for each in free:
        if place.stores.modified(each.where) != each.modified:
            continue  # a run has just made it again
        place.stores.delete(each.where)
        deleted.append(each)
        if len(deleted) == 1:
            crash_point("collect.deleted")
    place.artifacts.sweep_scratch(GRACE)
    copies = tuple(each for each in place.artifacts.copies() if each in set(garbage.copies))  # not used meanwhile
    for each in copies:
        place.artifacts.drop_copy(each.where)
    waiting = len(unused) - len(free)
    return Garbage(garbage.runs, tuple(deleted), garbage.log_bytes, copies, waiting, versions, garbage.joined)


def _noted(where: str) -> str:
    """Return what the state writes down of a place: the name of a table in a warehouse may be a long one."""
    return where if len(where) <= _LONGEST else hashlib.sha256(where.encode()).hexdigest()


def check_owners(place: Place, gone: Collection[str] = ()) -> None:
    """Check that every state which keeps its values in the store is one of the place's, or gone.

    Raises:
        NotFoundError: one that is said to be gone has no mark in the store.
        StoreError: there is another one.
    """
    found = owners.find(place.artifacts)
    for identity in gone:
        if identity not in {owner.id for owner in found}:
            raise NotFoundError(f"--forget-owner {identity}: {place.artifacts.url} has no mark of such a state")
    own = {state.identity(): state.file for state in _states(place)}
    others = [owner for owner in found if owner.id not in own or owners.is_copy(owner, place.artifacts, own[owner.id])]
    others = [owner for owner in others if owner.id not in gone]
    if others:
        names = "\n".join(f"  {owner.id}: {_said(owner)}" for owner in others)
        raise StoreError(
            f"{place.artifacts.url} holds values of other state databases too, which cannot be asked here what they "
            f"need, so nothing is deleted:\n{names}\nMend: let all share one `state`, or give each `artifacts` of its "
            f"own; of one that is gone for good: firnflow clean --forget-owner {others[0].id}"
        )


def _said(owner: Owner) -> str:
    about = {name: owner.about.get(name) or "?" for name in ("project", "user", "host", "folder", "since")}
    return "project {project} of {user} on {host}, in {folder}, since {since}".format(**about)


def _oldest_under_way(place: Place) -> float:
    """Return when the oldest run under way began."""
    for state in place.others:
        state.reap()
    runs = (run for state in _states(place) for run in state.runs(status=RunStatus.RUNNING, limit=_ALL))
    return min((run.started_at for run in runs), default=math.inf)


def _old_runs(state: State, rule: Rule) -> tuple[Run, ...]:
    state.reap()
    limit = time.time() - rule.older_than
    newest: Counter[str] = Counter()
    complete: set[str] = set()
    runs = state.runs(limit=_ALL)
    busy = {run.pipeline for run in runs if run.status == RunStatus.RUNNING and run.id != rule.asking}
    old = []
    for run in runs:
        newest[run.pipeline] += 1
        newest_complete = _is_complete(run) and run.pipeline not in complete
        if newest_complete:
            complete.add(run.pipeline)
        stays = newest_complete or newest[run.pipeline] <= rule.keep or run.pipeline in busy
        if not stays and (run.ended_at or run.started_at) < limit:
            old.append(run)
    going = {run.id for run in old}
    needed = {run.request.get("given_by") for run in runs if run.status != RunStatus.SUCCEEDED and run.id not in going}
    return tuple(run for run in old if run.id not in needed)


def _is_complete(run: Run) -> bool:
    """Return whether a run has the outputs of every task of its pipeline."""
    return run.status == RunStatus.SUCCEEDED and not any(run.request.get(part) for part in ("start", "stop", "only"))


def _unused(place: Place, forgotten: Sequence[Run], expired: Sequence[Version] = ()) -> Iterator[StoredObject]:
    """Yield the objects that nothing refers to: no attempt, model or named table that stays."""
    limit = min([time.time() - GRACE, *(moment for state in _states(place) for moment in _under_way(state))])
    used: Counter[str] = Counter()
    for state in _states(place):
        for outputs in state.outputs_in_use():
            used.update(_places(outputs))
    for run in forgotten:
        for attempt in place.state.attempts(run.id):
            if attempt.status in COMMITTED:
                used.subtract(_places(attempt.outputs or {}))
    for state in _states(place):
        used.update(named.places(state, place.stores, expired if state is place.state else ()))
    used.update(place.stores.implied([where for where, count in used.items() if count > 0]))
    for each in place.stores.objects():
        if used[each.where] <= 0 and each.modified < limit:
            yield each


def _needed(place: Place, forgotten: Sequence[Run]) -> set[tuple[str, int]]:
    """Return table and number of the versions that runs and models refer to, but for the forgotten runs."""
    going = {run.id for run in forgotten}
    found: set[tuple[str, int]] = set()
    for run in place.state.runs(limit=_ALL):
        if run.id not in going:
            found |= {(each["table"], each["version"]) for each in run.request.get("tables", {}).values()}
            found |= {part for each in place.state.attempts(run.id) for part in _versions(each.outputs)}
    return found | {part for metadata in place.state.models_metadata() for part in _versions(metadata)}


def _versions(data: Any) -> Iterator[tuple[str, int]]:
    """Yield table and number of every version of a named table that plain data names."""
    if isinstance(data, dict) and isinstance(data.get("table"), str) and isinstance(data.get("version"), int):
        yield data["table"], data["version"]
    for part in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from _versions(part)


def _under_way(state: State) -> Iterator[float]:
    """Yield when each attempt that is under way began."""
    for run in state.runs(status=RunStatus.RUNNING, limit=_ALL):
        yield from (attempt.started_at for attempt in state.attempts(run.id) if attempt.status == TaskStatus.RUNNING)


def _states(place: Place) -> list[State]:
    return [place.state, *place.others]


def _places(refs: Any) -> Iterator[str]:
    """Yield every place that is named in outputs; what is damaged in them must not keep the rest from being used."""
    if isinstance(refs, dict) and isinstance(refs.get("where"), str):
        yield refs["where"]
    for part in refs.values() if isinstance(refs, dict) else refs if isinstance(refs, list) else ():
        yield from _places(part)


def _log_folder(logs: Path, run: str) -> Path:
    return attempt_file(logs, run, "-", -1, 0).parent


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*")) if folder.is_dir() else 0
