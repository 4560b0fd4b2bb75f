"""`firnflow logs`."""

from __future__ import annotations

import json
import time

import pytest


def wait_until(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def messages(called):
    """Lines without their times."""
    return [line.partition(" ")[2] for line in called.out.splitlines()]


def test_logs_of_the_newest_run(shop):
    shop.call("run", "flow", "--inline")
    lines = messages(shop.call("logs"))
    assert "make | making 4 rows" in lines
    assert "count[word=b] | counting b" in lines
    assert "make started" in lines
    assert lines.index("make started") < lines.index("make | making 4 rows")


def test_logs_of_one_task(shop):
    shop.call("run", "flow", "--inline")
    run = shop.newest().id
    assert messages(shop.call("logs", run, "make")) == ["make | making 4 rows"]
    assert messages(shop.call("logs", "make")) == ["make | making 4 rows"]
    assert messages(shop.call("logs", run, "count[1]")) == ["count[word=b] | counting b"]
    assert len(messages(shop.call("logs", run, "count"))) == 3


def test_logs_of_one_attempt(shop, add):
    add(
        """
        @ff.task(retries=1, retry_delay=0)
        def moody() -> None:
            print("a try")
            raise RuntimeError("never")

        @ff.pipeline
        def mood():
            moody()
        """
    )
    shop.call("run", "mood", "--inline")
    assert shop.call("logs", "moody").out.count("| a try") == 2
    assert shop.call("logs", "moody", "--attempt", "2").out.count("| a try") == 1
    assert "RuntimeError: never" in shop.call("logs", "moody", "--attempt", "2").out


def test_json_lines(shop):
    shop.call("run", "flow", "--inline")
    lines = [json.loads(line) for line in shop.call("logs", "count[word=a]", "--json").out.splitlines()]
    assert [(line["task"], line["element"], line["attempt"], line["level"], line["message"]) for line in lines] == [
        ("count", "word=a", 1, "warning", "counting a")
    ]


@pytest.mark.slow
def test_follow_ends_with_the_run(shop):
    run = shop.start("run", "sleepy", "--set", f"folder={shop.root}", "--set", "seconds=3")
    wait_until((shop.root / "asleep").exists)
    called = shop.process("logs", "--follow")
    run.communicate(timeout=30)
    assert called.code == 0
    lines = messages(called)
    assert "nap | good night" in lines
    assert lines[-1].startswith("run succeeded in")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nope",), "there is no run 'nope'"),
        (("broken-", "fial"), "has no task 'fial'. Did you mean 'fail'?"),
    ],
)
def test_what_is_not_there(shop, arguments, said):
    shop.call("run", "broken", "--inline")
    called = shop.call("logs", *arguments)
    assert called.code == 2
    assert said in called.err


@pytest.mark.parametrize(
    ("pipeline", "task", "said"),
    [
        ("broken", "after", "Task after did not run in run RUN: upstream_failed"),
        ("flow", "alert", "Task alert did not run in run RUN: skipped"),
        ("flow", "judge", "Task judge printed nothing in run RUN"),
    ],
)
def test_no_log(shop, pipeline, task, said):
    shop.call("run", pipeline, "--inline")
    called = shop.call("logs", task)
    assert called.code == 0
    assert called.err == said.replace("RUN", shop.newest().id) + "\n"


def test_no_log_of_a_run_on_another_machine(shop):
    shop.call("run", "flow", "--inline")
    with shop.state.engine.begin() as connection:
        connection.exec_driver_sql('UPDATE run SET origin = \'{"host": "far"}\'')
    assert (
        f"There is no log of task judge in run {shop.newest().id} here; it ran on far" in shop.call("logs", "judge").err
    )


def test_a_task_of_the_newest_run_comes_before_the_beginning_of_an_id(shop, add):
    add(
        """
        @ff.task
        def f() -> None:
            print("in f")

        @ff.pipeline
        def few():
            f()
        """
    )
    shop.call("run", "few", "--inline")
    run = shop.newest().id
    assert run.startswith("f")
    assert messages(shop.call("logs", "f")) == ["f | in f"]
    assert "f started" in messages(shop.call("logs", "fe"))
    assert "f started" in messages(shop.call("logs", run))


def test_a_name_that_could_be_several_runs_and_no_task(shop):
    shop.call("run", "broken", "--inline")
    shop.call("run", "broken", "--inline")
    called = shop.call("logs", "broken")
    assert called.code == 2
    assert "it could be broken-" in called.err
    assert f"the newest run, {shop.newest().id}, has no task 'broken'" in called.err
    assert "Did you mean 'first'?" in shop.call("logs", "fist").err


def test_the_log_of_a_cached_task_is_of_the_run_that_made_it(shop):
    shop.call("run", "flow", "--inline")
    first = shop.newest().id
    for _ in range(2):  # the third takes it from the second, which took it from the first
        shop.call("run", "flow", "--inline")
    called = shop.call("logs", "make")
    assert messages(called) == ["make | making 4 rows"]
    assert called.err == f"make is from the cache: run {first} made it\n"
    called = shop.call("logs", "count", "--json")
    assert sorted(json.loads(line)["message"] for line in called.out.splitlines()) == [
        f"counting {word}" for word in "abc"
    ]
    assert {json.loads(line)["run"] for line in called.out.splitlines()} == {first}
    assert called.err == f"count is from the cache: run {first} made it\n"


def test_the_run_that_made_a_cached_task_is_deleted(shop):
    for _ in range(2):
        shop.call("run", "flow", "--inline")
    shop.state.delete_runs([shop.state.runs()[1].id])
    called = shop.call("logs", "make")
    assert (called.code, called.out) == (0, "")
    assert "make is from the cache: the run that made it is deleted" in called.err
