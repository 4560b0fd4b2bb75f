"""The verdict: each rule's figure and reason, and what follows."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from firnflow.models.gates.grammar import Operator
from firnflow.models.section import Section

Decision: TypeAlias = Literal["promote", "wait", "shadow", "reject"]
Mode: TypeAlias = Literal["auto", "manual", "shadow"]
Bounds: TypeAlias = tuple[float, float]
"""Each end is a one-sided bound at the verdict's confidence."""


class SegmentResult(Section):
    """A rule in one segment or group."""

    segment: str
    rows: int
    value: float
    interval: Bounds | None = None
    passed: bool


class RuleResult(Section):
    """What became of a rule.

    Attributes:
        name: what the rule is called.
        rule: the rule, as one writes it.
        passed: whether the model keeps it.
        default: whether it is one of those that always apply.
        reason: why, in one sentence.
        value: the model's figure; None where there is none.
        interval: of it.
        op: which side of `bound` is good.
        bound: what the figure is held against, in its unit.
        unit: `ms`, `MB`, `rows`, or nothing.
        reference: the baseline, where there is one.
        reference_value: its figure on the same rows.
        reference_interval: of it.
        difference: the figure less the baseline's.
        difference_interval: of it, paired: what the decision is made from.
        segment: the worst one, of a rule about segments; `value` is its figure.
        segments: all segments or groups that were judged, the worst first.
    """

    name: str
    rule: str
    passed: bool
    default: bool = False
    reason: str
    value: float | None = None
    interval: Bounds | None = None
    op: Operator | None = None
    bound: float | None = None
    unit: str = ""
    reference: str | None = None
    reference_value: float | None = None
    reference_interval: Bounds | None = None
    difference: float | None = None
    difference_interval: Bounds | None = None
    segment: str | None = None
    segments: tuple[SegmentResult, ...] = ()


class HoldoutUse(Section):
    """The rows that the verdict rests on.

    Attributes:
        rows: that were used.
        given: that were there.
        seen_by_challenger: of those, left out since the model could have learnt from them.
        seen_by_champion: likewise.
        seen_by_baseline: likewise.
        unlabelled: likewise, without a label.
        digest: hex SHA-256 of the keys and labels used: equal where two verdicts rest on the same rows.
    """

    rows: int
    given: int
    seen_by_challenger: int
    seen_by_champion: int
    seen_by_baseline: int = 0
    unlabelled: int
    digest: str


class Verdict(Section):
    """What the gates say of a model.

    Attributes:
        decision: `promote`; `wait`: for somebody's approval; `shadow`: all is well, nothing is to be done; `reject`.
        mode: that led from the results to the decision.
        model: the registered name.
        version: of the model that was judged, where it is known.
        champion: the version it was compared with; None: there was none.
        primary: the metric that a challenger must be better in.
        metrics: the model's figures on these rows; what is not defined is left out.
        champion_metrics: the champion's.
        baseline_metrics: of the baseline model, where one was given.
        results: of each rule.
        holdout: the rows.
        notes: what a reader must know.
        confidence: of each one-sided bound.
        resamples: of the bootstrap; 0: figures are counts, which have no bounds.
        seed: of them.
        rows_are: what the rows are called.
    """

    decision: Decision
    mode: Mode
    model: str
    version: int | None = None
    champion: int | None = None
    primary: str
    metrics: dict[str, float]
    champion_metrics: dict[str, float]
    baseline_metrics: dict[str, float] = Field(default_factory=dict)
    results: tuple[RuleResult, ...]
    holdout: HoldoutUse
    notes: tuple[str, ...] = ()
    confidence: float
    resamples: int
    seed: int
    rows_are: str = "holdout rows"

    @property
    def failed(self) -> tuple[RuleResult, ...]:
        """The rules that the model does not keep."""
        return tuple(result for result in self.results if not result.passed)

    @property
    def summary(self) -> str:
        """The verdict in one line."""
        against = f" against version {self.champion}" if self.champion is not None else ""
        if self.failed:
            names = "; ".join(result.name for result in self.failed)
            return f"{self.model} rejected{against}: {len(self.failed)} of {len(self.results)} rules failed: {names}"
        said = {
            "promote": "to be promoted",
            "wait": "waits for approval",
            "shadow": "would be promoted (shadow mode: nothing is changed)",
            "reject": "rejected",
        }[self.decision]
        return f"{self.model} {said}{against}: all {len(self.results)} rules passed"

    def markdown(self) -> str:
        """Return the verdict as Markdown: the summary, a line for each rule, the notes."""
        lines = [f"**{_escaped(self.summary)}**", ""]
        ordered = sorted(self.results, key=lambda result: result.passed)
        lines += [f"- {'✓' if result.passed else '✗'} {_escaped(result.reason)}" for result in ordered]
        rows = f"{self.holdout.rows:,} of {self.holdout.given:,} {self.rows_are}"
        bounds = f"; bounds at {self.confidence:.0%}, {self.resamples:,} resamples" if self.resamples else ""
        lines += ["", f"Judged on {rows}{bounds}."]
        return "\n".join([*lines, *(f"- {_escaped(note)}" for note in self.notes)])


def _escaped(text: str) -> str:
    """Return text that is itself in Markdown: names of columns and groups come from data."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>#|~!" else " " if c in "\r\n" else c for c in text)
