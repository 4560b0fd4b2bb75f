"""What people get: a report as HTML and Markdown, and an alert where there is something to be told."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Literal

import ibis
import pyarrow as pa

import firnflow as ff
from firnflow import steps
from firnflow.monitoring.alerts import alert
from firnflow.monitoring.anomalies import Contest, DetectorSettings, Verdict
from firnflow.monitoring.anomalies.findings import Findings, markdown
from firnflow.monitoring.anomalies.model import Detectors
from firnflow.monitoring.anomalies.picture import draw
from firnflow.monitoring.costs import CostWarning, WarningSettings, cost_warnings
from firnflow.monitoring.labels import labels_of
from usage_anomalies.detecting import by_category
from usage_anomalies.features import TOTAL

PAST = 120
"""Days before those that were looked at, in a picture."""


class Telling(steps.Section):
    """The words of the report, and what an alert is about.

    Attributes:
        title: of the report.
        unit: of the values: the currency.
        alert_days: so many of the newest days are told of: 1 for a pipeline that runs daily.
    """

    title: str = "Usage of the warehouse"
    unit: str = "USD"
    alert_days: int = 1


@ff.task
def warn(
    daily: ibis.Table, category: str, warnings: WarningSettings, until: dt.date, combine: Literal["sum", "mean"]
) -> list[CostWarning]:
    """Return the cost warnings of a category on the days after one."""
    rows = daily.filter(daily.category == category)
    days = rows.group_by("day").agg(usage=getattr(rows.usage, combine)()).to_pyarrow().to_pylist()
    found = cost_warnings({row["day"]: row["usage"] for row in days}, warnings)
    return [warning for warning in found if warning.day > until]


@ff.task
def gather(
    categories: list[str],
    verdicts: list[list[Verdict]],
    warnings: list[list[CostWarning]],
    settings: list[DetectorSettings],
    replays: list[list[Verdict]],
    model: ff.Model,
    labels: pa.Table,
    contest: Contest,
    telling: Telling,
    promoted: steps.Promoted | None,
) -> Findings:
    """Return all that was found on the days that were looked at, with what was before, for pictures."""
    used = Detectors.of(model).settings
    place = settings.index(used) if used in settings else 0
    looked_at = {name: tuple(each) for name, each in zip(categories, verdicts, strict=True) if each}
    first = min((each[0].day for each in looked_at.values()), default=dt.date.max)
    past = {
        name: tuple(verdict for verdict in each[place] if verdict.day < first)[-PAST:]
        for name, each in by_category(categories, settings, replays).items()
    }
    return Findings(
        title=telling.title,
        series="usage_daily",
        unit=telling.unit,
        whole=TOTAL if TOTAL in categories and len(categories) > 1 else "",
        verdicts=looked_at,
        past=past,
        warnings=dict(zip(categories, map(tuple, warnings), strict=True)),
        labels=labels_of(labels),
        evaluation=(contest.champion if place else contest.challenger) if labels.num_rows else None,
        detectors=_which(promoted),
    )


def _which(promoted: steps.Promoted | None) -> str:
    if promoted is None or promoted.champion is None:
        return "The detectors in use"
    if promoted.version == promoted.champion:
        return f"Version {promoted.champion}, which was promoted now"
    return f"Version {promoted.champion}, which stays champion"


@ff.task
def write_markdown(findings: Findings) -> Path:
    """Write the report as Markdown."""
    path = ff.scratch_dir() / "report.md"
    path.write_text(markdown(findings), "utf-8")
    return path


@ff.task
def tell(findings: Findings, telling: Telling) -> int:
    """Raise an alert about the newest days, where something was found on them; return how many things."""
    news = findings.since(findings.days[-telling.alert_days])
    count = len(news.flags) + len(news.changes)
    if count:
        category = news.flags[0].category if news.flags else news.changes[0][0]
        shown = [*findings.past.get(category, ()), *findings.verdicts[category]]
        picture = draw(shown, title=f"{telling.title}: {category}", unit=telling.unit)
        alert(f"{telling.title}: {news.summary}", markdown(news), figure=picture)
    return count
