from __future__ import annotations

import datetime as dt
from typing import Literal, NamedTuple

import ibis
import pandas as pd
import pydantic
import pytest

from firnflow.context import RunSummary
from firnflow.errors import GraphError
from firnflow.graph.check import read_graph, validate
from firnflow.graph.model import Cron, FromConstant, FromList, FromParam, FromTask, Graph, Port
from firnflow.graph.params import Params
from firnflow.graph.pipeline import Pipeline, pipeline
from firnflow.graph.source import SOURCE_KEY, source
from firnflow.graph.task import task


class Tree(pydantic.BaseModel):
    max_depth: int = 6
    eta: float = 0.3


class Settings(Params):
    rows: int
    day: dt.date = dt.date(2024, 1, 31)
    tree: Tree = Tree(max_depth=4)
    tags: list[str] = pydantic.Field(default_factory=list)


class Halves(NamedTuple):
    train: ibis.Table
    test: ibis.Table


@task
def load(rows: int, day: dt.date, tags: list[str]) -> ibis.Table:
    """Load rows."""


@task
def halves(table: pd.DataFrame, share: float = 0.8) -> Halves: ...


@task
def fit(table: ibis.Table, tree: Tree, eta: float) -> dict[str, float]: ...


@task
def total(scores: list[dict[str, float]], extra: list[float]) -> float: ...


@task
def cleanup(summary: RunSummary, days: int = 7) -> None: ...


@pipeline(params=Settings, schedule=Cron("0 6 * * *", timezone="Europe/Zurich"), finalizer=cleanup)
def example(p: Settings) -> None:
    """An example.

    With more.
    """
    table = load(p.rows, day=p.day, tags=p.tags)
    train, test = halves(table, 1)
    first = fit(train, p.tree, p.tree.eta)
    second = fit.options(name="second")(test, Tree(max_depth=2), 1)
    total([first, second], [1, p.tree.eta])


def test_the_graph_is_what_was_written():
    graph = example.build()
    assert graph.pipeline == "example"
    assert graph.doc == "An example."
    assert graph.location.file.endswith("test_graph_pipeline.py")
    assert list(graph.tasks) == ["load", "halves", "fit", "second", "total"]
    assert graph.tasks["load"].inputs == {
        "rows": FromParam(path=("rows",)),
        "day": FromParam(path=("day",)),
        "tags": FromParam(path=("tags",)),
    }
    assert graph.tasks["load"].doc == "Load rows."
    assert graph.tasks["halves"].inputs == {"table": FromTask(task="load"), "share": FromConstant(value=1.0)}
    assert graph.tasks["halves"].outputs == {"train": Port(type="ibis.Table"), "test": Port(type="ibis.Table")}
    assert graph.tasks["fit"].inputs == {
        "table": FromTask(task="halves", output="train"),
        "tree": FromParam(path=("tree",)),
        "eta": FromParam(path=("tree", "eta")),
    }
    assert graph.tasks["second"].inputs["tree"] == FromConstant(value={"max_depth": 2, "eta": 0.3})
    assert graph.tasks["second"].key == graph.tasks["fit"].key
    assert graph.tasks["total"].inputs == {
        "scores": FromList(items=(FromTask(task="fit"), FromTask(task="second"))),
        "extra": FromList(items=(FromConstant(value=1.0), FromParam(path=("tree", "eta")))),
    }
    assert graph.tasks["total"].arguments["extra"] == Port(type="list[float]")
    assert graph.tasks["total"].location.line > graph.tasks["load"].location.line > graph.location.line
    assert graph.schedule == Cron("0 6 * * *", timezone="Europe/Zurich")
    assert graph.finalizer is not None
    assert graph.finalizer.arguments["summary"] == Port(type="firnflow.RunSummary")


def test_parameters_as_data():
    graph = example.build()
    assert graph.params["rows"].required
    assert graph.params["rows"].json_schema == {"type": "integer", "title": "Rows"}
    assert graph.params["day"].default == "2024-01-31"
    assert graph.params["tree"].default == {"max_depth": 4, "eta": 0.3}
    assert graph.params["tree"].json_schema["$ref"] == "#/definitions/Tree"
    assert "max_depth" in graph.definitions["Tree"]["properties"]


def test_build_is_done_once_and_calling_returns_the_graph():
    assert example.build() is example.build()
    assert example() is example.build()
    assert example.name == "example"
    assert example.key == f"{__name__}:example"
    assert repr(example) == f"<pipeline {__name__}:example>"


def test_tasks_by_path():
    assert list(example.tasks) == ["load", "halves", "fit", "second", "total", "finalizer"]
    assert example.tasks["second"].function is fit.function
    assert example.tasks["finalizer"] is cleanup


