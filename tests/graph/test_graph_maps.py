from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import ibis
import pydantic
import pytest

from firnflow.errors import GraphError
from firnflow.graph.check import validate
from firnflow.graph.model import FromConstant, FromList, FromParam, FromTask, Mapping
from firnflow.graph.params import Params
from firnflow.graph.pipeline import pipeline
from firnflow.graph.placeholders import each
from firnflow.graph.task import task

if TYPE_CHECKING:
    from collections.abc import Callable


class Settings(Params):
    depths: list[int] = pydantic.Field(default_factory=lambda: [4, 6, 8])


class Fit(NamedTuple):
    model: ibis.Table
    score: float


@task
def depths() -> list[int]: ...


@task
def table() -> ibis.Table: ...


@task
def train(train_set: ibis.Table, max_depth: int, eta: float = 0.3) -> Fit: ...


@task
def score(model: ibis.Table) -> float: ...


@task
def best(models: list[ibis.Table], scores: list[float]) -> ibis.Table: ...


@task
def features(names: list[str]) -> ibis.Table: ...


@task
def anything(value: Any) -> int: ...


@task
def either(value: int | list[int]) -> int: ...


@task
def quiet(value: int) -> None: ...


def built(function: Callable[..., Any], **options: Any):
    graph = pipeline(**options)(function).build()
    validate(graph)
    return graph.tasks


def test_a_static_list_is_mapped_and_gathered():
    def example():
        fits = train.map(table(), max_depth=[4, 6, 8])
        best(fits.model, fits.score)

    tasks = built(example)
    assert tasks["train"].mapping == Mapping(arguments=("max_depth",))
    assert tasks["train"].inputs["max_depth"] == FromConstant(value=[4, 6, 8])
    assert tasks["train"].outputs["model"].type == "ibis.Table"
    assert tasks["best"].inputs == {
        "models": FromTask(task="train", output="model"),
        "scores": FromTask(task="train", output="score"),
    }
    assert tasks["best"].mapping is None


def test_unpacking_a_mapped_task_gives_lists():
    def example():
        models, scores = train.map(table(), max_depth=[4, 6, 8])
        best(models, scores)

    assert built(example)["best"].inputs["scores"] == FromTask(task="train", output="score")


def test_a_computed_list_and_a_parameter_are_mapped():
    def example(p):
        models = train.map(table(), depths()).model
        score.map(models)
        train.options(name="again").map(table.options(name="other")(), max_depth=p.depths)

    tasks = built(example, params=Settings)
    assert tasks["train"].mapping == Mapping(arguments=("max_depth",))
    assert tasks["train"].inputs["max_depth"] == FromTask(task="depths")
    assert tasks["score"].mapping == Mapping(arguments=("model",))
    assert tasks["again"].inputs["max_depth"] == FromParam(path=("depths",))


def test_a_list_of_results_is_mapped():
    def example():
        a, b = table(), table.options(name="b")()
        score.map([a, b])

    node = built(example)["score"]
    assert node.inputs["model"] == FromList(items=(FromTask(task="table"), FromTask(task="b")))
    assert node.mapping == Mapping(arguments=("model",))


def test_what_the_argument_takes_as_a_whole_is_not_mapped():
    def example():
        features.map(names=[["a", "b"], ["c"]])
        either.map([[1, 2], [3]])
        train.map(table(), (1, 2), eta=[0.1, 0.2])

    tasks = built(example)
    assert tasks["features"].inputs["names"] == FromConstant(value=[["a", "b"], ["c"]])
    assert tasks["either"].mapping == Mapping(arguments=("value",))
    assert tasks["train"].mapping == Mapping(arguments=("max_depth", "eta"))


def test_cross():
    def example():
        train.cross_map(table(), [4, 6, 8], eta=[0.1, 0.2])

    assert built(example)["train"].mapping == Mapping(arguments=("max_depth", "eta"), how="cross")


def test_each_maps_where_the_annotation_leaves_it_open():
    def example():
        anything.map(each([1, "a"]))
        anything.options(name="computed").map(value=each(depths()))
        quiet.map(each(depths.options(name="d2")()))

    tasks = built(example)
    assert tasks["anything"].mapping == Mapping(arguments=("value",))
    assert tasks["anything"].inputs["value"] == FromConstant(value=[1, "a"])
    assert tasks["computed"].inputs["value"] == FromTask(task="depths")
    assert tasks["quiet"].outputs == {}


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "nothing mapped": (
        lambda: train.map(table(), 4),  # here
        r"task 'train': no argument is mapped .*Pass a list of what .*, or mark one: `ff.each\(values\)`",
    ),
    "left open": (lambda: anything.map([1, 2]), "task 'anything': no argument is mapped"),  # here
    "a list that is taken as a whole": (
        lambda: features.map(["a", "b"]),  # here
        "task 'features': no argument is mapped",
    ),
    "not equally long": (
        lambda: train.map(table(), max_depth=[1, 2], eta=[0.1, 0.2, 0.3]),  # here
        r"task 'train': the mapped lists are not equally long: max_depth has 2, eta has 3 .*cross_map",
    ),
    "empty": (
        lambda: train.map(table(), max_depth=[]),  # here
        "task 'train', argument 'max_depth': is mapped over an empty list",
    ),
    "wrong element": (
        lambda: train.map(table(), max_depth=[1, "b"]),  # here
        r"task 'train', argument 'max_depth': wants list\[int\], but got \[1, 'b'\]",
    ),
    "each of one value": (
        lambda: train.map(each(table()), 3),  # here
        r"'train_set': wants list\[ibis.Table\], but the result of task 'table' is ibis.Table",
    ),
    "unknown argument": (
        lambda: train.map(table(), max_depht=[3]),  # here
        "task 'train': has no argument 'max_depht'.*Did you mean 'max_depth'",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_maps(name: str, check_place):
    call, message = WRONG[name]
    with pytest.raises(GraphError, match=message) as caught:
        built(call, name="wrong")
    check_place(caught)
