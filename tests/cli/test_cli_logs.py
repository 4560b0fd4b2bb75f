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


def test_no_log(shop):
    shop.call("run", "broken", "--inline")
    called = shop.call("logs", "after")
    assert called.code == 0
    assert "There is no log of task after" in called.err
