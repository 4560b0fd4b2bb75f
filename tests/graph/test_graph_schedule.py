from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from firnflow.errors import GraphError
from firnflow.graph.draw.picture import schedule_text
from firnflow.graph.model import AllOf, AnyOf, Cron, Every, OnUpdate, Schedule
from firnflow.graph.units import format_duration, parse_duration, parse_memory

SCHEDULE: TypeAdapter[Schedule] = TypeAdapter(Schedule)


@pytest.mark.parametrize(
    "expression",
    [
        *("0 6 * * *", "*/15 * * * *", "0 0 1 1 *", "5,10-20/5 8-18 * * mon-fri", "0 0 * JAN-MAR sun", "0 0 * * 7"),
        *("59 23 31 12 0", "1/5 * * * *"),
    ],
)
def test_cron(expression: str):
    schedule = Cron(expression, timezone="Europe/Zurich")
    assert schedule.expression == expression
    assert SCHEDULE.validate_json(schedule.model_dump_json()) == schedule


def test_cron_is_tidied():
    assert Cron("  0  6 * *   * ").expression == "0 6 * * *"
    assert Cron("0 6 * * *").timezone == "UTC"
    assert Cron(expression="0 6 * * *") == Cron("0 6 * * *")


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("60 6 * * *", r"Cron: expression: cron expression '60 6 \* \* \*': '60' is no minute \(0-59\)"),
        ("0 24 * * *", r"'24' is no hour \(0-23\)"),
        ("0 0 0 * *", "'0' is no day of month"),
        ("0 0 * 13 *", "'13' is no month"),
        ("0 0 * * 8", "'8' is no day of week"),
        ("0 0 * * moon", "'moon' is no day of week"),
        ("20-10 0 * * *", "'20-10' is no minute"),
        ("*/0 0 * * *", r"'\*/0' is no minute"),
        ("1,,2 0 * * *", "'' is no minute"),
        ("0 6 * *", "has 4 fields, not 5: minute, hour, day of month, month, day of week"),
        ("@daily", "has 1 field, not 5"),
        ("", "has 0 fields"),
        ("²3 0 * * *", "is no minute"),
    ],
)
def test_wrong_cron(expression: str, message: str):
    with pytest.raises(GraphError, match=message):
        Cron(expression)


@pytest.mark.parametrize(
    ("zone", "message"),
    [
        (
            "Europe/Zürich",
            r"^Cron: timezone: 'Europe/Zürich' is not a time zone \(\S+:\d+\)\. Did you mean 'Europe/Zurich'\?$",
        ),
        ("../etc/passwd", "is not a time zone"),
        ("", "is not a time zone"),
        ("a\0b", "is not a time zone"),
        ("Europe", "'Europe' is not a time zone"),
    ],
)
def test_wrong_time_zone(zone: str, message: str):
    with pytest.raises(GraphError, match=message):
        Cron("0 6 * * *", timezone=zone)


def test_every():
    assert Every("1h").seconds == 3600
    assert Every(90).seconds == 90
    assert SCHEDULE.validate_json(Every("1h30m").model_dump_json()) == Every(5400)
    with pytest.raises(GraphError, match="Every: seconds: 'hourly' is not a duration: write it like '2h'"):
        Every("hourly")
    with pytest.raises(
        GraphError, match=r"^Every: seconds: it should be greater than 0 \(\S+test_graph_schedule\.py:\d+\)\.$"
    ):
        Every(0)


def test_updates_combine():
    a, b, c = OnUpdate("a"), OnUpdate("b"), OnUpdate("c")
    assert a & b & c == AllOf(of=(a, b, c))
    assert a | b | c == AnyOf(of=(a, b, c))
    assert a & (b | c) == AllOf(of=(a, AnyOf(of=(b, c))))
    assert a & b | c == AnyOf(of=(AllOf(of=(a, b)), c))
    for schedule in (a, a & b, a & (b | c)):
        assert SCHEDULE.validate_json(schedule.model_dump_json()) == schedule
    feed = OnUpdate(source="feed")
    assert SCHEDULE.validate_json((a & feed).model_dump_json()) == a & feed
    assert schedule_text(a & (feed | b)) == "on update of a and (source feed or b)"
    with pytest.raises(GraphError, match="OnUpdate: table: String should match"):
        OnUpdate("a.b; drop")
    with pytest.raises(GraphError, match="OnUpdate: source: String should match"):
        OnUpdate(source="a.b; drop")
    for wrong in ({}, {"table": "a", "source": "b"}):
        with pytest.raises(GraphError, match=r"OnUpdate: of what\? Either of a table"):
            OnUpdate(**wrong)
    with pytest.raises(GraphError, match=r"AllOf: of.1: Input tag 'cron'"):
        a & Cron("0 6 * * *")


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        *(("8Gi", 8 * 2**30), ("512Mi", 512 * 2**20), ("1.5Ki", 1536), ("2GB", 2 * 10**9), ("3G", 3 * 10**9)),
        *(("100", 100), (100, 100), (" 8 Gi ", 8 * 2**30), (1e3, 1000), ("8GiB", 8 * 2**30)),
    ],
)
def test_memory(text: str | float, amount: int):
    assert parse_memory(text) == amount
    assert isinstance(parse_memory(text), int)


@pytest.mark.parametrize("text", ["8 gigs", "", "Gi", "-1Gi", "1e9", "8Gi 3", True, 1.5, float("inf"), float("nan")])
def test_wrong_memory(text: str | float):
    with pytest.raises(ValueError, match=r"write (it|memory) like '8Gi'"):
        parse_memory(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h", 7200), ("30m", 1800), ("1h30m", 5400), ("1d 2h", 93600), ("0.5s", 0.5), (5, 5), (2.5, 2.5)],
)
def test_duration(text: str | float, seconds: float):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["2 hours", "", "h", "-1h", "1", "1h30", True, float("inf"), float("nan")])
def test_wrong_duration(text: str | float):
    with pytest.raises(ValueError, match="is not a duration: write it like '2h', '30m' or '1h30m'"):
        parse_duration(text)


@given(st.integers(0, 10**7))
def test_durations_are_written_as_they_are_read(seconds: int):
    assert parse_duration(format_duration(seconds)) == seconds
