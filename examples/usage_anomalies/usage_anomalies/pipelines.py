"""`usage_anomalies`: which of the last days are unusual, and who is to say so; `known_labels`: what really happened."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import pyarrow as pa
from pydantic import AfterValidator, Field

import firnflow as ff
from firnflow import steps
from firnflow.monitoring.anomalies import DetectorSettings
from firnflow.monitoring.anomalies.gating import ContestRules
from firnflow.monitoring.costs import WarningSettings
from firnflow.monitoring.labels import SCHEMA, no_labels
from usage_anomalies import generator
from usage_anomalies.detecting import (
    bundle,
    categories_of,
    decide,
    hold_contest,
    in_production,
    in_use,
    is_news,
    last_learnt,
    learn,
    look,
    look_back,
    rivals,
    settings_of,
)
from usage_anomalies.features import Reading, features
from usage_anomalies.generator import World
from usage_anomalies.telling import Telling, gather, tell, warn, write_markdown

NAME = "usage_anomalies"


def _day_of_year(text: str) -> str:
    try:
        dt.date.fromisoformat(f"2024-{text}")
    except ValueError:
        raise ValueError(f"{text!r} is no day of a year. Write 12-25") from None
    return text


DayOfYear = Annotated[str, AfterValidator(_day_of_year)]


class LabelParams(ff.Params):
    """The usage that is made up."""

    world: World = World()


class UsageParams(LabelParams):
    """How usage is read, judged and told.

    Attributes:
        time, value: columns of a file that is not in Snowflake's layout, where they cannot be told.
        shown: days that are looked at; detectors learn from those before.
        detector: the challenger: other settings than the champion's must win a contest on the labels.
        holidays: days of each year that the challenger knows: `12-25`.
    """

    time: str | None = None
    value: str | None = None
    reading: Reading = Reading()
    shown: int = Field(default=14, ge=1, le=90)
    detector: DetectorSettings = DetectorSettings()
    holidays: tuple[DayOfYear, ...] = ()
    contest: ContestRules = ContestRules()
    warnings: WarningSettings = WarningSettings()
    telling: Telling = Telling()
    describing: steps.Describing = steps.Describing(
        intended_use="Flag days whose usage, in currency, is unlike what the days before let expect.",
        out_of_scope="Costs that creep up by a percent a day: they are followed, not flagged.",
    )


@ff.task
def usage(world: World) -> pa.Table:
    """Make usage; `--input usage=PATH` reads a file instead."""
    return generator.usage(world)


@ff.task
def truth(world: World) -> pa.Table:
    """Return what happened in the usage that is made up, as if people had said so."""
    return pa.Table.from_pylist(generator.truth(world), SCHEMA)


@ff.task
def tidy_up(run: ff.RunSummary) -> None:
    """Give up old versions of the detectors that nobody needs; runs last, whatever happened."""
    cleaned = steps.cleanup(NAME, steps.Cleanup(older_than_days=30, keep=10, dry_run=False))
    print(f"{run.status}; versions given up: {', '.join(cleaned.deleted) or 'none'}")  # noqa: T201 - what it is for


@ff.pipeline(params=UsageParams, schedule=ff.Cron("0 7 * * *"), finalizer=tidy_up)
def usage_anomalies(p: Any) -> None:
    """Read usage, fit a detector per category, let it win against the champion or not, look at the last days, tell."""
    rows = features(usage(p.world), p.reading, p.time, p.value, p.detector.combine)
    daily = rows.publish("usage_daily", key=["category", "day", "hour"])
    labels = no_labels().publish("usage_daily_labels", mode="append")
    categories = categories_of(daily)
    challenger = settings_of(p.detector, p.holidays)
    champion = in_production(NAME)
    settings = rivals(champion, challenger)
    until = last_learnt(daily, p.shown)
    detectors = learn.map(daily, categories, challenger, until)
    model = bundle(categories, detectors, challenger)
    replays = look_back.cross_map(daily, categories, settings)
    contest, figures = hold_contest(categories, settings, replays, labels)
    with is_news(champion, model).case(True):  # noqa: FBT003 - the branch's value
        registered = steps.register(model, NAME, describing=p.describing, figures=figures)
        decided = decide(contest, labels, p.contest, champion, model, registered)
        promoted = steps.promote(registered, decided.verdict)
    used = in_use(NAME, model, promoted)
    verdicts = look.map(daily, categories, used, until)
    warnings = warn.map(daily, categories, p.warnings, until, p.detector.combine)
    findings = gather(categories, verdicts, warnings, settings, replays, used, labels, contest, p.telling, promoted)
    steps.report_anomalies(findings)
    write_markdown(findings)
    tell(findings, p.telling)


@ff.pipeline(params=LabelParams)
def known_labels(p: Any) -> None:
    """Label the usage that is made up with what happened in it."""
    truth(p.world).publish("usage_daily_labels", mode="append")
