from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import ibis
import pandas as pd
import pytest

from firnflow.errors import GraphError
from firnflow.graph.model import Options, Resources
from firnflow.graph.task import Task, task

if TYPE_CHECKING:
    from collections import OrderedDict  # noqa: TC004 - the mistake that is tested


class Halves(NamedTuple):
    train: ibis.Table
    test: ibis.Table


@dataclass
class Report:
    auc: float
    notes: dict[str, list[int]]


@dataclass
class Fitted:
    table: pd.DataFrame
    score: float


@task
def double(number: int, offset: int = 0) -> int:
    """Double a number.

    More.
    """
    return 2 * number + offset


@task
def halves(table: ibis.Table) -> Halves: ...


@task
def report(table: ibis.Table) -> Report: ...


@task
def fit(table: ibis.Table) -> Fitted: ...


@task
def nothing() -> None: ...


def test_outside_a_pipeline_it_is_the_function():
    assert double(3) == 6
    assert double(number=3, offset=1) == 7
    assert double.__name__ == "double"
    assert double.__doc__.startswith("Double")
    assert list(inspect.signature(double).parameters) == ["number", "offset"]


def test_key_name_and_doc():
    assert double.key == f"{__name__}:double"
    assert double.name == "double"
    assert double.doc == "Double a number."
    assert repr(double) == f"<task {__name__}:double>"
    assert double.describe() == "double(number: int, offset: int = …)"


def test_options_are_copied_not_changed():
    slow = double.options(name="slow", timeout="1h30m", retries=2, resources=Resources(memory="8Gi"))
    assert slow.name == "slow"
    assert slow.key == double.key
    assert slow.options_.timeout == 5400
    assert slow.options_.resources.memory == 8 * 2**30
    assert double.options_ == Options()
    assert slow.options(retries=0).options_.timeout == 5400
    assert slow(4) == 8


def test_a_task_cannot_be_changed():
    with pytest.raises(AttributeError, match="cannot assign"):
        double.name = "other"  # type: ignore[misc]


def test_decorator_with_options():
    @task(retries=3, retry_delay="10s", backoff=1, cache=False, concurrency=2, timeout=60, name="renamed")
    def f() -> None: ...

    assert isinstance(f, Task)
    assert f.name == "renamed"
    assert f.options_ == Options(retries=3, retry_delay=10, backoff=1, cache=False, concurrency=2, timeout=60)


def test_signature_of_one_output():
    signature = double.signature
    assert [a.annotation for a in signature.arguments.values()] == [int, int]
    assert [a.required for a in signature.arguments.values()] == [True, False]
    assert signature.outputs == {"result": int}
    assert signature.output_class is None
    assert signature.split(5) == {"result": 5}


def test_a_named_tuple_has_several_outputs():
    signature = halves.signature
    assert signature.outputs == {"train": ibis.Table, "test": ibis.Table}
    assert signature.output_class is Halves
    assert signature.split(Halves("a", "b")) == {"train": "a", "test": "b"}
    with pytest.raises(TypeError, match=r"returned tuple, but is annotated to return \w+\.Halves"):
        signature.split(("a", "b"))


def test_a_dataclass_of_json_is_one_output_and_one_with_a_table_several():
    assert report.signature.outputs == {"result": Report}
    assert fit.signature.outputs == {"table": pd.DataFrame, "score": float}
    assert fit.signature.output_class is Fitted
    assert nothing.signature.outputs == {}
    assert nothing.signature.split(None) == {}


async def coroutine() -> None: ...


def generator() -> int:
    yield 1


def several(*values: int) -> int: ...


def keywords(**values: int) -> int: ...


def positional(value: int, /) -> int: ...


def bare(value) -> int: ...


def no_return(value: int): ...


def underscore(_value: int) -> int: ...


def _private() -> int: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (coroutine, r"task 'coroutine': an async function cannot be a task \(.*:\d+\)\. Write `def`"),
        (generator, r"task 'generator': a generator cannot be a task .*Return a list"),
        (several, r"task 'several': takes \*values: .*int.*, but a task's arguments have names .*Name each one"),
        (keywords, r"task 'keywords': takes \*\*values"),
        (positional, r"task 'positional': takes value: .*int"),
        (bare, r"task 'bare', argument 'value': has no type .*Annotate it: `value: int`"),
        (no_return, r"task 'no_return': does not say what it returns"),
        (underscore, r"task 'underscore', argument '_value': a name is letters"),
        (_private, r"task '_private': a name is letters, digits and `_`, a letter first .*Give it one: `name=…`"),
        (print, r"<built-in function print> cannot be a task"),
        (Halves, r"Halves.* cannot be a task .*Decorate a function"),
    ],
)
def test_what_cannot_be_a_task(function: Any, message: str):
    with pytest.raises(GraphError, match=message) as caught:
        task(function)
    assert "test_graph_task.py:" in str(caught.value)


def test_a_lambda_needs_a_name():
    with pytest.raises(GraphError, match="has no type"):
        task(lambda x: x)


def test_an_annotation_that_cannot_be_resolved(check_place):
    @task  # here
    def f(value: OrderedDict) -> int: ...

    with pytest.raises(
        GraphError, match=r"task 'f': cannot resolve its annotations: .*OrderedDict.*TYPE_CHECKING"
    ) as caught:
        _ = f.signature
    check_place(caught)


class Unresolved(NamedTuple):
    value: OrderedDict


def test_an_output_that_cannot_be_resolved(check_place):
    @task  # here
    def f() -> Unresolved: ...

    with pytest.raises(GraphError, match=r"task 'f': cannot resolve its annotations: .*OrderedDict") as caught:
        _ = f.signature
    check_place(caught)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retires": 3}, "task 'double': has no option 'retires' .*Did you mean 'retries'"),
        ({"timeout": "2 hours"}, "option 'timeout': '2 hours' is not a duration: write it like '2h'"),
        ({"timeout": 0}, "option 'timeout': it should be greater than 0"),
        ({"timeout": float("nan")}, "option 'timeout': nan is not a duration"),
        ({"retries": -1}, "option 'retries': it should be greater than or equal to 0"),
        ({"resources": "8Gi"}, "option 'resources'"),
        ({"name": "a b"}, "task 'a b': a name is letters"),
        ({"name": "a\n"}, "a name is letters"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str, check_place):
    with pytest.raises(GraphError, match=message) as caught:
        double.options(**options)  # here
    check_place(caught)


def test_resources_say_what_is_wrong():
    with pytest.raises(GraphError, match="Resources: memory: '8 gigs' is not an amount of memory: write it like '8Gi'"):
        Resources(memory="8 gigs")
    with pytest.raises(
        GraphError, match=r"^Resources: has no argument 'ram' \(\S+test_graph_task\.py:\d+\)\. It has: cpu, gpu, "
    ):
        Resources(ram="8Gi")
    with pytest.raises(GraphError, match=r"has no argument 'cpus' \(.*\)\. Did you mean 'cpu'\?$"):
        Resources(cpus=2)


def test_map_outside_a_pipeline():
    with pytest.raises(GraphError, match=r"task 'double': `\.map\(\)` belongs in a pipeline"):
        double.map([1, 2])
