"""Detectors as one model, and whether they are promoted by what people have said."""

from __future__ import annotations

import datetime as dt

import pytest

from firnflow.errors import DataError
from firnflow.models.gates.picture import write_png
from firnflow.monitoring.anomalies import DetectorSettings, Verdict, compare, days_of, fit, replay
from firnflow.monitoring.anomalies.gating import ContestRules, judge
from firnflow.monitoring.anomalies.model import Detectors, fitted
from firnflow.monitoring.anomalies.synthetic import UsageSettings, usage
from firnflow.monitoring.labels import Label
from firnflow.values.model import Document, Model

SETTINGS = DetectorSettings(memory=120)
FIRST = dt.date(2026, 1, 1)


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


@pytest.fixture(scope="module")
def series():
    made = usage(UsageSettings(days=150, gaps=0.05), 3)
    return days_of(made.times, made.values, SETTINGS)


def test_detectors_are_a_model_and_back(series):
    found = fitted({"a": fit(series, SETTINGS), "b": fit(series.before(series.day(100)), SETTINGS)}, SETTINGS)
    assert Detectors.of(found.to_model()) == found
    assert found.until == series.day(149)
    assert Detectors(settings=SETTINGS, detectors={}).until is None
    with pytest.raises(DataError, match="a was fitted with other settings"):
        fitted(found.detectors, SETTINGS.model_copy(update={"false_alarms": 2.0}))


def test_another_model_holds_no_detectors():
    for model in (Model(None), Model(Document({"settings": {}})), Model(Document({"settings": {"gaol": 1}}))):
        with pytest.raises(DataError, match="holds no detectors"):
            Detectors.of(model)


def test_several_days_are_scored_as_one_by_one(series):
    detector = fit(series.before(series.day(120)), SETTINGS)
    first, last = series.day(120), series.day(149)
    found = detector.scores(series, first, last)
    for verdict in found[::9]:
        assert detector.score(series, verdict.day) == verdict
    assert [found[0].day, found[-1].day, len(found)] == [first, last, 30]
    with pytest.raises(DataError, match="end before they begin"):
        detector.scores(series, last, first)
    with pytest.raises(DataError, match="is not in the series"):
        detector.scores(series, first, series.day(150))


def test_a_replay_has_a_score_for_each_day_that_a_detector_has(series):
    short = SETTINGS.model_copy(update={"refit": 200})
    whole = replay(series, short)
    start = next(number for number, verdict in enumerate(whole) if verdict.status != "warming up")
    detector = fit(series.before(series.day(start)), short)
    assert detector.scores(series, series.day(start), series.day(149)) == whole[start:]


def verdicts(flagged: set[int]) -> list[Verdict]:
    return [
        Verdict.model_validate({"day": day(number), "status": "anomaly" if number in flagged else "normal"})
        for number in range(30)
    ]


def said(number: int, *, anomaly: bool) -> Label:
    at = dt.datetime(2026, 2, 1)  # noqa: DTZ001 - labels are UTC without saying so
    return Label(
        id=f"{number}", category="", first=day(number), last=day(number), anomaly=anomaly, note="", by="x", at=at
    )


def decided(champion, challenger, labels, number=1, **more):
    spans = {kind: [(each.first, each.last) for each in labels if each.anomaly is kind] for kind in (True, False)}
    contest = compare(verdicts(champion), verdicts(challenger), spans[True], spans[False])
    rules = more.pop("rules", ContestRules())
    return judge(contest, rules, labels, model="usage", version=7, champion=number, **more)


def failed(verdict):
    return [result.name for result in verdict.failed]


NO, YES = said(5, anomaly=False), said(5, anomaly=True)


def test_the_answer_decides():
    assert failed(decided({5, 9}, {9}, [])) == ["answers", "better"]
    assert failed(decided({5, 9}, {9}, [YES])) == ["windows found", "better"]
    won = decided({5, 9}, {9}, [NO])
    assert (won.decision, won.failed, won.champion, won.version) == ("promote", (), 1, 7)
    assert won.metrics == {"windows": 0.0, "windows_found": 0.0, "false_days": 0.0, "open_flags": 1.0}
    assert won.champion_metrics["false_days"] == 1.0
    assert decided({5, 9}, {9}, [NO], rules=ContestRules(mode="manual")).decision == "wait"


def test_who_flags_everything_does_not_win():
    found = decided(set(), set(range(20)), [YES])
    assert failed(found) == ["open flags"]
    assert "asked for: at most 3" in found.failed[0].reason
    assert decided(set(), {5, 6, 7, 8}, [YES]).decision == "promote"


def test_the_first_and_a_champion_that_was_fitted_again_need_not_be_better():
    assert decided({5}, {5}, [], None).decision == "promote"
    assert decided({5}, {5}, [NO], refit=True).decision == "promote"
    assert failed(decided({5}, {5}, [NO])) == ["better"]


def test_a_verdict_is_text_and_picture_without_bounds(tmp_path):
    found = decided({5, 9}, {9}, [YES])
    assert "Judged on 30 of 30 judged days.\n" in found.markdown()
    assert "bounds" not in found.markdown()
    path = tmp_path / "verdict.png"
    write_png(found, path)
    assert path.read_bytes().startswith(b"\x89PNG")
