"""`firnflow up`, `next`, `trigger`, `pause` and `unpause`."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def start(shop) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts `firnflow up`, and returns when it has said something."""
    started: list[subprocess.Popen[str]] = []

    def begin(*options: str) -> subprocess.Popen[str]:
        process = shop.start("up", *options, stdout=subprocess.DEVNULL)
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()


def read_until(process: subprocess.Popen[str], word: str) -> str:
    lines = []
    for line in process.stderr:
        lines.append(line)
        if word in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


def test_next(shop, add):
    add("""
    @ff.pipeline(schedule=ff.Cron("30 2 * * *", timezone="Europe/Zurich"))
    def nightly():
        first()

    @ff.pipeline(schedule=ff.OnUpdate("orders") & ff.OnUpdate("customers"))
    def later():
        first()
    """)
    called = shop.call("next")
    assert called.code == 0
    assert "on update of orders and customers" in called.out
    assert "with the next version" in called.out
    assert "Nothing starts by itself now. Mend: firnflow up" in called.err
    (nightly,) = shop.call("next", "nightly", "-n", "3", "--json").json["pipelines"]
    assert len(nightly["next"]) == 3
    assert nightly["next"] == sorted(nightly["next"])
    assert all("T02:30:00+0" in moment for moment in nightly["next"])
    assert not (shop.root / ".firnflow" / "state.db").exists()  # looking makes no file


def test_pause_and_unpause(shop):
    assert shop.call("pause", "flow").out.endswith("flow is paused\n")
    assert shop.call("pause", "flow").out.endswith("flow was paused already\n")
    (flow,) = shop.call("next", "flow", "--json").json["pipelines"]
    assert flow["paused"]
    assert flow["next"]
    assert "paused" in shop.call("next").out
    assert shop.call("unpause", "flow").out.endswith("flow starts by itself again\n")
    assert shop.call("unpause", "flow").out.endswith("flow is not paused\n")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("pause",), "Which pipeline? Known: "),
        (("pause", "flw"), "There is no pipeline 'flw'. Did you mean 'flow'?"),
        (("pause", "broken"), "Pipeline 'broken' has no schedule: nothing starts it by itself."),
        (("next", "broken"), "Pipeline 'broken' has no schedule"),
        (("trigger", "flow", "--set", "row=3"), "No parameter 'row' in FlowParams (--set). Did you mean 'rows'?"),
        (("trigger", "sleepy"), "folder"),
        (("up", "--env", "prod"), "there is no environment 'prod'"),
        (("up", "--runs", "0"), "--runs"),
        (("run", "flow", "--id", "../x"), "--id '../x' is no id of a run"),
    ],
)
def test_wrong_calls(shop, call, said):
    called = shop.call(*call)
    assert called.code == 2
    assert said in called.err


def test_a_project_that_cannot_be_loaded_is_said_at_once(shop):
    shop.module.write_text("import nowhere\n")
    called = shop.call("up")
    assert called.code == 2
    assert called.err.startswith("Traceback")
    assert "No module named 'nowhere'" in called.err
    assert called.err.count("\nError: ") == 1


def test_what_a_module_prints_is_not_what_is_wrong_with_it(shop, add):
    add("""
    @ff.pipeline(params=FlowParams)
    def idle(p):
        first()
    """)
    called = shop.call("up")
    assert called.code == 2
    assert called.err.startswith("Error: pipeline 'idle': no task uses rows, threshold, words of FlowParams")


@pytest.mark.slow
def test_a_run_of_a_chosen_id_is_made_once(shop):
    assert shop.call("run", "broken", "--id", "mine", "-q").code == 1
    assert shop.newest().id == "mine"
    called = shop.process("run", "broken", "--id", "mine", "-q")
    assert called.code == 1
    assert "there is a run mine already" in called.err


@pytest.mark.slow
def test_up_runs_what_was_triggered_and_ends_when_asked_to(shop, start):
    called = shop.call("trigger", "flow", "--set", "rows=7", "--json")
    assert called.json["up"] is False
    process = start()
    said = read_until(process, "succeeded")
    assert f"flow  starts  ({called.json['run']})" in said
    assert shop.newest().id == called.json["run"]
    assert shop.newest().params["rows"] == 7
    assert shop.call("trigger", "broken", "--json").json["up"] is True
    assert "broken  failed: task fail" in read_until(process, "broken  failed")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert shop.call("next", "flow", "--json").json["pipelines"][0]["last"]["outcome"] == "succeeded"


@pytest.mark.slow
def test_a_run_that_takes_longer_than_the_grace_goes_on_with_the_next_up(shop, start, tmp_path):
    run = shop.call("trigger", "sleepy", "--set", f"folder={tmp_path}", "--set", "seconds=60", "--json").json["run"]
    process = start("--grace", "0.5")
    read_until(process, "starts")
    while not (tmp_path / "asleep").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert shop.state.run(run).status == "cancelled"
    process = start("--grace", "0")
    read_until(process, f"sleepy  goes on  ({run})")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


@pytest.mark.slow
def test_of_two_one_works_and_the_other_takes_over(shop, start):
    one = start()
    read_until(one, "up for environment local")
    other = start()
    read_until(other, "another `firnflow up` is at work for environment local")
    one.kill()
    one.wait()
    read_until(other, "up for environment local")
    third = start()
    read_until(third, "another")
    third.send_signal(signal.SIGTERM)  # one that waits can be ended too
    assert third.wait(30) == 0


@pytest.mark.slow
def test_schedules_are_read_again_when_the_project_changes(shop, start):
    process = start()
    read_until(process, "up for environment local: flow")
    shop.module.write_text("def (:\n")
    read_until(process, "the project has changed, and cannot be loaded; its schedules stay as they were.")
    shop.module.write_text(
        "import firnflow as ff\n\n@ff.task\ndef one() -> int:\n    return 1\n\n"
        "@ff.pipeline(schedule=ff.Every('1s'))\ndef quick():\n    one()\n"
    )
    assert "its schedules were read again" in read_until(process, "quick  starts")
    read_until(process, "quick  succeeded")


@pytest.mark.slow
def test_an_update_of_a_table_starts_who_waits_for_it(shop, add, start):
    add("""
    @ff.task(cache=False)
    def orders(rows: int) -> pa.Table:
        return pa.table({"x": list(range(rows))})

    class EtlParams(ff.Params):
        rows: int = 1

    @ff.pipeline(params=EtlParams)
    def etl(p):
        orders(p.rows).publish("orders")

    @ff.pipeline(schedule=ff.OnUpdate("orders"))
    def train():
        count(ff.table("orders"), "x")
    """)
    process = start()
    read_until(process, "up for environment local")
    for rows in ("3", "5"):
        shop.call("trigger", "etl", "--set", f"rows={rows}")
        read_until(process, "train  succeeded")
        assert shop.newest().pipeline == "train"
    assert len(shop.state.runs(pipeline="train")) == 2
