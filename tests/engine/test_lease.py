"""A run is held by a thread that nothing but the end, or somebody who has taken it over, lets go."""

from __future__ import annotations

import threading

import pytest

from firnflow.engine.lease import Lease
from firnflow.errors import RunConflictError, StateError


class Told:
    """A state that fails in some heartbeats, one after the other, and then wishes the run to stop."""

    def __init__(self, *fails: Exception) -> None:
        self.fails = list(fails)
        self.has_wished = threading.Event()

    def heartbeat(self, *_: object) -> bool:
        if self.fails:
            raise self.fails.pop(0)
        self.has_wished.set()
        return True


@pytest.mark.parametrize("wrong", [StateError("away"), RuntimeError("never seen")], ids=str)
def test_a_beat_that_fails_is_not_the_last_one(wrong, capsys):
    state = Told(wrong, wrong)
    with Lease(state, "r", 1, 0.04) as lease:
        assert state.has_wished.wait(60)
    assert (lease.cancelled, lease.lost) == ("firnflow cancel", False)
    assert capsys.readouterr().err.count("never seen") == (str(wrong) == "never seen")


def test_who_was_taken_over_is_told_and_beats_no_more():
    lost, state = threading.Event(), Told(RunConflictError("by another"))
    with Lease(state, "r", 1, 0.04, lost.set) as lease:
        assert lost.wait(60)
    assert lease.lost
