"""What `firnflow up` starts and when, on a clock that is set by hand."""

from __future__ import annotations

import collections
import itertools
import random
import threading

import pytest

from firnflow import _crash
from firnflow._crash import InjectedCrash
from firnflow.engine.schedules.calendar import moments
from firnflow.errors import StateError
from firnflow.graph.model import Cron, Every, OnUpdate
from firnflow.status import RunStatus
from firnflow.stores.state.ledger import DueStatus, Planned

HOUR, DAY = 3600.0, 86_400.0
START = 1_780_000_000.0  # when the world begins


def between(schedule, since, until):
    return list(itertools.takewhile(lambda moment: moment <= until, moments(schedule, since)))


def test_a_schedule_counts_from_when_it_is_seen(world):
    world.schedules = {"a": Cron("0 6 * * *", timezone="Europe/Zurich"), "b": Every("6h")}
    up = world.up()
    up.round()
    assert world.started == []
    world.pass_by(up, 2 * DAY, step=1800)
    wanted = between(world.schedules["a"], START, world.now) + between(world.schedules["b"], START, world.now)
    assert world.dues("ended") == sorted(wanted)
    assert len(world.started) == len(wanted) == 10
    assert any(line.startswith("a  succeeded") for line in world.said)


def test_a_restart_brings_nothing_again(world):
    world.schedules = {"a": Every("1h")}
    world.pass_by(world.up(), 3 * HOUR, step=600)
    count = len(world.started)
    world.up().round()
    world.up().round()
    assert len(world.started) == count == 3


@pytest.mark.parametrize(("policy", "count"), [("last", 1), ("all", 5), ("none", 0)])
def test_what_passed_while_nothing_was_up_is_made_up_for_by_policy(world, policy, count):
    world.schedules = {"a": Cron("0 6 * * *", catch_up=policy)}
    world.up().round()
    world.now += 5 * DAY
    world.pass_by(world.up(), 600)
    assert len(world.started) == count
    dues = between(world.schedules["a"], START, world.now)
    assert world.dues("ended") == dues[len(dues) - count :]
    world.now = next(moments(world.schedules["a"], world.now)) - 90
    world.pass_by(world.up(), 180, step=30)
    assert len(world.started) == count + 1


def test_two_runs_of_a_pipeline_do_not_overlap(world):
    hour = Every("1h")
    world.schedules = {"a": Every("1h", catch_up="all"), "b": hour, "c": Every("1h", overlap=True)}
    up = world.up()
    up.round()
    for _ in range(3):
        world.now += HOUR
        up.round()
    running = collections.Counter(run.pipeline for run in world.state.runs(status="running"))
    assert running == {"a": 1, "b": 1, "c": 3}
    assert len(world.dues("missed")) == 1  # of b the second hour, when the third had come
    world.end_all()
    up.round()
    running = collections.Counter(run.pipeline for run in world.state.runs(status="running"))
    assert running == {"a": 1, "b": 1}
    world.end_all()
    up.round()
    assert [run.pipeline for run in world.state.runs(status="running")] == ["a"]


def test_what_cannot_start_in_time_is_missed_where_nothing_is_made_up_for(world):
    world.schedules = {"a": Every("1h", catch_up="none")}
    world.now = START // HOUR * HOUR + 1
    up = world.up()
    up.round()
    world.now += HOUR
    up.round()
    world.now += HOUR
    up.round()
    assert len(world.dues("waiting")) == 1
    world.now += 61
    up.round()
    world.end_all()
    up.round()
    assert (len(world.started), len(world.dues("missed"))) == (1, 1)


def test_a_run_that_somebody_started_by_hand_is_not_overlapped(world):
    world.schedules = {"a": Every("1h")}
    up = world.up()
    up.round()
    world.create("a", "by-hand")
    world.now += HOUR
    up.round()
    assert world.started == []
    world.end("by-hand")
    up.round()
    assert len(world.started) == 1


def test_no_more_runs_than_asked_for_at_once(world):
    world.schedules = {name: Every("1h") for name in "abcde"}
    up = world.up(most=2)
    up.round()
    world.now += HOUR
    up.round()
    assert len(world.state.runs(status="running")) == 2
    world.end_all()
    up.round()
    up.round()
    assert len(world.state.runs(status="running")) == 2
    assert len(world.started) == 4


def test_a_failed_run_stops_nothing(world):
    world.schedules = {"a": Every("1h"), "b": Every("1h")}
    world.cannot_start = {"b"}
    up = world.up()
    up.round()
    world.now += HOUR
    up.round()
    (run,) = world.state.runs(status="running")
    world.end(run.id, RunStatus.FAILED, "task x: ValueError: no")
    up.round()
    assert world.ledger.last()["a"].outcome == "failed: task x: ValueError: no"
    assert world.ledger.last()["b"].outcome == "could not start: module not found"
    world.now += HOUR
    up.round()
    assert len(world.started) == 4


