"""A whole run: compiled tasks in order, the procedure for each, the launcher as its job; beside the local engine.

Who decides here what starts is a few lines that stand for a task graph; what runs is what runs in Snowflake.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from firnflow.engine.request import RunRequest
from firnflow.engine.run import run
from firnflow.project import load_project
from firnflow.stores.state import State
from firnflow.targets.snowflake.beside import procedure
from firnflow.targets.snowflake.compile.jobs import Jobs
from firnflow.targets.snowflake.compile.payload import payload_of
from firnflow.targets.snowflake.compile.place import place_of
from firnflow.targets.snowflake.compile.tasks import compile_graph
from firnflow.targets.snowflake.grammar import parse

pytestmark = pytest.mark.slow

PIPELINES = """
from typing import Literal

import ibis

import firnflow as ff


class Params(ff.Params):
    count: int = 10
    goal: float = 4.0


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
def judge(score: float, goal: float) -> Literal["promote", "alert"]:
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
    score = best(scaled.map(rows, by=[1, 2]))
    verdict = judge(score, p.goal)
    with verdict.case("promote"):
        promoted = promote(score)
    with verdict.case("alert"):
        alerted = alert(score)
    record(promoted, alerted)
"""


class Session:
    """A task's session: jobs are processes of the launcher on this machine."""

    def __init__(self, folder, config):
        self.folder, self.config, self.log, self.returned = folder, config, "", None

    def sql(self, text):
        self.text = text
        return self

    def collect(self):
        statement = parse(self.text)
        kind = type(statement).__name__
        if kind == "ExecuteJobService":
            words = json.loads(statement.specification)["spec"]["containers"][0]["args"]
            command = [sys.executable, str(self.folder / "launcher.py"), *words]
            done = subprocess.run(command, capture_output=True, text=True, timeout=100)
            self.log = done.stdout
            if done.returncode:
                raise RuntimeError(done.stderr)
            return []
        call = statement.items[0] if kind == "Select" else statement.call
        if call.name.last == "SYSTEM$SET_RETURN_VALUE":
            self.returned = call.arguments[0].value
        answers = {"SYSTEM$GET_SERVICE_LOGS": self.log, "SYSTEM$GET_TASK_GRAPH_CONFIG": json.dumps(self.config)}
        return [[answers.get(call.name.last, "77")]]


def play(graph, folder, config):
    """Return name → how each task of a graph has ended."""
    ended, returned = {graph.root: "SUCCEEDED"}, {}
    for task in graph.tasks[1:]:
        if not starts(task, ended, returned):
            ended[task.name] = "SKIPPED"
            continue
        session = Session(folder, config)
        try:
            procedure.main(session, parse(task.body).call.arguments[0].value)
            ended[task.name] = "SUCCEEDED"
        except RuntimeError as error:
            ended[task.name] = str(error)
        returned[task.name] = session.returned
    return ended


def starts(task, ended, returned):
    """Whether a task starts, by its predecessors and the two conditions that are compiled."""
    states = {ended[name] for name in task.after}
    parts, left = [], [task.condition] if task.condition is not None else []
    while left:
        part = left.pop()
        left += part.operands if getattr(part, "operator", "") == "AND" else []
        parts += [part] if getattr(part, "operator", "") != "AND" else []
    asked = [part for part in parts if getattr(part, "operator", "") != "="]
    said = [part.operands for part in parts if getattr(part, "operator", "") == "="]
    fit = states <= {"SUCCEEDED", "SKIPPED"} if asked else states <= {"SUCCEEDED"}
    return fit and all(returned.get(call.arguments[0].value) == case.value for call, case in said)


def test_a_run_of_a_task_graph_comes_to_what_a_local_run_does(tmp_path):
    given = {"FIRNFLOW_STATE": f"sqlite:///{tmp_path}/there.db", "FIRNFLOW_ARTIFACTS": str(tmp_path / "there")}
    (tmp_path / "pipelines.py").write_text(PIPELINES)
    (tmp_path / "firnflow.toml").write_text(
        '[project]\nname = "shop"\n[environments.prod]\norchestrator = "snowflake"\n[environments.prod.snowflake]\n'
        'database = "ml"\nschema = "prod"\nwarehouse = "wh"\nimage = "/ml/prod/i/shop:1"\npool = "p"\npools.p = {}\n'
        f"variables = {{ {', '.join(f'{name} = {json.dumps(value)}' for name, value in given.items())} }}\n"
    )
    project = load_project(tmp_path, "prod")
    pipeline = project.pipelines["judged"]
    graph, place = pipeline.build(), place_of(project)
    payload = payload_of(project, {"judged": graph.model_dump_json()})
    folder = tmp_path / "stage"
    folder.mkdir()
    for name, data in payload.files.items():
        (folder / name).write_bytes(data)
    config = {"count": 10, "goal": 4.0}
    ended = play(compile_graph(graph, place, Jobs(project, place, payload.digest), config), folder, config)
    assert ended.pop("JUDGED$ALERT") == "SKIPPED"
    assert set(ended.values()) == {"SUCCEEDED"}
    assert len(ended) == 9
    here = run(load_project(tmp_path), RunRequest("judged", ("goal=4.0",), inline=True))
    there = outputs(f"{tmp_path}/there.db", "judged.77")
    assert there == outputs(f"{tmp_path}/.firnflow/state.db", here.run)
    assert len(there) == 8


def outputs(database, run_id):
    """Return (task, element, output) → digest of all that a run has committed."""
    state = State(f"sqlite:///{database}")
    try:
        attempts = [each for each in state.attempts(run_id) if each.outputs]
        return {
            (each.task, each.element, name): ref["digest"] for each in attempts for name, ref in each.outputs.items()
        }
    finally:
        state.close()
