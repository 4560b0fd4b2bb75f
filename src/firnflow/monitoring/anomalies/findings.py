"""What a look at the last days has found, as plain data and as Markdown: flags, what drove them, and cost warnings."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from pydantic import Field

from firnflow._text import counted
from firnflow.models.section import Section
from firnflow.monitoring.anomalies.drivers import Driver, drivers
from firnflow.monitoring.anomalies.evaluation import Evaluation
from firnflow.monitoring.anomalies.verdict import Verdict
from firnflow.monitoring.costs import CostWarning
from firnflow.monitoring.labels import Label
from firnflow.monitoring.wording import code, escaped

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

WHY = {"high": "more than expected", "low": "less than expected", "hours": "unusual hours"}
"""What the reasons of a verdict mean."""


class Finding(Section):
    """One thing that was found.

    Attributes:
        category: of the series.
        verdict: the flagged day.
        answer: what somebody has said of it.
    """

    category: str
    verdict: Verdict
    answer: Label | None = None

    @property
    def difference(self) -> float:
        """The day's value less what was expected."""
        return (self.verdict.value or 0.0) - (self.verdict.expected or 0.0)

    @property
    def why(self) -> str:
        """The reasons in words; unusual hours with those that differ most."""
        said = [WHY[reason] for reason in self.verdict.reasons]
        hours = ", ".join(hour.start for hour in self.verdict.hours)
        return ", ".join(said) + (f" ({hours})" if hours else "")


class Findings(Section):
    """A look at the last days of a series.

    Attributes:
        title: of the report.
        series: the named table; what people answer is about it.
        unit: of the values, e.g. a currency; may be empty.
        whole: the category that is the sum of the others; empty: there is none.
        verdicts: category → verdicts on the days that were looked at, in their order.
        past: category → verdicts before those, for pictures.
        warnings: category → warnings of the days that were looked at.
        labels: what people have said.
        evaluation: how good the detectors are, where anybody has said anything.
        detectors: which ones these are, in a few words.
    """

    title: str
    series: str
    unit: str = ""
    whole: str = ""
    verdicts: dict[str, tuple[Verdict, ...]]
    past: dict[str, tuple[Verdict, ...]] = Field(default_factory=dict)
    warnings: dict[str, tuple[CostWarning, ...]] = Field(default_factory=dict)
    labels: tuple[Label, ...] = ()
    evaluation: Evaluation | None = None
    detectors: str = ""

    @property
    def days(self) -> tuple[dt.date, ...]:
        """The days that were looked at."""
        return tuple(sorted({verdict.day for each in self.verdicts.values() for verdict in each}))

    @property
    def flags(self) -> tuple[Finding, ...]:
        """The flagged days, the newest first, of one day the whole first, then what differs most."""
        found = [
            Finding(category=category, verdict=verdict, answer=self._answer(category, verdict.day))
            for category, each in self.verdicts.items()
            for verdict in each
            if verdict.anomaly
        ]
        whole = self.whole
        return tuple(sorted(found, key=lambda f: (-f.verdict.day.toordinal(), f.category != whole, -abs(f.difference))))

    @property
    def changes(self) -> tuple[tuple[str, CostWarning], ...]:
        """The cost warnings with their categories, in the same order."""
        found = [(category, warning) for category, each in self.warnings.items() for warning in each]
        return tuple(
            sorted(
                found,
                key=lambda f: (-f[1].day.toordinal(), f[0] != self.whole, -abs(f[1].largest.difference)),
            )
        )

    @property
    def anything(self) -> bool:
        """Whether there is something to be told."""
        return bool(self.flags or self.changes)

    @property
    def summary(self) -> str:
        """What was found, in one line."""
        days = self.days
        if not days:
            return "No day was looked at"
        span = f"{days[0]}" if len(days) == 1 else f"{days[0]} to {days[-1]}"
        found = counted(len(self.flags), "flag"), counted(len(self.changes), "cost warning")
        return f"{span}: {' and '.join(found)}"

    def since(self, day: dt.date) -> Findings:
        """Return what was found on a day and after it."""
        return self.model_copy(
            update={
                "verdicts": {name: tuple(v for v in each if v.day >= day) for name, each in self.verdicts.items()},
                "warnings": {name: tuple(w for w in each if w.day >= day) for name, each in self.warnings.items()},
            }
        )

    def drivers(self, day: dt.date) -> tuple[Driver, ...]:
        """Return which categories made the whole what it was on a day, the one that explains most first."""
        found = {
            category: verdict
            for category, each in self.verdicts.items()
            for verdict in each
            if verdict.day == day and category != self.whole
        }
        return drivers(found)

    def money(self, value: float | None, *, sign: bool = False) -> str:
        """Return an amount as people write it, with its unit."""
        if value is None:
            return "unknown"
        shown = f"{value:{'+' if sign else ''},.{0 if abs(value) >= 1000 else 2}f}"
        return f"{shown} {self.unit}".strip()

    def command(self, finding: Finding) -> str:
        """Return the command that answers a flag; whoever answers writes --yes or --no."""
        category = f" --category {shlex.quote(finding.category)}" if finding.category else ""
        return f"firnflow label add {self.series} {finding.verdict.day}{category} --yes"

    def _answer(self, category: str, day: dt.date) -> Label | None:
        mine = (label for label in self.labels if label.category == category and label.first <= day <= label.last)
        return next(mine, None)


