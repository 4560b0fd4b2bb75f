"""Tasks of tables in the warehouse: in the process of a procedure, and a whole run on the emulator without any pool."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import ibis
import pytest

from firnflow import values
from firnflow.engine.request import RunRequest
from firnflow.engine.run import run
from firnflow.project import load_project
from firnflow.stores import Stores
from firnflow.stores.snowflake import procedure
from firnflow.stores.state import State
from firnflow.stores.state.deployments import Deployments
from firnflow.targets.apply import apply_plan
from firnflow.targets.plan import plan_apply
from firnflow.targets.snowflake.account import Account
from firnflow.targets.snowflake.beside import here
from firnflow.targets.snowflake.beside.procedure import turn_now
from firnflow.targets.snowflake.compile.place import place_of
from firnflow.targets.snowflake.grammar.values import Location
from firnflow.targets.snowflake.said import lines
from firnflow.targets.snowflake.target import SnowflakeTarget
from firnflow.values import Ref

pytestmark = pytest.mark.slow

NUMBERS = """
import os
import time
from pathlib import Path
import firnflow as ff

@ff.task
def number(x: int) -> int:
    place = Path(os.environ["TRIES"])
    place.write_text(place.read_text() + "x" if place.exists() else "x")
    print("try", len(place.read_text()))
    assert x or len(place.read_text()) > 1, "not at once"
    while x > 8:
        time.sleep(0.01)
    return x + 1

class Params(ff.Params):
    x: int = 1

@ff.pipeline(params=Params)
def sums(p):
    number(p.x)
"""


class Session:
    """What a procedure is given, as far as a task asks it whose state is elsewhere."""

    def __init__(self):
        self.said, self.kept = [], {}
        rows = SimpleNamespace(fetchall=lambda: [("ML", "PROD", "WH")])
        cursor = SimpleNamespace(execute=lambda text: self.said.append(text) or rows, close=lambda: None)
        self.connection = SimpleNamespace(cursor=lambda: cursor)
        self.file = SimpleNamespace(put=self._put)

    def sql(self, text):
        self.said.append(text)
        return SimpleNamespace(collect=list)

    def _put(self, path, place, **_):
        self.kept[f"{place}/{Path(path).name}"] = Path(path).read_text()


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """Return what executes the task of a payload in this process, and the session that it was given."""
    given = {"FIRNFLOW_STATE": f"sqlite:///{tmp_path}/state.db", "FIRNFLOW_ARTIFACTS": str(tmp_path / "artifacts")}
    given["TRIES"] = str(tmp_path / "tries")
    folder = tmp_path / "payload"
    folder.mkdir()
    toml = '[project]\nname = "shop"\npipelines = ["numbers_here"]\n'
    own = tmp_path / "own"
    own.mkdir()
    (own / "firnflow.toml").write_text(toml)
    (own / "numbers_here.py").write_text(NUMBERS)
    with zipfile.ZipFile(folder / "project.zip", "w") as file:
        for path in own.iterdir():
            file.write(path, path.name)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (folder / "sums.graph.json").write_text(load_project(own).pipelines["sums"].build().model_dump_json())
    job = {"pipeline": "sums", "task": "number", "run": "sums.1", "env": "local", "variables": given}

    def call(**more):
        session = Session()
        place = tmp_path / "here"
        place.mkdir()
        for path in folder.iterdir():
            (place / path.name).write_bytes(path.read_bytes())
        found = here.execute(session, {**job, "payload": "@ML.PROD.CODE/shop-prod/0123", **more}, str(place))
        return found, session

    yield call
    sys.modules.pop("numbers_here", None)


def test_a_task_is_executed_in_the_process_and_leaves_nothing_but_its_log(execute, tmp_path):
    before = (Path.cwd(), dict(os.environ), sys.argv)
    found, session = execute(decides="result")
    assert found == {"run": "sums.1", "task": "number", "code": 0, "state": "succeeded", "decided": "2"}
    assert (Path.cwd(), dict(os.environ), sys.argv) == before
    assert procedure.current() is None
    (name,) = session.kept
    assert name == f"@ML.PROD.CODE/logs/shop-prod/{turn_now() % 3}/sums.1/number.1.jsonl"
    assert json.loads(session.kept[name].splitlines()[0])["message"] == "try 1"


def test_a_task_that_fails_is_tried_again_and_one_that_is_refused_is_not(execute, tmp_path):
    found, _ = execute(values={"x": 0}, retries=2, retry_delay=0.01)
    assert (found["code"], (tmp_path / "tries").read_text()) == (0, "xx")


def test_a_call_that_is_refused_says_why(execute, tmp_path):
    found, _ = execute(task="nobody", retries=2, retry_delay=5.0)
    assert (found["code"], found["state"]) == (2, "failed")
    assert "the graph has no task 'nobody'" in found["error"]


def test_a_try_that_takes_too_long_is_ended_and_its_statements_are(execute, tmp_path):
    begin = time.monotonic()
    found, session = execute(values={"x": 9}, timeout=1.5)
    assert time.monotonic() - begin < 20
    assert found["error"] == "TaskTimeoutError: was ended after 1.5 s"
    limits = [each for each in session.said if "TIMEOUT" in each]
    assert limits == [
        "ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = 2",
        "ALTER SESSION UNSET STATEMENT_TIMEOUT_IN_SECONDS",
    ]
    state = State(f"sqlite:///{tmp_path}/state.db")
    (attempt,) = state.attempts("sums.1")
    assert (attempt.status, attempt.error["message"]) == ("cancelled", "stopped by its time limit")
    state.close()


def test_a_time_limit_that_ends_with_the_try_does_not_stay_with_the_session(monkeypatch):
    def late(*_):
        raise KeyboardInterrupt

    session = Session()
    with pytest.raises(KeyboardInterrupt), here._Limit(session, 60.0):
        monkeypatch.setattr(here, "_raise_in", late)
    assert session.said[1:] == ["ALTER SESSION UNSET STATEMENT_TIMEOUT_IN_SECONDS"]


SALES = """
import os
from pathlib import Path
from typing import Literal

