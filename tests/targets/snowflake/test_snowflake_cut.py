"""Connections that are cut while something is done in an account: it is done once, or it is said."""

from __future__ import annotations

import time

import pytest
from cutting import BEFORE, BEHIND, HALF, Cutter

import firnflow as ff
from firnflow.errors import StoreError, TargetError
from firnflow.project import load_settings
from firnflow.targets.operate import Order
from firnflow.targets.snowflake.account import Account
from firnflow.targets.snowflake.operator import SnowflakeOperator

pytestmark = [pytest.mark.slow, pytest.mark.server]


@ff.task
def one(x: int) -> int:
    return x


@ff.pipeline(schedule=ff.Cron("0 6 * * *"))
def sums():
    one.options(name="two")(one(1))


@pytest.fixture
def cutter(port):
    made = Cutter(port)
    yield made
    made.close()


def test_each_request_of_an_apply_is_cut_in_each_way_and_nothing_is_lost_or_doubled(ground, cutter):
    here = ground()
    here.apply(sums)
    calm = here.there()
    here.apply()
    assert here.there() == {}
    cutter.each_in_every_way()
    here.apply(sums, connect=lambda: here.connect(cutter.port))
    assert {how for how, _ in cutter.done} == {BEFORE, HALF, BEHIND}
    assert len(cutter.done) > 60
    assert here.there() == calm
    assert here.apply(sums).actions == ()
    here.apply(connect=lambda: here.connect(cutter.port))
    assert here.there() == {}
    done = [each["action"] for each in here.deployments.history()]
    assert done == 2 * (["remove"] * 5 + ["create"] * 5)


def test_an_apply_whose_connection_is_gone_for_good_is_told_and_gone_on_with(ground, cutter):
    """At every fourth statement that changes something: it is done, but nothing answers any more."""
    here = ground()
    here.apply(sums)
    calm = here.there()
    for nth in (0, 4, 8, 12):
        here.apply()
        cutter.from_the_nth(nth, BEHIND)
        with pytest.raises(StoreError, match=r"Snowflake cannot be reached: .*(again|goes on)"):
            here.apply(sums, connect=lambda: here.connect(cutter.port, tries=1))
        assert (BEHIND, next(what for how, what in cutter.done if how == BEHIND)) == cutter.done[0]
        cutter.done.clear()
        here.apply(sums)
        assert here.there() == calm


QUICK = """
def main(session, call):
    print("at work")
    return "{}"
"""


def ended(operator, run):
    until = time.monotonic() + 60
    while (found := operator.find("sums", run.id)) is None or found.status in {"queued", "running"}:
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


def test_each_request_of_a_run_that_is_started_and_followed_is_cut_and_it_runs_once(ground, cutter):
    here = ground()
    here.apply(sums)
    procedure = f"CREATE OR REPLACE PROCEDURE {here.schema}.FIRNFLOW_EXEC_V1(CALL VARCHAR) RETURNS VARCHAR"
    here.admin.execute(
        f"{procedure} LANGUAGE PYTHON RUNTIME_VERSION = '3.11' PACKAGES = ('snowflake-snowpark-python') "
        f"HANDLER = 'main' AS $${QUICK}$$"
    )
    account = Account(lambda: here.connect(cutter.port))
    operator = SnowflakeOperator(here.root, load_settings(here.root, "prod"), account)
    cutter.each_in_every_way()
    run = operator.start(Order("sums", "sums.one", {}))
    assert (run.id, BEHIND) in {(run.id, how) for how, what in cutter.done if what.startswith("EXECUTE TASK")}
    assert ended(operator, run).status == "succeeded"
    tasks = {each.name: each for each in operator.tasks(run)}
    assert {"one", "two"} <= set(tasks)
    assert operator.log(run, tasks["one"], 1) == []  # no job has been made for it, whose log it would be
    assert [each.id for each in operator.runs(["sums"], 10)] == [run.id]
    assert {how for how, _ in cutter.done} == {BEFORE, HALF, BEHIND}
    account.close()


def test_a_run_of_which_nobody_knows_whether_it_has_begun_is_told(ground, cutter, monkeypatch):
    here = ground()
    here.apply(sums)
    monkeypatch.setattr("firnflow.targets.snowflake.operator.APPEARS", 0.5)
    account = Account(lambda: here.connect(cutter.port, tries=1))
    operator = SnowflakeOperator(here.root, load_settings(here.root, "prod"), account)
    operator.look()
    cutter.cut = lambda _, what: BEFORE if what.startswith("EXECUTE TASK") else None
    with pytest.raises(TargetError, match="Snowflake cannot be reached") as told:
        operator.start(Order("sums", "sums.one", {}))
    assert told.value.is_passing
    assert operator.runs(["sums"], 10) == []
    account.close()


def test_a_session_that_has_ended_is_begun_again(ground):
    here = ground()
    account = Account(here.connect)
    assert account.one("SELECT 1") == 1
    first = account._session.connection
    here.admin.execute("SELECT 1")
    first.rest.delete_session()  # as after hours of silence, or by the restart of an emulator
    assert account.one("SELECT 2") == 2
    assert account._session.connection is not first
    account.close()
