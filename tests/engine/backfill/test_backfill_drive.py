"""A backfill with processes that are pretended: what it gives them, and what it makes of their answers."""

from __future__ import annotations

import threading
import time

import pytest

from firnflow.engine.backfill.drive import Backfill, Tally
from firnflow.errors import RunConflictError
from firnflow.status import RunStatus
from firnflow.stores.state import Run, State, this_process
from firnflow.stores.state.partitions import Partitions


class World:
    """A state, and hands that do at once what `does` says for a partition: a list, one word a try."""

    def __init__(self, folder):
        self.state = State(f"sqlite:///{folder}/state.db")
        self.ledger = Partitions(self.state, "local")
        self.does, self.orders, self.said = {}, [], []
        self.hired = self.stopped = 0
        self.stop = threading.Event()

    def begin(self, key, run, *, unless_done=True):
        request, now = {"settles": True}, time.time()
        held = (this_process(), 1, now + 600, 0, now, None, None)
        self.state.create_run(
            Run(run, "etl", "local", "running", "g", {}, request, {}, *held, key), "{}", unless_done=unless_done
        )

    def end(self, run, status=RunStatus.SUCCEEDED, error=None):
        self.state.end_run(run, self.state.run(run).epoch, status, error)

    def hire(self):
        self.hired += 1
        return Hand(self)

    def go(self, keys, workers=2, told=None):
        done = [key for key, entry in self.ledger.of("etl").items() if entry.status == "succeeded" and key in keys]
        tally = Tally(len(keys), len(done))
        backfill = Backfill(self.state, "local", "etl", self.hire, told or (lambda *said: self.said.append(said)))
        return backfill.go(tally, [key for key in keys if key not in done], workers, self.stop)


class Hand:
    def __init__(self, world):
        self.world, self.order, self.word, self.stopped = world, None, "", False

    def give(self, order):
        words = self.world.does.get(order.partition, [])
        self.order, self.word = order, words.pop(0) if words else "succeeded"
        self.world.orders.append(order)
        if self.word == "taken":
            self.world.begin(order.partition, "other")
        if order.resume:
            self.world.state.claim(order.run, this_process(), time.time() + 600)
            return
        try:
            self.world.begin(order.partition, order.run)
        except RunConflictError:
            self.word = "conflict"

    def answer(self):
        world, run = self.world, self.order.run
        if self.word == "slow" and not self.stopped:
            return None
        if self.word == "conflict":
            if world.state.run("other").status == "running":
                world.end("other")
            return {"conflict": "another run"}
        if self.word == "dies":
            world.end(run, RunStatus.CRASHED)
            return {"died": "out of memory"}
        if self.word == "slow":
            world.end(run, RunStatus.CANCELLED, "stopped by SIGTERM")
            return {"status": "cancelled", "error": "stopped by SIGTERM"}
        world.end(run, RunStatus(self.word), "task x: no" if self.word == "failed" else None)
        return {"status": self.word, "error": "task x: no\nmore" if self.word == "failed" else None}

    def stop(self):
        self.stopped = True
        self.world.stopped += 1

    def dismiss(self):
        self.order = None


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.state.close()


def stands(world):
    return {key: entry.status for key, entry in world.ledger.of("etl").items()}


def test_all_that_is_missing_runs_once(world):
    keys = [f"2026-01-{day:02}" for day in range(1, 13)]
    world.begin(keys[3], "before")
    world.end("before")
    tally = world.go(keys, workers=3)
    assert (tally.total, tally.done, len(tally.ran), tally.left) == (12, 1, 11, 0)
    assert sorted(order.partition for order in world.orders) == [key for key in keys if key != keys[3]]
    assert world.hired == 3
    assert set(stands(world).values()) == {"succeeded"}
    assert world.go(keys).ran == []
    assert world.hired == 3


def test_one_that_fails_stops_no_other(world):
    world.does["b"] = ["failed"]
    tally = world.go("abc", workers=1)
    assert (tally.ran, tally.failed) == (["a", "c"], {"b": "task x: no"})
    assert ("b", "failed: task x: no") in world.said
    assert world.go("abc").ran == ["b"]
    assert [order.resume for order in world.orders] == [False] * 4  # what failed begins anew


def test_what_was_killed_goes_on(world):
    world.begin("a", "killed")
    world.end("killed", RunStatus.CRASHED)
    world.begin("b", "stopped")
    world.end("stopped", RunStatus.CANCELLED, "stopped by SIGTERM")
    world.go("ab")
    assert sorted((order.run, order.resume) for order in world.orders) == [("killed", True), ("stopped", True)]
    assert len(world.state.runs()) == 2


def test_a_process_that_dies_is_replaced_and_given_up_after_three_times(world):
    world.does = {"a": ["dies"], "b": ["dies"] * 3}
    tally = world.go("abc")
    assert sorted(tally.ran) == ["a", "c"]
    assert tally.failed == {"b": "its process died 3 times: out of memory"}
    assert len({order.run for order in world.orders if order.partition == "b"}) == 1


def test_what_somebody_else_does_is_waited_for_and_not_done_again(world):
    world.begin("b", "up")
    world.does["c"] = ["taken"]
    threading.Timer(0.5, world.end, ["up"]).start()
    tally = world.go("abc")
    assert (tally.ran, sorted(tally.elsewhere), tally.left) == (["a"], ["b", "c"], 0)
    assert "b" not in {order.partition for order in world.orders}


def test_what_somebody_else_has_begun_and_died_of_goes_on_here(world):
    world.begin("b", "up")
    threading.Timer(0.3, world.end, ["up", RunStatus.CRASHED]).start()
    assert sorted(world.go("ab").ran) == ["a", "b"]
    assert ("up", True) in {(order.run, order.resume) for order in world.orders}
    world.begin("c", "other")
    threading.Timer(0.3, world.end, ["other", RunStatus.FAILED, "no file"]).start()
    assert world.go("c").failed == {"c": "no file"}


def test_asked_to_stop_it_begins_nothing_and_asked_twice_it_cancels(world):
    world.does["a"] = ["slow"]

    def told(partition, said):
        world.said.append((partition, said))

    threading.Timer(0.2, world.stop.set).start()
    threading.Timer(0.6, world.stop.set).start()
    tally = world.go("abc", workers=1, told=told)
    assert (tally.ran, tally.failed, tally.left) == ([], {}, 3)
    assert world.stopped == 1
    assert world.said == [("a", "stopped; the next backfill goes on with it")]
    world.stop.clear()
    assert world.go("abc").ran == ["a", "b", "c"]
    assert world.orders[1].resume
