"""`register`: a model enters the registry."""

from __future__ import annotations

from typing import Any

from firnflow.context import log_metric
from firnflow.engine import services
from firnflow.errors import UsageError
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
    figures: dict[str, float] | None = None,
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
        figures: metric → figure, of a model that `evaluate` does not read; instead of `evaluation`.

    Raises:
        UsageError: the name is none, or both evaluation and figures are given, or no run is under way.
    """
    if evaluation is not None and figures is not None:
        raise UsageError("steps.register takes an evaluation or figures, not both")
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
        **(_figures(evaluation) if evaluation is not None else {"metrics": figures} if figures else {}),
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


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    """Return the metrics of an evaluation, and how sure they are, without its curves."""
    bounds = {name: [ends.low, ends.high] for name, ends in evaluation.intervals.items()}
    return {"metrics": evaluation.figures, "intervals": {"confidence": evaluation.confidence, "bounds": bounds}}
