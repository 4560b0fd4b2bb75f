"""The detector: never looks ahead, is the same replayed and day by day, is not moved by what went wrong before."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firnflow.errors import DataError
from firnflow.monitoring.anomalies import Days, Detector, DetectorSettings, days_of, fit, replay
from firnflow.monitoring.anomalies.synthetic import UsageSettings, usage
from firnflow.values import json

QUICK = DetectorSettings(warmup=21, memory=180)


def made(seed: int = 0, *, of: DetectorSettings = QUICK, **changes: object) -> Days:
    found = usage(UsageSettings(**({"days": 160} | changes)), seed)
    return days_of(found.times, found.values, of)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 50),
    cut=st.integers(1, 159),
    future=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40),
    slots=st.sampled_from([1, 24]),
    gaps=st.sampled_from([0.0, 0.1]),
)
@pytest.mark.slow
def test_the_future_changes_no_earlier_verdict(seed, cut, future, slots, gaps):
    series = made(seed, slots=slots, gaps=gaps)
    changed = series.cells[:cut].copy()
    after = np.resize(np.array(future), (len(future), slots))
    other = Days(series.first, np.concatenate([changed, after]))
    assert replay(other, QUICK)[:cut] == replay(series, QUICK)[:cut]


@pytest.mark.slow
@pytest.mark.parametrize("slots", [1, 24])
def test_a_replay_is_fit_and_score_day_by_day(slots):
    series = made(3, slots=slots, days=230, gaps=0.03, anomalies=12.0)
    short = QUICK.model_copy(update={"refit": 30})
    whole = replay(series, short)
    judged = [number for number, verdict in enumerate(whole) if verdict.status != "warming up"]
    detector = None
    for number in range(judged[0], len(series)):
        day = series.day(number)
        if detector is None or (number - judged[0]) % 30 == 0:
            detector = fit(series.before(day), short, earlier=detector)
            detector = Detector.model_validate_json(detector.model_dump_json())
        if number % 7 == 0 or whole[number].anomaly:
            assert detector.score(series, day) == whole[number]
    assert any(verdict.anomaly for verdict in whole)


def test_a_second_call_gives_the_same_bits():
    assert replay(made(5), QUICK) == replay(made(5), QUICK)


def test_a_day_that_stands_out_is_flagged_with_its_direction():
    series = made(1, anomalies=0.0)
    for factor, reason in ((1.8, "high"), (0.3, "low")):
        values = series.cells.copy()
        values[120] *= factor
        found = replay(Days(series.first, values), QUICK)[120]
        assert (found.anomaly, found.reasons) == (True, (reason,))
        assert found.score is not None
        assert found.score > 1


@pytest.mark.slow
def test_a_series_that_ends_anywhere_ends_without_an_alarm():
    quiet = made(2, anomalies=0.0, days=300)
    flags = [verdict.day for verdict in replay(quiet, QUICK) if verdict.anomaly]
    ends = [replay(Days(quiet.first, quiet.cells[:end]), QUICK)[-1] for end in range(100, 300, 10)]
    assert [verdict.day for verdict in ends if verdict.anomaly] == [d for d in flags if d in {v.day for v in ends}]
    assert len(flags) <= 2


def test_earlier_anomalies_move_neither_forecast_nor_bounds_much():
    clean = made(4, anomalies=0.0, days=200)
    poisoned = clean.cells.copy()
    poisoned[[60, 61, 90, 117, 150, 178, 179]] *= 10
    before, after = (replay(Days(clean.first, values), QUICK) for values in (clean.cells, poisoned))
    for one, other in zip(before[181:], after[181:], strict=True):
        assert other.expected == pytest.approx(one.expected, rel=0.05)
        assert other.high - other.low < 2 * (one.high - one.low)


def test_a_day_that_is_missing_is_unknown_and_shifts_no_weekday():
    series = made(6, anomalies=0.0)
    values = series.cells.copy()
    values[100:103] = np.nan
    verdicts = replay(Days(series.first, values), QUICK)
    assert [v.status for v in verdicts[100:103]] == ["unknown"] * 3
    assert verdicts[104].expected == pytest.approx(replay(series, QUICK)[104].expected, rel=0.1)


def test_a_detector_is_stored_as_the_json_value_of_a_task():
    detector = fit(made(1, slots=24), QUICK)
    assert json.loads(json.dumps(detector, Detector), Detector) == detector


def test_a_score_needs_the_day_and_the_same_slots():
    series, hourly = made(1), made(1, slots=24)
    detector = fit(series, QUICK)
    with pytest.raises(DataError, match=r"is not in the series.*Mend"):
        detector.score(series, series.day(len(series)) + dt.timedelta(days=1))
    with pytest.raises(DataError, match=r"is no date.*Mend"):
        detector.score(series, f"{series.first}")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"ndarray is no series of days.*days_of"):
        replay(series.cells, QUICK)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"There is no day"):
        fit(series.before(series.first), QUICK)
    with pytest.raises(DataError, match=r"24 parts a day, the detector 1"):
        detector.score(hourly, hourly.first)
