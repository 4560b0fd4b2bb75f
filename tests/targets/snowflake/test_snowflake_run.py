"""A whole run on the emulator: task graph, procedure, job services; beside a run of the local engine.

Its names and parameters are hostile ones.
"""

from __future__ import annotations

import json
import time

import pytest

from firnflow.engine.request import RunRequest
from firnflow.engine.run import run
from firnflow.project import load_project
from firnflow.stores.snowflake.names import identifier, literal
from firnflow.stores.state import State
from firnflow.stores.state.deployments import Deployments
from firnflow.targets.apply import apply_plan
from firnflow.targets.explain import compare
from firnflow.targets.plan import plan_apply
from firnflow.targets.snowflake.account import Account
from firnflow.targets.snowflake.target import SnowflakeTarget

pytestmark = [pytest.mark.slow, pytest.mark.server]

LABEL = "it's $$ \\ \" \n ; 💥 -- {{x}} ${x} %s"
PLAIN = """a"b'c;--d /*e*/ $$f$$ \\ \\n \\' {{g}} ${h} %_ @~/i :1 ? &j run"""
NAME = identifier(PLAIN)
SCHEMA = f"ML.{NAME}"
PIPELINES = (
    f"LABEL = {LABEL!r}"
    """
import os
from typing import Literal

import ibis

import firnflow as ff


class Params(ff.Params):
    count: int = 10
    goal: float = 4.0
    label: str = LABEL


@ff.task
def numbers(count: int) -> ibis.Table:
    return ibis.range(count).unnest().name("n").as_table()


@ff.task
def scaled(rows: ibis.Table, by: int) -> float:
    return by * float(rows.n.mean().execute())


@ff.task
def best(found: list[float]) -> float:
    return max(found)


@ff.task
def listed(rows: ibis.Table) -> list[int]:
    return sorted(int(n) for n in rows.n.execute())[:3]


@ff.task
def doubled(x: int) -> int:
    return 2 * x


@ff.task
def total(found: list[int]) -> int:
    return sum(found)


@ff.task
def judge(score: float, goal: float, label: str) -> Literal["promote", "alert"]:
    assert label == os.environ.get("TEXT", LABEL) == os.environ.get("SECRET", LABEL) == LABEL
    return "promote" if score > goal else "alert"


@ff.task
def promote(score: float) -> float:
    return score


@ff.task
def alert(score: float) -> str:
    return "too low"


@ff.task
def record(promoted: float | None, alerted: str | None) -> list[str]:
    return [str(promoted), str(alerted)]


@ff.task
def end(summary: ff.RunSummary) -> str:
    return ", ".join(sorted(f"{name} {status}" for name, status in summary.tasks.items()))


@ff.pipeline(params=Params, finalizer=end)
def judged(p):
    rows = numbers(p.count)
    total(doubled.options(concurrency=2).map(listed(rows)))
    score = best.options(group="verdict")(scaled.map(rows, by=[1, 2]))
    verdict = judge.options(group="verdict")(score, p.goal, p.label)
    with verdict.case("promote"):
        promoted = promote(score)
    with verdict.case("alert"):
        alerted = alert(score)
    record(promoted, alerted)
"""
)


def toml(text):
    return json.dumps(text, ensure_ascii=False)


@pytest.fixture
def project(tmp_path):
    """Return what makes the project of some code, whose jobs are told where its state and artifacts are."""
    given = {"FIRNFLOW_STATE": f"sqlite:///{tmp_path}/there.db", "FIRNFLOW_ARTIFACTS": str(tmp_path / "there")}
    given["TEXT"] = LABEL

    def make(name, code, environment="prod"):
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        (root / "pipelines.py").write_text(code)
        (root / "firnflow.toml").write_text(
            '[project]\nname = "shop"\n[environments.prod]\norchestrator = "snowflake"\nwarehouse = "duckdb"\n'
            f"[environments.prod.snowflake]\ndatabase = 'ml'\nschema = {toml(NAME)}\nwarehouse = {toml(NAME)}\n"
            "image = '/ml/public/images/shop:1'\n"
            f"pools.p = {{ name = {toml(NAME)}, family = 'CPU_X64_S', max_nodes = 4 }}\n"
            f"pool = 'p'\nstage = {toml(NAME)}\nsecrets = {{ SECRET = {toml(NAME)} }}\n"
            f"integrations = [{toml(NAME)}]\n"
            f"variables = {{ {', '.join(f'{key} = {toml(value)}' for key, value in given.items())} }}\n"
        )
        return load_project(root, environment)

    return make


