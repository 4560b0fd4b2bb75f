"""Rules about parts of the rows: segments and groups."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from firnflow._text import counted
from firnflow.models.evaluation.catalog import metric
from firnflow.models.evaluation.fairness import fairness
from firnflow.models.evaluation.segments import groups_of, segments
from firnflow.models.gates.evidence import bounds
from firnflow.models.gates.judge_metrics import keeps
from firnflow.models.gates.verdict import RuleResult, SegmentResult
from firnflow.models.gates.wording import WORDS, cut, figure, span

if TYPE_CHECKING:
    from firnflow.models.gates.evidence import Evidence
    from firnflow.models.gates.rules import FairnessRule, SegmentRule

_NAMED = 3


def judge_segments(rule: SegmentRule, evidence: Evidence) -> RuleResult:
    """Return what becomes of a metric in each segment. Where no segment can be judged, the rule fails."""
    values = evidence.rows[rule.segment].to_numpy(zero_copy_only=False)
    found = segments(
        metric(evidence.kind, rule.metric),
        evidence.challenger,
        values,
        min_rows=rule.min_rows,
        confidence=evidence.level,
        resamples=evidence.gating.resamples,
        seed=evidence.gating.seed,
    )
    judged = [
        SegmentResult(
            segment=each.name,
            rows=each.rows,
            value=each.figure.value,
            interval=bounds(each.figure),
            passed=keeps(each.figure.value, rule.op, rule.bound),
        )
        for each in found
        if not math.isnan(each.figure.value)
    ]
    judged.sort(key=lambda each: (each.value, each.segment), reverse=rule.op[0] == "<")
    worst = judged[0] if judged else None
    return RuleResult(
        name=rule.called,
        rule=str(rule),
        passed=bool(judged) and all(each.passed for each in judged),
        reason=_segments_reason(rule, judged, _left_out(rule, values, len(found) - len(judged))),
        value=worst.value if worst else None,
        interval=worst.interval if worst else None,
        op=rule.op,
        bound=rule.bound,
        segment=worst.segment if worst else None,
        segments=tuple(judged),
    )


def _left_out(rule: SegmentRule, values: Any, undefined: int) -> str:
    """Return which segments were not judged, as the end of a reason."""
    names, codes = groups_of(values)
    small = int((np.bincount(codes, minlength=len(names)) < rule.min_rows).sum())
    parts = [f"{counted(small, 'segment')} with fewer than {rule.min_rows} rows"] if small else []
    parts += [f"{undefined} in which {rule.metric} is not defined"] if undefined else []
    return f" Not judged: {'; '.join(parts)}." if parts else ""


def _segments_reason(rule: SegmentRule, judged: list[SegmentResult], left_out: str) -> str:
    if not judged:
        return f"No segment of {rule.segment} could be judged.{left_out}"
    asked = f"asked for: {WORDS[rule.op]} {figure(rule.bound)}"
    failed = [each for each in judged if not each.passed]
    if not failed:
        worst = judged[0]
        said = f"{rule.metric} is {figure(worst.value)}{span(worst.interval)} in {cut(worst.segment)}, the worst"
        return f"{said} of {counted(len(judged), 'segment')} of {rule.segment}; {asked}.{left_out}"
    named = ", ".join(f"{cut(each.segment)} ({figure(each.value)}, {each.rows:,} rows)" for each in failed[:_NAMED])
    more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    share = f"{len(failed)} of {counted(len(judged), 'segment')} of {rule.segment}"
    return f"{rule.metric} fails in {share}: {named}{more}; {asked}.{left_out}"


def judge_fairness(rule: FairnessRule, evidence: Evidence) -> RuleResult:
    """Return what becomes of a rule about groups. With fewer than two groups to compare, the rule fails."""
    found = fairness(
        rule.fairness,
        evidence.challenger,
        evidence.rows[rule.by].to_numpy(zero_copy_only=False),
        min_rows=rule.min_rows,
        confidence=evidence.level,
        resamples=evidence.gating.resamples,
        seed=evidence.gating.seed,
    )
    groups = sorted(found.groups, key=lambda group: (group.rate, group.name))
    passed = keeps(found.difference.value, "<=", rule.max)
    return RuleResult(
        name=rule.called,
        rule=str(rule),
        passed=passed,
        reason=_fairness_reason(rule, groups, bounds(found.difference)),
        value=found.difference.value if len(groups) > 1 else None,
        interval=bounds(found.difference),
        op="<=",
        bound=rule.max,
        segments=tuple(
            SegmentResult(segment=group.name, rows=group.rows, value=group.rate, passed=passed) for group in groups
        ),
    )


def _fairness_reason(rule: FairnessRule, groups: list[Any], interval: Any) -> str:
    whom = "rows" if rule.fairness == "demographic_parity" else "positives"
    if len(groups) < 2:
        return f"{rule.by} has fewer than two groups with at least {rule.min_rows} {whom}: nothing can be compared."
    low, high = groups[0], groups[-1]
    said = f"{high.rate:.1%} of the {whom} of {cut(high.name)} are decided for, {low.rate:.1%} of those of"
    said += f" {cut(low.name)}"
    return f"{said}: a difference of {figure(high.rate - low.rate)}{span(interval)}; asked for: at most {rule.max:g}."
