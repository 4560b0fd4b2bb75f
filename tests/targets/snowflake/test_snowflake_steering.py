"""Runs on the emulator are started, found, followed, stopped and repeated, each by its name."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest

from firnflow.cli._elsewhere import pause, unpause
from firnflow.cli._elsewhere._follow import Follower
from firnflow.cli._elsewhere._site import Site
from firnflow.cli._elsewhere.logs import fresh
from firnflow.errors import NotFoundError, RunConflictError, TargetError, UsageError
from firnflow.project import load_project, load_settings
from firnflow.status import TaskStatus
from firnflow.stores.state import Attempt, State
from firnflow.stores.state.deployments import Deployments
from firnflow.targets.apply import apply_plan
from firnflow.targets.operate import QUEUED, LogLine, Order, TargetTask
from firnflow.targets.plan import plan_apply
from firnflow.targets.snowflake.account import Account
from firnflow.targets.snowflake.containers import timed
from firnflow.targets.snowflake.history import GraphRan, Ran
from firnflow.targets.snowflake.operator import SnowflakeOperator
from firnflow.targets.snowflake.runs import places_in, runs_of, tasks_of
from firnflow.targets.snowflake.target import SnowflakeTarget

NOW = 10_000.0
LONG = 60.0


def ran(name, state, attempt=1, group="g", due=9000.0, config="", text="", cause="execute task"):
    over = state not in {"SCHEDULED", "EXECUTING"}
    query = None if state == "SCHEDULED" else "q"
    return Ran(name, state, attempt, group, "id", query, cause, due, due, due + 9 if over else None, "", text, config)


ROOT, END = ran("P", "SUCCEEDED"), ran("P$FINALIZER", "SUCCEEDED")


@pytest.mark.parametrize(
    ("rows", "graphs", "status"),
    [
        ([ran("P", "SCHEDULED")], [], QUEUED),
        ([ran("P", "EXECUTING")], [], "running"),
        ([ROOT], [], "running"),
        ([replace(ROOT, ended=NOW - 3601)], [], "failed"),
        ([replace(ROOT, ended=NOW - 3601)], [GraphRan("EXECUTING", 1, "g", "", 0)], "running"),
        ([ROOT], [GraphRan("CANCELLED", 1, "g", "", 0)], "cancelled"),
        ([ROOT, END], [], "succeeded"),
        ([ROOT, ran("P$FINALIZER", "FAILED")], [], "failed"),
        ([ROOT, ran("P$FINALIZER", "FAILED"), ran("P$FINALIZER", "SUCCEEDED", 2)], [], "succeeded"),
        ([ROOT, ran("P$FINALIZER", "FAILED")], [GraphRan("EXECUTING", 2, "g", "", 0)], "running"),
        ([ROOT, ran("P$FINALIZER", "EXECUTING")], [], "running"),
    ],
)
def test_how_a_run_stands_is_told_by_its_root_its_end_and_what_is_under_way(rows, graphs, status):
    (run,) = runs_of("p", "P", rows, graphs, NOW)
    found = run.as_target_run(NOW)
    assert (found.id, found.native, found.status) == ("p.g", "g", status)
    assert found.is_over == (found.ended_at is not None)


def test_what_a_schedule_brings_later_is_no_run_and_a_name_comes_before_a_group():
    config = json.dumps({"partition": "a", "firnflow": {"run": "mine"}})
    rows = [ran("P", "SCHEDULED", due=NOW + 60, cause="schedule"), ran("P", "SUCCEEDED", group="h", config=config)]
    (run,) = runs_of("p", "P", rows, [], NOW)
    found = run.as_target_run(NOW)
    assert (found.id, found.native, found.partition) == ("p.mine", "mine", "a")
    assert runs_of("p", "P", [replace(ROOT, config="[]")], [], NOW)[0].native == "g"


def call(task, **more):
    return f"CALL A.B.FIRNFLOW_EXEC_V1('{json.dumps({'task': task, **more})}')"


def test_tasks_that_have_not_run_wait_or_were_passed_over_and_older_attempts_count_no_more():
    texts = [call("a"), call("b", element=0, label="x=1"), call("c"), "SELECT 1", "no SQL"]
    (run,) = (each.as_target_run(NOW) for each in runs_of("p", "P", [ROOT], [], NOW))
    rows = [ran("P$A", "EXECUTING", 2, text=texts[0]), ran("P$A", "FAILED", text=texts[0])]
    rows += [ran("P$C", "SKIPPED", text=texts[2]), ROOT]
    found = {each.name: (each.status, each.attempt) for each in tasks_of(rows, texts, run, NOW)}
    assert found == {"a": ("running", 2), "b[x=1]": ("waiting", 0), "c": ("waiting", 1)}
    over = replace(run, status="failed")
    assert {each.task: each.status for each in tasks_of(rows[1:], texts, over, NOW)} == {
        "a": TaskStatus.FAILED,
        "b": TaskStatus.UPSTREAM_FAILED,
        "c": TaskStatus.SKIPPED,
    }
    assert places_in("CALL F(1)") == ()


RAISED = """Python Interpreter Error:
Traceback …
  raise RuntimeError(f"{job} of run …")
