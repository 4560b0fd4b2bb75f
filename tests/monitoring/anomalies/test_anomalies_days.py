"""A series becomes days: gaps stay gaps, hours add up, and what cannot be read is said clearly."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from firnflow.errors import DataError
from firnflow.monitoring.anomalies import DetectorSettings, days_of
from firnflow.monitoring.anomalies.walk import day_totals

PLAIN = DetectorSettings()


def test_the_calendar_fills_missing_days():
    found = days_of(["2026-01-01", "2026-01-04"], [1.0, 4.0], PLAIN)
    assert found.first == dt.date(2026, 1, 1)
    np.testing.assert_array_equal(found.cells[:, 0], [1.0, np.nan, np.nan, 4.0])
    zeros = days_of(["2026-01-01", "2026-01-04"], [1.0, 4.0], DetectorSettings(missing="zero"), slots=1)
    np.testing.assert_array_equal(zeros.cells[:, 0], [1.0, 0.0, 0.0, 4.0])


def test_order_does_not_count_and_rows_of_one_slot_are_combined():
    times, values = ["2026-01-02", "2026-01-01", "2026-01-02"], [1.0, 2.0, 3.0]
    assert days_of(times, values, PLAIN).cells.ravel().tolist() == [2.0, 4.0]
    assert days_of(times, values, DetectorSettings(combine="mean")).cells.ravel().tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("step", "slots"), [("1D", 1), ("12h", 2), ("6h", 4), ("1h", 24), ("30min", 24), ("5min", 24), ("2D", 1)]
)
def test_a_day_is_divided_as_the_times_are(step, slots):
    times = pd.date_range("2026-01-01", periods=300, freq=step)
    assert days_of(times, range(300), PLAIN).slots == slots


def test_half_hours_add_up_to_hours():
    times = pd.date_range("2026-01-01", periods=96, freq="30min")
    found = days_of(times, np.arange(96.0), PLAIN)
    assert found.cells[0, :2].tolist() == [0.0 + 1.0, 2.0 + 3.0]
    assert found.cells[1, 23] == 94.0 + 95.0


def test_a_few_missing_hours_count_as_they_usually_are():
    hours = np.arange(24.0)
    values = np.tile(hours, (10, 1))
    values[9, 20:] = np.nan
    times = pd.date_range("2026-01-01", periods=240, freq="1h")
    totals = day_totals(days_of(times, values.ravel(), PLAIN), PLAIN)
    assert totals[9] == pytest.approx(hours.sum())
    values[9, 10:] = np.nan
    assert np.isnan(day_totals(days_of(times, values.ravel(), PLAIN), PLAIN)[9])


@pytest.mark.parametrize(
    ("times", "values", "message"),
    [
        ([], [], "The series is empty"),
        (["2026-01-01"], [None], "no known value"),
        (["2026-01-01"], [1.0, 2.0], "1 time but 2 values"),
        (["yesterday!"], [1.0], "The times cannot be read.*Mend"),
        (["2026-01-01T00:00:00+02:00"], [1.0], "The times have a zone.*tz_convert"),
        ([None, "2026-01-01"], [1.0, 2.0], "1 row without a time"),
        ([1767225600], [1.0], "The times are numbers.*unit"),
        (["2026-01-01", "2026-01-08"], [1.0, 2.0], "The values are 7 days apart.*daily values"),
        (["2026-01-01"], ["many"], "The values are no numbers"),
        (["2026-01-01"], [float("inf")], "infinite"),
        (["1826-01-01", *(f"2026-01-0{day}" for day in range(1, 4))], [1.0] * 4, "look for a wrong date"),
    ],
)
def test_what_cannot_be_read_is_said(times, values, message):
    with pytest.raises(DataError, match=message):
        days_of(times, values, PLAIN)


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match=r"memory \(28 days\) must not be shorter than warmup \(60 days\)"):
        DetectorSettings(memory=28, warmup=60)
    with pytest.raises(ValueError, match="false_alarm"):
        DetectorSettings(false_alarm=1.0)  # type: ignore[call-arg]