import ibis

import firnflow as ff


@ff.task(group="prep")
def paid(orders: ibis.Table) -> ibis.Table:
    return orders.filter(orders.amount >= 5).mutate(gross=orders.amount * 1.19)


@ff.task(group="prep")
def totals(paid: ibis.Table, orders: ibis.Table) -> ibis.Table:
    if "MARK" in os.environ and not (mark := Path(os.environ["MARK"])).exists():
        mark.touch()
        os.environ["FIRNFLOW_CRASH"] = "commit.inside:kill"  # the first time
    joined = paid.join(orders.group_by("customer").agg(orders=orders.count()), "customer")
    return joined.group_by("customer", "orders").agg(total=joined.gross.sum()).order_by("customer")


@ff.task
def judge(totals: ibis.Table) -> Literal["many", "few"]:
    print("judging", totals.columns)
    return "many" if int(totals.count().execute()) > 1 else "few"


@ff.task
def best(totals: ibis.Table) -> ibis.Table:
    return totals.order_by(ibis.desc("total")).limit(1)


@ff.task
def all_of(totals: ibis.Table) -> ibis.Table:
    return totals


@ff.task
def final(best: ibis.Table | None, rest: ibis.Table | None) -> ibis.Table:
    found = best if best is not None else rest
    return found.mutate(kind=ibis.literal("best" if best is not None else "all"))


@ff.pipeline
def sales():
    orders = ff.source("orders")
    found = totals(paid(orders), orders).publish("totals", key="customer")
    verdict = judge(found)
    with verdict.case("many"):
        one = best(found)
    with verdict.case("few"):
        rest = all_of(found)
    final(one, rest)
"""


@pytest.fixture
def shop(tmp_path, snowflake_url, monkeypatch):
    """The project of `SALES`, in an environment on the emulator, and its schema's full name."""
    database, schema = snowflake_url.rsplit("/", 2)[1:]
    root = tmp_path / "shop"
    (root / "data").mkdir(parents=True)
    (root / "sales_here.py").write_text(SALES)
    (root / "data" / "orders.csv").write_text("id,customer,amount\n1,a,10.5\n2,b,3.0\n3,a,7.25\n4,c,20.0\n")
    (root / "catalog.toml").write_text(
        '[orders]\npath = "data/orders.csv"\ncolumns = { id = "int64", customer = "string", amount = "float64" }\n'
    )
    (root / "firnflow.toml").write_text(
        '[project]\nname = "shop"\npipelines = ["sales_here"]\n[environments.prod]\norchestrator = "snowflake"\n'
        f'[environments.prod.snowflake]\nconnection = "emulated"\ndatabase = "{database}"\nschema = "{schema}"\n'
        f'warehouse = "COMPUTE_WH"\nstage = "code"\nfiles = ["data/*.csv"]\n'
        f'variables = {{ MARK = "{tmp_path}/mark" }}\n'
    )
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield root, f"{database}.{schema}"
    sys.modules.pop("sales_here", None)


