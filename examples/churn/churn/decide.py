"""What happens with a model once it is measured. A registry with gates comes later; until then a decision is a file."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import BaseModel

import firnflow as ff
from firnflow import steps


class Decision(BaseModel):
    """What was decided about a model, and why."""

    verdict: Literal["promote", "alert"]
    reason: str
    roc_auc: float
    min_auc: float
    threshold: float


class Promoted(NamedTuple):
    """The approved model, and the decision that approved it."""

    model: ff.Model
    decision: Decision


@ff.task
def check_quality(evaluation: steps.Evaluation, min_auc: float) -> Literal["promote", "alert"]:
    """Say whether the model is good enough, on rows that it has never seen."""
    return "promote" if evaluation.roc_auc >= min_auc else "alert"


@ff.task
def promote(model: ff.Model, evaluation: steps.Evaluation, min_auc: float) -> Promoted:
    """Approve the model."""
    return Promoted(model, _decision("promote", f"AUC {evaluation.roc_auc:.4f} ≥ {min_auc}", evaluation, min_auc))


@ff.task
def alert(evaluation: steps.Evaluation, min_auc: float) -> Decision:
    """Say why the model was not approved."""
    return _decision("alert", f"AUC {evaluation.roc_auc:.4f} < {min_auc}", evaluation, min_auc)


def _decision(
    verdict: Literal["promote", "alert"], reason: str, evaluation: steps.Evaluation, min_auc: float
) -> Decision:
    return Decision(
        verdict=verdict,
        reason=reason,
        roc_auc=evaluation.roc_auc,
        min_auc=min_auc,
        threshold=evaluation.threshold,
    )


@ff.task
def summarise(run: ff.RunSummary) -> None:
    """Print how the run went; runs last, whatever happened."""
    states = list(run.tasks.values())
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    print(f"{run.pipeline} {run.status} after {run.seconds:.1f} s: {counts}")  # noqa: T201 - what it is for
    if run.error:
        print(f"first failure: {run.error}")  # noqa: T201
