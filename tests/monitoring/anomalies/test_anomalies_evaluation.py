"""Verdicts beside labels, a contest of two detectors, and what drives a day."""

from __future__ import annotations

import datetime as dt

import pytest

from firnflow.errors import DataError
from firnflow.monitoring.anomalies import Verdict, Window, compare, evaluate, windows_of
from firnflow.monitoring.anomalies.drivers import drivers
from firnflow.monitoring.anomalies.evaluation import together

FIRST = dt.date(2026, 1, 1)


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def verdicts(flagged: set[int], count: int = 30, warming: int = 0) -> list[Verdict]:
    def status(number: int) -> str:
        return "warming up" if number < warming else "anomaly" if number in flagged else "normal"

    return [Verdict.model_validate({"day": day(number), "status": status(number)}) for number in range(count)]


WINDOWS = (Window(first=day(5), last=day(8)), Window(first=day(20), last=day(20)))


def test_windows_false_days_and_delay_are_counted():
    found = evaluate(verdicts({7, 8, 12, 13}), WINDOWS)
    assert (found.windows, found.found, found.missed) == (2, 1, (day(20),))
    assert found.false_days == (day(12), day(13))
    assert found.delay == 2.0
    assert found.false_a_year == pytest.approx(2 / 30 * 365.25)


def test_windows_that_were_never_judged_count_for_nothing():
    found = evaluate(verdicts({7}, warming=10), WINDOWS)
    assert (found.windows, found.found, found.days) == (1, 0, 20)
    assert evaluate([], WINDOWS).false_a_year is None


@pytest.mark.parametrize(
    ("champion", "challenger", "better"),
    [
        ({7}, {7, 20}, True),
        ({7, 12}, {7}, True),
        ({7}, {7}, False),
        ({7}, {7, 20, 12}, False),
        ({7, 20}, {7}, False),
    ],
)
def test_a_challenger_must_be_better_in_one_and_worse_in_nothing(champion, challenger, better):
    found = compare(verdicts(champion), verdicts(challenger), WINDOWS)
    assert found.better is better
    assert f"the champion {found.champion.found} and {len(found.champion.false_days)}" in found.reason


def test_a_contest_is_held_on_days_that_both_judge():
    found = compare(verdicts({2, 7}, warming=0), verdicts({7}, warming=4), WINDOWS)
    assert found.champion == found.challenger
    with pytest.raises(DataError, match="no day in common"):
        compare(verdicts(set(), warming=30), verdicts(set()), WINDOWS)


def test_windows_are_read_from_pairs():
    found = windows_of([["2014-10-30 15:30:00.000000", "2014-11-03"], ("2026-01-01T05:00", day(1))])
    assert [(w.first, w.last) for w in found] == [(dt.date(2014, 10, 30), dt.date(2014, 11, 3)), (day(0), day(1))]
    for pair, message in (
        (["2026-01-02", "2026-01-01"], "ends before it begins"),
        (["soon", "later"], "'soon' is no date"),
        ("2026-01-01", "is a pair"),
    ):
        with pytest.raises(DataError, match=message):
            windows_of([pair])


def test_pairs_are_labels_too():
    pairs = [(day(5), day(8)), [str(day(20)), str(day(20))]]
    assert evaluate(verdicts({7, 12}), pairs) == evaluate(verdicts({7, 12}), WINDOWS)
    assert compare(verdicts({7, 12}), verdicts({7}), pairs).better
    with pytest.raises(DataError, match="is a pair"):
        evaluate(verdicts({7}), [day(5)])


def test_a_flag_is_false_where_somebody_has_seen_nothing_and_open_where_nobody_has_looked():
    found = evaluate(verdicts({7, 12, 13, 25}), WINDOWS, [(day(12), day(12)), (day(7), day(7))])
    assert (found.found, found.false_days, found.open_days) == (1, (day(12),), (day(13), day(25)))
    assert evaluate(verdicts({12}), [], []).open_days == (day(12),)
    assert not evaluate(verdicts({12}), []).open_days


def test_the_answer_decides_a_contest():
    cautious, eager = verdicts({7}), verdicts({7, 12})
    assert not compare(eager, cautious, WINDOWS, []).better
    assert compare(eager, cautious, WINDOWS, [(day(12), day(12))]).better
    assert compare(cautious, eager, [*WINDOWS, (day(12), day(12))], []).better


def test_contests_of_several_series_add_up():
    one = compare(verdicts({7}), verdicts({7, 20}), WINDOWS)
    other = compare(verdicts({12}), verdicts({12, 13}), WINDOWS)
    both = together([one, other])
    assert (both.champion.found, both.challenger.found, both.challenger.windows) == (1, 2, 4)
    assert both.challenger.false_days == (day(12), day(13))
    assert one.better
    assert not both.better


def test_drivers_share_the_difference():
    def verdict(value: float | None, expected: float) -> Verdict:
        return Verdict(day=FIRST, status="normal" if value is not None else "unknown", value=value, expected=expected)

    found = drivers(
        {
            "LOAD": verdict(130.0, 100.0),
            "TRANSFORM": verdict(110.0, 100.0),
            "BI": verdict(95.0, 100.0),
            "X": verdict(None, 1.0),
        }
    )
    assert [(each.category, each.difference, each.share) for each in found] == [
        ("LOAD", 30.0, 0.75),
        ("TRANSFORM", 10.0, 0.25),
        ("BI", -5.0, 0.0),
    ]
    with pytest.raises(DataError, match="different days"):
        drivers({"A": verdict(1.0, 1.0), "B": Verdict(day=day(1), status="unknown")})
    assert drivers({}) == ()
