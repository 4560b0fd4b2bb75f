"""The course of metrics is written with its attempt, or not at all."""

from __future__ import annotations

import math
import time

import pytest

from firnflow.context import Point
from firnflow.errors import RunConflictError
from firnflow.stores.state import Attempt, Run, State, metrics, this_process


@pytest.fixture
def attempts(state: State) -> list[int]:
    """Two attempts under way, of a task and of an element."""
    now = time.time()
    state.create_run(
        Run("run-1", "flow", "local", "running", "g", {}, {}, {}, this_process(), 1, now + 60, 0, now, None, None), "{}"
    )
    new = [
        Attempt(task="train", number=1, status="running"),
        Attempt(task="search", element=3, elements=4, label="depth=3", number=1, status="running"),
    ]
    return state.add_attempts("run-1", 1, new)


COURSE = [Point("loss", 0.5, 0, 10.0), Point("loss", math.nan, 1, 11.0), Point("loss", 0.25, 2**62, 12.0)]


def test_all_values_are_kept_in_order(state: State, attempts: list[int]) -> None:
    state.commit(attempts[0], {}, {"loss": 0.25}, None, COURSE)
    state.commit(attempts[1], {}, {"auc": 0.9}, None, [Point("auc", 0.9, 0, 13.0)])
    found = metrics.history(state, "run-1")
    assert list(found) == attempts
    assert found[attempts[1]] == [Point("auc", 0.9, 0, 13.0)]
    assert [point[2:] for point in found[attempts[0]]] == [(0, 10.0), (1, 11.0), (2**62, 12.0)]
    assert math.isnan(found[attempts[0]][1].value)
    assert list(metrics.history(state, "run-1", attempts[1:])) == attempts[1:]
    assert metrics.history(state, "run-2") == {}


def test_a_metric_that_is_no_number_can_be_committed(state: State, attempts: list[int]) -> None:
    state.commit(attempts[0], {}, {"loss": math.nan}, None, COURSE[1:2])
    (found, _) = state.attempts("run-1")
    assert found.metrics is not None
    assert math.isnan(found.metrics["loss"])


def test_a_failed_attempt_keeps_its_course(state: State, attempts: list[int]) -> None:
    state.fail(attempts[0], "failed", {"message": "x"}, None, COURSE)
    assert len(metrics.history(state, "run-1")[attempts[0]]) == 3


def test_an_attempt_that_was_given_up_leaves_no_course(state: State, attempts: list[int]) -> None:
    state.fail(attempts[0], "lost", None)
    with pytest.raises(RunConflictError, match="given up"):
        state.commit(attempts[0], {}, {"loss": 0.25}, None, COURSE)
    assert state.fail(attempts[0], "failed", None, None, COURSE) is False
    assert metrics.history(state, "run-1") == {}


def test_a_run_takes_its_course_with_it(state: State, attempts: list[int]) -> None:
    state.commit(attempts[0], {}, {}, None, COURSE)
    state.end_run("run-1", 1, "succeeded", None)
    state.delete_runs(["run-1"])
    assert metrics.history(state, "run-1") == {}
