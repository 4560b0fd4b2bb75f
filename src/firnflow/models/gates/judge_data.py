"""Rules about the rows themselves, and about predictions that say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from firnflow.models.gates.judge_metrics import keeps
from firnflow.models.gates.verdict import RuleResult
from firnflow.models.gates.wording import figure

if TYPE_CHECKING:
    import pyarrow as pa

    from firnflow.models.gates.evidence import Evidence
    from firnflow.models.gates.rules import DataRule


def judge_data(rule: DataRule, evidence: Evidence) -> RuleResult:
    """Return what becomes of a rule about the holdout."""
    value, said, unit = _found(rule, evidence)
    low = rule.at_least is None or keeps(value, ">=", rule.at_least)
    high = rule.at_most is None or keeps(value, "<=", rule.at_most)
    asked = [
        f"at {word} {figure(bound)}"
        for word, bound in (("least", rule.at_least), ("most", rule.at_most))
        if bound is not None
    ]
    # Of two bounds the one that is missed, or the first.
    lower = rule.at_least is not None and (not low or high)
    return RuleResult(
        name=rule.called,
        rule=str(rule),
        passed=low and high,
        reason=f"{said}; asked for: {' and '.join(asked)}.",
        value=value,
        op=">=" if lower else "<=",
        bound=rule.at_least if lower else rule.at_most,
        unit=unit,
    )


def _found(rule: DataRule, evidence: Evidence) -> tuple[float, str, str]:
    rows = evidence.rows.num_rows
    if rule.data == "rows":
        return float(rows), f"The holdout has {rows:,} rows that count", "rows"
    if rule.column is not None:
        column = evidence.rows[rule.column]
        empty = column.null_count + _nans(column)
        return empty / rows, f"{empty / rows:.2%} of {rule.column} is missing", ""
    share = float(evidence.labels.mean())
    return share, f"{share:.2%} of the labels are positive", ""


def _nans(column: pa.ChunkedArray[Any]) -> int:
    import pyarrow as pa

    return int(np.isnan(column.drop_null().to_numpy()).sum()) if pa.types.is_floating(column.type) else 0


def judge_constant(evidence: Evidence) -> RuleResult:
    """Return whether the model says the same of every row: then it has learnt nothing that helps."""
    scored, rows = evidence.challenger, f"{len(evidence.labels):,} rows"
    if len(np.unique(scored.scores)) == 1:
        what = "probability" if evidence.kind == "binary" else "prediction"
        reason = f"The {what} is {figure(float(scored.scores[0]))} for all {rows}: the model tells nothing apart."
    elif evidence.kind == "binary" and len(decided := np.unique(scored.scores >= scored.threshold)) == 1:
        right = float((scored.labels == decided[0]).mean())
        reason = (
            f"At its threshold {figure(scored.threshold)} the model decides {int(decided[0])} for all {rows}; that is"
            f" right for {right:.1%} of them, which is the data's merit."
        )
    else:
        reason = "The model does not say the same of all rows."
        return RuleResult(name="constant", rule="no constant predictor", passed=True, default=True, reason=reason)
    return RuleResult(name="constant", rule="no constant predictor", passed=False, default=True, reason=reason)
