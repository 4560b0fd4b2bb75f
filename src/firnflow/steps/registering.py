"""`register` and `cleanup`: a model enters the registry, and what nobody needs any more leaves it."""

from __future__ import annotations

import time
from typing import Any

from firnflow.context import log_metric
from firnflow.engine import services
from firnflow.errors import ModelConflictError
from firnflow.graph.task import task
from firnflow.models import lineage
from firnflow.models.card import Describing
from firnflow.models.registry import Registry
from firnflow.models.section import Section
from firnflow.steps._tables import log
from firnflow.steps.evaluation import Evaluation
from firnflow.values.model import Model


class Registered(Section):
    """A model in the registry.

    Attributes:
        name: of the model.
        version: its number; None: the run was asked to register nothing (`--no-register`).
        digest: hex SHA-256 of its content.
    """

    name: str
    version: int | None
    digest: str | None

    @property
    def place(self) -> str:
        """How the version is called."""
        return f"{self.name}/{self.version}" if self.version is not None else f"{self.name} (not registered)"


@task
def register(
    model: Model,
    name: str,
    evaluation: Evaluation | None = None,
    tags: dict[str, str] | None = None,
    describing: Describing | None = None,
) -> Registered:
    """Store a model under the next version of a name, with where it comes from and how good it is.

    The same model with the same figures is registered once, also by a run that is killed and resumed. With
    `firnflow run --no-register` nothing is registered.

    Args:
        model: what to register.
        name: of the model.
        evaluation: figures that are written down with it.
        tags: name → text.
        describing: what only people know of it, for its card.

    Raises:
        UsageError: the name is none, or no run is under way.
    """
    here, running = services.here("steps.register")
    run = here.state.run(running.run)
    if not run.request.get("register", True):
        log.info("nothing is registered: --no-register")
        running.reusable = False
        return Registered(name=name, version=None, digest=None)
    metadata = {
        **model.metadata,
        "lineage": lineage.of_run(here.state, running.run),
        "features": list(model.features),
        "metrics": _figures(evaluation),
        "describing": describing.model_dump(mode="json") if describing else {},
    }
    version = Registry(here.state, here.stores).register(
        name,
        model,
        run=running.run,
        task=running.task,
        by=registrar(here, running.run),
        metadata=metadata,
        tags=tags,
    )
    log.info("registered as %s", version.place)
    log_metric("version", version.version)
    return Registered(name=name, version=version.version, digest=version.digest)


def registrar(here: services.Services, run: str) -> str:
    """Return who started a run, as the audit writes it: user and host."""
    origin = here.state.run(run).origin
    return f"{origin.get('user') or '?'}@{origin.get('host') or '?'}"


def _figures(evaluation: Evaluation | None) -> dict[str, float]:
    """Return the numbers of an evaluation, without its curves."""
    found = evaluation.model_dump(mode="json") if evaluation is not None else {}
    return {name: value for name, value in found.items() if isinstance(value, float)}


class Cleanup(Section):
    """What `cleanup` may take away.

    Attributes:
        older_than_days: how old a version must be.
        keep: how many of the newest versions stay, whatever their age.
        dry_run: whether it only says what it would do.
    """

    older_than_days: float = 7.0
    keep: int = 3
    dry_run: bool = True


class Cleaned(Section):
    """What was deleted, or would be: versions `NAME/3`, and why others stay."""

    dry_run: bool
    deleted: tuple[str, ...]
    kept: dict[str, str]


@task(cache=False)
def cleanup(name: str, cleaning: Cleanup) -> Cleaned:
    """Give up old versions of a model that no alias and no audit record needs.

    Their files, and all data that nothing refers to any more, go with the next `firnflow clean`. A registry without
    such a model is fine.

    Args:
        name: of the model.
        cleaning: what may go.

    Raises:
        UsageError: no run is under way.
    """
    here, _ = services.here("steps.cleanup")
    registry = Registry(here.state, here.stores)
    if name not in registry.names():
        log.info("there is no model %s yet: nothing to clean", name)
        return Cleaned(dry_run=cleaning.dry_run, deleted=(), kept={})
    limit = time.time() - cleaning.older_than_days * 86_400
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
    log.info("%s %s, kept %s", "would delete" if cleaning.dry_run else "deleted", deleted or "nothing", kept)
    return Cleaned(dry_run=cleaning.dry_run, deleted=tuple(deleted), kept=kept)


def _delete(registry: Registry, version: Any, cleaning: Cleanup) -> str | None:
    """Delete a version; return why not, where it has become champion at this moment."""
    try:
        registry.delete(version.name, version.version, reason=f"cleanup: older than {cleaning.older_than_days:g} days")
    except ModelConflictError as error:
        return str(error)
    return None
