"""The ledger of partitions: a partition is one run's at a time, and done once."""

from __future__ import annotations

import dataclasses
import threading
import time

import pytest

from firnflow.errors import RunConflictError
from firnflow.status import RunStatus
from firnflow.stores.state import Run, State, this_process
from firnflow.stores.state.ledger import Ledger, Planned
from firnflow.stores.state.partitions import Partitions, PartitionStatus

DEAD = "somewhere/999999999/0"


def a_run(name, key="2026-01-05", **changes):
    request = {"settles": changes.pop("settles", True)}
    now = time.time()
    run = Run(
        name, "etl", "local", "running", "g" * 64, {}, request, {}, this_process(), 1, now + 60, 0, now, None, None
    )
    return dataclasses.replace(run, partition=key, **changes)


@pytest.fixture
def ledger(state):
    return Partitions(state, "local")


def stands(ledger, key="2026-01-05"):
    found = ledger.find("etl", key)
    return (found.status, found.run) if found else None


def test_a_partition_stands_as_its_run_does(state, ledger):
    assert stands(ledger) is None
    state.create_run(a_run("r1"), "{}")
    assert stands(ledger) == ("running", "r1")
    state.end_run("r1", 1, RunStatus.FAILED, "no file")
    assert stands(ledger) == ("failed", "r1")
    assert ledger.find("etl", "2026-01-05").error == "no file"
    epoch = state.claim("r1", this_process(), time.time() + 60)
    assert stands(ledger) == ("running", "r1")
    state.end_run("r1", epoch, RunStatus.SUCCEEDED, None)
    assert stands(ledger) == ("succeeded", "r1")
    state.delete_runs(["r1"])
    assert stands(ledger) == ("succeeded", "r1")
    assert state.runs() == []


def test_a_partition_is_one_runs_at_a_time(state, ledger):
    state.create_run(a_run("r1"), "{}")
    with pytest.raises(RunConflictError, match="partition 2026-01-05 of etl is under way in run r1"):
        state.create_run(a_run("r2"), "{}")
    state.create_run(a_run("r3", "2026-01-06"), "{}")
    state.create_run(a_run("part", settles=False), "{}")
    assert {run.id for run in state.runs()} == {"r1", "r3", "part"}
    state.end_run("r1", 1, RunStatus.SUCCEEDED, None)
    state.create_run(a_run("r4"), "{}")  # by hand it may be done again
    assert stands(ledger) == ("running", "r4")


def test_what_is_done_is_not_done_again_unless_somebody_wants_it(state, ledger):
    state.create_run(a_run("r1"), "{}", unless_done=True)
    state.end_run("r1", 1, RunStatus.SUCCEEDED, None)
    with pytest.raises(RunConflictError, match="is done already, by run r1"):
        state.create_run(a_run("r2"), "{}", unless_done=True)
    ledger.outdate("etl", ["2026-01-05", "2026-01-09"])
    assert stands(ledger) == (PartitionStatus.OUTDATED, "r1")
    assert stands(ledger, "2026-01-09") is None
    state.create_run(a_run("r2"), "{}", unless_done=True)
    ledger.outdate("etl", ["2026-01-05"])
    assert stands(ledger) == ("running", "r2")


def test_a_run_that_was_overtaken_does_not_go_on(state, ledger):
    state.create_run(a_run("r1", owner=DEAD, lease_until=0.0), "{}")
    assert state.reap() == ["r1"]
    assert stands(ledger) == ("crashed", "r1")
    state.create_run(a_run("r2"), "{}")
    with pytest.raises(RunConflictError, match="under way in run r2"):
        state.claim("r1", this_process(), time.time() + 60)
    state.end_run("r2", 1, RunStatus.SUCCEEDED, None)
    with pytest.raises(RunConflictError, match="done already, by run r2"):
        state.claim("r1", this_process(), time.time() + 60)
    assert state.run("r1").status == "crashed"
    assert stands(ledger) == ("succeeded", "r2")


def test_of_many_that_begin_at_once_one_has_the_partition(url):
    states = [State(url) for _ in range(6)]
    gate, began = threading.Barrier(6), []

    def begin(index):
        gate.wait()
        try:
            states[index].create_run(a_run(f"r{index}"), "{}", unless_done=True)
            began.append(index)
            states[index].end_run(f"r{index}", 1, RunStatus.SUCCEEDED, None)
        except RunConflictError:
            pass

    threads = [threading.Thread(target=begin, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(began) == 1
    assert stands(Partitions(states[0], "local")) == ("succeeded", f"r{began[0]}")
    for each in states:
        each.close()


def test_a_run_remembers_the_moment_that_it_was_due_for(state):
    due = Ledger(state, "local")
    due.begin("etl", "{}", 1000.0, {})
    due.add(due.standings()["etl"], 2000.0, [Planned(2000.0, "r1")])
    state.create_run(a_run("r1"), "{}")
    state.create_run(a_run("r2", "2026-01-06"), "{}")
    assert (state.run("r1").due, state.run("r2").due) == (2000.0, None)
