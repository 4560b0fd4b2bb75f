"""`firnflow run`: what it prints, its exit codes, its JSON."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest


def test_a_run_says_how_it_went_and_where_its_outputs_are(shop):
    called = shop.call("run", "flow", "--inline")
    assert called.code == 0
    assert "flow succeeded in" in called.out
    assert f"run         {shop.newest().id}" in called.out
    assert "tasks       5 ran, 1 skipped" in called.out
    assert "count[word=a].rows = 3" in called.out
    (page,) = (line.split()[-1] for line in called.out.splitlines() if " page " in line)
    assert Path(page).read_text() == "<!doctype html><p>4"
    assert f"firnflow show flow --run {shop.newest().id}" in called.out
    assert f"run {shop.newest().id}: 6 tasks" in called.err
    assert "✓ make" in called.err
    assert "✓ count  3/3" in called.err
    assert "– alert  skipped" in called.err


def test_a_second_run_comes_from_the_cache(shop):
    shop.call("run", "flow", "--inline")
    called = shop.call("run", "flow", "--inline")
    assert "tasks       5 cached, 1 skipped" in called.out
    assert "≡ make  cached" in called.err
    again = shop.call("run", "flow", "--inline", "--no-cache")
    assert "5 ran" in again.out


def test_json_is_one_object_on_stdout(shop):
    called = shop.process("run", "flow", "--json", "--workers", "1")
    assert called.code == 0
    assert "a word at import" in called.err  # what the project prints does not get in between
    data = json.loads(called.out)
    assert data["run"] == shop.newest().id
    assert (data["pipeline"], data["status"], data["error"]) == ("flow", "succeeded", None)
    assert set(data["tasks"]["make"]) >= {"state", "cached", "attempts", "seconds"}
    assert data["tasks"]["count"]["elements"] == 3
    assert data["metrics"]["count[word=a].rows"] == 3
    place = Path(data["outputs"]["split.train"]["place"])
    assert place.is_absolute()
    assert place.name == f"{data['outputs']['split.train']['digest']}.parquet"
    assert [item["kind"] for item in data["outputs"]["count"]["items"]] == ["json"] * 3


def test_the_metrics_of_the_last_tasks_are_shown(shop, add):
    add(
        """
        @ff.task
        def many(prefix: str) -> str:
            for number in range(10):
                ff.log_metric(f"{prefix}{number}", number)
            return prefix

        @ff.pipeline
        def measured():
            many.options(name="late")(many.options(name="early")("a"))
        """
    )
    out = shop.call("run", "measured", "--inline").out
    assert [f"late.a{number} = {number}" in out for number in range(10)] == [True] * 10
    assert [f"early.a{number} = {number}" in out for number in range(10)] == [True] * 2 + [False] * 8
    assert f"… 8 more: firnflow output --run {shop.newest().id}" in out
    rest = shop.call("output", "--run", shop.newest().id).out
    assert [f"early.a{number}" in rest for number in range(10)] == [True] * 10


def test_one_is_not_many(shop):
    assert ": 1 task\n" in shop.call("run", "flow", "--only", "make", "--inline").err


def test_quiet_prints_nothing(shop):
    shop.call("list")  # imports the module, which prints
    called = shop.call("run", "flow", "--inline", "--quiet")
    assert (called.code, called.out) == (0, "")
    assert "✓" not in called.err


def test_a_failure_shows_the_users_traceback_first(shop):
    called = shop.call("run", "broken", "--workers", "1")
    assert called.code == 1
    traceback, error, log, resume = (
        called.err.index(text)
        for text in (
            "Traceback (most recent call last)",
            "Error: task fail failed: IndexError: list index out of range",
            f"firnflow logs {shop.newest().id} fail",
            f"firnflow resume {shop.newest().id}",
        )
    )
    assert traceback < error < log < resume
    assert "in helper" in called.err
    assert "firnflow/engine" not in called.err
    assert "tasks       1 ran, 1 failed, 1 not reached" in called.out


def test_a_failure_as_json(shop):
    called = shop.call("run", "broken", "--inline", "--json")
    assert called.code == 1
    assert called.json["status"] == "failed"
    assert called.json["tasks"]["fail"]["error"]["type"] == "IndexError"


def test_bad_rows_are_named_without_frames_of_ours(shop):
    (shop.root / "orders.csv").write_text("amount\n1\n-2\n")
    called = shop.call("run", "sourced", "--inline")
    assert called.code == 1
    assert "Error: task orders failed: BadRowsError" in called.err
    assert "line 3: amount = '-2'" in called.err
    assert "Traceback" not in called.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("flwo",), "There is no pipeline 'flwo'. Did you mean 'flow'?"),
        ((), "Which pipeline? Known: broken, flow, sleepy, sourced"),
        (("flow", "--set", "row=3"), "Did you mean 'rows'?"),
        (("flow", "--set", "rows=many"), "'rows' (--set) is int, not 'many'"),
        (("flow", "--set", "rows"), "has no `=`"),
        (("flow", "--only", "mak"), "Did you mean 'make'?"),
        (("flow", "--from", "page", "--to", "make"), "nothing lies between"),
        (("flow", "--input", "make"), "is not NAME=PATH"),
        (("sourced", "--input", "order=x.csv"), "Did you mean 'orders'?"),
        (("flow", "--env", "dve"), "Did you mean 'dev'?"),
        (("flow", "--only", "judge"), "no earlier run of flow has the outputs"),
    ],
)
def test_a_wrong_call_names_what_is_right(shop, arguments, said):
    called = shop.call("run", *arguments)
    assert called.code == 2
    assert said in called.err
    assert "Traceback" not in called.err


def test_a_source_that_is_not_in_the_catalog(shop):
    (shop.root / "catalog.toml").write_text("[order]\npath = 'orders.csv'\n")
    called = shop.call("run", "sourced", "--inline")
    assert called.code == 2
    assert "source 'orders' is not in catalog.toml. Did you mean 'order'?" in called.err


def test_an_error_in_the_users_module_comes_with_its_line(shop, add):
    add("import not_there_at_all")
    called = shop.call("run", "flow")
    assert called.code == 2
    assert called.err.index("import not_there_at_all") < called.err.index("Error: The module")


def test_a_state_of_a_newer_version(shop):
    shop.call("run", "broken", "--inline")
    with shop.state.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE firnflow_version SET version_num = '9999'")
    called = shop.call("runs")
    assert called.code == 1
    assert "version 9999" in called.err
    assert "upgrade Firnflow" in called.err


def test_a_run_outlives_who_reads_its_progress(shop):
    process = shop.start("run", "flow", "--workers", "1")
    process.stderr.close()
    process.stdout.read()
    process.wait(60)
    process.stdout.close()
    assert shop.newest().status == "succeeded"


def test_partial_runs_say_where_their_inputs_come_from(shop):
    shop.call("run", "flow", "--inline")
    run = shop.newest().id
    called = shop.call("run", "flow", "--only", "judge,page", "--inline")
    assert called.code == 0
    assert f"inputs from run {run}: count, make" in called.err


def test_parameters_and_inputs_from_the_command_line(shop):
    other = shop.root / "other.csv"
    other.write_text("amount\n1\n2\n3\n")
    called = shop.call("run", "sourced", "--input", "orders=other.csv", "--inline", "--json")
    assert called.json["status"] == "succeeded"
    called = shop.call("run", "flow", "--set", "rows=7", "--set", 'words=["z"]', "--inline", "--json")
    assert called.json["metrics"] == {"count[word=z].rows": 6}


def wait_until(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cancels_and_the_finalizer_still_runs(shop, number, code):
    process = shop.start("run", "sleepy", "--set", f"folder={shop.root}")
    wait_until((shop.root / "asleep").exists)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert f"{number.name}: what is under way is ended, the finalizer still runs." in err
    assert "sleepy cancelled in" in out
    assert shop.newest().status == "cancelled"
    assert "cleaning up after cancelled" in shop.call("logs", "finalizer").out


@pytest.mark.slow
def test_a_second_ctrl_c_ends_at_once(shop, add):
    add(
        """
        @ff.task
        def dawdle(summary: ff.RunSummary, folder: str = ".") -> None:
            Path("dawdling").touch()
            time.sleep(60)

        @ff.pipeline(params=NapParams, finalizer=dawdle)
        def endless(p):
            nap(p.folder, p.seconds)
        """
    )
    process = shop.start("run", "endless", "--set", f"folder={shop.root}")
    wait_until((shop.root / "asleep").exists)
    process.send_signal(signal.SIGINT)
    wait_until((shop.root / "dawdling").exists)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert (shop.newest().status, shop.newest().error) == ("cancelled", "stopped by SIGINT")


def test_ctrl_c_interrupts_an_inline_task(shop):
    process = shop.start("run", "sleepy", "--inline", "--set", f"folder={shop.root}")
    wait_until((shop.root / "asleep").exists)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "cleaning up after cancelled" in err


def test_a_debugger_stops_in_a_task_and_shows_its_prompt(shop, add, monkeypatch):
    monkeypatch.delenv("PYTHONBREAKPOINT", raising=False)  # Ray sets it in a process that has loaded it
    add(
        """
        @ff.task
        def puzzle() -> int:
            answer = 6 * 7
            breakpoint()
            return answer

        @ff.pipeline
        def puzzling():
            puzzle()
        """
    )
    process = shop.start("run", "puzzling", "--inline", stdin=subprocess.PIPE)
    said = ""
    while not said.endswith("(Pdb) "):
        character = process.stderr.read(1)
        assert character, said
        said += character
    _, rest = process.communicate("p answer\nc\n", timeout=60)
    assert rest.startswith("42\n")
    assert process.returncode == 0
