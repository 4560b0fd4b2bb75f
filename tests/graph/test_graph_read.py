"""Graphs from files: hostile, cut, of another version."""

from __future__ import annotations

import copy
import json
import time
from typing import TYPE_CHECKING, Any, Literal

import jsonschema
import pytest

from firnflow.context import RunSummary
from firnflow.errors import GraphError
from firnflow.graph import check
from firnflow.graph.check import read_graph
from firnflow.graph.model import Cron, OnUpdate
from firnflow.graph.params import Params
from firnflow.graph.pipeline import pipeline
from firnflow.graph.schema import FILE, schema_text
from firnflow.graph.task import task

if TYPE_CHECKING:
    from collections.abc import Callable


class Settings(Params):
    rows: int = 3


@task
def load(rows: int) -> list[int]: ...


@task
def decide(values: list[int]) -> Literal["a", "b"]: ...


@task
def work(value: int, other: str = "") -> int: ...


@task
def both(a: int, b: int, rest: list[int]) -> None: ...


@task
def cleanup(summary: RunSummary) -> None: ...


@pipeline
def inner(values):
    return work.options(name="one")(3), decide(values)


@pipeline(params=Settings, finalizer=cleanup, schedule=Cron("0 6 * * *"))
def example(p):
    values = load(p.rows)
    work.map(values)
    one, verdict = inner(values)
    with verdict.case("a"):
        both(one, 3, [one, 4])


GOOD = json.loads(example.build().model_dump_json())


def changed(*path: Any, to: Any) -> dict[str, Any]:
    data = copy.deepcopy(GOOD)
    at = data
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = to
    return data


def reordered(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "tasks": dict(reversed(data["tasks"].items()))}


def task_from(name: str) -> dict[str, Any]:
    return {"source": "task", "task": name, "output": None}


BAD: dict[str, tuple[Any, str]] = {
    "a list": ([], "This is no graph"),
    "empty": ({}, 'does not begin with "format": "firnflow.graph"'),
    "another format": (changed("format", to="other"), "This is no graph"),
    "a newer version": (
        changed("version", to=2),
        "The graph has version 2, this Firnflow reads version 1.*firnflow show",
    ),
    "a true version": (changed("version", to=True), "The graph has version True"),
    "unknown field": (changed("tasks", "load", "hook", to="x"), "not valid at tasks.load.hook: Extra inputs"),
    "path as name": (changed("pipeline", to="../etc"), "not valid at pipeline: String should match"),
    "path as task": (changed("tasks", "../x", to=GOOD["tasks"]["load"]), r"not valid at tasks.*String should match"),
    "line break in a name": (changed("pipeline", to="x\n"), "not valid at pipeline: String should match"),
    "key": (changed("tasks", "load", "key", to="os:system; x"), "not valid at tasks.load.key"),
    "no key": (changed("tasks", "load", "key", to="load"), "not valid at tasks.load.key"),
    "case of another type": (
        changed("tasks", "both", "when", 0, "case", to=[1]),
        "not valid at tasks.both.when.0.case",
    ),
    "memory": (
        changed("tasks", "load", "options", "resources", "memory", to=-1),
        "Resources: memory: .*greater than 0",
    ),
    "nan": (changed("tasks", "load", "options", "timeout", to=float("nan")), "timeout: .*nan is not a duration"),
    "schedule": (changed("schedule", "expression", to="rm -rf"), "Cron: expression: .* has 2 fields"),
    "unknown schedule": (changed("schedule", "kind", to="hourly"), "not valid at schedule: .*'hourly'"),
    "schedule with more": (changed("schedule", "command", to="x"), "^Cron: has no argument 'command'.$"),
    "schedule without": (changed("schedule", to={"kind": "on_update"}), "OnUpdate: of what[?] Either of a table"),
    "missing task": (
        changed("tasks", "inner.decide", "inputs", "values", to=task_from("lod")),
        r"task 'inner.decide', argument 'values': reads 'lod', which is not there\. Did you mean 'load'\?$",
    ),
    "itself": (
        changed("tasks", "load", "inputs", "rows", to=task_from("load")),
        "task 'load', argument 'rows': reads 'load', which comes after it: the tasks form a cycle",
    ),
    "a cycle": (
        changed("tasks", "load", "inputs", "rows", to=task_from("inner.one")),
        "task 'load', argument 'rows': reads 'inner.one', which comes after it",
    ),
    "a cycle through a list": (
        changed("tasks", "load", "inputs", "rows", to={"source": "list", "items": [task_from("both")]}),
        "task 'load', argument 'rows': reads 'both', which comes after it",
    ),
    "a cycle through a case": (
        changed("tasks", "load", "when", to=[{"task": "both", "case": "a"}]),
        "task 'load': reads 'both', which comes after it",
    ),
    "out of order": (reordered(GOOD), "task 'both', argument 'a': reads 'inner.one', which comes after it"),
    "unknown output": (
        changed("tasks", "both", "inputs", "a", "output", to="model"),
        "task 'both', argument 'a': reads output 'model' of 'inner.one', which has result",
    ),
    "output of a task without": (
        changed("tasks", "inner.one", "outputs", to={}),
        "task 'both', argument 'a': reads output 'result' of 'inner.one', which has none",
    ),
    "unknown argument": (
        changed("tasks", "load", "inputs", "rwos", to={"source": "constant", "value": 1}),
        "task 'load', argument 'rwos': is no argument of the task. Did you mean 'rows'",
    ),
    "unknown parameter": (
        changed("tasks", "load", "inputs", "rows", "path", to=["rwos"]),
        "task 'load', argument 'rows': reads parameter 'rwos', which is not there. Did you mean 'rows'",
    ),
    "maps what is not given": (
        changed("tasks", "work", "mapping", "arguments", to=["other"]),
        "task 'work', argument 'other': is mapped, but has no input",
    ),
    "maps nothing": (changed("tasks", "work", "mapping", "arguments", to=[]), "task 'work': maps no argument, or one"),
    "maps twice": (changed("tasks", "work", "mapping", "arguments", to=["value", "value"]), "maps no argument, or one"),
    "no group": (changed("groups", to={}), "task 'inner.one': is in group 'inner', which is not there"),
    "group of no group": (changed("groups", "a.b", to={}), "task 'a.b': is in group 'a', which is not there"),
    "group and task": (changed("groups", "load", to={}), "task 'load': has the name of a group"),
    "called finalizer": (
        changed("tasks", "finalizer", to=GOOD["tasks"]["load"]),
        "task 'finalizer': has the name that stands for the finalizer",
    ),
    "finalizer waits": (
        changed("finalizer", "inputs", "summary", to=task_from("load")),
        "task 'finalizer': depends on tasks; it always runs",
    ),
    "finalizer's argument": (
        changed("finalizer", "inputs", "x", to={"source": "constant", "value": 1}),
        "task 'finalizer', argument 'x': is no argument",
    ),
    "can never run": (
        changed("tasks", "both", "when", to=[{"task": "inner.decide", "case": c} for c in ("a", "b")]),
        "task 'both': can never run: needs both 'a' and 'b'",
    ),
    "a group that is left and entered again": (
        changed(
            "tasks",
            to={name: GOOD["tasks"][name] for name in ("load", "inner.one", "work", "inner.decide", "both")},
        ),
        "task 'inner.decide': is apart from the other tasks of group 'inner'",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_graphs(name: str):
    data, message = BAD[name]
    with pytest.raises(GraphError, match=message):
        read_graph(json.dumps(data))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        ("null", "This is no graph"),
    ],
)
def test_what_is_not_json(text: str | bytes, message: str):
    with pytest.raises(GraphError, match=message):
        read_graph(text)