def test_a_cancelled_run_is_not_taken_up_again(world):
    up, run = world.hour()
    world.state.request_cancel(run)
    world.end(run, RunStatus.CANCELLED, "stopped by firnflow cancel")
    up.round()
    assert world.ledger.last()["a"].outcome == "cancelled: stopped by firnflow cancel"


def test_a_run_that_got_a_signal_goes_on(world):
    _, run = world.hour()
    world.end(run, RunStatus.CANCELLED, "stopped by SIGTERM")  # as all get one when the machine is shut down
    world.up().round()
    assert world.started == [(run, False), (run, True)]


def test_a_run_is_kept_until_its_moment_is_settled(world):
    _, run = world.hour()
    world.end(run, RunStatus.FAILED)
    world.state.delete_runs([run])  # while nothing was up
    world.up().round()
    assert len(world.started) == 1
    world.state.delete_runs([run])
    assert world.state.runs() == []
    world.up().round()
    assert len(world.started) == 1


def test_tables_that_cannot_be_read_stop_no_clock(world, monkeypatch):
    world.schedules = {"a": Every("1h"), "b": OnUpdate("orders")}
    up = world.up()
    up.round()

    def fail(tables):
        raise StateError("no catalog")

    monkeypatch.setattr(world, "newest", fail)
    for _ in range(3):
        world.now += HOUR
        up.round()
        world.end_all()
    assert len(world.started) == 3
    assert world.said.count("the named tables cannot be read: no catalog") == 1


def test_a_run_whose_process_is_killed_goes_on_three_times_at_the_most(world):
    world.schedules = {"a": Every("1d")}
    up = world.up()
    up.round()
    world.now += DAY
    up.round()
    run = world.started[0][0]
    for _ in range(3):
        world.die(run)
        up.round()
    assert world.started == [(run, False), (run, True), (run, True)]
    assert world.ledger.last()["a"].outcome == "crashed: its process died 3 times; the last one said: module not found"


def test_pause(world):
    world.schedules = {"a": Every("1h", catch_up="all")}
    up = world.up()
    up.round()
    world.now += HOUR
    up.round()  # under way, and another one waits
    world.now += HOUR
    up.round()
    assert world.ledger.pause("a", world.now, "me")
    assert not world.ledger.pause("a", world.now, "me")
    world.end_all()
    world.pass_by(up, 5 * HOUR, step=600)
    assert len(world.started) == 1
    assert len(world.dues("missed")) == 1
    world.ledger.trigger("a", Planned(world.now, "by-trigger"), ["x=1"])
    up.round()
    assert world.started[-1] == ("by-trigger", False)
    world.end_all()
    up.round()
    assert world.ledger.unpause("a", world.now)
    assert not world.ledger.unpause("a", world.now)
    up.round()
    assert len(world.started) == 2
    world.pass_by(up, 2 * HOUR, step=600)
    assert len(world.started) == 4


def test_a_pause_before_anything_was_up_holds(world):
    world.ledger.pause("a", world.now, "me")
    world.schedules = {"a": Every("1h"), "b": OnUpdate("orders")}
    up = world.up()
    world.pass_by(up, 3 * HOUR, step=600)
    assert world.started == []
    world.ledger.unpause("a", world.now)
    world.pass_by(up, HOUR)
    assert len(world.started) == 1


def test_a_trigger_waits_for_its_turn_and_needs_no_schedule(world):
    up = world.up()
    world.ledger.trigger("a", Planned(world.now, "first"), [])
    world.ledger.trigger("a", Planned(world.now + 0.5, "second"), [])
    up.round()
    assert world.started == [("first", False)]
    world.end("first")
    up.round()
    assert world.started == [("first", False), ("second", False)]


def test_a_changed_schedule_counts_from_now_and_a_removed_one_no_more(world):
    world.schedules = {"a": Every("1h"), "b": Every("1h")}
    up = world.up()
    up.round()
    world.create("b", "by-hand")
    world.now += HOUR
    up.round()
    assert len(world.started) == 1
    world.end(world.started[0][0])
    world.schedules = {"a": Cron("0 6 * * *")}
    world.now += 4 * HOUR
    up.round()
    world.end("by-hand")
    up.round()
    assert len(world.started) == 1
    assert world.ledger.last()["b"].outcome == "missed: the pipeline has no such schedule any more"
    world.schedules = {"a": Cron("0 6 * * *", catch_up="all")}  # only what is made up for: not another schedule
    world.now += 3 * DAY
    world.pass_by(up, 600)
    assert len(world.started) == 4


def test_updates(world):
    a, b, c = OnUpdate("a"), OnUpdate("b"), OnUpdate("c")
    world.versions = {"a": 3}
    world.schedules = {"one": a, "both": a & b, "either": a | b, "mixed": a & (b | c)}
    up = world.up()

    def after(**versions: int) -> list[str]:
        world.versions |= versions
        count = len(world.started)
        world.now += 10
        up.round()
        world.end_all()
        up.round()
        return sorted(run.rpartition("-")[0].partition("-")[0] for run, _ in world.started[count:])

    assert after() == []  # what is there is no news
    assert after(a=4) == ["either", "one"]
    assert after() == []
    assert after(b=1) == ["both", "either", "mixed"]
    assert after(c=1) == []
    assert after(a=6) == ["either", "mixed", "one"]
    up = world.up()
    assert after() == []
    assert after(b=2) == ["both", "either"]


