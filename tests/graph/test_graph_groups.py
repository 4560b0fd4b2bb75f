from __future__ import annotations

from typing import Literal

import pydantic
import pytest

from firnflow.context import RunSummary
from firnflow.errors import GraphError
from firnflow.graph.check import read_graph
from firnflow.graph.model import Condition, FromConstant, FromParam, FromTask, Group
from firnflow.graph.params import Params
from firnflow.graph.pipeline import pipeline
from firnflow.graph.task import task


class Tree(pydantic.BaseModel):
    depth: int = 6


class Inner(Params):
    tree: Tree = Tree()
    rate: float = 0.1


class Outer(Inner):
    seed: int = 1
    other: Inner = Inner(rate=0.5)


@task
def start(seed: int) -> int: ...


@task
def fit(value: int, depth: int, rate: float) -> int: ...


@task
def decide(value: int) -> Literal["a", "b"]: ...


@pipeline(params=Inner)
def fitting(p, value):
    """Fit.

    Well.
    """
    return fit(value, p.tree.depth, p.rate)


@pipeline
def deciding(value, *, suffix: str = ""):
    inner = decide(value)
    with inner.case("a"):
        extra = start.options(name=f"start{suffix}")(3)
    return inner, extra


@pipeline
def nested(value):
    return deciding(value)


def test_a_pipeline_in_a_pipeline_is_a_group():
    @pipeline(params=Outer)
    def example(p):
        first = start(p.seed)
        second = fitting(p, first)
        third = fitting.options(name="third")(p.other, second)
        fourth = fitting.options(name="fourth")(Inner(tree=Tree(depth=2)), third)
        fit(fourth, 1, 1)

    graph = example.build()
    assert list(graph.tasks) == ["start", "fitting.fit", "third.fit", "fourth.fit", "fit"]
    assert graph.groups == {name: Group(doc="Fit.") for name in ("fitting", "third", "fourth")}
    assert graph.tasks["fitting.fit"].inputs == {
        "value": FromTask(task="start"),
        "depth": FromParam(path=("tree", "depth")),
        "rate": FromParam(path=("rate",)),
    }
    assert graph.tasks["third.fit"].inputs["depth"] == FromParam(path=("other", "tree", "depth"))
    assert graph.tasks["fourth.fit"].inputs["depth"] == FromConstant(value=2)
    assert graph.tasks["fourth.fit"].inputs["rate"] == FromConstant(value=0.1)
    assert example.tasks["third.fit"] is fit
    assert read_graph(graph.model_dump_json()) == graph


def test_groups_in_groups_and_branches():
    @pipeline
    def example():
        value = start(1)
        verdict, extra = nested(value)
        with verdict.case("b"):
            deciding(extra, suffix="_2")

    with pytest.raises(GraphError, match=r"task 'deciding.decide': can never run"):
        example.build()

    @pipeline
    def right():
        value = start(1)
        verdict, extra = nested(value)
        with verdict.case("a"):
            deciding(extra, suffix="_2")

    graph = right.build()
    assert list(graph.groups) == ["nested", "nested.deciding", "deciding"]
    assert list(graph.tasks) == [
        *("start", "nested.deciding.decide", "nested.deciding.start"),
        *("deciding.decide", "deciding.start_2"),
    ]
    assert graph.tasks["deciding.start_2"].when == (
        Condition(task="nested.deciding.decide", case="a"),
        Condition(task="deciding.decide", case="a"),
    )


def test_a_constant_section_given_whole():
    @task
    def take(tree: Tree) -> None: ...

    @pipeline(params=Inner)
    def taking(p):
        take(p.tree)

    @pipeline
    def example():
        taking(Inner(tree=Tree(depth=9)))

    assert example.build().tasks["taking.take"].inputs == {"tree": FromConstant(value={"depth": 9})}


def test_wrong_parameters(check_place):
    @pipeline(params=Outer)
    def example(p):
        fitting(p.tree, 3)  # here

    with pytest.raises(
        GraphError, match=r"sub-pipeline 'fitting': its parameters are Inner, got Tree .*Pass `p`"
    ) as caught:
        example.build()
    check_place(caught)


def test_missing_arguments(check_place):
    @pipeline(params=Outer)
    def example(p):
        fitting(p)  # here

    with pytest.raises(GraphError, match="sub-pipeline 'fitting': missing a required argument: 'value'") as caught:
        example.build()
    check_place(caught)


def test_twice_the_same_name(check_place):
    @pipeline
    def example():
        nested(1)
        nested(2)  # here

    with pytest.raises(GraphError, match=r"sub-pipeline 'nested' is already in .*options\(name='nested_2'\)") as caught:
        example.build()
    check_place(caught)


def test_a_group_and_a_task_share_their_names():
    @pipeline
    def example():
        nested(start.options(name="nested")(1))

    with pytest.raises(GraphError, match="sub-pipeline 'nested' is already in pipeline 'example'"):
        example.build()


def test_a_pipeline_that_calls_itself():
    @pipeline
    def loop():
        start(1)
        loop()

    with pytest.raises(GraphError, match="sub-pipeline 'loop': calls itself"):
        loop.build()


def test_a_finalizer_belongs_to_a_run():
    @task
    def cleanup(summary: RunSummary) -> None: ...

    @pipeline(finalizer=cleanup)
    def final():
        start(1)

    @pipeline
    def example():
        final()

    with pytest.raises(GraphError, match="sub-pipeline 'final': has a finalizer"):
        example.build()


def test_too_deep():
    def deeper(level: int):
        @pipeline(name=f"level{level}")
        def wrapped():
            deeper(level - 1)() if level else start(1)

        wrapped.function.__qualname__ += str(level)
        return wrapped

    with pytest.raises(GraphError, match="not a name for a task"):
        deeper(8).build()
    assert list(deeper(7).build().tasks) == ["level6.level5.level4.level3.level2.level1.level0.start"]