def test_there_and_back_without_loss():
    graph = example.build()
    assert read_graph(graph.model_dump_json()) == graph
    assert Graph.model_validate_json(graph.model_dump_json()) == graph
    validate(graph)


def test_without_parentheses_and_parameters():
    @pipeline
    def plain():
        load(1, dt.date(2024, 1, 1), ["a"])

    assert isinstance(plain, Pipeline)
    assert plain.build().tasks["load"].inputs["day"] == FromConstant(value="2024-01-01")
    assert plain.build().params == {}


def test_sources():
    @pipeline
    def two():
        customers = source("customers")
        halves(customers)
        halves.options(name="again")(source("customers"))

    graph = two.build()
    node = graph.tasks["customers"]
    assert list(graph.tasks) == ["customers", "halves", "again"]
    assert node.key == SOURCE_KEY
    assert node.inputs == {"name": FromConstant(value="customers")}
    assert node.outputs == {"result": Port(type="ibis.Table")}
    assert graph.tasks["again"].inputs["table"] == FromTask(task="customers")
    assert list(two.tasks) == ["halves", "again"]
    validate(graph)


def test_a_source_that_only_a_branch_reads_is_not_read_elsewhere(check_place):
    @task
    def decide() -> bool: ...

    @pipeline
    def branched():
        with decide().case(True):  # noqa: FBT003 - a case
            halves(source("customers"))
        halves.options(name="again")(source("customers"))  # here

    with pytest.raises(GraphError, match=r"source 'customers' is already in pipeline .*Read it before") as caught:
        branched.build()
    check_place(caught)


def test_a_source_in_the_wrong_place():
    with pytest.raises(GraphError, match=r"source 'customers': belongs in a pipeline.*table of your own"):
        source("customers")

    @pipeline
    def wrong():
        source("../customers")

    with pytest.raises(GraphError, match=r"source '\.\./customers': a name is letters"):
        wrong.build()


@task
def no_summary(days: int = 7) -> None: ...


@task
def greedy(summary: RunSummary, table: ibis.Table) -> None: ...


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"finalizer": no_summary}, "task 'no_summary': a finalizer takes one argument annotated `ff.RunSummary`"),
        ({"finalizer": greedy}, "task 'greedy', argument 'table': nothing passes it to a finalizer.*Give it a default"),
        ({"finalizer": print}, "finalizer .*print.* is not a task .*@ff.task"),
        ({"params": Tree}, "pipeline 'empty': params=.*Tree.* is no class of parameters .*ff.Params"),
        ({"params": Settings}, "pipeline 'empty': takes no argument for its parameters .*Write `def empty"),
        ({"name": "a-b"}, "pipeline 'a-b': a name is letters"),
        ({"schedule": "0 6 * * *"}, r"pipeline 'empty': schedule='0 6 \* \* \*' is no schedule.*ff.Cron"),
    ],
)
def test_wrong_decorators(options, message: str):
    def empty() -> None: ...

    with pytest.raises(GraphError, match=message) as caught:
        pipeline(**options)(empty)
    assert "test_graph_pipeline.py:" in str(caught.value)


def test_not_a_function():
    with pytest.raises(GraphError, match="cannot be a pipeline"):
        pipeline(len)


def test_arguments_at_the_top():
    @pipeline
    def takes(table):
        halves(table)

    with pytest.raises(GraphError, match="pipeline 'takes': takes 'table', but nothing passes it at the top"):
        takes.build()
    with pytest.raises(GraphError, match=r"pipeline 'example': takes no arguments outside a pipeline .*firnflow run"):
        example(Settings(rows=1))


def test_an_empty_pipeline():
    @pipeline
    def empty(): ...

    with pytest.raises(GraphError, match="pipeline 'empty': calls no task"):
        empty.build()


def test_unused_parameters():
    @pipeline(params=Settings)
    def idle(p):
        load(p.rows, p.day, [])
        fit(source("x"), Tree(), p.tree.eta)

    with pytest.raises(GraphError, match=r"pipeline 'idle': no task uses tags, tree.max_depth of Settings"):
        idle.build()


def test_all_parameters_at_once_are_all_used():
    @task
    def take(settings: Settings) -> Literal["a"]: ...

    @pipeline(params=Settings)
    def whole(p):
        take(p)

    assert whole.build().tasks["take"].inputs == {"settings": FromParam(path=())}
    validate(whole.build())


def test_an_error_of_the_users_own_passes_and_nothing_stays_open():
    @pipeline
    def broken():
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        broken.build()
    assert no_summary() is None  # an ordinary function again


def test_a_task_that_is_not_called():
    @pipeline
    def uncalled():
        halves(load)

    with pytest.raises(GraphError, match=r"got the task 'load' itself, not its result .*Call it: `load\(…\)`\."):
        uncalled.build()