RuntimeError: a of run p.g has failed: ValueError: no (luck) (job ML.S.J)
 in function F with handler main"""


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (RAISED, "ValueError: no (luck)"),
        (RAISED.replace("ML.S.J", "ML.S.J, ML.S.K"), "ValueError: no (luck)"),
        (RAISED.replace(" (job ML.S.J)", ""), "ValueError: no (luck)"),
        (
            RAISED.replace("no (luck) (job ML.S.J)", "no luck in function scale: 3"),
            "ValueError: no luck in function scale: 3",
        ),
        ("\nStatement reached its timeout\nmore", "Statement reached its timeout"),
        ("", None),
    ],
)
def test_a_failed_task_says_why(error, why):
    text = call("a")
    (run,) = (each.as_target_run(NOW) for each in runs_of("p", "P", [ROOT], [], NOW))
    (task,) = tasks_of([replace(ran("P$A", "FAILED", text=text), error=error), ROOT], [text], run, NOW)
    assert task.why == why


def test_a_task_that_was_started_without_what_it_needs_has_not_failed_itself():
    text, said = call("a"), "firnflow exec: task 'a' reads 'b', which run p.g has not committed yet"
    (run,) = (each.as_target_run(NOW) for each in runs_of("p", "P", [ROOT], [], NOW))
    row = replace(ran("P$A", "FAILED", text=text), error=RAISED.replace("ValueError: no (luck)", said))
    (task,) = tasks_of([row, ROOT], [text], run, NOW)
    assert (task.status, task.why) == (TaskStatus.UPSTREAM_FAILED, None)


def test_a_job_of_several_tasks_stands_for_each_and_what_is_done_of_it_the_state_says():
    text = call("a+b+c", steps=[{"task": name} for name in "abc"])
    (run,) = (each.as_target_run(NOW) for each in runs_of("p", "P", [ROOT], [], NOW))
    rows = [ran("P$A", "FAILED", text=text), ROOT]
    found = tasks_of(rows, [text, call("d")], run, NOW)
    assert [(each.task, each.is_shared) for each in found] == [("a", True), ("b", True), ("c", True), ("d", False)]
    events = []
    errors = {"type": "ValueError", "message": "no"}
    attempts = [
        Attempt(task="a", number=1, status=TaskStatus.SUCCEEDED),
        Attempt(task="b", number=1, status=TaskStatus.FAILED, error=errors),
    ]
    record = SimpleNamespace(id=run.id)
    site = SimpleNamespace(record=lambda _: record, state=SimpleNamespace(attempts=lambda _: attempts))
    Follower(site, run, SimpleNamespace(finalizer=None), [events.append])._compare(found)
    told = {each.task: each.data["state"] for each in events if each.kind == "task_finished"}
    assert told == {"a": "succeeded", "b": "failed", "c": "upstream_failed"}


def test_a_line_of_a_log_has_its_own_moment_and_is_shown_once_also_where_the_log_forgets_its_beginning():
    second, moment = "2026-01-02T03:04", 1767323045.678
    log = f"starting\n{second}:05.678+00:00 first\n\ncontinued\n{second}:06.000+00:00  x\nfirnflow-answer: {{}}"
    assert timed(log, 5.0) == [(5.0, "starting"), (moment, "first"), (moment, "continued"), (1767323046.0, " x")]
    lines = [LogLine(at, "info", source, f"{source}{at}") for at in range(4) for source in "ab"]
    assert list(fresh([], lines)) == lines
    assert list(fresh(lines, lines)) == []
    known = lines[:3]  # of a two, of b one
    assert list(fresh(known, [*lines[::2], *lines[1::2]])) == [*lines[4::2], *lines[3::2]]
    assert list(fresh(lines[:6:2], lines[2::2])) == [lines[6]]
    assert list(fresh(lines[:2:2], lines[4::2])) == lines[4::2]  # some were forgotten before they could be shown


# -- on the emulator --------------------------------------------------------------------------------------------------

PIPELINES = """
import os
import time
from pathlib import Path

import ibis

import firnflow as ff


class Marks(ff.Params):
    folder: str


@ff.task
def left() -> int:
    return 1


@ff.task
def wait(x: int, folder: str) -> int:
    print("waits in", folder)
    (Path(folder) / f"at-{os.getpid()}").touch()
    while not (Path(folder) / "go").exists():
        time.sleep(0.05)
    return x + 1


@ff.task
def note(summary: ff.RunSummary) -> str:
    return str(summary.status)


