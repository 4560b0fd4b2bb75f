"""What a model must show before it is promoted, and how a run is summed up."""

from __future__ import annotations

import firnflow as ff
from firnflow import steps


@ff.task
def bar(gating: steps.Gating, min_auc: float) -> steps.Gating:
    """Add the least AUC to the rules: the one figure that is set from outside, `--set min_auc=0.8`."""
    return steps.Gating.model_validate({**gating.model_dump(), "rules": (*gating.rules, f"roc_auc >= {min_auc}")})


@ff.task
def summarise(run: ff.RunSummary) -> None:
    """Print how the run went; runs last, whatever happened."""
    states = list(run.tasks.values())
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    print(f"{run.pipeline} {run.status} after {run.seconds:.1f} s: {counts}")  # noqa: T201 - what it is for
    if run.error:
        print(f"first failure: {run.error}")  # noqa: T201
