"""Made-up usage with known anomalies: season, trend, level shifts, holidays, gaps and several kinds of noise; seeded.

For tests, for the examples, and to try settings on more than the few labelled series that anybody has.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from firnflow.models.section import Section, Share
from firnflow.monitoring.anomalies.evaluation import Window

if TYPE_CHECKING:
    from firnflow.monitoring.anomalies.robust import Array

Noise = Literal["normal", "laplace", "heavy", "skewed", "wandering", "none"]
AnomalyKind = Literal["spike", "drop", "spell", "outage", "burst"]
KINDS: tuple[AnomalyKind, ...] = ("spike", "drop", "spell", "outage", "burst")
SHIFT_DAYS = 14
"""How long a flag after a level shift is no false one: it is news, until it is the new level."""
_EDGE = 60
_HOLIDAYS = ((1, 1), (5, 1), (8, 1), (12, 25), (12, 26))


class UsageSettings(Section):
    """What the made-up series is like.

    Attributes:
        days: how many.
        start: the first one.
        slots: rows a day.
        level: of a day, in currency.
        weekly, yearly: how far a week, a year swings, as a share of the level.
        trend: growth a year, as a share.
        noise: normal; Laplace; heavy: Student's t with 3 degrees of freedom; skewed: log-normal; wandering: a level
            that walks at random beside normal noise; none.
        noise_size: its standard deviation, as a share of the level.
        shifts: lasting changes of the level a year.
        shift_size: by what share.
        holidays: by what share usage falls on five days of each year; 0: not at all.
        gaps: share of days without a row.
        anomalies: labelled ones a year.
        anomaly_size: of spikes, drops and spells: in standard deviations of the noise.
        kinds: which.
    """

    days: Annotated[int, Field(ge=2 * _EDGE, le=20_000)] = 730
    start: dt.date = dt.date(2024, 1, 1)
    slots: Literal[1, 24] = 1
    level: Annotated[float, Field(gt=0)] = 500.0
    weekly: Annotated[float, Field(ge=0, lt=1)] = 0.4
    yearly: Annotated[float, Field(ge=0, lt=1)] = 0.1
    trend: Annotated[float, Field(gt=-1)] = 0.2
    noise: Noise = "normal"
    noise_size: Share = 0.05
    shifts: Annotated[float, Field(ge=0)] = 0.0
    shift_size: Share = 0.3
    holidays: Annotated[float, Field(ge=0, lt=1)] = 0.0
    gaps: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    anomalies: Annotated[float, Field(ge=0)] = 6.0
    anomaly_size: Annotated[float, Field(gt=0)] = 8.0
    kinds: tuple[AnomalyKind, ...] = ("spike", "drop", "spell")


class Usage(NamedTuple):
    """A made-up series.

    Attributes:
        times: of the rows, n × datetime64[s].
        values: in currency, n; never negative.
        windows: what happened, by day: anomalies, and "shift" with the days until it is no news any more.
        holidays: the days on which usage fell.
    """

    times: Array
    values: Array
    windows: tuple[Window, ...]
    holidays: tuple[dt.date, ...]


def usage(settings: UsageSettings, seed: int) -> Usage:
    """Return a series and what happened in it. The same settings and seed give the same series."""
    rng = np.random.default_rng(seed)
    place = np.arange(settings.days)
    dates = [settings.start + dt.timedelta(days=int(number)) for number in place]
    holidays = [number for number, date in enumerate(dates) if (date.month, date.day) in _HOLIDAYS]
    level = settings.level * (1 + settings.trend) ** (place / 365.25)
    level *= 1 + settings.yearly * np.sin(2 * np.pi * (place / 365.25 + rng.random()))
    taken = _shift(level, settings, rng)
    if settings.holidays:
        level[holidays] *= 1 - settings.holidays
    weekdays = (place + settings.start.weekday()) % 7
    totals = level * _week(settings, rng)[weekdays] * np.maximum(0.02, 1 + _noise(settings, rng))
    cells = totals[:, None] * _hours(settings, rng, weekdays)
    events = [(first, first + SHIFT_DAYS - 1, "shift") for first in taken]
    blocked = {*holidays, *(day for first, last, _ in events for day in range(first - 7, last + 8))}
    events += _happen(cells, level, settings, rng, blocked)
    end = settings.days - 1
    windows = (Window(first=dates[a], last=dates[min(b, end)], kind=kind) for a, b, kind in sorted(events))
    times = np.datetime64(settings.start, "s") + np.arange(cells.size) * (86_400 // settings.slots)
    kept = np.repeat(rng.random(settings.days) >= settings.gaps, settings.slots)
    days_off = tuple(dates[number] for number in holidays) if settings.holidays else ()
    return Usage(times[kept], np.maximum(cells, 0).ravel()[kept], tuple(windows), days_off)


def _shift(level: Array, settings: UsageSettings, rng: np.random.Generator) -> list[int]:
    """Shift the level for good a few times, in place; return the days."""
    count = rng.poisson(settings.shifts * settings.days / 365.25)
    found = sorted(rng.choice(np.arange(_EDGE, settings.days), min(count, settings.days // 60), replace=False).tolist())
    for day in found:
        level[day:] *= (1 + settings.shift_size) ** (1 if rng.random() < 0.5 else -1)
    return found


def _week(settings: UsageSettings, rng: np.random.Generator) -> Array:
    """Return a factor for each weekday: less at the weekend, and a little of its own."""
    return np.array([1.0, 1.0, 1.0, 1.0, 0.97, 1 - settings.weekly, 1 - settings.weekly]) + 0.1 * settings.weekly * (
        rng.random(7) - 0.5
    )


def _noise(settings: UsageSettings, rng: np.random.Generator) -> Array:
    count, size = settings.days, settings.noise_size
    match settings.noise:
        case "normal":
            return size * rng.standard_normal(count)
        case "laplace":
            return size * rng.laplace(scale=0.5**0.5, size=count)
        case "heavy":
            return size * rng.standard_t(3, count) / 3**0.5
        case "skewed":
            return np.expm1(size * rng.standard_normal(count) - size**2 / 2) + size * rng.exponential(0.5, count)
        case "wandering":
            steps = np.zeros(count)
            for day, step in enumerate(size * rng.standard_normal(count)):
                steps[day] = 0.9 * steps[day - 1] + 0.5 * step if day else step
            return steps + 0.5 * size * rng.standard_normal(count)
        case "none":
            return np.zeros(count)


def _hours(settings: UsageSettings, rng: np.random.Generator, weekdays: Array) -> Array:
    """Return the share of each slot in its day, days × slots: another profile at the weekend, and noise."""
    if settings.slots == 1:
        return np.ones((len(weekdays), 1))
    hour = np.arange(settings.slots)
    work = 0.15 + np.exp(-(((hour - 13) / 4.5) ** 2)) + 0.5 * np.exp(-(((hour - 3) / 1.5) ** 2))
    rest = 0.3 + 0.4 * np.exp(-(((hour - 15) / 6.0) ** 2))
    found = np.where(weekdays[:, None] < 5, work, rest)
    noisy = found * np.exp(2 * settings.noise_size * rng.standard_normal(found.shape))
    shares: Array = noisy / noisy.sum(axis=1, keepdims=True)
    return shares


def _happen(
    cells: Array, level: Array, settings: UsageSettings, rng: np.random.Generator, blocked: set[int]
) -> list[tuple[int, int, str]]:
    """Put anomalies in, in place, a week apart; return each one's first and last day and its kind."""
    found: list[tuple[int, int, str]] = []
    for _ in range(int(rng.poisson(settings.anomalies * settings.days / 365.25))):
        kind = settings.kinds[int(rng.integers(len(settings.kinds)))]
        first = int(rng.integers(_EDGE, settings.days - 7))
        last = first + (int(rng.integers(2, 6)) if kind == "spell" else 0)
        if blocked & set(range(first, last + 1)):
            continue
        blocked |= set(range(first - 7, last + 8))
        found.append((first, last, kind))
        _put(cells, level, settings, rng, found[-1])
    return found


def _put(
    cells: Array, level: Array, settings: UsageSettings, rng: np.random.Generator, event: tuple[int, int, str]
) -> None:
    first, last, kind = event
    size = settings.anomaly_size * max(settings.noise_size, 0.01)
    factor = {"spike": 1 + size, "drop": max(0.0, 1 - size), "spell": 1 + size * (1 if rng.random() < 0.5 else -0.7)}
    if kind in factor:
        cells[first : last + 1] *= max(0.0, factor[kind])
        return
    width = max(1, settings.slots // 8)
    start = int(rng.integers(0, settings.slots - width + 1))
    part = cells[first, start : start + width]
    if kind == "outage":
        part *= 0.0
    else:
        part += level[first] * 0.15 / width
