"""Cost warnings: both limits, unknown days, rebounds, weekdays, and levels that stay."""

from __future__ import annotations

import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firnflow.errors import DataError
from firnflow.monitoring.costs import WarningSettings, cost_warnings

FIRST = dt.date(2026, 1, 1)
ONE = WarningSettings(against=(1,))
ALL = WarningSettings()


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def warned(values: list[float | None], settings: WarningSettings = ALL) -> list[int]:
    found = cost_warnings({day(number): value for number, value in enumerate(values)}, settings)
    return [(each.day - FIRST).days for each in found]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (50.0, 75.0, False),  # 25 is not above 25
        (50.0, 75.01, True),
        (100.0, 133.0, False),  # 33 % is not above 33 %
        (100.0, 133.01, True),
        (76.33, 50.0, True),
        (100.0, 67.0, False),
        (100.0, 66.99, True),
        (75.7576, 100.7577, True),
        (0.0, 25.0, False),  # nothing was used before: the amount alone counts
        (0.0, 25.01, True),
        (10_000.0, 13_000.0, False),
        (1.0, 26.0, False),
        (-40.0, -10.0, True),
        (5.0, 5.0, False),
    ],
)
def test_both_limits_must_be_passed(before, after, expected):
    assert bool(warned([before, after], ONE)) is expected


def test_a_warning_says_what_changed():
    (found,) = cost_warnings({day(n): 200.0 if n == 28 else 100.0 for n in range(29)}, ALL)
    assert (found.day, found.value, [change.days for change in found.changes]) == (day(28), 200.0, [1, 7, 28])
    assert (found.largest.before, found.largest.difference, found.largest.share) == (100.0, 100.0, 1.0)
    (from_nothing,) = cost_warnings({day(0): 0.0, day(1): 30.0}, ALL)
    assert from_nothing.largest.share is None


def test_coming_back_is_no_news_on_the_day_after_and_a_week_and_four_weeks_later():
    values = [100.0] * 70
    values[30] = 200.0
    assert warned(values) == [30]
    values[31] = values[32] = 210.0
    assert warned(values) == [30, 31, 32]  # as long as it is off, and on none of the days after


def test_what_comes_back_too_far_is_news():
    assert warned([100.0, 200.0, 60.0], ONE) == [1, 2]
    assert warned([100.0, 200.0, 120.0], ONE) == [1]


def test_a_day_that_is_off_may_go_further_off():
    assert warned([100.0, 200.0, 300.0, 100.0], ONE) == [1, 2]


def test_a_level_that_stays_is_the_level():
    values = [100.0] * 30 + [200.0] * 60
    found = warned(values)
    assert found[0] == 30
    assert max(found) < 30 + ALL.memory
    assert warned([*values, 100.0])[-1] == 90  # the old level is news now


def test_weekends_are_no_news_but_the_first_time():
    week = [100.0] * 5 + [40.0] * 2
    assert warned(week * 6, ALL) == [5]
    assert 12 in warned(week * 6, ALL.model_copy(update={"weekdays": False}))
    broken = week * 6
    broken[33] = 100.0  # a Saturday as busy as a weekday differs from the other Saturdays
    assert warned(broken) == [5, 33]


def test_a_weekday_is_known_by_any_of_the_four_weeks_before():
    week = [100.0] * 5 + [40.0] * 2
    values: list[float | None] = [*week * 6]
    values[32] = None  # the Friday before the fifth Saturday
    values[25] = 40.0  # and a Friday off, the week before
    assert warned(values) == [5, 25]


def test_a_day_off_that_comes_back_to_any_of_what_it_was_compared_with_is_no_news():
    week = [260.0] * 5 + [65.0] * 2
    values = week * 6
    values[33] = 20.0  # a Saturday; the Sunday after it is like any other, and so is the next Saturday
    assert warned(values) == [5, 33]


def test_unknown_days_are_skipped():
    assert warned([100.0, None, 200.0], ONE) == []
    assert warned([100.0, None, math.nan, 200.0], WarningSettings(against=(3,))) == [3]
    assert warned([100.0, 200.0, None, 100.0, 100.0]) == [1]
    assert warned([]) == []


def test_wrong_values_are_refused():
    with pytest.raises(DataError, match="The costs of 2026-01-01 are inf"):
        cost_warnings({FIRST: math.inf}, ALL)
    with pytest.raises(DataError, match="is no date"):
        cost_warnings({dt.datetime(2026, 1, 1, 5): 1.0}, ALL)  # noqa: DTZ001 - it must be refused


amounts = st.one_of(st.none(), st.floats(-1e6, 1e6), st.sampled_from([0.0, 100.0, 125.0, 133.0, 200.0]))


@given(st.lists(amounts, max_size=60), st.integers(0, 60))
def test_no_day_depends_on_a_later_one_and_each_change_passes_the_limits(values, cut):
    whole = warned(values)
    assert warned(values[:cut]) == [number for number in whole if number < cut]
    for found in cost_warnings({day(n): value for n, value in enumerate(values)}, ALL):
        assert all(ALL.differs(found.value, change.before) for change in found.changes)
