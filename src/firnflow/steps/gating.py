"""`gate`: may this model be promoted? The rules decide, on rows that neither it nor the champion has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import ibis

from firnflow.context import log_metric, scratch_dir
from firnflow.engine import services
from firnflow.errors import UsageError
from firnflow.graph.task import task
from firnflow.models.gates.evaluate import evaluate_gates
from firnflow.models.gates.evidence import Champion
from firnflow.models.gates.picture import write_png
from firnflow.models.gates.settings import Gating
from firnflow.models.gates.verdict import Decision, Verdict  # noqa: TC001 - Gated's annotations are resolved
from firnflow.models.registry import CHAMPION, Registry
from firnflow.steps._tables import log
from firnflow.steps.registering import Registered
from firnflow.stores.state.models import PROMOTIONS, Models
from firnflow.values.figure import Figure
from firnflow.values.model import Model

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.stores.state import State


class Gated(NamedTuple):
    """What the gates say: `verdict` in full, `decision` for `.case(…)`, `picture` for people."""

    verdict: Verdict
    decision: Decision
    picture: Figure


@task
def gate(
    model: Model,
    holdout: ibis.Table,
    gating: Gating,
    registered: Registered | None = None,
    baseline: Model | None = None,
) -> Gated:
    """Hold a model against the rules and against the champion of the registry. Nothing is changed by it.

    Metrics: the primary metric of the model, of the champion as `champion_…`, of the baseline as `baseline_…`;
    `rules_failed`.

    Args:
        model: as `train` returned it.
        holdout: raw rows, as `split` returned them: key, label, features before any preprocessing.
        gating: the rules and settings.
        registered: the version of the model, to be written down with the verdict.
        baseline: another model, such as a plain one, which rules call `baseline`: `r2 >= baseline - 0.01`.

    Raises:
        UsageError: a rule does not fit the model, or no run is under way.
        DataError: the holdout lacks a column, or has another label.
        MissingExtraError: matplotlib is not installed.
    """
    if registered is not None and registered.name != gating.name:
        raise UsageError(f"gating.name is {gating.name!r}, but the model was registered as {registered.name!r}")
    champion = _champion(gating)
    version = registered.version if registered else None
    verdict = evaluate_gates(gating, model, champion, holdout, version=version, baseline=baseline)
    for result in verdict.results:
        log.info("%s %s", "passed:" if result.passed else "FAILED:", result.reason)
    for note in verdict.notes:
        log.info("%s", note)
    log.info("%s", verdict.summary)
    _log_metrics(verdict)
    path = scratch_dir() / "verdict.png"
    write_png(verdict, path)
    return Gated(verdict, verdict.decision, Figure(path, "image/png"))


def _rival(state: State, digests: dict[str, str], read: Callable[[str], Any]) -> str:
    """Return which version a model is compared with, for the key of the cache.

    A model that has become champion is not compared with itself when the pipeline runs once more: its verdict stands.
    """
    models = Models(state)
    name = read("gating")["name"]
    number = models.aliases(name).get(CHAMPION)
    if number is not None and models.version(name, number).digest == digests["model"]:
        moves = [row for row in models.history(name) if row.action in PROMOTIONS and row.to_version == number]
        number = moves[0].from_version if moves else None
    return str(number)


gate = gate.watching(_rival)


def _champion(gating: Gating) -> Champion | None:
    here, _ = services.here("steps.gate")
    registry = Registry(here.state, here.stores)
    found = registry.champion(gating.name)
    return Champion(found.version, registry.load(found)) if found else None


def _log_metrics(verdict: Verdict) -> None:
    of = {"": verdict.metrics, "champion_": verdict.champion_metrics, "baseline_": verdict.baseline_metrics}
    for prefix, figures in of.items():
        if verdict.primary in figures:
            log_metric(prefix + verdict.primary, figures[verdict.primary])
    log_metric("rules_failed", len(verdict.failed))