@ff.pipeline(params=Marks, finalizer=note)
def steady(p):
    wait(left(), p.folder)


@ff.pipeline(schedule=ff.Every("20m"))
def often():
    left()


@ff.task
def rows() -> ibis.Table:
    return ibis.memtable({"n": [time.time()]})


@ff.pipeline
def orders():
    rows().publish("orders")


@ff.pipeline(schedule=ff.OnUpdate("orders"))
def after_orders():
    left()
"""


class There:
    """A project that is deployed on the emulator."""

    def __init__(self, folder, connect):
        given = {"FIRNFLOW_STATE": f"sqlite:///{folder}/there.db", "FIRNFLOW_ARTIFACTS": str(folder / "there")}
        root, more = folder / "project", "".join(f'variables.{name} = "{value}"\n' for name, value in given.items())
        root.mkdir()
        (root / "pipelines.py").write_text(PIPELINES)
        (root / "firnflow.toml").write_text(
            '[project]\nname = "steered"\n[environments.prod]\norchestrator = "snowflake"\nwarehouse = "duckdb"\n'
            '[environments.prod.snowflake]\ndatabase = "ml"\nschema = "steered"\nwarehouse = "wh"\n'
            'image = "/ml/steered/images/i:1"\npool = "p"\nvariables.FIRNFLOW_TRACKING = "none"\n'
            f'pools.p = {{ name = "steered", family = "CPU_X64_S", max_nodes = 2 }}\n{more}'
        )
        self.project, self.state = load_project(root, "prod"), given["FIRNFLOW_STATE"]
        self.artifacts = given["FIRNFLOW_ARTIFACTS"]
        self.target = SnowflakeTarget(self.project, Account(connect))
        self.applied = State(f"sqlite:///{folder}/applied.db")
        self.deployments = Deployments(self.applied, "steered", "prod", "snowflake")
        apply_plan(self.plan(), self.target, self.deployments, "me@here")
        self.connect = connect

    def plan(self):
        return plan_apply(self.target, self.deployments)

    def operator(self):
        return SnowflakeOperator(self.project.root, self.project.settings, Account(self.connect))

    def values(self, run):
        """Return task → what it has committed in a run, and how often."""
        state = State(self.state)
        try:
            done = [each for each in state.attempts(run) if each.outputs]
        finally:
            state.close()
        return sorted((each.task, json.loads(each.outputs["result"]["inline"])) for each in done)


@pytest.fixture
def there(tmp_path, connect):
    admin = connect().cursor()
    made = ("DATABASE", "ML"), ("SCHEMA", "ML.STEERED"), ("WAREHOUSE", "WH"), ("IMAGE REPOSITORY", "ML.STEERED.IMAGES")
    for kind, name in made:
        admin.execute(f"CREATE {kind} IF NOT EXISTS {name}")
    found = There(tmp_path, connect)
    yield found
    found.applied.close()


def until(condition):
    end = time.monotonic() + LONG
    while not (found := condition()):
        assert time.monotonic() < end, "it has not come to that"
        time.sleep(0.1)
    return found


@pytest.mark.slow
@pytest.mark.server
def test_two_runs_at_once_are_told_apart_stopped_and_repeated(there, tmp_path):
    operator, folders = there.operator(), {name: tmp_path / name for name in ("one", "two")}
    for folder in folders.values():
        folder.mkdir()
    both = threading.Barrier(2)

    def start(name):
        mine = there.operator()
        both.wait()
        return mine.start(Order("steady", name, {"folder": str(folders[name])}))

    with ThreadPoolExecutor(2) as pool:
        started = dict(zip(folders, pool.map(start, folders), strict=True))
    assert {name: run.id for name, run in started.items()} == {"one": "steady.one", "two": "steady.two"}
    first = until(lambda: next((name for name, folder in folders.items() if list(folder.glob("at-*"))), None))
    second = next(name for name in folders if name != first)
    with pytest.raises(RunConflictError, match=f"there is a run steady.{first} already"):
        operator.start(Order("steady", first, {}))
    waits, runs = operator.find("steady", second), operator.find("steady", f"steady.{first}")
    assert (waits.status, runs.status) == (QUEUED, "running")
    with pytest.raises(RunConflictError, match="waits for its turn"):
        operator.cancel(waits)
    assert {each.name: each.status for each in operator.tasks(runs)} == {
        "left": "succeeded",
        "wait": "running",
        "finalizer": "waiting",
    }
    said = until(lambda: operator.log(runs, tasks(operator, runs)["wait"], 1))
    assert [line.message for line in said] == [f"waits in {folders[first]}"]
    assert said[0].at > runs.began_at + 1  # Firnflow had to be loaded before
    operator.cancel(runs)
    ended = until(lambda: over(operator, first))
    assert ended.status in {"failed", "cancelled"}
    assert [task.status for task in operator.tasks(ended)][:2] == ["succeeded", "failed"]
    for folder in folders.values():
        (folder / "go").touch()
    operator.retry(ended)
    assert {until(lambda name=name: over(operator, name)).status for name in folders} == {"succeeded"}
    assert tasks(operator, ended)["wait"].attempt == 2
    assert there.values("steady.one") == there.values("steady.two") or len(there.values(f"steady.{first}")) == 4
    with pytest.raises(RunConflictError, match="nothing to repeat"):
        operator.retry(operator.find("steady", first))
    found = operator.runs(["steady", "often"], 10)  # that one has a schedule
    assert [run.id for run in found if run.pipeline == "steady"] == [f"steady.{second}", f"steady.{first}"]


def tasks(operator, run):
    return {each.name: each for each in operator.tasks(run)}


def over(operator, name):
    run = operator.find("steady", name)
    return run if run.is_over else None


@pytest.mark.slow
@pytest.mark.server
def test_a_paused_pipeline_starts_nothing_and_the_plan_leaves_it_so(there):
    operator = there.operator()
    assert 0 < operator.next_at("often") - time.time() <= 1200
    assert (operator.pause("often", paused=True), operator.pause("often", paused=True)) == (True, False)
    assert operator.is_paused("often")
    assert operator.next_at("often") is None
    with pytest.raises(UsageError, match=r"often is paused. Mend: firnflow unpause often --env prod"):
        operator.start(Order("often", "x"))
    assert not there.plan().actions
    assert (operator.pause("often", paused=False), operator.pause("often", paused=False)) == (True, False)
    assert operator.next_at("often")
    assert (operator.pause("steady", paused=True), operator.is_paused("steady")) == (True, True)
    assert operator.pause("steady", paused=False)
    assert not operator.is_paused("steady")


@pytest.mark.slow
@pytest.mark.server
def test_what_comes_while_a_pipeline_is_paused_starts_it_later_and_of_two_starts_of_an_id_one_is_told(
    there, monkeypatch, capsys
):
    monkeypatch.setenv("FIRNFLOW_STATE", there.state)
    monkeypatch.setenv("FIRNFLOW_ARTIFACTS", there.artifacts)
    monkeypatch.chdir(there.project.root)
    settings = load_settings(there.project.root, "prod")
    sites = [Site(there.project.root, settings, there.operator()) for _ in range(2)]
    both = threading.Barrier(2)

    def start(site):
        both.wait()
        try:
            return site.start(Order("orders", "same")).id
        except RunConflictError as error:
            return str(error)

    pause.command(sites[0], pipeline="after_orders")
    sites[0].operator.pause("after_orders", paused=False)  # as where all was destroyed, and applied again
    with pytest.raises(UsageError, match="after_orders is paused"):
        sites[1].start(Order("after_orders", "x"))
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(start, sites)) == ["orders.same", "there is a run orders.same already"]
    operator = sites[0].operator
    ended = until(lambda: run if (run := operator.find("orders", "same")).is_over else None)
    assert (ended.status, len(operator.runs(["orders"], 10))) == ("succeeded", 1)
    assert operator.runs(["after_orders"], 10) == []
    unpause.command(sites[0], pipeline="after_orders")
    (run,) = operator.runs(["after_orders"], 10)
    assert f"after_orders starts again\nrun {run.id} is to start" in capsys.readouterr().out
    until(lambda: operator.find("after_orders", run.id).is_over)
    unpause.command(sites[0], pipeline="after_orders")
    assert len(operator.runs(["after_orders"], 10)) == 1
    assert not next(iter(sites[0].ledger.open()), None)


@pytest.mark.slow
@pytest.mark.server
def test_what_is_not_there_or_cannot_be_reached_is_said(there):
    operator = there.operator()
    assert operator.find("steady", "nobody") is None
    with pytest.raises(NotFoundError, match=r"no task graph ML.STEERED.OTHER of ours. Mend: firnflow apply --env prod"):
        operator.start(Order("other", "x"))
    run = replace(runs_of("steady", "P", [ROOT], [], NOW)[0].as_target_run(NOW), status="failed")
    assert operator.log(run, TargetTask("left", -1, None, TaskStatus.FAILED, 1, 0.0), 1) == []
    with pytest.raises(TargetError, match=r"knows run steady.g no more"):
        operator.retry(run)
    away = SnowflakeOperator(there.project.root, there.project.settings, Account(refused))
    with pytest.raises(TargetError, match="cannot be reached") as caught:
        away.runs(["steady"], 10)
    assert caught.value.is_passing


def refused():
    """Fail as a connection does that was cut."""
    from snowflake.connector.errors import OperationalError

    from firnflow.errors import StoreError

    raise StoreError("Snowflake cannot be reached: nobody there") from OperationalError("nobody there")
