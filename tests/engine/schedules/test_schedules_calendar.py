"""When schedules are due: time zones, both changes of the clock, what is made up for."""

from __future__ import annotations

import datetime as dt
import itertools
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firnflow.engine.schedules.calendar import LATE, due, moments
from firnflow.graph.model import Cron, Every, OnUpdate

DAY = 86_400.0


def at(text: str) -> float:
    """Return the moment of a text with an offset."""
    return dt.datetime.fromisoformat(text).timestamp()


def first(schedule, since: str, count: int = 1) -> list[str]:
    zone = ZoneInfo(getattr(schedule, "timezone", "UTC"))
    found = itertools.islice(moments(schedule, at(since)), count)
    return [dt.datetime.fromtimestamp(each, zone).isoformat(timespec="minutes") for each in found]


def test_a_moment_itself_is_not_after_itself():
    assert first(Cron("0 6 * * *"), "2026-03-01T06:00+00:00") == ["2026-03-02T06:00+00:00"]
    assert first(Cron("0 6 * * *"), "2026-03-01T05:59:59.5+00:00") == ["2026-03-01T06:00+00:00"]


# Zurich goes from 02:00 to 03:00 on 29 March 2026, and from 03:00 back to 02:00 on 25 October.
# New York does on 8 March, and from 02:00 back to 01:00 on 1 November.
@pytest.mark.parametrize(
    ("zone", "expression", "since", "wanted"),
    [
        (
            "Europe/Zurich",
            "30 2 * * *",
            "2026-03-28T12:00+01:00",
            ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"],
        ),
        (
            "America/New_York",
            "15,45 2 * * *",
            "2026-03-07T12:00-05:00",
            ["2026-03-08T03:00-04:00", "2026-03-09T02:15-04:00", "2026-03-09T02:45-04:00"],
        ),
        (
            "Europe/Zurich",
            "30 2 * * *",
            "2026-10-24T12:00+02:00",
            ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"],
        ),
        (
            "America/New_York",
            "30 1 * * *",
            "2026-10-31T12:00-04:00",
            ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"],
        ),
        (
            "Europe/Zurich",
            "0 */2 * * *",
            "2026-10-25T00:30+02:00",
            ["2026-10-25T02:00+02:00", "2026-10-25T04:00+01:00"],
        ),
        (
            "Europe/Zurich",
            "0 2,3 * * *",
            "2026-03-29T00:00+01:00",
            ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"],
        ),
        (
            "Europe/Zurich",
            "30 * * * *",
            "2026-10-25T01:00+02:00",
            ["2026-10-25T01:30+02:00", "2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00", "2026-10-25T03:30+01:00"],
        ),
        (
            "America/New_York",
            "30 * * * *",
            "2026-03-08T01:00-05:00",
            ["2026-03-08T01:30-05:00", "2026-03-08T03:30-04:00"],
        ),
        (
            "America/Havana",  # midnight is what is missing here
            "0 0 * * *",
            "2026-03-07T12:00-05:00",
            ["2026-03-08T01:00-04:00", "2026-03-09T00:00-04:00"],
        ),
    ],
)
def test_when_the_clock_changes(zone, expression, since, wanted):
    assert first(Cron(expression, timezone=zone), since, len(wanted)) == wanted


def test_the_second_pass_of_an_hour_brings_nothing_again():
    schedule = Cron("30 2 * * *", timezone="Europe/Zurich")
    assert first(schedule, "2026-10-25T02:10+01:00") == ["2026-10-26T02:30+01:00"]
    assert due(schedule, at("2026-10-25T02:31+02:00"), at("2026-10-25T02:59+01:00")) == []


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
@pytest.mark.parametrize(
    "expression", ["30 2 * * *", "0 6 * * *", "*/15 1-3 * * *", "*/20 * * * *", "0 0 1 * *", "5 */3 * * mon-fri"]
)
def test_however_a_year_is_cut_each_moment_comes_once(zone, expression):
    schedule = Cron(expression, timezone=zone)
    begin, end = at("2026-01-01T00:00+00:00"), at("2027-01-01T00:00+00:00")
    whole = list(itertools.takewhile(lambda each: each <= end, moments(schedule, begin)))
    assert whole == sorted(set(whole))
    # cut into odd pieces, most of all around the changes of the clock
    cuts = sorted({begin, end, *whole[::7], *(begin + n * 47_123.4 for n in range(int(365 * DAY / 47_123.4)))})
    pieces = [
        each
        for since, until in itertools.pairwise(cuts)
        for each in itertools.takewhile(lambda each, until=until: each <= until, moments(schedule, since))
    ]
    assert pieces == whole


