"""Without an image tasks are ML Jobs, which Snowflake's own client starts; a map is dealt among several."""

from __future__ import annotations

import time

import pytest

from firnflow.project import load_project
from firnflow.stores.state import State
from firnflow.stores.state.deployments import Deployments
from firnflow.targets.apply import apply_plan
from firnflow.targets.operate import Order
from firnflow.targets.plan import plan_apply
from firnflow.targets.snowflake.account import Account
from firnflow.targets.snowflake.operator import SnowflakeOperator
from firnflow.targets.snowflake.target import SnowflakeTarget

pytestmark = [pytest.mark.slow, pytest.mark.server]
PIPELINES = """
import firnflow as ff


@ff.task
def doubled(x: int) -> int:
    if x == 3:
        raise ValueError("three is too many")
    print("doubles", x)
    return 2 * x


@ff.pipeline
def dealt():
    doubled.options(concurrency=2).map([1, 2, 3, 5])
"""


def test_a_map_is_dealt_among_ml_jobs_and_fails_where_one_of_them_does(connect, tmp_path):
    admin = connect().cursor()
    for made in "DATABASE ML", "SCHEMA ML.DEALT", "WAREHOUSE WH":
        kind, name = made.split()
        admin.execute(f"CREATE {kind} IF NOT EXISTS {name}")
    there, root = f"sqlite:///{tmp_path}/there.db", tmp_path / "project"
    root.mkdir()
    (root / "pipelines.py").write_text(PIPELINES)
    (root / "firnflow.toml").write_text(
        '[project]\nname = "dealt"\n[environments.prod]\norchestrator = "snowflake"\nwarehouse = "duckdb"\n'
        '[environments.prod.snowflake]\ndatabase = "ml"\nschema = "dealt"\nwarehouse = "wh"\npool = "p"\n'
        'pools.p = { name = "dealt", family = "CPU_X64_S", max_nodes = 2 }\n'
        f'variables = {{ FIRNFLOW_STATE = "{there}", FIRNFLOW_ARTIFACTS = "{tmp_path}/there" }}\n'
    )
    project = load_project(root, "prod")
    target, applied = SnowflakeTarget(project, Account(connect)), State(f"sqlite:///{tmp_path}/applied.db")
    deployments = Deployments(applied, "dealt", "prod", "snowflake")
    apply_plan(plan_apply(target, deployments), target, deployments, "me@here")
    applied.close()
    operator = SnowflakeOperator(root, project.settings, Account(connect))
    run, until = operator.start(Order("dealt", "one")), time.monotonic() + 110
    while not run.is_over:
        assert time.monotonic() < until
        time.sleep(0.2)
        run = operator.find("dealt", run.id)
    assert run.status == "failed"
    task = {each.task: each for each in operator.tasks(run)}["doubled"]
    assert task.why.startswith("ValueError: three is too many")
    said = operator.log(run, task, 1)
    assert sorted(line.message for line in said if line.message.startswith("doubles")) == [
        f"doubles {x}" for x in (1, 2, 5)
    ]
    assert len({line.source for line in said}) == 2
    state = State(there)
    found = {(each.element, str(each.status)) for each in state.attempts(run.id) if each.task == "doubled"}
    state.close()
    assert found == {(0, "succeeded"), (1, "succeeded"), (2, "failed"), (3, "succeeded")}
