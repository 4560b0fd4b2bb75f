"""Connections that are cut while something is done in an account: it is done once, or it is said."""

from __future__ import annotations

import os
import time
import uuid
from functools import partial
from types import SimpleNamespace

import pytest
from cutting import BEFORE, BEHIND, HALF, Cutter
from ground import waits_nothing

import firnflow as ff
from firnflow.cli._elsewhere.logs import _Reader
from firnflow.errors import StoreError, TargetError
from firnflow.project import load_settings
from firnflow.stores.snowflake import connection
from firnflow.stores.snowflake.names import literal
from firnflow.stores.snowflake.stage import StageStore
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
def cutter(port, monkeypatch):
    monkeypatch.setattr("snowflake.connector.storage_client.SnowflakeStorageClient.SLEEP_UNIT", 0)
    monkeypatch.setattr("firnflow.stores.snowflake.session.PAUSES", (0.0,) * 3)
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
    assert {(how, "PUT firnflow.zip") for how in (BEFORE, HALF, BEHIND)} < set(cutter.done)
    assert len(cutter.done) > 60
    assert here.there() == calm
    assert here.apply(sums).actions == ()
    here.apply(connect=lambda: here.connect(cutter.port))
    assert here.there() == {}
    done = [each["action"] for each in here.deployments.history()]
    assert done == 2 * (["remove"] * 7 + ["create"] * 7)


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
import json

def main(session, call):
    job = json.loads(call)
    image = "/" + job["schema"].replace(".", "/") + "/images/i:1"
    work = {"name": "main", "image": image, "command": ["python", "-c", "print('at work')"]}
    said = json.dumps({"spec": {"containers": [work]}})
    about = f"firnflow run=sums.one task={job['task']}"
    made = "EXECUTE JOB SERVICE IN COMPUTE POOL SMALL FROM SPECIFICATION $" + "$" + said + "$" + "$"
    session.sql(f"{made} NAME = {job['schema']}.J_{job['task']} COMMENT = '{about}'").collect()
    return "{}"
"""


def ended(operator, run):
    until = time.monotonic() + 60
    while (found := operator.find("sums", run.id)) is None or found.status in {"queued", "running"}:
        assert time.monotonic() < until
        time.sleep(0.2)
    return found


def test_each_request_of_a_run_that_is_started_and_followed_is_cut_and_it_runs_once(ground, cutter):
    here = ground()
    here.apply(sums)
    procedure = f"CREATE OR REPLACE PROCEDURE {here.schema}.FIRNFLOW_EXEC_V1(CALL VARCHAR) RETURNS VARCHAR"
    here.admin.execute(
        f"{procedure} LANGUAGE PYTHON RUNTIME_VERSION = '3.11' PACKAGES = ('snowflake-snowpark-python') "
        f"HANDLER = 'main' AS {literal(QUICK)}"
    )
    here.admin.execute(f"CREATE IMAGE REPOSITORY {here.schema}.IMAGES")
    account = Account(lambda: here.connect(cutter.port))
    operator = SnowflakeOperator(here.root, load_settings(here.root, "prod"), account)
    cutter.each_in_every_way()
    run = operator.start(Order("sums", "sums.one", {}))
    assert (run.id, BEHIND) in {(run.id, how) for how, what in cutter.done if what.startswith("EXECUTE TASK")}
    assert ended(operator, run).status == "succeeded"
    tasks = {each.name: each for each in operator.tasks(run)}
    assert {"one", "two"} <= set(tasks)
    log, said = _Reader(SimpleNamespace(operator=operator), run, None, None), []
    while (new := log.new()) or not said:
        said += new
    assert sorted((each["task"], each["message"]) for each in said) == [
        (name, "at work") for name in ("finalizer", "one", "two")
    ]
    assert any(how == HALF and "GET_SERVICE_LOGS" in what for how, what in cutter.done)
    assert [each.id for each in operator.runs(["sums"], 10)] == [run.id]
    assert {how for how, _ in cutter.done} == {BEFORE, HALF, BEHIND}
    account.close()


def test_each_request_of_an_artifact_that_is_written_and_read_is_cut_and_its_bytes_are_the_same(
    connect, cutter, monkeypatch, tmp_path
):
    database = f"C{uuid.uuid4().hex[:8].upper()}"
    connect().cursor().execute(f"CREATE DATABASE {database}")
    connect().cursor().execute(f"CREATE STAGE {database}.PUBLIC.S")
    where = f'protocol = "http"\nhost = "127.0.0.1"\nport = {cutter.port}\naccount = "emulator"\n'
    monkeypatch.setenv("SNOWFLAKE_CONNECTIONS", f'[files]\n{where}user = "EMULATOR"\npassword = "x"\n')
    store = StageStore(f"snowflake://files/{database}/PUBLIC/S/objects")
    (tmp_path / "made").write_bytes(content := os.urandom(300_000))
    monkeypatch.setitem(connection._PATIENCE, "backoff_policy", partial(waits_nothing, 5))
    cutter.each_in_every_way()
    store.upload(tmp_path / "made", "a/b")
    store.download("a/b", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content
    assert [each.name for each in store.find("a")] == ["a/b"]
    cuts = {(what.partition(" ")[0], how) for how, what in cutter.done if not what.startswith(("PUT '", "GET '"))}
    assert {(way, how) for way in ("PUT", "GET") for how in (BEFORE, HALF, BEHIND)} <= cuts
    cutter.cut = lambda _, what: HALF if what.startswith("PUT c") else None
    with pytest.raises(StoreError, match=r"Snowflake cannot be reached: .* Mend: the same command goes on"):
        store.upload(tmp_path / "made", "a/c")
    assert not store.exists("a/c")


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
