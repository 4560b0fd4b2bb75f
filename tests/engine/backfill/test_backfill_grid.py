"""Partitions as a calendar."""

from __future__ import annotations

from firnflow.engine.backfill.grid import grid
from firnflow.graph.partitions import ByKey, Daily, Hourly, Weekly
from firnflow.stores.state.partitions import Entry, PartitionStatus


def drawn(partition, keys, **states):
    entries = {key: Entry("p", "local", key, status, "r", 0.0, None) for key, status in states.items()}
    return grid("p", partition, keys, entries)


def test_months_of_days():
    keys = [*Daily("2026-01-31").between("2026-01-31", "2026-02-02")]
    found = drawn(Daily("2026-01-31"), keys, **{"2026-02-01": PartitionStatus.FAILED})
    assert [(line.label, line.cells) for line in found.lines] == [
        ("2026-01", {30: "missing"}),
        ("2026-02", {0: "failed", 1: "missing"}),
    ]
    assert (len(found.head), found.counts) == (31, {"failed": 1, "missing": 2})


def test_days_of_hours_of_which_one_may_come_twice():
    hours = Hourly("2026-10-01", timezone="Europe/Zurich")
    (line,) = drawn(hours, [*hours.between("2026-10-25T00", "2026-10-25T23")]).lines
    assert sorted(line.cells) == [*range(25)]


def test_years_of_weeks_and_keys():
    weeks = Weekly("2026-W52")
    found = drawn(weeks, [*weeks.between("2026-W52", "2027-W01")])
    assert [(line.label, [*line.cells]) for line in found.lines] == [("2026", [51, 52]), ("2027", [0])]
    keys = drawn(ByKey("b", "a"), ("b", "a"), a=PartitionStatus.SUCCEEDED)
    assert [line.label for line in keys.lines] == ["b", "a"]
