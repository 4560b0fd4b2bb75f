from __future__ import annotations

from typing import Literal, NamedTuple

import pytest

from firnflow.errors import GraphError
from firnflow.graph.check import read_graph, validate
from firnflow.graph.model import Condition, FromList, FromTask
from firnflow.graph.pipeline import pipeline
from firnflow.graph.task import task

Verdict = Literal["promote", "alert"]


class Checked(NamedTuple):
    verdict: Verdict
    score: float


@task
def check() -> Verdict: ...


@task
def checked() -> Checked: ...


@task
def flag() -> bool | None: ...


@task
def count() -> Literal[1, 2]: ...


@task
def work(value: int = 0) -> int: ...


@task
def join(a: int | None, b: int | None) -> int: ...


@task
def both(a: int, b: int) -> int: ...


@task
def gather(values: list[int]) -> int: ...


def test_cases_become_conditions():
    @pipeline
    def example():
        verdict = check()
        with verdict.case("promote"):
            work()
        with verdict.case("alert"):
            work.options(name="other")()
        work.options(name="always")()

    tasks = example.build().tasks
    assert tasks["work"].when == (Condition(task="check", case="promote"),)
    assert tasks["other"].when == (Condition(task="check", case="alert"),)
    assert tasks["always"].when == ()


def test_nested_bool_int_and_named_output():
    @pipeline
    def example():
        with checked().verdict.case("alert"), flag().case(True), count().case(2):  # noqa: FBT003 - a case
            work()

    graph = example.build()
    assert graph.tasks["work"].when == (
        Condition(task="checked", output="verdict", case="alert"),
        Condition(task="flag", case=True),
        Condition(task="count", case=2),
    )
    again = read_graph(graph.model_dump_json())
    assert again == graph
    assert again.tasks["work"].when[1].case is True


def test_the_branch_ends_after_an_error():
    @pipeline
    def example():
        with pytest.raises(ZeroDivisionError), check().case("alert"):
            _ = 1 / 0
        work()

    assert example.build().tasks["work"].when == ()


def test_joins():
    @pipeline
    def example():
        verdict = check()
        with verdict.case("promote"):
            a = work()
        with verdict.case("alert"):
            b = work.options(name="b")()
            work.options(name="c")(b)
        join(a, b)
        gather([a, b])

    graph = example.build()
    assert graph.tasks["join"].when == ()
    assert graph.tasks["join"].arguments["a"].optional
    assert graph.tasks["gather"].inputs["values"] == FromList(items=(FromTask(task="work"), FromTask(task="b")))
    validate(graph)


@pytest.mark.parametrize(("case", "near"), [("promot", "Did you mean 'promote'"), (True, ""), (1, "")])
def test_an_unknown_case(case, near: str, check_place):
    @pipeline
    def example():
        check().case(case)  # here

    message = rf"the result of task 'check' is Literal\[\"promote\", \"alert\"\], so it has no case {case!r} .*{near}"
    with pytest.raises(GraphError, match=message) as caught:
        example.build()
    check_place(caught)


def test_one_is_not_true():
    @pipeline
    def example():
        count().case(True)  # noqa: FBT003 - a case

    with pytest.raises(GraphError, match="has no case True"):
        example.build()


def test_a_case_of_a_mapped_task():
    @task
    def check_one(value: int) -> Verdict: ...

    @pipeline
    def example():
        check_one.map([1, 2]).case("alert")

    with pytest.raises(GraphError, match=r"is list\[Literal\[.*\]\], which has no cases"):
        example.build()


def test_a_case_that_is_never_entered(check_place):
    @pipeline
    def example():
        check().case("alert")  # here
        work()

    with pytest.raises(GraphError, match=r"case 'alert' of 'check' has no body .*Write `with") as caught:
        example.build()
    check_place(caught)


def test_a_join_that_can_never_run(check_place):
    @pipeline
    def example():
        verdict = check()
        with verdict.case("promote"):
            a = work()
        with verdict.case("alert"):
            b = work.options(name="b")()
        both(a, work.options(name="c")(b))  # here

    message = (
        "task 'both': can never run: argument 'a' needs case 'promote' of 'check', "
        "argument 'b' needs case 'alert' .*Annotate the arguments `T | None`"
    )
    with pytest.raises(GraphError, match=message) as caught:
        example.build()
    check_place(caught)


def test_a_task_in_one_branch_that_needs_the_other(check_place):
    @pipeline
    def example():
        verdict = check()
        with verdict.case("promote"):
            a = work()
        with verdict.case("alert"):
            both(a, 3)  # here

    with pytest.raises(
        GraphError, match=r"'both': can never run: the task itself needs case 'alert'.*'a' needs"
    ) as caught:
        example.build()
    check_place(caught)


def test_a_decision_inside_a_branch_carries_it_along():
    @pipeline
    def example():
        first = check()
        with first.case("promote"):
            second = check.options(name="second")()
        with first.case("alert"), second.case("alert"):
            work()

    with pytest.raises(GraphError, match="task 'work': can never run: the task itself needs case 'alert' of 'check'"):
        example.build()
