"""Each small pipeline does on this machine what its case says, and the published table what the suite shows."""

from __future__ import annotations

from pathlib import Path

import cases
import pytest
from outcome import differences


@pytest.mark.slow
@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
def test_the_local_engine_does_what_a_case_says(case, local):
    found = local(case)
    assert differences(case, found, found) == []
    if "retries" in case.needs:
        assert found.attempts == {"flaky": 3}


def test_what_a_target_beside_the_local_one_can_do_is_shown_by_a_case():
    shown = {need for case in cases.CASES for need in case.needs}
    assert shown <= set(cases.CAPABILITIES)
    assert {name for name, (_, can) in cases.CAPABILITIES.items() if can["airflow"] == "yes"} <= (
        shown | cases.BY_TESTS["airflow"]
    )


def test_the_published_table_says_what_the_suite_says():
    text = (Path(__file__).parents[2] / "docs" / "targets.md").read_text()
    rows = [f"| {what} | {' | '.join(can.values())} |" for what, can in cases.CAPABILITIES.values()]
    assert text.rstrip().endswith("\n".join(["| | local | airflow |", "|---|---|---|", *rows]))
