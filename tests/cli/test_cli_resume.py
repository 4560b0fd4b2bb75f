"""`resume`, `cancel`, `runs`: what happens to runs after they began."""

from __future__ import annotations

import signal
import time

import pytest


def wait_until(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def test_resume_goes_on_from_what_is_done(shop, add):
    switch = shop.root / "switch"
    add(
        f"""
        @ff.task
        def moody(x: int) -> int:
            if not Path({str(switch)!r}).exists():
                raise RuntimeError("not today")
            return x

        @ff.pipeline
        def mood():
            after(moody(first()))
        """
    )
    assert shop.call("run", "mood", "--inline").code == 1
    switch.touch()
    called = shop.call("resume", "--inline")
    assert called.code == 0
    assert "goes on: 3 tasks" in called.err
    assert "≡ first  cached" in called.err
    assert "✓ moody" in called.err
    assert "attempt 2" in next(line for line in called.err.splitlines() if "moody" in line)
    assert "attempt" not in next(line for line in called.err.splitlines() if "after" in line)
    assert "mood succeeded" in called.out


def test_resume_of_a_finished_run_just_shows_it(shop):
    shop.call("run", "flow", "--inline")
    run = shop.newest().id
    shop.call("run", "broken", "--inline")
    called = shop.call("resume", run[: len("flow-")])
    assert called.code == 0
    assert "flow succeeded in" in called.out
    assert called.err == ""
    assert shop.call("resume", run, "--json").json["run"] == run


def test_resume_without_a_run(shop):
    called = shop.call("resume")
    assert called.code == 2
    assert "There is no run yet" in called.err
    assert not (shop.root / ".firnflow").exists()


@pytest.mark.slow
def test_resume_of_a_run_under_way(shop):
    process = shop.start("run", "sleepy", "--set", f"folder={shop.root}")
    wait_until((shop.root / "asleep").exists)
    called = shop.call("resume")
    assert called.code == 1
    assert f"firnflow cancel {shop.newest().id}" in called.err
    cancelled = shop.call("cancel")
    assert cancelled.code == 0
    assert "cancelled" in cancelled.out
    process.communicate(timeout=30)
    assert process.returncode == 1
    assert shop.newest().error == "stopped by firnflow cancel"


@pytest.mark.slow
def test_a_run_whose_process_hangs_can_be_cancelled(shop):
    process = shop.start("run", "sleepy", "--set", f"folder={shop.root}")
    wait_until((shop.root / "asleep").exists)
    process.send_signal(signal.SIGSTOP)
    with shop.state.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE run SET lease_until = 1")
    assert shop.call("runs", "--json").json[0]["status"] == "running", "it is there, and may go on"
    assert shop.call("cancel", "--wait", "0.1").out.endswith(" cancelled\n")
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=30)
    assert process.returncode == 1
    assert shop.newest().error == "stopped by firnflow cancel; its process did not hear"


@pytest.mark.slow
def test_a_killed_run_is_shown_as_crashed(shop):
    process = shop.start("run", "sleepy", "--set", f"folder={shop.root}")
    wait_until((shop.root / "asleep").exists)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert " crashed " in shop.call("runs").out


def test_cancel_of_a_finished_run_changes_nothing(shop):
    shop.call("run", "broken", "--inline")
    called = shop.call("cancel", "--json")
    assert called.json == {"run": shop.newest().id, "status": "failed"}


def test_runs_lists_the_newest_first(shop):
    for pipeline in ("flow", "broken", "flow"):
        shop.call("run", pipeline, "--inline")
    lines = shop.call("runs").out.splitlines()
    assert lines[0].split() == ["run", "pipeline", "status", "started", "took", "error"]
    assert [line.split()[1:3] for line in lines[1:]] == [
        ["flow", "succeeded"],
        ["broken", "failed"],
        ["flow", "succeeded"],
    ]
    assert lines[2].endswith("task fail: IndexError: list index out of range")
    assert len(shop.call("runs", "--limit", "1").out.splitlines()) == 2


def test_runs_can_be_chosen(shop):
    for pipeline in ("flow", "broken"):
        shop.call("run", pipeline, "--inline")
    assert [run["pipeline"] for run in shop.call("runs", "--status", "failed", "--json").json] == ["broken"]
    assert [run["status"] for run in shop.call("runs", "-p", "flow", "--json").json] == ["succeeded"]
    assert shop.call("runs", "-p", "flow", "--status", "failed").out == "There is no such run.\n"


def test_runs_before_the_first_makes_no_file(shop):
    assert shop.call("runs").out == "There is no run yet. Start one: firnflow run\n"
    for verb in ("runs", "show --run x"):
        said = shop.call(*verb.split(), "--env", "local")
        assert (said.out + said.err).endswith("There is no run yet. Start one: firnflow run --env local\n")
    assert shop.call("runs", "--json").json == []
    assert not (shop.root / ".firnflow").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("runs", "--status", "faild"), "Did you mean 'failed'?"),
        (("resume", "nope"), "there is no run 'nope'"),
        (("cancel", "nope"), "there is no run 'nope'"),
    ],
)
def test_what_is_not_there(shop, arguments, said):
    shop.call("run", "broken", "--inline")
    called = shop.call(*arguments)
    assert called.code == 2
    assert said in called.err
