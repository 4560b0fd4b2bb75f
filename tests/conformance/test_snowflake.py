"""Snowflake, emulated or an account that is named: small pipelines give there what they give on this machine.

All runs are under way at once. Each task is a job of its own; a few pipelines run once more with all that can be in
Snowflake there: their tables, state and artifacts, and tasks of tables in the warehouse.
"""

from __future__ import annotations

import json
import re
import time

import cases
import pytest
from calling import firnflow
from outcome import differences, outcome
from snowflake_bench import SECTION_HERE, emulated, example, real

from firnflow.targets.operate import Order

pytestmark = [pytest.mark.slow, pytest.mark.server, pytest.mark.timeout(1200)]
CHOSEN = cases.that("snowflake")
BESIDE = ("failing", "nightly", "reading")
"""What runs beside the cases."""


INSIDE = ("expressions", "a table", "a failure")
"""Cases that run once more."""


@pytest.fixture(scope="module", params=["emulator", "account"])
def bench(request, tmp_path_factory):
    """A deployment on which all cases have been started."""
    pytest.importorskip("fakesnow")
    giving = emulated if request.param == "emulator" else real
    with giving(tmp_path_factory.mktemp("snowflake"), [*BESIDE, *(case.pipeline for case in CHOSEN)]) as bench:
        for case in CHOSEN:
            bench.start(case)
        yield bench


@pytest.fixture(scope="module")
def inside(tmp_path_factory):
    """A deployment of which all is in Snowflake, on which a few cases have been started."""
    pytest.importorskip("fakesnow")
    chosen = [case for case in CHOSEN if case.name in INSIDE]
    pipelines = ["reading", *(case.pipeline for case in chosen)]
    with emulated(tmp_path_factory.mktemp("inside"), pipelines, SECTION_HERE) as bench:
        for case in chosen:
            bench.start(case)
        yield bench


@pytest.mark.parametrize("name", INSIDE)
def test_snowflake_does_the_same_with_all_of_it_inside(name, inside, local):
    case = next(case for case in CHOSEN if case.name == name)
    ended, found = inside.ended(name), inside.outcome(name)
    assert differences(case, found, local(case)) == []
    assert ended.status == case.status


@pytest.mark.parametrize("case", CHOSEN, ids=lambda case: case.name)
def test_snowflake_does_what_the_local_engine_does(case, bench, local):
    right = local(case)
    ended = bench.ended(case.name)
    found = bench.outcome(case.name)
    assert differences(case, found, right) == []
    assert ended.status == case.status
    if case.states is not None:
        assert found.attempts == right.attempts


def test_a_table_that_is_published_starts_who_waits_for_it(bench):
    bench.ended("a table")
    until = time.monotonic() + 60
    while not (found := bench.operator.runs(["reading"], 10)):
        assert time.monotonic() < until
        time.sleep(1)
    (bench.runs["reading"],) = found
    assert bench.ended("reading").status == "succeeded"
    assert bench.outcome("reading").states["count"] == "succeeded"


def test_an_example_gives_the_same_digests_as_here(bench):
    """Branch, finalizer and promotion among them; the id is the same, as it stands in tables that are appended to."""
    if bench.account is None:
        pytest.skip("an account has the image of the suite, not that of an example")
    for name in [*bench.runs]:
        bench.ended(name)
    churn = example(bench, "churn")
    there = churn.runs["churn"] = churn.operator.start(Order("churn", "same"))
    firnflow(churn.root, "run", "churn", "--env", "small", "--id", there.id, "--no-cache")
    right = outcome(f"sqlite:///{churn.root}/.firnflow/state.db", there.id)
    assert churn.ended("churn").status == "succeeded"
    found = churn.outcome("churn")
    assert (found.status, found.states, found.digests) == (right.status, right.states, right.digests)
    assert {"promote", "gate", "train"} <= right.digests.keys()


def test_firnflow_steers_it(bench):
    """A failed run is told as here; a backfill runs what is missing, once."""
    failed = bench.ended("a failure").id
    assert {"run": failed, "status": "failed"}.items() <= json.loads(bench.call("runs", "-p", "failing", "--json"))[
        0
    ].items()
    log = bench.call("logs", failed, "broken")
    assert re.search(r'File ".*flows\.py", line \d+, in broken', log)
    assert "ValueError: no luck with 1" in log
    days = ("nightly", "--from", "2026-01-02", "--to", "2026-01-03")
    found = json.loads(bench.call("backfill", *days, "--json"))
    assert (sorted(found["ran"]), found["failed"]) == (["2026-01-02", "2026-01-03"], {})
    assert "nothing to do" in bench.call("backfill", *days)