@pytest.mark.parametrize("zone", ["Europe/Zurich", "America/New_York"])
def test_a_daily_schedule_is_due_once_on_each_day(zone):
    begin, end = at("2026-01-01T12:00+00:00"), at("2027-01-01T12:00+00:00")
    for expression in ("30 2 * * *", "30 1 * * *", "0 0 * * *", "0 3 * * *"):
        found = itertools.takewhile(lambda each: each <= end, moments(Cron(expression, timezone=zone), begin))
        days = [dt.datetime.fromtimestamp(each, ZoneInfo(zone)).date() for each in found]
        assert len(days) == len(set(days)) == 365


def test_day_of_month_and_day_of_week():
    either = first(Cron("0 0 13 * fri"), "2026-02-01T00:00+00:00", 3)
    assert either == ["2026-02-06T00:00+00:00", "2026-02-13T00:00+00:00", "2026-02-20T00:00+00:00"]
    assert first(Cron("0 0 * * 7"), "2026-02-01T00:00+00:00") == ["2026-02-08T00:00+00:00"]
    assert first(Cron("0 0 29 2 *"), "2026-03-01T00:00+00:00") == ["2028-02-29T00:00+00:00"]


@pytest.mark.parametrize("expression", ["0 0 30 2 *", "0 0 31 4,6,9 *"])
def test_a_day_that_never_comes(expression):
    assert list(moments(Cron(expression), at("2026-01-01T00:00+00:00"))) == []
    assert due(Cron(expression), at("2026-01-01T00:00+00:00"), at("2027-01-01T00:00+00:00")) == []


def test_every_counts_from_1970():
    assert first(Every("6h"), "2026-03-01T01:00+00:00", 2) == ["2026-03-01T06:00+00:00", "2026-03-01T12:00+00:00"]
    assert list(itertools.islice(moments(Every(0.5), 10.25), 2)) == [10.5, 11.0]
    assert list(moments(OnUpdate("orders"), 0.0)) == []


def test_what_is_made_up_for():
    since, now = at("2026-03-01T00:00+00:00"), at("2026-03-04T12:00+00:00")
    days = [at(f"2026-03-0{day}T06:00+00:00") for day in (1, 2, 3, 4)]
    for make in (lambda policy: Cron("0 6 * * *", catch_up=policy), lambda policy: Every("1d", catch_up=policy)):
        schedule = make("all")
        wanted = days if isinstance(schedule, Cron) else [day - 6 * 3600 for day in days[1:]]
        assert due(make("all"), since, now) == wanted
        assert due(make("last"), since, now) == wanted[-1:]
        assert due(make("last"), wanted[-1], now) == []
        assert due(make("none"), since, now) == []
        assert due(make("none"), since, wanted[-1] + LATE / 2) == wanted[-1:]
        assert due(make("all"), since, since - DAY) == []
    assert due(OnUpdate("orders"), since, now) == []


def test_two_years_of_minutes_are_made_up_for_at_once():
    now = at("2026-03-04T12:00:30+00:00")
    assert due(Cron("* * * * *"), now - 730 * DAY, now) == [now - 30]
    assert due(Every(1), now - 730 * DAY, now) == [now]
    written = due(Cron("* * * * *", catch_up="all"), now - 730 * DAY, now)
    assert len(written) == 1000  # the rest in the next rounds
    assert written[0] == now - 730 * DAY + 30


FIELDS = [(0, 59), (0, 23), (1, 28), (1, 12), (0, 7)]


@st.composite
def expressions(draw):
    fields = []
    for low, high in FIELDS:
        one = draw(st.integers(low, high))
        other = draw(st.integers(one, high))
        step = draw(st.integers(1, high))
        fields.append(draw(st.sampled_from(["*", str(one), f"{one}-{other}", f"{one}/{step}", f"*/{step}"])))
    return " ".join(fields)


@given(expressions(), st.sampled_from(["UTC", "Europe/Zurich", "America/New_York"]), st.floats(1.6e9, 2e9))
def test_whatever_the_graph_accepts_is_due_when_its_fields_say(expression, zone, since):
    schedule = Cron(expression, timezone=zone)
    found = list(itertools.islice(moments(schedule, since), 3))
    assert found == sorted(set(found))
    assert all(each > since and each % 60 == 0 for each in found)
    minute = expression.split()[0]
    if zone == "UTC" and minute.isdigit():
        assert {dt.datetime.fromtimestamp(each, dt.UTC).minute for each in found} == {int(minute)}