def test_a_run_comes_to_what_a_local_one_does_and_ends_on_the_code_that_it_began_with(project, connect, tmp_path):
    admin = connect().cursor()
    made = ("DATABASE", "ML"), ("SCHEMA", SCHEMA), ("WAREHOUSE", NAME), ("IMAGE REPOSITORY", "ML.PUBLIC.IMAGES")
    for kind, name in made:
        admin.execute(f"CREATE {kind} IF NOT EXISTS {name}")
    secret = f"CREATE SECRET {SCHEMA}.{NAME} TYPE = GENERIC_STRING SECRET_STRING = {literal(LABEL)}"
    admin.execute(secret)
    admin.execute(f"CREATE NETWORK RULE {SCHEMA}.{NAME} TYPE = HOST_PORT MODE = EGRESS VALUE_LIST = ('a.example')")
    rules = f"ALLOWED_NETWORK_RULES = ({SCHEMA}.{NAME})"
    admin.execute(f"CREATE EXTERNAL ACCESS INTEGRATION {NAME} {rules} ENABLED = TRUE")
    state = State(f"sqlite:///{tmp_path}/applied.db")
    deployments = Deployments(state, "shop", "prod", "snowflake")

    def applied(*code):
        target = SnowflakeTarget(project(*code), Account(connect))
        plan = plan_apply(target, deployments)
        apply_plan(plan, target, deployments, "me@here")
        return plan

    applied("first", PIPELINES)
    admin.execute(f"EXECUTE TASK {SCHEMA}.JUDGED")
    change = applied("second", PIPELINES.replace("    return score\n", "    return -score\n")).actions[-1]
    state.close()
    assert list(compare(change.facts, change.resource.facts)) == ["task promote"]
    history = ended(admin, "JUDGED$FINALIZER", seconds=250)
    assert history.pop("JUDGED$ALERT") == "SKIPPED"
    assert set(history.values()) == {"SUCCEEDED"}, history
    assert len(history) == 11  # best and judge are one job
    assert instances(admin) | {"best+judge": 1, "doubled": 2} == instances(admin)
    there = outputs(f"{tmp_path}/there.db")
    run(project("first", PIPELINES, "local"), RunRequest("judged", inline=True))
    assert there == outputs(f"{tmp_path}/first/.firnflow/state.db")
    assert len(there) == 13


def ended(cursor, last, seconds):
    """Wait until a task has ended; return name → state of all tasks."""
    until = time.monotonic() + seconds
    while True:
        cursor.execute("SELECT NAME, STATE, ERROR_MESSAGE FROM TABLE(ML.INFORMATION_SCHEMA.TASK_HISTORY())")
        found = {name: state if state != "FAILED" else said for name, state, said in cursor.fetchall()}
        if found.get(last) not in {None, "SCHEDULED", "EXECUTING"}:
            return {name: how for name, how in found.items() if name.startswith("JUDGED")}
        assert time.monotonic() < until, found
        time.sleep(0.5)


def instances(cursor):
    """Return task → how many instances its job has had; all may reach what the integration lets them."""
    cursor.execute(f"SHOW SERVICES IN SCHEMA {SCHEMA}")
    names = [each.name for each in cursor.description]
    jobs = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    assert {job["external_access_integrations"] for job in jobs} == {json.dumps([PLAIN])}
    return {job["comment"].partition("task=")[2]: job["target_instances"] for job in jobs}


def outputs(database):
    """Return (task, element, output) → digest of all that the only run in a state has committed."""
    state = State(f"sqlite:///{database}")
    try:
        (found,) = state.runs()
        attempts = [each for each in state.attempts(found.id) if each.outputs]
        return {
            (each.task, each.element, name): ref["digest"] for each in attempts for name, ref in each.outputs.items()
        }
    finally:
        state.close()