@pytest.mark.server
@pytest.mark.timeout(240)
def test_a_pipeline_of_tables_runs_without_a_pool_and_goes_on_where_it_was_killed(shop, connect, tmp_path):
    root, schema = shop
    project = load_project(root, "prod")
    state = State(f"sqlite:///{tmp_path}/applied.db")
    target, deployments = SnowflakeTarget(project), Deployments(state, "shop", "prod", "snowflake")
    plan = plan_apply(target, deployments)
    assert "compute pool" not in {each.address.kind for each in plan.actions}
    facts = plan.actions[-1].resource.facts
    tasks = [text for name, text in facts.items() if name.startswith(("task ", "finalizer"))]
    assert len([text for text in tasks if "; in the warehouse" in text]) == len(tasks) == 9
    apply_plan(plan, target, deployments, "me@here")
    state.close()
    account, place = Account(connect), place_of(project)
    next_logs = Location(place.stage, f"{place.logs}/{(turn_now() + 1) % 3}/")
    account.upload("total.1.jsonl", b"old", next_logs)
    admin = connect().cursor()
    admin.execute(f"EXECUTE TASK {schema}.SALES")
    states = finished(admin, schema, 1)
    assert (states["SALES$PAID"], states["SALES$FINALIZER"]) == ("FAILED", "FAILED")
    admin.execute(f"EXECUTE TASK {schema}.SALES RETRY LAST")
    states = finished(admin, schema, 2)
    assert states["SALES$FINALIZER"] == "SUCCEEDED"
    assert {name for name, how in states.items() if how == "SKIPPED"} == {"SALES$ALL_OF"}
    there, tries = committed(project)
    assert tries == {"totals": ["cancelled", "succeeded"]}
    local = load_project(root, "local")
    run(local, RunRequest("sales", inline=True))
    assert there == committed(local)[0]
    assert account.files(next_logs) == {}
    said = lines(account, place, run_of(project), "judge", -1)
    assert [line.message for line in said] == ["judging ('customer', 'orders', 'total')"]
    account.close()
    assert there["totals"] == there["publish_totals"]
    admin.execute(f"SHOW TABLES LIKE 'FIRNFLOW_V$%' IN SCHEMA {schema}")
    assert [row[1] for row in admin.fetchall()] == ["FIRNFLOW_V$TOTALS$1"]


def finished(admin, schema, count):
    """Wait until the graph has ended so many times; return task → its last state."""
    until = time.monotonic() + 110
    while True:
        database, _, name = schema.partition(".")
        asked = f"SELECT NAME, STATE FROM TABLE({database}.INFORMATION_SCHEMA.TASK_HISTORY())"
        admin.execute(f"{asked} WHERE SCHEMA_NAME = '{name}' ORDER BY SCHEDULED_TIME")
        rows = admin.fetchall()
        ended = [how for task, how in rows if task == "SALES$FINALIZER" and how in {"FAILED", "SUCCEEDED"}]
        if len(ended) == count:
            return {**dict(rows), "SALES$FINALIZER": ended[-1]}
        assert time.monotonic() < until, rows
        time.sleep(0.3)


def run_of(project):
    """Return the only run of a project."""
    with contextlib.closing(State(project.settings.state.reveal())) as state:
        (found,) = state.runs()
        return found.id


def committed(project):
    """Return task → columns and rows of what the only run has committed, and the states of what was tried again."""
    state, stores = State(project.settings.state.reveal()), Stores.open(project.settings, project.root)
    try:
        (found,) = state.runs()
        attempts = state.attempts(found.id)
        refs = {each.task: Ref.from_json(ref) for each in attempts for ref in (each.outputs or {}).values()}
        made = {}
        for task, ref in refs.items():
            kind = ibis.Table if ref.kind == "table" else str
            value = values.load(ref, kind, stores)
            rows = value.to_pyarrow() if kind is ibis.Table else None
            made[task] = value if rows is None else (rows.schema, sorted(map(str, rows.to_pylist())))
        tried = {task: [str(each.status) for each in attempts if each.task == task] for task in refs}
        return made, {task: states for task, states in tried.items() if len(states) > 1}
    finally:
        stores.close()
        state.close()
