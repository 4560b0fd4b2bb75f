"""Rules about a model as something that is served: how fast it answers, how large it is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from firnflow.context import scratch_dir
from firnflow.models import loading
from firnflow.models.gates.verdict import RuleResult
from firnflow.models.gates.wording import figure

if TYPE_CHECKING:
    import pyarrow as pa

    from firnflow.models.gates.evidence import Evidence
    from firnflow.models.gates.rules import LatencyRule, SizeRule
    from firnflow.models.prediction import Predictor

ROUNDS = 3
CALLS = 200
WARM_UP = 20


class Latency(NamedTuple):
    """The 99th percentile of single-row predictions, in milliseconds: of the best and of the worst round."""

    milliseconds: float
    worst: float


def latency(predictor: Predictor, rows: pa.Table) -> Latency:
    """Return how long the prediction of one row takes, on a machine that has nothing else to do.

    That is the processor's time. On a machine that trains other models meanwhile, the clock on the wall says how busy
    it is: there, the same predictions took 31 to 59 ms where the processor's time was 8 to 10, and 5 of both at night.
    Of several rounds the best counts, as `timeit` has it: what the model itself needs now and then, it needs in each.

    Args:
        predictor: ready to predict.
        rows: at least one raw row.
    """
    singles = [rows.slice(place, 1) for place in range(min(rows.num_rows, CALLS))]
    for place in range(WARM_UP):
        predictor(singles[place % len(singles)])
    found = []
    for _ in range(ROUNDS):
        taken = [_timed(predictor, singles[place % len(singles)]) for place in range(CALLS)]
        found.append(1000 * float(np.quantile(taken, 0.99)))
    return Latency(min(found), max(found))


def _timed(predictor: Predictor, row: pa.Table) -> float:
    start = time.process_time()
    predictor(row)
    return time.process_time() - start


def judge_latency(rule: LatencyRule, evidence: Evidence) -> RuleResult:
    """Return what becomes of a rule about the latency."""
    found = latency(evidence.predictor, evidence.rows)
    said = f"99 of 100 single rows are predicted within {figure(found.milliseconds)} ms of the processor's time"
    rounds = f"the best of {ROUNDS} rounds of {CALLS}; the worst: {figure(found.worst)} ms"
    return RuleResult(
        name=rule.called,
        rule=str(rule),
        passed=found.milliseconds <= rule.latency_ms,
        reason=f"{said} ({rounds}); asked for: at most {figure(rule.latency_ms)} ms.",
        value=found.milliseconds,
        interval=(found.milliseconds, found.worst),
        op="<=",
        bound=rule.latency_ms,
        unit="ms",
    )


def judge_size(rule: SizeRule, evidence: Evidence) -> RuleResult:
    """Return what becomes of a rule about the size of the stored model."""
    path = scratch_dir() / "size-of-model.zip"
    try:
        loading.save(evidence.predictor.model, path)
        size = path.stat().st_size / 1e6
    finally:
        path.unlink(missing_ok=True)
    return RuleResult(
        name=rule.called,
        rule=str(rule),
        passed=size <= rule.size_mb,
        reason=f"The stored model has {figure(size)} MB; asked for: at most {figure(rule.size_mb)} MB.",
        value=size,
        op="<=",
        bound=rule.size_mb,
        unit="MB",
    )
