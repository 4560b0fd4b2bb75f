"""`evaluate_gates`: rules and models in, verdict out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from firnflow._text import counted
from firnflow.errors import UsageError
from firnflow.models.evaluation.catalog import metric, values
from firnflow.models.gates.defaults import defaults, primary
from firnflow.models.gates.holdout import gather
from firnflow.models.gates.judge_data import judge_constant, judge_data
from firnflow.models.gates.judge_groups import judge_fairness, judge_segments
from firnflow.models.gates.judge_metrics import judge_calibration, judge_metric
from firnflow.models.gates.judge_service import judge_latency, judge_size
from firnflow.models.gates.rules import (
    CalibrationRule,
    DataRule,
    FairnessRule,
    LatencyRule,
    MetricRule,
    SegmentRule,
    SizeRule,
)
from firnflow.models.gates.verdict import RuleResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    import ibis

    from firnflow.models.evaluation.base import Kind, Scored
    from firnflow.models.gates.evidence import Champion, Evidence
    from firnflow.models.gates.rules import AnyRule
    from firnflow.models.gates.settings import Gating
    from firnflow.models.gates.verdict import Decision
    from firnflow.values.model import Model

JUDGES: dict[type[AnyRule], Callable[[Any, Evidence], RuleResult]] = {
    MetricRule: judge_metric,
    SegmentRule: judge_segments,
    CalibrationRule: judge_calibration,
    FairnessRule: judge_fairness,
    DataRule: judge_data,
    LatencyRule: judge_latency,
    SizeRule: judge_size,
}
DECISIONS: dict[str, Decision] = {"auto": "promote", "manual": "wait", "shadow": "shadow"}


def evaluate_gates(
    gating: Gating,
    challenger: Model,
    champion: Champion | None,
    holdout: ibis.Table,
    *,
    version: int | None = None,
    baseline: Model | None = None,
) -> Verdict:
    """Return what the rules say of a model on rows that neither it nor the champion has seen.

    Args:
        gating: the rules and settings.
        challenger: the model to judge.
        champion: the one in production; None: there is none.
        holdout: raw rows with key, label and all that the models read.
        version: of the challenger, to be written down.
        baseline: the model that rules call `baseline`, if there are such.

    Raises:
        UsageError: a rule does not fit the model.
        DataError: the holdout lacks a column or has another label.
        SignatureError: the challenger or the baseline cannot read the holdout.
    """
    evidence = gather(gating, challenger, champion, holdout, baseline)
    results = judged(evidence)
    return Verdict(
        decision=DECISIONS[gating.mode] if all(result.passed for result in results) else "reject",
        mode=gating.mode,
        model=gating.name,
        version=version,
        champion=champion.version if champion else None,
        primary=primary(gating, evidence.kind),
        metrics=_figures(evidence.kind, evidence.challenger),
        champion_metrics=_figures(evidence.kind, evidence.champion) if evidence.champion else {},
        baseline_metrics=_figures(evidence.kind, evidence.baseline) if evidence.baseline else {},
        results=tuple(results),
        holdout=evidence.use,
        notes=evidence.notes,
        confidence=gating.confidence,
        resamples=gating.resamples,
        seed=gating.seed,
    )


def judged(evidence: Evidence) -> list[RuleResult]:
    """Return what becomes of each rule; of the first alone, where there are not rows enough."""
    gating = evidence.gating
    standard = defaults(gating, evidence.kind)
    for rule in (*standard, *gating.rules):
        _check(rule, evidence.kind, gating)
        _check_baseline(rule, evidence)
    enough = _enough(evidence)
    if not enough.passed:
        return [enough]
    results = [enough] if "constant" in gating.off else [enough, judge_constant(evidence)]
    results += [judge_metric(rule, evidence).model_copy(update={"default": True}) for rule in standard]
    return results + [JUDGES[type(rule)](rule, evidence) for rule in gating.rules]


def _check(rule: AnyRule, kind: Kind, gating: Gating) -> None:
    """Raise UsageError where a rule does not fit models of this kind."""
    if kind not in rule.kinds or (isinstance(rule, DataRule) and rule.data == "positive_rate" and kind != "binary"):
        raise UsageError(f"The rule `{rule}` is not for a {kind} model. Mend: take it out of gating.rules")
    if isinstance(rule, MetricRule | SegmentRule):
        metric(kind, rule.metric)
    if not isinstance(rule, MetricRule):
        return
    other = {("majority", "regression"): "mean", ("mean", "binary"): "majority"}.get((rule.reference or "", kind))
    if other is not None:
        raise UsageError(f"The rule `{rule}`: for a {kind} model the baseline is `{other}`")
    if rule.reference == "last" and gating.time is None:
        raise UsageError(f"The rule `{rule}` needs the column that orders rows in time. Mend: gating.time = '…'")


def _check_baseline(rule: AnyRule, evidence: Evidence) -> None:
    if isinstance(rule, MetricRule) and rule.reference == "baseline" and evidence.baseline is None:
        raise UsageError(f"The rule `{rule}` needs another model to compare with. Mend: steps.gate(…, baseline=model)")


def _enough(evidence: Evidence) -> RuleResult:
    """Return whether there are rows enough, of both classes, to judge by."""
    use, least, labels = evidence.use, evidence.gating.min_rows, evidence.labels
    seen = [
        f"{count:,} that the {who} could have learnt from"
        for who, count in (
            ("model", use.seen_by_challenger),
            ("champion", use.seen_by_champion),
            ("baseline", use.seen_by_baseline),
        )
        if count
    ]
    without = f" (without {', '.join(seen)})" if seen else ""
    said = f"{counted(use.rows, 'row')} of {use.given:,} can be judged on{without}"
    passed, reason = use.rows >= least, f"{said}; asked for: at least {least:,}."
    if passed and evidence.kind == "binary" and len(np.unique(labels)) < 2:
        passed, reason = False, f"{said}, and all of them have the label {labels[0]:g}."
    return RuleResult(
        name="holdout",
        rule=f"holdout rows >= {least}",
        passed=passed,
        default=True,
        reason=reason,
        value=float(use.rows),
        op=">=",
        bound=float(least),
        unit="rows",
    )


def _figures(kind: Kind, scored: Scored) -> dict[str, float]:
    if not len(scored.labels):
        return {}
    return {name: value for name, value in values(kind, scored).items() if not np.isnan(value)}
