"""The words for how runs and tasks stand: plain text wherever they leave the process."""

from __future__ import annotations

import json

import pytest

from firnflow.status import BROKEN, COMMITTED, FINISHED, RunStatus, TaskStatus, overall


def test_they_are_their_words():
    assert f"{RunStatus.CRASHED}" == "crashed"
    assert json.dumps({TaskStatus.UPSTREAM_FAILED: TaskStatus.LOST}) == '{"upstream_failed": "lost"}'
    assert {"failed": 1}[TaskStatus.FAILED] == 1
    assert "running" not in FINISHED
    assert not BROKEN & COMMITTED


@pytest.mark.parametrize(
    ("elements", "status"),
    [
        ((), "succeeded"),
        (("cached", "cached"), "cached"),
        (("cached", "succeeded"), "succeeded"),
        (("succeeded", "running", "cancelled"), "cancelled"),
        (("cancelled", "failed", "cached"), "failed"),
    ],
)
def test_the_worst_element_speaks_for_a_map(elements, status):
    assert overall(map(TaskStatus, elements)) == status
