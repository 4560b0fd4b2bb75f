"""Which tasks of a group are one job, and which cannot be."""

from __future__ import annotations

from typing import Literal

import pytest

import firnflow as ff
from firnflow.errors import UsageError
from firnflow.targets.snowflake.compile.groups import jobs_of, together


@ff.task
def one(x: int) -> int:
    return x


@ff.task
def two(x: int, y: int) -> int:
    return x + y


@ff.task
def decide(x: int) -> Literal["a", "b"]:
    return "a" if x else "b"


def prep(name: str, task=one, group="prep", **options):
    return task.options(name=name, group=group, **options)


def test_tasks_of_a_group_that_follow_each_other_are_one_job():
    @ff.pipeline
    def chain():
        last = prep("c")(prep("b")(prep("a")(1)))
        alone = one.options(name="alone")(last)
        prep("apart")(alone)

    assert jobs_of(chain.build()) == [("a", "b", "c"), ("alone",), ("apart",)]


def test_tasks_beside_each_other_are_one_job_where_one_of_the_group_reads_both():
    @ff.pipeline
    def diamond():
        first = one.options(name="first")(1)
        left, right = prep("left")(first), prep("right")(first)
        one.options(name="last")(prep("both", two)(left, right))

    @ff.pipeline
    def beside():
        first = one.options(name="first")(1)
        prep("left")(first)
        prep("right")(first)

    assert jobs_of(diamond.build()) == [("first",), ("left", "right", "both"), ("last",)]
    assert sorted(jobs_of(beside.build())) == [("first",), ("left",), ("right",)]


def test_two_groups_are_two_jobs_and_no_group_is_none():
    @ff.pipeline
    def several():
        a = prep("a")(1)
        b = prep("b", group="other")(a)
        c = prep("c", group="other")(b)
        one.options(name="d")(one.options(name="e")(c))

    assert jobs_of(several.build()) == [("a",), ("b", "c"), ("e",), ("d",)]


def test_a_job_with_what_reads_a_part_of_it_comes_before_that():
    @ff.pipeline
    def aside():
        a = prep("a")(1)
        one.options(name="x")(a)
        prep("b")(a)

    assert jobs_of(aside.build()) == [("a", "b"), ("x",)]


def test_a_decision_may_be_made_in_a_job_and_a_case_may_be_one():
    @ff.pipeline
    def branched():
        verdict = prep("judge", decide)(prep("score")(1))
        with verdict.case("a"):
            prep("a2", group="case")(prep("a1", group="case")(1))

    assert jobs_of(branched.build()) == [("score", "judge"), ("a1", "a2")]


def test_a_job_wants_what_its_hungriest_task_wants():
    @ff.pipeline
    def hungry():
        one.options(name="a", resources=ff.Resources(cpu=2, memory="1GiB"), retries=3)(1)
        one.options(name="b", resources=ff.Resources(cpu=1, memory="4GiB", gpu=1))(1)
        one.options(name="c")(1)

    options = together(hungry.build().tasks.values())
    assert (options.resources.cpu, options.resources.memory, options.resources.gpu) == (2, 4 * 2**30, 1)
    assert options.retries == 0


def between():
    a = prep("a")(1)
    prep("b", two)(a, one.options(name="x")(a))


def crossing():
    score = prep("score")(1)
    with decide(score).case("a"):
        prep("promote")(score)


def twice():
    first, second = prep("first", decide)(1), prep("second", decide)(1)
    prep("both", joined)(first, second)
    with first.case("a"):
        one.options(name="x")(1)
    with second.case("b"):
        one.options(name="y")(1)


@ff.task
def joined(x: str, y: str) -> str:
    return x + y


def pools():
    prep("b", resources=ff.Resources(pool="big"))(prep("a")(1))


def nodes():
    prep("b", resources=ff.Resources(nodes=2))(prep("a")(1))


@pytest.mark.parametrize(
    ("wiring", "message"),
    [
        (between, r"tasks a, b of group 'prep' cannot be one job in Snowflake: task 'x' stands between them"),
        (crossing, "tasks promote, score of group 'prep' .*not in the same case of a branch.*Mend: another group"),
        (twice, "2 decisions are made by them, but a job has one return value"),
        (pools, "they want different pools"),
        (nodes, "one wants several nodes"),
    ],
)
def test_what_cannot_be_one_job_is_refused(wiring, message):
    with pytest.raises(UsageError, match=message):
        jobs_of(ff.pipeline(wiring).build())
