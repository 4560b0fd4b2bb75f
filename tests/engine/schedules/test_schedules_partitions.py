"""Which partitions `firnflow up` runs, on a clock that is set by hand."""

from __future__ import annotations

import random

import pytest

from firnflow import _crash
from firnflow._crash import InjectedCrash
from firnflow.engine.schedules.calendar import moments
from firnflow.graph.model import Cron, Every, OnUpdate
from firnflow.graph.partitions import ByKey, Daily, Hourly
from firnflow.status import RunStatus
from firnflow.stores.state.ledger import Planned
from firnflow.stores.state.partitions import Partitions

HOUR, DAY = 3600.0, 86_400.0
DAYS = Daily("2026-01-01", timezone="Europe/Zurich")


def done(world, pipeline="a"):
    found = Partitions(world.state, "local").of(pipeline)
    return [key for key, entry in found.items() if entry.status == "succeeded"]


def times_run(world):
    runs = [run for run in world.state.runs(limit=1000) if run.partition is not None]
    return sorted(run.partition for run in runs)


def test_a_moment_stands_for_the_newest_partition_that_is_complete(world):
    world.schedules, world.partitions = {"a": Cron("0 6 * * *", timezone="Europe/Zurich")}, {"a": DAYS}
    world.up().round()
    world.pass_by(world.up(), 3 * DAY, step=6 * HOUR)
    assert done(world) == ["2026-05-28", "2026-05-29", "2026-05-30"]
    run = world.state.runs(limit=1)[0]
    assert run.due == world.dues("ended")[-1]
    assert any(line.startswith("a 2026-05-30  starts") for line in world.said)


@pytest.mark.parametrize(("policy", "count"), [("last", 1), ("all", 5), ("none", 0)])
def test_partitions_that_passed_are_made_up_for_by_policy(world, policy, count):
    world.schedules, world.partitions = {"a": Cron("0 6 * * *", catch_up=policy)}, {"a": DAYS}
    world.up().round()
    world.now += 5 * DAY
    world.pass_by(world.up(), 600)
    newest = DAYS.ended_between(world.now - 5 * DAY, world.now)
    assert done(world) == newest[len(newest) - count :]
    assert times_run(world) == done(world)


@pytest.mark.parametrize(
    ("schedule", "partition", "days", "step"),
    [
        (Every("7d", catch_up="all"), DAYS, 15, 12 * HOUR),  # several partitions at one moment
        (Every("6h", catch_up="all"), DAYS, 3, 3 * HOUR),  # several moments for one partition
        (Every("6h"), DAYS, 3, 3 * HOUR),
        (Every("3h", catch_up="all"), Hourly("2026-01-01"), 0.5, HOUR),
    ],
)
def test_however_often_it_is_due_each_partition_runs_once(world, schedule, partition, days, step):
    world.schedules, world.partitions = {"a": schedule}, {"a": partition}
    world.up().round()
    begin = world.now
    world.pass_by(world.up(), days * DAY, step)
    while world.ledger.open():
        world.pass_by(world.up(), 1)
    ended = [
        key for key in partition.ended_between(begin, world.now) if partition.is_over(key, max(world.dues("ended")))
    ]
    assert set(ended) <= set(done(world))
    assert times_run(world) == done(world)
    assert len(done(world)) <= len(ended) + 1  # the newest when it began


def test_what_a_backfill_has_done_is_settled_without_a_run(world):
    world.schedules, world.partitions = {"a": Cron("0 6 * * *", catch_up="all")}, {"a": DAYS}
    up = world.up()
    up.round()
    world.now += DAY
    key = DAYS.newest(world.now)
    world.create("a", "backfill", key)
    up.round()
    up.round()
    assert world.started == []  # it waits: another run is at it
    assert len(world.dues("waiting")) == 1
    world.end("backfill")
    up.round()
    assert world.started == []
    assert world.ledger.last()["a"].outcome == f"partition {key} is done by run backfill"
    world.ledger.trigger("a", Planned(world.now + 1, "again", key), [])  # somebody wants it once more
    up.round()
    assert world.started == [("again", False)]


def test_a_backfill_of_other_partitions_does_not_keep_it_from_running(world):
    world.schedules, world.partitions = {"a": Cron("0 6 * * *")}, {"a": DAYS}
    up = world.up()
    up.round()
    world.create("a", "backfill", "2026-02-01")
    world.now += DAY
    up.round()
    assert len(world.started) == 1