def test_versions_that_come_during_a_run_bring_one_more(world):
    world.schedules = {"a": OnUpdate("orders")}
    up = world.up()
    up.round()
    for version in (1, 2, 3, 4):
        world.versions["orders"] = version
        world.now += 10
        up.round()
    assert len(world.started) == 1
    for _ in range(5):
        world.end_all()
        up.round()
    # one for each version that was seen, one after the other
    assert len(world.started) == len(world.dues("ended"))
    assert world.ledger.standings()["a"].seen == {"orders": 4}


def test_two_at_once_do_each_moment_once(world):
    world.schedules = {"a": Every("1h", catch_up="all", overlap=True), "b": Cron("0 6 * * *")}
    one, other = world.up(), world.up()
    for _ in range(48):
        world.now += HOUR
        for up in random.sample([one, other], 2):
            up.round()
        world.end_all()
    one.round()
    firsts = [run for run, resume in world.started if not resume]
    assert len(set(firsts)) == len(world.dues("ended")) == 47 + 2


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_wherever_it_is_killed_each_moment_of_a_month_runs_once(world, monkeypatch, seed):
    """Die at random crash points, with and without the runs under way, 20 times."""
    chance = random.Random(seed)
    world.schedules = {
        "a": Cron("30 2 * * *", timezone="Europe/Zurich", catch_up="all"),
        "b": Every("5h", catch_up="all"),
        "c": OnUpdate("orders"),
    }
    up = world.up(most=2)
    up.round()
    points = [point for point in sorted(_crash.POINTS) if point.startswith("schedule.")]
    deaths, updates = 0, 0
    while world.now < START + 30 * DAY or world.ledger.open():
        if deaths < 20 and chance.random() < 0.3:
            _crash._passes.clear()
            monkeypatch.setenv("FIRNFLOW_CRASH", f"{chance.choice(points)}:raise@{chance.randint(1, 2)}")
        if world.now < START + 30 * DAY:
            world.now += chance.uniform(600, 8 * HOUR)
            if chance.random() < 0.1:
                world.versions["orders"] = world.versions.get("orders", 0) + 1
                updates += 1
        try:
            up.round()
        except InjectedCrash:
            deaths += 1
            monkeypatch.delenv("FIRNFLOW_CRASH")
            for run in world.state.runs(status="running"):
                if chance.random() < 0.5:
                    world.end(run.id, RunStatus.CRASHED)
            up = world.up(most=2)
        for run in world.state.runs(status="running"):
            if chance.random() < 0.7:
                world.end(run.id)
    assert deaths == 20
    ended = world.ledger._where(world.settled)
    assert all(each.status == DueStatus.ENDED and each.outcome == "succeeded" for each in ended)
    of = {name: [each.due for each in ended if each.pipeline == name] for name in "abc"}
    assert of["a"] == between(world.schedules["a"], START, world.now)
    assert of["b"] == between(world.schedules["b"], START, world.now)
    assert len(of["c"]) == updates
    runs = world.state.runs(limit=10_000)
    assert len(runs) == len(ended)
    assert all(run.status == RunStatus.SUCCEEDED for run in runs)


def test_at_its_end_it_waits_then_stops_what_the_next_one_goes_on_with(world):
    world.schedules = {"a": Every("1h"), "b": Every("1h")}
    up = world.up()
    up.round()
    world.now += HOUR
    up.round()
    (first, _), (second, _) = world.started
    world.end(first)
    process = world.processes[second]

    def cancel() -> None:
        while not process.stopped:
            pass
        world.end(second, RunStatus.CANCELLED, "stopped by SIGTERM")

    thread = threading.Thread(target=cancel)
    thread.start()
    stop = threading.Event()
    stop.set()
    up.go(stop, grace=0.3)
    thread.join()
    assert len(world.started) == 2
    (left,) = world.ledger.open()
    assert (left.run, left.status) == (second, DueStatus.STARTED)
    world.up().round()
    assert world.started[2:] == [(second, True)]
    world.end(second)


def test_a_state_that_is_away_for_a_while_ends_nothing(world, monkeypatch):
    world.schedules = {"a": Every("1h")}
    up = world.up()
    up.round()
    world.now += HOUR
    stop, tries = threading.Event(), []

    def away() -> dict[str, object]:
        tries.append(1)
        if len(tries) < 4:
            raise StateError("the state database cannot be used: disk full")
        stop.set()
        return world.schedules

    monkeypatch.setattr(up, "_schedules", away)
    thread = threading.Timer(0.5, world.end_all)
    thread.start()
    up.go(stop, grace=5, pace=0.01)
    thread.join()
    assert world.said[0] == "nothing can start: the state database cannot be used: disk full"
    assert sum("nothing can start" in line for line in world.said) == 1
    assert len(world.started) == 1
