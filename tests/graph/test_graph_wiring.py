"""What is wrong in a call is said with task, argument, file, line and the nearest name."""

# ruff: noqa: ARG005, FBT003 - every wrong call takes the parameters; some constants are bools

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import ibis
import pandas as pd  # noqa: TC002 - a field of a NamedTuple is resolved
import pyarrow as pa
import pydantic
import pytest

from firnflow.errors import GraphError
from firnflow.graph.params import Params
from firnflow.graph.pipeline import pipeline
from firnflow.graph.placeholders import each
from firnflow.graph.source import source
from firnflow.graph.task import task


class Settings(Params):
    max_depth: int = 6
    learning_rate: float = 0.3
    name: str | None = None


class Pair(NamedTuple):
    left: ibis.Table
    right: pd.DataFrame


@dataclass
class Report:
    auc: float


@task
def table() -> ibis.Table: ...


@task
def pair() -> Pair: ...


@task
def number() -> int: ...


@task
def maybe() -> int | None: ...


@task
def numbers() -> list[int]: ...


@task
def report() -> Report: ...


@task
def two_tables() -> tuple[ibis.Table, ibis.Table]: ...


@task
def nothing() -> None: ...


@task
def train(train_set: ibis.Table, max_depth: int, eta: float = 0.3) -> float: ...


@task
def want(
    a_float: float = 0,
    a_dict: dict[str, float] | None = None,
    a_case: Literal["x", "y"] = "x",
    a_day: dt.date | None = None,
    a_report: Report | None = None,
    a_path: Path | None = None,
    anything: Any = None,
    a_list: Sequence[int] = (),
    a_share: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.5,
    a_batch: pa.RecordBatchReader | None = None,
) -> None: ...


leaked: list[Any] = []

