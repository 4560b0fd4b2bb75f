"""Each small pipeline does on this machine what its case says, and the published table what the suite shows."""

from __future__ import annotations

import re
from pathlib import Path

import cases
import pytest
from outcome import differences

import firnflow as ff
from firnflow.errors import UsageError
from firnflow.targets.airflow import schedule as airflow
from firnflow.targets.snowflake.compile import schedule as snowflake


@pytest.mark.slow
@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
def test_the_local_engine_does_what_a_case_says(case, local):
    found = local(case)
    assert differences(case, found, found) == []
    if "retries" in case.needs:
        assert found.attempts == {"flaky": 3}


@pytest.mark.parametrize("target", cases.BY_TESTS)
def test_what_a_target_beside_the_local_one_can_do_is_shown_by_a_case(target):
    shown = {need for case in cases.CASES for need in case.needs}
    assert shown <= set(cases.CAPABILITIES)
    assert {name for name, (_, can) in cases.CAPABILITIES.items() if can[target] == "yes"} <= (
        shown | cases.BY_TESTS[target]
    )


@ff.task
def look() -> int:
    return 1


@ff.pipeline(schedule=ff.OnUpdate(source="feed"))
def fed():
    """What needs each of the gaps."""
    look()


def said_when_planning(target):
    if target == "airflow":
        return airflow.weak_points("fed", fed.build().schedule, "")[0]
    with pytest.raises(UsageError) as caught:
        snowflake.waits_for(fed.build())
    return str(caught.value)


def test_a_gap_is_said_when_planning():
    gaps = {(target, name) for name, (_, can) in cases.CAPABILITIES.items() for target in can if can[target] != "yes"}
    assert gaps == set(cases.GAPS)
    for (target, _), pattern in cases.GAPS.items():
        assert re.search(pattern, said_when_planning(target))


def test_the_published_table_says_what_the_suite_says():
    text = (Path(__file__).parents[2] / "docs" / "targets.md").read_text()
    rows = [f"| {what} | {' | '.join(can.values())} |" for what, can in cases.CAPABILITIES.values()]
    assert text.rstrip().endswith("\n".join([f"| | {' | '.join(cases.TARGETS)} |", "|---|---|---|---|", *rows]))
