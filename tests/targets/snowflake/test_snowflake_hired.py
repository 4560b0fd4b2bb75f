"""Tasks that another orchestrator has executed in jobs of Snowflake, on the emulator."""

from __future__ import annotations

import json
import os
import signal
import threading
import time

import pytest

from firnflow.engine.external.plan import Wish
from firnflow.engine.external.task import execute_task
from firnflow.graph.check import read_graph
from firnflow.project import load_project
from firnflow.stores.state import State
from firnflow.targets.snowflake.account import Account
from firnflow.targets.snowflake.compile.place import place_of
from firnflow.targets.snowflake.containers import containers
from firnflow.targets.snowflake.hired import Hired

pytestmark = [pytest.mark.slow, pytest.mark.server]

PIPELINES = """
import time
from pathlib import Path

import pandas as pd

import firnflow as ff


@ff.task
def numbers(count: int) -> pd.DataFrame:
    print("counting to", count)
    return pd.DataFrame({"n": range(count)})


@ff.task
def scaled(rows: pd.DataFrame, by: int) -> float:
    if by == 3:
        raise ValueError("not by three")
    return by * float(rows["n"].mean())


@ff.task
def waits(mark: str) -> int:
    Path(mark).touch()
    time.sleep(300)
    return 1


class Params(ff.Params):
    count: int = 5
    mark: str = ""


@ff.pipeline(params=Params)
def sums(p):
    rows = numbers(p.count)
    scaled.map(rows, by=[2, 3])
    waits(p.mark)
"""


@pytest.fixture
def project(tmp_path, connect):
    admin = connect().cursor()
    for kind, name in ("DATABASE", "ML"), ("SCHEMA", "ML.HIRED"), ("WAREHOUSE", "WH"), ("SCHEMA", "ML.WHOLE"):
        admin.execute(f"CREATE {kind} IF NOT EXISTS {name}")
    admin.execute("CREATE IMAGE REPOSITORY IF NOT EXISTS ML.WHOLE.IMAGES")
    admin.execute("CREATE COMPUTE POOL IF NOT EXISTS HIRED MIN_NODES = 1 MAX_NODES = 2 INSTANCE_FAMILY = CPU_X64_S")
    given = {"FIRNFLOW_STATE": f"sqlite:///{tmp_path}/there.db", "FIRNFLOW_ARTIFACTS": str(tmp_path / "there")}
    (tmp_path / "pipelines.py").write_text(PIPELINES)
    (tmp_path / "firnflow.toml").write_text(
        '[project]\nname = "shop"\n[environments.prod]\norchestrator = "airflow"\n'
        f'state = "{given["FIRNFLOW_STATE"]}"\nartifacts = "{given["FIRNFLOW_ARTIFACTS"]}"\n'
        'airflow = { jobs = "snowflake" }\n'
        '[environments.prod.snowflake]\ndatabase = "ml"\nschema = "hired"\nwarehouse = "wh"\n'
        'image = "/ml/whole/images/shop:1"\npool = "p"\npools.p = { name = "hired" }\n'
        f"variables = {{ {', '.join(f'{key} = {json.dumps(value)}' for key, value in given.items())} }}\n"
    )
    return load_project(tmp_path, "prod")


def test_tasks_are_executed_in_jobs_and_committed_once(project, connect):
    graph = read_graph(project.pipeline("sums").build().model_dump_json().encode())
    said: list[str] = []

    def executed(task, element=None):
        return execute_task(
            project,
            Wish(graph, "sums.1", task, element),
            hire=Hired(project, graph, "sums.1", task, said.append, connect),
        )

    first = executed("numbers")
    assert (first["state"], first["attempt"], first["error"]) == ("succeeded", 1, None)
    assert said[0].startswith("In job ML.HIRED.FIRNFLOW_JOB_")
    assert "counting to 5" in said
    assert executed("numbers")["outputs"] == first["outputs"]
    good, bad = executed("scaled", 0), executed("scaled", 1)
    assert good["outputs"]["result"]["inline"] == "4.0"
    assert (bad["state"], bad["error"]["message"]) == ("failed", "not by three")
    assert "in scaled" in bad["error"]["traceback"]
    jobs = containers(Account(connect), place_of(project), "sums.1")
    assert [(*job.tasks, job.element) for job in jobs] == [("numbers", -1), ("scaled", 0), ("scaled", 1)]
    assert all(job.is_over for job in jobs)


def test_who_is_stopped_ends_its_job(project, connect, tmp_path):
    graph = read_graph(project.pipeline("sums").build().model_dump_json().encode())
    mark = tmp_path / "there.mark"
    hired = Hired(project, graph, "sums.2", "waits", print, connect)
    wish = Wish(graph, "sums.2", "waits", assignments=(f"mark={mark}",))
    answers: list[object] = []

    def stop():
        until = time.monotonic() + 60
        while not mark.exists() and time.monotonic() < until:
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)

    stopper = threading.Thread(target=stop)
    stopper.start()
    answers.append(execute_task(project, wish, hire=hired))
    stopper.join()
    (answer,) = answers
    assert answer["state"] == "cancelled"
    account, until = Account(connect), time.monotonic() + 60
    while not all(job.is_over for job in containers(account, place_of(project), "sums.2")):
        assert time.monotonic() < until
        time.sleep(0.2)
    state = State(project.settings.state.reveal())
    try:
        assert [each.status for each in state.attempts("sums.2")] == ["cancelled"]
    finally:
        state.close()
