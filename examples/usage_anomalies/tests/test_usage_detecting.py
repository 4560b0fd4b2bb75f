"""Detectors by category: young ones are no error, holidays are known, and people are told where there is something."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

import firnflow as ff
from firnflow.errors import DataError
from firnflow.monitoring.anomalies import DetectorSettings, Verdict
from firnflow.monitoring.anomalies.findings import Findings
from firnflow.monitoring.anomalies.model import Detectors
from firnflow.monitoring.labels import SCHEMA
from usage_anomalies import detecting, generator, telling
from usage_anomalies.features import Reading, features
from usage_anomalies.generator import World

SETTINGS = DetectorSettings(memory=60)


@pytest.fixture(scope="module")
def daily(warehouse):
    table = generator.usage(World(days=120))
    row = {**table.to_pylist()[-1], "ACCOUNT_NAME": "NEW", "USAGE_TYPE": "compute", "USAGE_IN_CURRENCY": 5.0}
    rows = warehouse.create_table("usage_rows", pa.Table.from_pylist([*table.to_pylist(), row], table.schema))
    return warehouse.create_table("usage_daily", features(rows, Reading()).to_pyarrow())


def test_a_category_that_is_new_has_no_detector_and_stops_nobody(daily):
    until = detecting.last_learnt(daily, 14)
    names = detecting.categories_of(daily)
    new = next(name for name in names if name.startswith("NEW"))
    assert until == World().until - dt.timedelta(days=14)
    some = [new, "PROD/compute/LOADING"]
    detectors = [detecting.learn(daily, name, SETTINGS, until) for name in some]
    assert [detector is None for detector in detectors] == [True, False]
    model = detecting.bundle(some, detectors, SETTINGS)
    assert list(Detectors.of(model).detectors) == ["PROD/compute/LOADING"]
    assert detecting.look(daily, new, model, until) == []
    with pytest.raises(DataError, match="No category has a detector"):
        detecting.bundle([new], [None], SETTINGS)
    assert len(detecting.look(daily, some[1], model, until)) == 14
    replays = [detecting.look_back(daily, name, SETTINGS) for name in some]
    held = detecting.hold_contest(some, [SETTINGS], replays, SCHEMA.empty_table())
    assert held.figures["windows"] == 0
    assert held.contest.challenger.days > 60


def test_a_series_must_be_long_enough(daily):
    short = daily.filter(daily.day > World().until - dt.timedelta(days=30))
    with pytest.raises(DataError, match=r"30 days: detectors learn from at least 28 before the 14.*--set shown=2"):
        detecting.last_learnt(short, 14)


def test_holidays_come_each_year_that_has_them():
    found = detecting.settings_of(SETTINGS, ("12-25", "02-29"))
    days = [each.day for each in found.holidays]
    assert {dt.date(2025, 12, 25), dt.date(2026, 12, 25), dt.date(2028, 2, 29)} <= set(days)
    assert len(days) == len(detecting.YEARS) + 10


def test_the_same_detectors_are_no_news_until_they_are_old(daily):
    model = Detectors(settings=SETTINGS, detectors={}).to_model()
    champion = detecting.InProduction(version=1, settings=SETTINGS, until=dt.date(2026, 1, 1), categories=())
    assert not detecting.is_news(champion, model)
    assert detecting.is_news(None, model)
    assert detecting.is_news(champion.model_copy(update={"categories": ("a",)}), model)
    until = detecting.last_learnt(daily, 1)
    fitted = detecting.bundle(["total"], [detecting.learn(daily, "total", SETTINGS, until)], SETTINGS)
    for days, news in ((6, False), (7, True)):
        earlier = {"until": until - dt.timedelta(days=days), "categories": ("total",)}
        assert detecting.is_news(champion.model_copy(update=earlier), fitted) is news


def verdict(number: int, status: str) -> Verdict:
    day = dt.date(2026, 1, 1) + dt.timedelta(days=number)
    more = {"value": 9.0, "expected": 5.0, "low": 4.0, "high": 6.0, "reasons": ("high",) if status == "anomaly" else ()}
    return Verdict.model_validate({"day": day, "status": status, **more})


@pytest.mark.parametrize(("newest", "days", "told"), [("anomaly", 1, True), ("normal", 1, False), ("normal", 2, True)])
def test_people_are_told_of_the_newest_days_and_only_if_there_is_something(monkeypatch, newest, days, told):
    calls = []
    monkeypatch.setattr(telling, "alert", lambda *args, **more: calls.append((args, more)))
    found = Findings(title="x", series="usage_daily", verdicts={"a": (verdict(0, "anomaly"), verdict(1, newest))})
    count = telling.tell(found, telling.Telling(title="Usage", alert_days=days))
    assert (count > 0, len(calls)) == (told, int(told))
    for (title, body), more in calls:
        assert title.startswith("Usage: 2026-01-0")
        assert "## Unusual days" in body
        assert more["figure"] is not None


def test_the_pipelines_can_be_built():
    from usage_anomalies.pipelines import known_labels, usage_anomalies

    assert usage_anomalies.build().schedule == ff.Cron("0 7 * * *")
    assert "publish_usage_daily_labels" in known_labels.build().tasks
