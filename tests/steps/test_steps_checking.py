"""`check` as a plain function; in runs it is tested with the command line (`test_cli_data_checks.py`)."""

from __future__ import annotations

import ibis
import pytest

import firnflow as ff
from firnflow import steps
from firnflow.errors import BadRowsError, UsageError
from firnflow.steps import _checks_page

RULES = ff.Checks(
    columns={"id": ff.Column(type="int", references="people.id"), "<b>": ff.Column(min=0, warn={"max": 5})},
    on_failure="quarantine",
    max_quarantined=0.5,
)


def test_outside_a_run_it_divides_the_rows_and_keeps_nothing():
    rows = ibis.memtable({"id": [1, 2, 9], "<b>": [1, 6, 3]})
    found = steps.check(rows, RULES, "orders", others=[ibis.memtable({"id": [1, 2]})])
    assert sorted(found.rows.to_pyarrow().to_pylist(), key=str) == [{"id": 1, "<b>": 1}, {"id": 2, "<b>": 6}]
    assert (found.result.outcome, found.result.bad_rows, found.result.kept_in) == ("quarantined", 1, "")
    assert "&lt;b&gt;.max = 5" in found.page
    assert "<b>." not in found.page
    with pytest.raises(BadRowsError, match="2 of 3 rows are not"):
        steps.check(rows, RULES, "orders", others=[ibis.memtable({"id": [1]})])
    with pytest.raises(UsageError, match=r"others= gives the tables that the rules reference: \['people'\]"):
        steps.check(rows, RULES, "orders")


def test_a_section_of_a_report_says_the_same():
    found = steps.check(ibis.memtable({"a": [1]}), ff.Checks(), "orders")
    assert "orders: 1 row, 1 rule, all kept" in _checks_page.section(found.result)