def test_one_that_loses_the_race_for_a_partition_is_settled(world):
    world.schedules, world.partitions = {"a": Cron("0 6 * * *")}, {"a": DAYS}
    up = world.up()
    up.round()
    world.now += DAY
    key, start = DAYS.newest(world.now), world.start

    def late(due, *, resume):
        world.create("a", "backfill", key)
        return start(due, resume=resume)

    world.start = late
    up.round()
    world.start = start
    up.round()
    assert len(world.dues("started")) == 1  # its process has ended, and another run is at the partition
    world.end("backfill")
    up.round()
    assert world.ledger.last()["a"].outcome == f"partition {key} is done by run backfill"
    assert times_run(world) == [key]


def test_new_versions_of_a_table_are_for_the_newest_partition(world):
    world.schedules = {"a": OnUpdate("orders"), "b": OnUpdate("orders")}
    world.partitions = {"a": DAYS, "b": Daily("2030-01-01")}
    up = world.up()
    up.round()
    for version in (1, 2):
        world.versions["orders"] = version
        world.now += 10
        up.round()
        world.end_all()
        up.round()
    assert times_run(world) == [DAYS.newest(world.now)] * 2  # an update brings it again


def test_by_key_runs_when_somebody_asks(world):
    world.partitions = {"a": ByKey("x", "y")}
    up = world.up()
    world.ledger.trigger("a", Planned(world.now, "r1", "x"), [])
    up.round()
    world.end_all()
    up.round()
    assert times_run(world) == ["x"]


@pytest.mark.slow
def test_a_month_with_twenty_kills_runs_each_partition_once(world, monkeypatch):
    chance = random.Random(11)
    world.schedules = {
        "a": Cron("30 2 * * *", timezone="Europe/Zurich", catch_up="all"),
        "b": Every("2d", catch_up="all"),
    }
    world.partitions = {"a": DAYS, "b": Daily("2026-01-01", timezone="America/New_York")}
    points = [point for point in sorted(_crash.POINTS) if point.startswith("schedule.")]
    up, begin, deaths = world.up(), world.now, 0
    up.round()
    while world.now < begin + 30 * DAY or world.ledger.open():
        if deaths < 20 and chance.random() < 0.5:
            _crash._passes.clear()
            monkeypatch.setenv("FIRNFLOW_CRASH", f"{chance.choice(points)}:raise@{chance.randint(1, 2)}")
        if world.now < begin + 30 * DAY:
            world.now += chance.uniform(HOUR, 8 * HOUR)
        try:
            up.round()
        except InjectedCrash:
            deaths += 1
            monkeypatch.delenv("FIRNFLOW_CRASH")
            for run in world.state.runs(status="running"):
                if chance.random() < 0.5:
                    world.end(run.id, RunStatus.CRASHED)
            up = world.up()
        for run in world.state.runs(status="running"):
            if chance.random() < 0.9:
                world.end(run.id)
    assert deaths == 20
    for name, partition in world.partitions.items():
        ended = [each.partition for each in world.ledger._where(world.settled) if each.pipeline == name]
        last = max(each.due for each in world.ledger._where(world.settled) if each.pipeline == name)
        newest_then = partition.newest(next(moments(world.schedules[name], begin)))
        assert ended == sorted({newest_then, *partition.ended_between(begin, last)})
        assert done(world, name) == ended
    assert times_run(world) == sorted(done(world, "a") + done(world, "b"))


def test_people_are_told_of_what_could_not_start(world):
    world.schedules, world.cannot_start = {"a": Every("1h")}, {"a"}
    up = world.up()
    up.round()
    world.now += HOUR
    up.round()
    assert world.told == 0
    up.round()
    assert world.told == 1
    (due,) = world.ledger.not_started(world.now - 60)
    assert due.outcome == "could not start: module not found"
    assert world.ledger.not_started(world.now + 60) == []
    assert world.tidied == pytest.approx(world.now - HOUR - 90 * DAY)


def test_new_versions_of_a_table_are_for_the_partitions_that_they_have_changed(world):
    world.schedules = {"a": OnUpdate("orders") & OnUpdate("scores"), "by_key": OnUpdate("orders")}
    world.partitions = {"a": DAYS, "by_key": ByKey("north", "south")}
    up = world.up()
    up.round()
    world.changes = {
        ("orders", 1): ["2026-01-05", "north"],
        ("orders", 2): ["2026-01-06", "2025-12-31", "2030-01-01", "west"],
        ("orders", 3): ["2026-01-05", "south"],
    }

    def publish(**versions):
        world.versions |= versions
        world.now += 10
        before = {run.id for run in world.state.runs(limit=1000)}
        for _ in range(6):
            up.round()
            world.end_all()
        return sorted(run.partition for run in world.state.runs(limit=1000) if run.id not in before)

    assert publish(orders=1, scores=0) == ["north"]
    assert publish(orders=2) == []
    assert publish(scores=1) == ["2026-01-05", "2026-01-06"]
    assert publish(orders=3, scores=2) == ["2026-01-05", "south"]  # rows of a day that have come anew
    assert world.ledger.open() == []
