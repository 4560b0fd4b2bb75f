"""The ledger on SQLite and on a real PostgreSQL: each moment is one row, taken once, whoever writes beside."""

from __future__ import annotations

import concurrent.futures

import pytest

from firnflow.errors import StateError
from firnflow.stores.lock import lock
from firnflow.stores.state import State
from firnflow.stores.state.ledger import Cause, DueStatus, Ledger, Planned


@pytest.fixture
def ledger(state):
    made = Ledger(state, "local")
    made.begin("etl", "every hour", 100.0, {})
    return made


def test_moments_and_how_far_they_are_written_are_one(ledger):
    standing = ledger.standings()["etl"]
    assert ledger.add(standing, 300.0, [Planned(200.0, "run-2"), Planned(300.0, "run-3")])
    assert not ledger.add(
        standing, 300.0, [Planned(200.0, "other-2"), Planned(300.0, "other-3")]
    )  # as it was seen before
    assert [(each.due, each.run, each.status) for each in ledger.open()] == [
        (200.0, "run-2", DueStatus.WAITING),
        (300.0, "run-3", DueStatus.WAITING),
    ]
    assert ledger.standings()["etl"].since == 300.0


def test_environments_do_not_see_each_other(ledger, state):
    ledger.trigger("etl", Planned(200.0, "run-1"), [])
    other = Ledger(state, "prod")
    assert (other.open(), other.standings(), other.last()) == ([], {}, {})
    other.trigger("etl", Planned(200.0, "run-2"), [])
    assert [each.run for each in ledger.open()] == ["run-1"]


def test_an_update_and_what_was_seen_are_one(ledger):
    standing = ledger.standings()["etl"]
    assert ledger.add_update(standing, {"orders": 3}, 200.0, [Planned(200.0, "run-1")])
    assert not ledger.add_update(standing, {"orders": 3}, 201.0, [Planned(201.0, "run-2")])
    (row,) = ledger.open()
    assert (row.cause, row.run) == (Cause.UPDATE, "run-1")
    assert ledger.standings()["etl"].seen == {"orders": 3}


def test_nothing_is_written_for_what_was_paused_meanwhile(ledger):
    standing = ledger.standings()["etl"]
    ledger.pause("etl", 150.0, "me")
    assert not ledger.add(standing, 200.0, [Planned(200.0, "run-1")])
    assert ledger.open() == []
    assert ledger.standings()["etl"].paused_by == "me"


def test_a_new_version_that_was_seen_before_a_pause_waits_for_its_end_and_what_was_triggered_does_not(ledger):
    ledger.add_update(ledger.standings()["etl"], {"orders": 3}, 200.0, [Planned(200.0, "run-1")])
    ledger.trigger("etl", Planned(201.0, "run-2"), [])
    ledger.pause("etl", 250.0, "me")
    assert [ledger.claim(each, overlap=True) for each in ledger.open()] == [False, True]
    ledger.unpause("etl", 300.0)
    assert ledger.claim(ledger.open()[0], overlap=True)


def test_one_of_several_takes_a_moment(ledger, url):
    standing = ledger.standings()["etl"]
    ledger.add(standing, 300.0, [Planned(200.0, "run-2"), Planned(300.0, "run-3")])
    first, second = ledger.open()
    states = [State(url) for _ in range(6)]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        took = list(pool.map(lambda state: Ledger(state, "local").claim(first, overlap=True), states))
        assert sorted(took) == [False] * 5 + [True]
        assert not ledger.claim(second, overlap=False)
        ledger.settle(first, DueStatus.ENDED, "succeeded", 400.0)
        took = list(pool.map(lambda state: Ledger(state, "local").claim(second, overlap=False), states))
    assert sorted(took) == [False] * 5 + [True]
    for state in states:
        state.close()


def test_of_two_moments_that_are_taken_at_once_only_one_is_without_overlap(ledger, url):
    states = [State(url) for _ in range(2)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for turn in range(10):
            since = 1000.0 * (turn + 1)
            ledger.add(ledger.standings()["etl"], since, [Planned(since, f"a-{turn}"), Planned(since - 1, f"b-{turn}")])
            pairs = list(zip(states, ledger.open(), strict=True))
            took = list(pool.map(lambda pair: Ledger(pair[0], "local").claim(pair[1], overlap=False), pairs))
            assert sorted(took) == [False, True]
            for each in ledger.open():
                ledger.settle(each, DueStatus.ENDED, "succeeded", since)
    for state in states:
        state.close()


def test_what_is_settled_stays_so_until_it_is_forgotten(ledger):
    ledger.trigger("etl", Planned(200.0, "run-1"), ["n=1"])
    (row,) = ledger.open()
    assert row.assignments == ["n=1"]
    ledger.settle(row, DueStatus.ENDED, "succeeded", 300.0)
    ledger.settle(row, DueStatus.MISSED, "too late", 400.0)
    assert not ledger.claim(row, overlap=True)
    assert (ledger.last()["etl"].status, ledger.last()["etl"].outcome) == (DueStatus.ENDED, "succeeded")
    ledger.forget(300.0)
    assert "etl" in ledger.last()
    ledger.forget(301.0)
    assert ledger.last() == {}


def test_a_lock_is_of_one_until_it_is_let_go(state, url):
    other = State(url)
    with lock(state.engine, "up-local") as take, lock(other.engine, "up-local") as try_too:
        assert take()
        assert not try_too()
        with lock(other.engine, "up-prod") as another:
            assert another()
    with lock(other.engine, "up-local") as take:
        assert take()
    other.close()


def test_a_status_that_is_none_is_damage(ledger, state):
    ledger.trigger("etl", Planned(200.0, "run-1"), [])
    with state.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE due SET cause = 'whim'")
    with pytest.raises(StateError, match="the state database is damaged: cause of due None is 'whim'"):
        ledger.open()
