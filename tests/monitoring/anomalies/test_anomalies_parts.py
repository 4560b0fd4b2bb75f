"""The parts of the detector: medians, tails, scales, made-up series, holidays, the picture."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from firnflow.errors import DataError
from firnflow.monitoring.anomalies import Days, DetectorSettings, Holiday, Window, days_of, evaluate, replay
from firnflow.monitoring.anomalies.picture import draw
from firnflow.monitoring.anomalies.robust import median, polish, weighted_median
from firnflow.monitoring.anomalies.scale import scale_of
from firnflow.monitoring.anomalies.synthetic import UsageSettings, usage
from firnflow.monitoring.anomalies.tails import tail_bound

PLAIN = DetectorSettings()


def test_medians_pass_over_what_is_unknown():
    values = np.array([[1.0, np.nan, 3.0, 2.0], [np.nan] * 4])
    np.testing.assert_array_equal(median(values, axis=1), [2.0, np.nan])
    assert np.isnan(median(np.empty((0, 3)))).tolist() == [True] * 3
    assert weighted_median(np.array([[5.0, 1.0, np.nan]]), np.array([[1.0, 3.0, 9.0]])).tolist() == [1.0]


def test_a_polish_finds_the_week_under_outliers():
    effects = np.array([0.0, 1.0, 2.0, 3.0, 2.0, -4.0, -5.0])
    weeks = effects + np.arange(6.0)[:, None]
    weeks[2, 3] = 1000.0
    found = polish(weeks)
    np.testing.assert_allclose(found - found[0], effects)


@pytest.mark.parametrize(("draws", "low", "high"), [("standard_normal", 2.8, 4.6), ("laplace", 3.5, 9.5)])
def test_a_bound_follows_the_tail_and_not_the_anomalies_in_it(draws, low, high):
    rate = 1 / 365
    bounds, poisoned = [], []
    for seed in range(20):
        errors = getattr(np.random.default_rng(seed), draws)(size=300)
        errors /= 1.4826 * np.median(np.abs(errors))
        bounds.append(tail_bound(errors, rate))
        errors[:12] = 50.0
        poisoned.append(tail_bound(errors, rate))
    assert low < np.median(bounds) < high
    assert np.median(poisoned) < 1.5 * np.median(bounds)


def test_few_errors_give_a_wider_bound():
    errors = np.random.default_rng(0).standard_normal(500)
    assert tail_bound(errors[:20], 0.001) > tail_bound(errors, 0.001)


@pytest.mark.parametrize("values", [[0.0, 5.0, 1e6], [-3.0, 0.0, 7.0], [0.0, 0.0], [4.0, 4.0]])
def test_a_scale_there_and_back(values):
    scale = scale_of(np.array(values), "auto")
    assert [scale.back(float(each)) for each in scale.apply(np.array(values))] == pytest.approx(values, abs=1e-9)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(120),
        np.full(120, 7.5),
        np.where(np.arange(120) % 9 == 0, 100.0, 0.0),
        -np.arange(120.0),
        np.linspace(1e-9, 2e-9, 120),
        np.linspace(1e12, 3e12, 120),
        np.where(np.arange(120) < 60, 0.0, 100.0),
    ],
    ids=["zeros", "constant", "rare", "falling below 0", "tiny", "huge", "new account"],
)
@pytest.mark.parametrize("slots", [1, 24])
def test_odd_series_are_judged_without_a_crash_and_hardly_flagged(values, slots):
    series = Days(dt.date(2026, 1, 1), np.repeat(values[:, None], slots, axis=1))
    found = replay(series, PLAIN)
    assert len(found) == 120
    assert sum(verdict.anomaly for verdict in found) <= 12


def test_a_change_that_is_too_small_to_matter_is_no_anomaly():
    values = np.full(120, 100.0)
    values[100], values[110] = 104.0, 107.0
    found = replay(Days(dt.date(2026, 1, 1), values[:, None]), PLAIN)
    assert (found[100].anomaly, found[110].anomaly) == (False, True)


def test_a_level_that_stays_is_news_for_a_few_days_only():
    made = usage(UsageSettings(days=200, anomalies=0.0), 1)
    values = made.values.copy()
    values[120:] *= 1.6
    flagged = {number for number, v in enumerate(replay(days_of(made.times, values, PLAIN), PLAIN)) if v.anomaly}
    assert 120 in flagged
    assert flagged <= set(range(120, 135))


def test_an_unusual_hour_is_found_though_the_total_is_not_unusual():
    made = usage(UsageSettings(days=120, slots=24, anomalies=0.0), 2)
    values = made.values.reshape(-1, 24).copy()
    values[100] = np.roll(values[100], 8)
    found = replay(Days(dt.date(2024, 1, 1), values), PLAIN)[100]
    assert found.reasons == ("hours",)
    assert len(found.hours) == 3
    assert abs(found.hours[0].deviations) >= abs(found.hours[1].deviations) > 3


def test_a_holiday_that_is_known_is_no_anomaly():
    made = usage(UsageSettings(days=800, anomalies=0.0, holidays=0.35, weekly=0.4), 3)
    known = tuple(Holiday(day=day, name=f"{day:%m-%d}") for day in made.holidays)
    flags = []
    for holidays in ((), known):
        settings = DetectorSettings(holidays=holidays)
        verdicts = replay(days_of(made.times, made.values, settings), settings)
        flags.append(sum(v.anomaly for v in verdicts if v.day in made.holidays))
    assert flags[0] >= 6
    assert flags[1] <= 2


@pytest.mark.parametrize("noise", ["normal", "laplace", "heavy", "skewed", "wandering", "none"])
def test_made_up_series_are_the_same_for_the_same_seed_and_never_negative(noise):
    settings = UsageSettings(days=150, noise=noise, slots=24, gaps=0.05, shifts=4.0, kinds=("outage", "burst", "spell"))
    one, other, third = usage(settings, 1), usage(settings, 1), usage(settings, 2)
    np.testing.assert_array_equal(one.values, other.values)
    assert one.windows == other.windows
    assert one.values.min() >= 0
    assert len(third.values) != len(one.values) or (third.values != one.values).any()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "least", "most"),
    [
        ({}, 0.9, 2.0),
        ({"noise": "laplace"}, 0.85, 4.0),
        ({"noise": "heavy"}, 0.85, 6.0),
        ({"noise": "wandering"}, 0.8, 3.0),
        ({"yearly": 0.5}, 0.8, 3.0),
        ({"slots": 24, "kinds": ("spike", "drop", "outage", "burst")}, 0.8, 2.5),
    ],
    ids=str,
)
def test_anomalies_are_found_and_false_alarms_are_rare(changes, least, most):
    found = []
    for seed in range(100, 106):
        made = usage(UsageSettings(days=500, **changes), seed)
        found.append(evaluate(replay(days_of(made.times, made.values, PLAIN), PLAIN), made.windows))
    assert sum(e.found for e in found) >= least * sum(e.windows for e in found)
    assert sum(len(e.false_days) for e in found) / sum(e.days for e in found) * 365.25 <= most


def test_a_picture_shows_series_band_flags_and_windows():
    made = usage(UsageSettings(days=150, anomalies=20.0), 4)
    verdicts = replay(days_of(made.times, made.values, PLAIN), PLAIN)
    axes = draw(verdicts, made.windows, title="costs in $ of $", unit="$").axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["labelled", "normal total", "expected", "value", "flagged: total"]
    points = axes.collections[-1].get_offsets()
    assert len(points) == sum(verdict.anomaly for verdict in verdicts)
    with pytest.raises(DataError, match="no verdict"):
        draw([], [Window(first=dt.date(2026, 1, 1), last=dt.date(2026, 1, 1))])
