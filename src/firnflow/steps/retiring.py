"""`cleanup`: what nobody needs any more leaves the registry, and the stores."""

from __future__ import annotations

import time
from typing import Any

from pydantic import Field

from firnflow._text import counted
from firnflow.engine import collect, services
from firnflow.engine.neighbours import place_of
from firnflow.errors import ModelConflictError
from firnflow.graph.task import task
from firnflow.models.registry import Registry
from firnflow.models.section import Section
from firnflow.steps._tables import log

_DAY = 86_400.0  # seconds


class Cleanup(Section):
    """What `cleanup` may take away.

    Attributes:
        older_than_days: how old a version, or a run, must be.
        keep: how many of the newest versions, and runs of each pipeline, stay, whatever their age.
        data: whether runs of that age, and values that nothing refers to any more, go too, as by `firnflow clean`.
        dry_run: whether it only says what it would do.
    """

    older_than_days: float = Field(default=7.0, ge=0)
    keep: int = Field(default=3, ge=0)
    data: bool = False
    dry_run: bool = True


class Cleaned(Section):
    """What was deleted, or would be.

    Attributes:
        deleted: versions, as `NAME/3`.
        kept: version → why it stays.
        runs: that were forgotten.
        bytes: of values and logs that went.
    """

    dry_run: bool
    deleted: tuple[str, ...] = ()
    kept: dict[str, str] = Field(default_factory=dict)
    runs: tuple[str, ...] = ()
    bytes: int = 0


@task(cache=False)
def cleanup(name: str, cleaning: Cleanup) -> Cleaned:
    """Give up old versions of a model that no alias and no audit record needs, and data that nothing refers to.

    Files go once no run is under way that may have looked them up: those of a version that is given up here by a later
    call, or by `firnflow clean`. A registry without such a model is fine.

    Args:
        name: of the model.
        cleaning: what may go.

    Raises:
        StoreError: `cleaning.data`, and others keep their values in the same store who cannot be asked.
        UsageError: no run is under way.
    """
    here, running = services.here("steps.cleanup")
    deleted, kept = _versions(Registry(here.state, here.stores), name, cleaning)
    garbage = _data(here, cleaning, running.run) if cleaning.data else None
    runs = tuple(run.id for run in garbage.runs) if garbage else ()
    freed = garbage.bytes if garbage else 0
    done = "would delete" if cleaning.dry_run else "deleted"
    log.info("%s %s, %s, %s of data; kept %s", done, deleted or "no version", counted(len(runs), "run"), freed, kept)
    return Cleaned(dry_run=cleaning.dry_run, deleted=tuple(deleted), kept=kept, runs=runs, bytes=freed)


def _versions(registry: Registry, name: str, cleaning: Cleanup) -> tuple[list[str], dict[str, str]]:
    if name not in registry.names():
        log.info("there is no model %s yet", name)
        return [], {}
    limit = time.time() - cleaning.older_than_days * _DAY
    deleted: list[str] = []
    kept: dict[str, str] = {}
    there = [version for version in registry.versions(name) if version.status != "deleted"]
    for at, version in enumerate(there):
        reason = "one of the newest" if at < cleaning.keep else "young" if version.created_at > limit else None
        reason = reason or registry.why_needed(version)
        if reason is None and not cleaning.dry_run:
            reason = _delete(registry, version, cleaning)
        if reason is None:
            deleted.append(version.place)
        else:
            kept[version.place] = reason
    return deleted, kept


def _data(here: services.Services, cleaning: Cleanup, run: str) -> collect.Garbage:
    rule = collect.Rule(cleaning.older_than_days * _DAY, cleaning.keep, asking=run)
    with place_of(here.root, here.settings, here.state, here.stores.artifacts) as place:
        collect.check_owners(place)
        garbage = collect.find(place, rule)
        return garbage if cleaning.dry_run else collect.collect(place, garbage)


def _delete(registry: Registry, version: Any, cleaning: Cleanup) -> str | None:
    """Delete a version; return why not, where it has become champion at this moment."""
    try:
        registry.delete(version.name, version.version, reason=f"cleanup: older than {cleaning.older_than_days:g} days")
    except ModelConflictError as error:
        return str(error)
    return None