def test_a_file_that_is_cut_anywhere():
    text = json.dumps(GOOD)
    for length in range(0, len(text), 97):
        with pytest.raises(GraphError, match=r"."):
            read_graph(text[:length])


def test_a_deeply_nested_input_is_refused():
    nested: Any = {"source": "constant", "value": 1}
    for _ in range(300):
        nested = {"source": "list", "items": [nested]}
    with pytest.raises(GraphError, match="The graph is not"):
        read_graph(json.dumps(changed("tasks", "load", "inputs", "rows", to=nested)))


def test_a_huge_file_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(check, "MAX_BYTES", 100)
    with pytest.raises(GraphError, match="The graph has more than 0 MiB"):
        read_graph(json.dumps(GOOD))


def test_a_good_graph_is_read():
    assert read_graph(json.dumps(GOOD)) == example.build()
    assert read_graph(json.dumps(GOOD).encode()) == example.build()


def test_the_published_schema_is_current():
    assert FILE.read_text(encoding="utf-8") == schema_text(), "run: python -m firnflow.graph.schema"


def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_schema_accepts_what_is_written():
    validator().validate(GOOD)
    on_update = OnUpdate("a") & (OnUpdate("b") | OnUpdate("c"))
    validator().validate({**GOOD, "schedule": json.loads(on_update.model_dump_json())})


@pytest.mark.parametrize(
    "data",
    [{}, changed("version", to=2), changed("pipeline", to="../x"), changed("tasks", "load", "hook", to="x")],
)
def test_the_schema_refuses(data: dict[str, Any]):
    assert not validator().is_valid(data)


def chain(length: int) -> Callable[[], None]:
    def wire() -> None:
        value = 1
        for number in range(length):
            value = work.options(name=f"work_{number}")(value)

    return wire


def test_a_thousand_tasks():
    started = time.perf_counter()
    graph = pipeline(name="long")(chain(1000)).build()
    assert len(graph.tasks) == 1000
    assert read_graph(graph.model_dump_json()) == graph
    assert time.perf_counter() - started < 20  # a guard against a quadratic mistake, no measurement
