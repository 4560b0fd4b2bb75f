"""Which partitions a backfill is about."""

from __future__ import annotations

import datetime as dt

import pytest

from firnflow.engine.backfill import plan
from firnflow.errors import UsageError
from firnflow.graph.partitions import ByKey, Daily, Weekly
from firnflow.stores.state.partitions import Entry

DAYS = Daily("2026-01-01")
NOON = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC).timestamp()


def entry(key, status):
    return Entry("etl", "local", key, status, "r", 0.0, None)


def test_a_range_of_what_is_complete():
    assert len(plan.chosen(DAYS, None, None, [], NOON, []).keys) == 31 + 28 + 9
    assert plan.chosen(DAYS, "2026-03-01", None, [], NOON, []).keys[-1] == "2026-03-09"
    late = plan.chosen(DAYS, "2026-03-08", "2026-04-01", [], NOON, [])
    assert (late.keys, late.note) == (
        ("2026-03-08", "2026-03-09"),
        "2026-03-10, 2026-03-11, 2026-03-12 …: not complete yet, so left out",
    )
    weeks = plan.chosen(Weekly("2026-01-01"), "2026-W08", None, [], NOON, [])
    assert weeks.keys == ("2026-W08", "2026-W09", "2026-W10")
    assert (str(weeks), weeks.options) == ("3 partitions from 2026-W08 to 2026-W10", "--from 2026-W08 --to 2026-W10")


def test_keys():
    assert plan.chosen(ByKey("b", "a"), None, None, [], NOON, ["x"]).keys == ("b", "a")
    assert plan.chosen(ByKey(), None, None, [], NOON, ["x", "a"]).keys == ("a", "x")
    named = plan.chosen(DAYS, None, None, ["2026-03-01", "2026-02-01", "2026-03-01"], NOON, [])
    assert (named.keys, named.options) == (("2026-03-01", "2026-02-01"), "--keys 2026-03-01,2026-02-01")


@pytest.mark.parametrize(
    ("partition", "first", "last", "keys", "said"),
    [
        (DAYS, "2026-03-05", "2026-03-01", [], "--to 2026-03-01 is before --from 2026-03-05"),
        (DAYS, "1.3.2026", None, [], "'1.3.2026' is no day: write it like 2026-01-05"),
        (DAYS, "2025-03-01", None, [], "2025-03-01 is before the first partition, 2026-01-01"),
        (DAYS, "2026-04-01", "2026-04-03", [], "2026-04-01 is not complete yet"),
        (Daily("2027-01-01"), None, None, [], "no partition is complete yet: the first one is 2027-01-01"),
        (ByKey("a"), "a", None, [], "keys have no order"),
        (ByKey("a"), None, None, ["b"], "'b' is no key of it"),
        (ByKey(), None, None, [], "which keys"),
        (DAYS, None, None, [], "from 2026-01-01 to 2026-03-09 there are more than 60 partitions"),
    ],
)
def test_wrong_ranges(monkeypatch, partition, first, last, keys, said):
    monkeypatch.setattr(plan, "MOST", 60)
    with pytest.raises(UsageError, match=said):
        plan.chosen(partition, first, last, keys, NOON, [])


def test_what_is_done_is_not_wanted():
    entries = {key: entry(key, status) for key, status in zip("abcde", _STANDINGS, strict=True)}
    assert plan.wanted("abcdef", entries, only_failed=False) == ["b", "c", "d", "e", "f"]
    assert plan.wanted("abcdef", entries, only_failed=True) == ["b", "c"]


_STANDINGS = ("succeeded", "failed", "crashed", "running", "outdated")
