"""Detectors, one per category: fitted, replayed as production would have judged, held against labels, and asked."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

import ibis
import pyarrow as pa

import firnflow as ff
from firnflow import steps
from firnflow.engine import services
from firnflow.errors import DataError
from firnflow.models.gates.picture import write_png
from firnflow.models.registry import Registry
from firnflow.monitoring.anomalies import (
    Contest,
    Days,
    Detector,
    DetectorSettings,
    Holiday,
    Verdict,
    compare,
    days_of,
    fit,
    replay,
)
from firnflow.monitoring.anomalies.evaluation import together
from firnflow.monitoring.anomalies.gating import ContestRules, figures, judge
from firnflow.monitoring.anomalies.model import Detectors, fitted
from firnflow.monitoring.labels import answers, labels_of

if TYPE_CHECKING:
    from collections.abc import Sequence


LEAST = 28
"""Days before the first verdict: a detector wants 21 errors, and a week before the first of them."""


YEARS = range(2010, 2051)


class InProduction(steps.Section):
    """The champion of the registry, as far as a contest needs it.

    Attributes:
        version: its number.
        settings: what its detectors were fitted with.
        until: the last day that they were fitted on.
        categories: for which there is one.
    """

    version: int
    settings: DetectorSettings
    until: dt.date
    categories: tuple[str, ...]


class Held(NamedTuple):
    """A contest, and the challenger's figures."""

    contest: Contest
    figures: dict[str, float]


class Decided(NamedTuple):
    """What follows from a contest, and the same as a picture."""

    verdict: steps.Verdict
    picture: ff.Figure


@ff.task
def categories_of(daily: ibis.Table) -> list[str]:
    """Return the categories, in the order of their names."""
    return sorted(daily.select("category").distinct().to_pyarrow()["category"].to_pylist())


@ff.task
def settings_of(detector: DetectorSettings, holidays: tuple[str, ...]) -> DetectorSettings:
    """Return the challenger's settings, with holidays (`12-25`) in each of `YEARS` that has such a day.

    The years are not those of the data: else the settings would be others in each new year.
    """
    days = []
    for year in YEARS:
        for name in holidays:
            with contextlib.suppress(ValueError):  # the 29th of February
                days.append(Holiday(day=dt.date.fromisoformat(f"{year}-{name}"), name=name))
    return detector.model_copy(update={"holidays": (*detector.holidays, *days)})


@ff.task(cache=False)
def in_production(name: str) -> InProduction | None:
    """Return the champion; None: there is none."""
    here, _ = services.here("in_production")
    registry = Registry(here.state, here.stores)
    champion = registry.champion(name)
    if champion is None:
        return None
    found = Detectors.of(registry.load(champion))
    return InProduction(
        version=champion.version,
        settings=found.settings,
        until=found.until or dt.date.min,
        categories=tuple(sorted(found.detectors)),
    )


@ff.task
def rivals(champion: InProduction | None, challenger: DetectorSettings) -> list[DetectorSettings]:
    """Return the settings that are to be compared: the challenger's, and the champion's where they are others."""
    return [challenger] if champion is None or champion.settings == challenger else [challenger, champion.settings]


@ff.task
def last_learnt(daily: ibis.Table, shown: int) -> dt.date:
    """Return the last day that detectors learn from: the days after it are to be judged.

    Raises:
        DataError: there are too few days before those.
    """
    span = daily.aggregate(first=daily.day.min(), last=daily.day.max()).to_pyarrow().to_pylist()[0]
    days = (span["last"] - span["first"]).days + 1
    if days < shown + LEAST:
        fewer = f", or --set shown={days - LEAST}" if days > LEAST else ""
        raise DataError(
            f"usage goes from {span['first']} to {span['last']}, {days} days: detectors learn from at least {LEAST} "
            f"before the {shown} that are looked at. Mend: more days{fewer}"
        )
    found: dt.date = span["last"] - dt.timedelta(days=shown)
    return found


@ff.task
def learn(daily: ibis.Table, category: str, settings: DetectorSettings, until: dt.date) -> Detector | None:
    """Fit the detector of a category on the days up to one; None: nothing is known of them, it may have begun later."""
    series = _series(daily, category, settings)
    try:
        return None if series is None else fit(series.before(until + dt.timedelta(days=1)), settings)
    except DataError as error:
        print(f"{category} has no detector: {error}")  # noqa: T201 - for the log
        return None


