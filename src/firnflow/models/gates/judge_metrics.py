"""Rules about a metric of all rows: against a number, or against a baseline on the same rows."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from firnflow.models.gates.evidence import bounds, number
from firnflow.models.gates.verdict import RuleResult
from firnflow.models.gates.wording import WHAT, WORDS, change, figure, having, span

if TYPE_CHECKING:
    from firnflow.models.evaluation.bootstrap import Interval
    from firnflow.models.gates.evidence import Evidence
    from firnflow.models.gates.grammar import Operator
    from firnflow.models.gates.rules import CalibrationRule, MetricRule
    from firnflow.models.gates.verdict import Bounds

_OPS = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}


def keeps(value: float, op: Operator, bound: float) -> bool:
    """Whether a figure keeps a bound; one that is not defined does not."""
    return bool(_OPS[op](value, bound))


def judge_metric(rule: MetricRule, evidence: Evidence) -> RuleResult:
    """Return what becomes of a rule about a metric."""
    if rule.reference is None:
        return _against_number(rule, evidence)
    if rule.reference == "champion" and evidence.champion is None:
        return _without_champion(rule, evidence)
    return _against_baseline(rule, rule.reference, evidence)


def judge_calibration(rule: CalibrationRule, evidence: Evidence) -> RuleResult:
    """Return what becomes of a rule about the calibration."""
    found = evidence.alone("ece")
    passed = keeps(found.value, "<=", rule.calibration)
    off = f"Probabilities are {figure(found.value)} away from what comes true, on average{span(bounds(found))}"
    return RuleResult(
        name=rule.called,
        rule=str(rule),
        passed=passed,
        reason=f"{off}; asked for: at most {figure(rule.calibration)}.",
        value=number(found.value),
        interval=bounds(found),
        op="<=",
        bound=rule.calibration,
    )


def _against_number(rule: MetricRule, evidence: Evidence) -> RuleResult:
    found = evidence.alone(rule.metric)
    counts = _worst(found, rule.op) if rule.confident else found.value
    said = f"{rule.metric} is {figure(found.value)}{span(bounds(found))}"
    if found.value != found.value:
        said = f"{rule.metric} is not defined on these rows"
    by = f", even at the end of its range ({figure(counts)})" if rule.confident and counts == counts else ""  # noqa: PLR0124
    return RuleResult(
        name=rule.called,
        rule=str(rule),
        passed=keeps(counts, rule.op, rule.offset),
        reason=f"{said}; asked for: {WORDS[rule.op]} {figure(rule.offset)}{by}.",
        value=number(found.value),
        interval=bounds(found),
        op=rule.op,
        bound=rule.offset,
    )


def _worst(found: Interval, op: Operator) -> float:
    """Return the end of an interval that a confident rule looks at."""
    return found.low if op[0] == ">" else found.high


def _without_champion(rule: MetricRule, evidence: Evidence) -> RuleResult:
    found = evidence.alone(rule.metric)
    if evidence.trouble is not None:
        reason = f"{rule.metric} cannot be compared: the champion could not be asked. {evidence.trouble}"
    else:
        said = f"{rule.metric} is {figure(found.value)}{span(bounds(found))}"
        reason = f"{said}; there is no champion yet to be compared with."
    return RuleResult(
        name=rule.called,
        rule=str(rule),
        passed=evidence.trouble is None,
        reason=reason,
        value=number(found.value),
        interval=bounds(found),
    )


def _against_baseline(rule: MetricRule, reference: str, evidence: Evidence) -> RuleResult:
    ours, theirs = evidence.pair(rule.metric, reference)
    one, other = ours.interval(evidence.level), theirs.interval(evidence.level)
    gap = ours.minus(theirs).interval(evidence.level)
    passed = keeps(_worst(gap, rule.op), rule.op, rule.offset)
    return RuleResult(
        name=rule.called,
        rule=str(rule),
        passed=passed,
        reason=_compared(rule, one, other, gap, passed=passed),
        value=number(one.value),
        interval=bounds(one),
        op=rule.op,
        bound=number(other.value + rule.offset),
        reference=reference,
        reference_value=number(other.value),
        reference_interval=bounds(other),
        difference=number(gap.value),
        difference_interval=bounds(gap),
    )


def _compared(rule: MetricRule, one: Interval, other: Interval, gap: Interval, *, passed: bool) -> str:
    reference, between = rule.reference or "", bounds(gap)
    if between is None:
        return (
            f"{rule.metric} cannot be compared with {WHAT[reference]}: these rows do not define it, or not its range."
        )
    said = f"{rule.metric} is {figure(one.value)}, {having(reference, other.value)}"
    return f"{said}: the difference of {change(gap.value)} {_range(between)} {_tail(rule, gap, passed=passed)}."


def _range(found: Bounds) -> str:
    return f"({change(found[0])} to {change(found[1])})"


def _tail(rule: MetricRule, gap: Interval, *, passed: bool) -> str:
    """Return what a difference means for the rule."""
    if rule.offset:
        asked = f"{WORDS[rule.op]} {change(rule.offset)}"
        if passed:
            return f"is surely {asked}"
        return f"may not be {asked}" if keeps(gap.value, rule.op, rule.offset) else f"is not {asked}"
    if passed:
        return "is more than noise" if gap.value else "is none"
    if gap.value == 0:
        return "is none"
    if keeps(gap.value, rule.op, 0.0):
        return "may be noise"
    best = gap.high if rule.op[0] == ">" else gap.low
    return "is no gain" if keeps(best, rule.op, 0.0) else "is a loss"