def markdown(found: Findings) -> str:
    """Return the report as Markdown; texts that come from data stay texts."""
    parts = [f"# {escaped(found.title)}", found.summary + "."]
    if found.flags:
        parts += ["## Unusual days", _flags(found)]
        parts += [part for day in _driven(found) for part in (f"### What drove {day}", _drivers(found, day))]
    if found.changes:
        parts += ["## Cost warnings", _changes(found)]
    if found.evaluation is not None:
        parts += ["## How good the detectors are", f"{escaped(found.detectors)}: {quality(found.evaluation)}."]
    waiting = [finding for finding in found.flags if finding.answer is None]
    if waiting:
        said = "Was it something? Say so (`--no` if not, `--env` as for the run); the next contest counts it:"
        parts += ["## Answer", said, "\n".join(f"- {code(found.command(finding))}" for finding in waiting[:10])]
    return "\n\n".join(parts) + "\n"


def quality(found: Evaluation) -> str:
    """Return how good detectors are on what people have said, in a few words."""
    return (
        f"{found.found} of {found.windows} labelled windows found, {counted(len(found.false_days), 'false day')}, "
        f"{counted(len(found.open_days), 'flag')} that nobody has answered, on {counted(found.days, 'judged day')}"
    )


def _driven(found: Findings) -> list[dt.date]:
    return [each.verdict.day for each in found.flags if found.whole and each.category == found.whole]


def _flags(found: Findings) -> str:
    rows = [
        (
            str(each.verdict.day),
            escaped(each.category),
            found.money(each.verdict.value),
            found.money(each.verdict.expected),
            found.money(each.difference, sign=True),
            each.why + ("" if each.answer is None else f"; said: {'yes' if each.answer.anomaly else 'no'}"),
        )
        for each in found.flags
    ]
    return _table(("day", "category", "value", "expected", "difference", "why"), rows)


def _drivers(found: Findings, day: dt.date) -> str:
    rows = [
        (
            escaped(each.category),
            found.money(each.value),
            found.money(each.expected),
            found.money(each.difference, sign=True),
            f"{100 * each.share:.0f} %",
        )
        for each in found.drivers(day)
    ]
    return _table(("category", "value", "expected", "difference", "share"), rows)


def _changes(found: Findings) -> str:
    rows = [
        (
            str(each.day),
            escaped(category),
            found.money(each.value),
            "; ".join(
                f"{found.money(change.difference, sign=True)} against {ago(change.days)}" for change in each.changes
            ),
        )
        for category, each in found.changes
    ]
    return _table(("day", "category", "costs", "change"), rows)


def ago(days: int) -> str:
    """Return which earlier day a change is against."""
    return "yesterday" if days == 1 else f"{days} days before"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