CASES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "unknown argument": (
        lambda p: train(table(), max_dept=p.max_depth),  # here
        r"task 'train': has no argument 'max_dept' \(.*\)\. Did you mean 'max_depth'\?",
    ),
    "unknown argument, none near": (
        lambda p: train(table(), zzz=3),  # here
        r"task 'train': has no argument 'zzz' .*It is train\(train_set: ibis.Table, max_depth: int, eta: float = …\)",
    ),
    "missing": (lambda p: train(table()), "task 'train', argument 'max_depth': is missing"),  # here
    "twice": (lambda p: train(table(), train_set=1), "task 'train', argument 'train_set': is given twice"),  # here
    "too many": (lambda p: train(1, 2, 3, 4), "task 'train': takes 3 arguments, got 4"),  # here
    "wrong edge": (
        lambda p: train(report(), 3),  # here
        r"task 'train', argument 'train_set': wants ibis.Table, but the result of task 'report' is \w+.Report",
    ),
    "wrong output": (
        lambda p: want(a_float=pair().left),  # here
        "'a_float': wants float, but output 'left' of task 'pair' is ibis.Table",
    ),
    "wrong parameter": (
        lambda p: train(table(), p.learning_rate),  # here
        "'max_depth': wants int, but parameter 'learning_rate' is float",
    ),
    "may be None": (
        lambda p: train(table(), maybe()),  # here
        r"'max_depth': wants int, but the result of task 'maybe' is int \| None .*annotate `int \| None`",
    ),
    "a list where one is wanted": (
        lambda p: train(table(), numbers()),  # here
        r"'max_depth': wants int, but .*'numbers' is list\[int\] .*`\.map\(…\)`.*annotate `list\[int\]`",
    ),
    "a mapped result where one is wanted": (
        lambda p: want(a_float=train.map(table(), [1, 2])),  # here
        r"'a_float': wants float, but .*'train' is list\[float\] .*To gather them: annotate `list\[float\]`",
    ),
    "several outputs": (
        lambda p: train(pair(), 3),  # here
        "'train_set': the outputs of task 'pair' are several values .*Pass one: output 'left' of task 'pair', output",
    ),
    "no output": (lambda p: train(nothing(), 3), "the outputs of task 'nothing': the task returns None"),  # here
    "unknown output": (
        lambda p: pair().rihgt,  # here
        "task 'pair' has no output 'rihgt' .*It has left, right. Did you mean 'right'",
    ),
    "unknown parameter": (
        lambda p: p.max_dept,  # here
        "Settings has no parameter 'max_dept' .*Did you mean 'max_depth'",
    ),
    "wrong constant": (
        lambda p: train(table(), "6"),  # here
        "task 'train', argument 'max_depth': wants int, but got '6'",
    ),
    "bool is no int": (lambda p: train(table(), True), "'max_depth': wants int, but got True"),  # here
    "wrong constant inside": (
        lambda p: want(a_dict={"a": 1.0, "b": "x"}),  # here
        r"'a_dict': wants dict\[str, float\] \| None, but got .*\['b'\]",
    ),
    "wrong literal": (lambda p: want(a_case="z"), r"'a_case': wants Literal\[\"x\", \"y\"\], but got 'z'"),  # here
    "text for a date": (lambda p: want(a_day="2024-01-01"), "'a_day': wants datetime.date .*but got '2024"),  # here
    "dict for a dataclass": (lambda p: want(a_report={"auc": 1.0}), "'a_report': wants .*Report"),  # here
    "a table written out": (
        lambda p: train([1, 2], 3),  # here
        r"'train_set': wants ibis.Table, which cannot be written in a pipeline \(got \[1, 2\]\).*ff.source",
    ),
    "a path written out": (
        lambda p: want(a_path=Path("x.csv")),  # here
        "'a_path': wants pathlib.Path . None, which cannot be written",
    ),
    "not JSON": (lambda p: want(anything=object()), "'anything': wants Any, but got <object object"),  # here
    "not a number": (lambda p: want(a_float=float("nan")), "'a_float': nan cannot stand in a graph"),  # here
    "an infinity inside": (lambda p: want(anything=[{"a": float("inf")}]), "inf cannot stand in a graph"),  # here
    "a result in a dict": (
        lambda p: want(a_dict={"a": number()}),  # here
        "'a_dict': a dict that holds a parameter or a task's result .*argument of its own",
    ),
    "a wrong item": (
        lambda p: want(a_list=[number(), report()]),  # here
        r"'a_list': wants int, but the result of task 'report' is",
    ),
    "a list where none is wanted": (
        lambda p: want(a_float=[number(), 3.0]),  # here
        "'a_float': wants float, but got a list .*To run once per element, call",
    ),
    "each without map": (lambda p: want(a_float=each([1])), "'a_float': `each` only means something in"),  # here
    "twice the same name": (
        lambda p: (number(), number()),  # here
        r"task 'number' is already in pipeline 'wrong', called at .*:\d+ \(.*\)\. Give .*options\(name='number_2'\)",
    ),
    "of another pipeline": (
        lambda p: train(leaked[0], 3),  # here
        "'train_set': the result of task 'table' belongs to another pipeline .*Call the task inside",
    ),
    "out of bounds": (
        lambda p: want(a_share=1.5),  # here
        "'a_share': wants float, but got 1.5 .*less than 1",
    ),
    "a reserved name": (
        lambda p: number.options(name="finalizer")(),  # here
        "task 'finalizer': not a name for a task",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_wrong_calls(name: str, check_place):
    call, message = CASES[name]

    @pipeline
    def other():
        leaked[:] = [table()]

    @pipeline(params=Settings)
    def wrong(p):
        call(p)

    other.build()
    with pytest.raises(GraphError, match=message) as caught:
        wrong.build()
    check_place(caught)


def test_what_fits_is_accepted():
    @pipeline
    def right():
        want(
            a_float=number(),
            a_dict={"a": 1},
            a_case="y",
            a_day=dt.date(2024, 1, 1),
            a_report=Report(0.5),
            anything={"a": [1, None]},
            a_list=[number.options(name="n2")(), 3],
            a_batch=pair().right,
        )
        train(source("customers"), 3)

    inputs = right.build().tasks["want"].inputs
    assert inputs["a_dict"].value == {"a": 1.0}
    assert inputs["a_day"].value == "2024-01-01"
    assert inputs["a_report"].value == {"auc": 0.5}


TRAPS: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "if": (lambda p, x: 1 if x else 2, "used as a condition.*`with verdict.case"),
    "not": (lambda p, x: not p.max_depth, "parameter 'max_depth' is not there.*used as a condition"),
    "==": (lambda p, x: x == 3, "compared.*Literal or bool"),
    "<": (lambda p, x: p.max_depth < 3, "compared"),
    "in": (lambda p, x: 3 in x, "compared"),
    "for": (lambda p, x: [i for i in x], "unpacked or looped over.*task.map"),  # noqa: C416
    "unpack": (lambda p, x: [*p.max_depth], "unpacked or looped over"),
    "len": (lambda p, x: len(x), "looped over"),
    "[]": (lambda p, x: x[0], "looped over"),
    "+": (lambda p, x: x + 1, "computed with.*inside a task"),
    "right +": (lambda p, x: 1 + p.max_depth, "computed with"),
    "-": (lambda p, x: -x, "computed with"),
    "str": (lambda p, x: str(x), "turned into text"),
    "f-string": (lambda p, x: f"{p.name}.csv", "parameter 'name' is not there.*turned into text"),
    "int": (lambda p, x: int(x), "turned into a number"),
    "range": (lambda p, x: range(p.max_depth), "turned into a number"),
    "call": (lambda p, x: x(), "called"),
    "attribute": (lambda p, x: x.auc, "the result of task 'report' is not there .*asked for its attribute 'auc'"),
    "method": (lambda p, x: x.to_pandas(), "asked for its attribute 'to_pandas'"),
    "set attribute": (lambda p, x: x.__setitem__("a", 1), "changed"),
    "with": (lambda p, x: x.__enter__(), "computed with"),
    "bool of outputs": (lambda p, x: bool(pair()), "the outputs of task 'pair'.*used as a condition"),
    "bool of parameters": (lambda p, x: bool(p), "parameters 'Settings' is not there.*used as a condition"),
    "case of a parameter": (lambda p, x: p.name.case("a"), "parameter 'name'.*branched on.*Let a task return it"),
    "tuple": (lambda p, x: [*two_tables()], "For several outputs, let the task return a NamedTuple"),
    "case without cases": (lambda p, x: x.case("a"), r"Report, which has no cases.*-> Literal\[\"a\", \"b\"\]"),
}


@pytest.mark.parametrize("name", TRAPS)
def test_nothing_is_computed_with_a_placeholder(name: str):
    compute, message = TRAPS[name]

    @pipeline(params=Settings)
    def wrong(p):
        compute(p, report())

    with pytest.raises(GraphError, match=message) as caught:
        wrong.build()
    assert "test_graph_wiring.py:" in str(caught.value)


def test_a_placeholder_can_be_looked_at():
    shown = []

    @pipeline(params=Settings)
    def looked_at(p):
        shown.extend([repr(p), repr(p.max_depth), repr(number()), repr(pair()), hasattr(p, "__wrapped__")])
        train(table(), p.max_depth, p.learning_rate)
        want(anything=p.name)

    looked_at.build()
    assert shown == [
        "parameters 'Settings'",
        "parameter 'max_depth'",
        "the result of task 'number'",
        "the outputs of task 'pair'",
        False,
    ]