@ff.task
def bundle(categories: list[str], detectors: list[Detector | None], settings: DetectorSettings) -> ff.Model:
    """Return the detectors as one model: thresholds by category, as plain JSON.

    Raises:
        DataError: no category has one.
    """
    known = {name: detector for name, detector in zip(categories, detectors, strict=True) if detector is not None}
    if not known:
        raise DataError("No category has a detector: too few values are known. Mend: look at usage_daily")
    return fitted(known, settings).to_model()


@ff.task
def look_back(daily: ibis.Table, category: str, settings: DetectorSettings) -> list[Verdict]:
    """Judge each day of a category as production would have on its evening, with thresholds fitted anew each week."""
    series = _series(daily, category, settings)
    return [] if series is None else replay(series, settings)


@ff.task
def is_news(champion: InProduction | None, model: ff.Model) -> bool:
    """Return whether detectors are to be registered and judged: other settings or categories, or old thresholds."""
    new = Detectors.of(model)
    if champion is None or champion.settings != new.settings or champion.categories != tuple(sorted(new.detectors)):
        return True
    return new.until is not None and (new.until - champion.until).days >= new.settings.refit


@ff.task
def hold_contest(
    categories: list[str],
    settings: list[DetectorSettings],
    replays: list[list[Verdict]],
    labels: pa.Table,
) -> Held:
    """Return how champion and challenger compare on what people have said, over all categories.

    Args:
        categories: of the series.
        settings: the challenger's, and the champion's where they are others.
        replays: the verdicts of each category with each of the settings.
        labels: what people have said.
    """
    said = labels_of(labels)
    replayed = by_category(categories, settings, replays)
    contest = together(
        compare(each[-1], each[0], *answers(said, name)) for name, each in replayed.items() if _both_judge(*each)
    )
    counts = figures(contest.challenger)
    for name, figure in counts.items():
        ff.log_metric(name, figure)
    return Held(contest, counts)


@ff.task
def decide(
    contest: Contest,
    labels: pa.Table,
    rules: ContestRules,
    champion: InProduction | None,
    model: ff.Model,
    registered: steps.Registered,
) -> Decided:
    """Return whether the challenger is promoted."""
    verdict = judge(
        contest,
        rules,
        labels_of(labels),
        model=registered.name,
        version=registered.version,
        champion=None if champion is None else champion.version,
        refit=champion is not None and champion.settings == Detectors.of(model).settings,
    )
    print(verdict.markdown())  # noqa: T201 - for the log
    path = ff.scratch_dir() / "verdict.png"
    write_png(verdict, path)
    return Decided(verdict, ff.Figure(path, "image/png"))


@ff.task(cache=False)
def in_use(name: str, model: ff.Model, promoted: steps.Promoted | None) -> ff.Model:
    """Return the champion's detectors, after this run's promotion; the new ones where there is no champion yet."""
    here, _ = services.here("in_use")
    registry = Registry(here.state, here.stores)
    champion = registry.champion(name)
    if promoted is not None and promoted.champion is not None:
        champion = registry.get(f"{name}/{promoted.champion}")
    return model if champion is None else registry.load(champion)


@ff.task
def look(daily: ibis.Table, category: str, model: ff.Model, until: dt.date) -> list[Verdict]:
    """Judge the days of a category after one by the detectors in use; of a category without one none is judged."""
    found = Detectors.of(model)
    detector = found.detectors.get(category)
    series = None if detector is None else _series(daily, category, found.settings, slots=detector.slots)
    if detector is None or series is None:
        return []
    return detector.scores(series, until + dt.timedelta(days=1), series.day(len(series) - 1))


def _both_judge(*replays: list[Verdict]) -> bool:
    """Return whether there is a day that all have judged: a category may be too young."""
    judged = ({v.day for v in each if v.status in {"normal", "anomaly"}} for each in replays)
    return bool(set.intersection(*judged))


def by_category(
    categories: Sequence[str], settings: Sequence[DetectorSettings], replays: Sequence[list[Verdict]]
) -> dict[str, list[list[Verdict]]]:
    """Return category → its verdicts with each of the settings, from the results of a map over both."""
    width = len(settings)
    return {name: list(replays[number * width : (number + 1) * width]) for number, name in enumerate(categories)}


def _series(daily: ibis.Table, category: str, settings: DetectorSettings, slots: int | None = None) -> Days | None:
    """Return the series of a category; None: no value of it is known."""
    rows = daily.filter(daily.category == category).order_by("day", "hour")
    moment = rows.day.cast("timestamp") + rows.hour * ibis.interval(hours=1)
    found = rows.select(moment=moment, usage=rows.usage).to_pandas()
    return days_of(found["moment"], found["usage"], settings, slots=slots) if found["usage"].notna().any() else None
