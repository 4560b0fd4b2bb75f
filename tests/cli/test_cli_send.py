"""`firnflow send`, and the process that sends beside a run."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from firnflow.cli import _deliverers

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Shop


def senders(shop: Shop) -> list[psutil.Process]:
    """The processes that send for a project."""
    found = []
    for process in psutil.process_iter():
        try:
            if "--follow" in process.cmdline() and process.cwd() == str(shop.root):
                found.append(process)
        except psutil.Error:
            continue
    return found


def told(shop: Shop, query: str) -> list[Any]:
    """What a query finds in MLflow's database; nothing where there is none yet."""
    path = shop.root / ".firnflow/mlflow.db"
    if not path.exists():
        return []
    connection = sqlite3.connect(path, timeout=60)
    found = connection.execute(query).fetchall()
    connection.close()
    return found


def until(done: Callable[[], Any], seconds: float = 90.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)
    return found


@pytest.fixture
def tracked(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A project with MLflow."""
    pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
    monkeypatch.setenv("FIRNFLOW_TRACKING", "mlflow")
    return shop


@pytest.fixture
def alone(tracked: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A project with MLflow, whose runs start no sender."""
    monkeypatch.setattr(_deliverers, "anybody", lambda _: False)
    return tracked


def test_without_a_tracker_nobody_is_told(shop: Shop) -> None:
    assert "Nobody is to be told" in shop.call("send").out
    assert shop.call("run", "flow", "--quiet").code == 0
    called = shop.call("send", "--json")
    assert (called.code, called.json) == (0, [])
    assert senders(shop) == []


@pytest.mark.slow
def test_what_waits_is_listed_and_sent(alone: Shop) -> None:
    run = alone.call("run", "flow", "--json").json["run"]
    called = alone.call("send", "--dry-run")
    assert called.out == f"mlflow at sqlite:///.firnflow/mlflow.db: 1 to be told\n  run {run}\n"
    (waits,) = alone.call("send", "--dry-run", "--json").json
    assert (waits["waiting"], waits["sent"], waits["error"]) == ([f"run {run}"], [], None)
    assert "1 to be told" in alone.call("doctor").out
    assert told(alone, "SELECT 1") == []
    (sent,) = alone.call("send", "--json").json
    assert (sent["waiting"], sent["sent"]) == ([], [f"run {run}"])
    assert told(alone, f"SELECT status FROM runs WHERE name = '{run}'") == [("FINISHED",)]
    assert told(alone, "SELECT value FROM metrics WHERE key = 'rows'") == [(3.0,)] * 3
    assert alone.call("send").out == "mlflow at sqlite:///.firnflow/mlflow.db: knows all\n"
    assert "✓ told: mlflow at sqlite:///.firnflow/mlflow.db" in alone.call("doctor").out


@pytest.mark.slow
def test_a_tracker_that_is_away_is_said_and_the_exit_code_says_so(alone: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRNFLOW_TRACKING", '{ backend = "mlflow", url = "http://127.0.0.1:1" }')
    monkeypatch.setattr("firnflow.stores.delivery._pause", lambda *_: None)
    run = alone.call("run", "flow", "--json").json["run"]
    called = alone.call("send")
    assert called.code == 1
    assert "mlflow at http://127.0.0.1:1: 1 still to be told: http://127.0.0.1:1 does not answer" in called.err
    (sent,) = alone.call("send", "--json").json
    assert (sent["sent"], sent["waiting"]) == ([], [f"run {run}"])
    assert "refused" in sent["error"]
    assert "! told: mlflow at http://127.0.0.1:1: http://127.0.0.1:1 does not answer" in alone.call("doctor").out


@pytest.mark.slow
def test_a_tracker_that_is_configured_wrongly_fails_no_run(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRNFLOW_TRACKING", "mlfow")
    called = shop.call("run", "flow")
    assert called.code == 0
    assert "told        nobody can be told: [environments.local.tracking] backend = 'mlfow'" in called.out
    assert shop.call("send").code == 2
    assert "✗ told: " in shop.call("doctor").out
    until(lambda: not senders(shop))


@pytest.mark.slow
def test_a_run_is_told_while_it_goes_on_by_a_process_that_outlives_it(tracked: Shop) -> None:
    (tracked.root / "nest").mkdir()
    with tracked.start("run", "sleepy", "--set", "folder=nest", "--set", "seconds=600") as process:
        until(lambda: told(tracked, "SELECT 1 FROM runs WHERE status = 'RUNNING'"))
        (sender,) = senders(tracked)
        assert sender.nice() > 0
        assert os.getsid(sender.pid) == sender.pid
        process.send_signal(signal.SIGKILL)
    until(lambda: not senders(tracked))
    assert told(tracked, "SELECT status FROM runs") == [("FAILED",)]
    assert told(tracked, "SELECT value FROM tags WHERE key = 'firnflow.status'") == [("crashed",)]
    assert "knows all" in (tracked.root / ".firnflow/sender.log").read_text()


@pytest.mark.slow
def test_a_killed_sender_costs_nothing_and_nothing_comes_twice(tracked: Shop) -> None:
    with tracked.start("run", "flow") as process:
        (sender,) = until(lambda: senders(tracked))
        until(lambda: told(tracked, "SELECT 1 FROM runs") or not sender.is_running())
        if sender.is_running():
            sender.kill()
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "told  " in out
    with tracked.start("run", "flow") as process:  # the next run's sender sends both
        assert process.wait(120) == 0
    until(lambda: not senders(tracked))
    runs = [run.id for run in tracked.state.runs()]
    whole = "SELECT name FROM runs WHERE run_uuid NOT IN (SELECT run_uuid FROM tags WHERE key = 'mlflow.parentRunId')"
    assert sorted(told(tracked, whole)) == sorted((run,) for run in runs)
    keys = told(tracked, "SELECT value FROM tags WHERE key = 'firnflow.key'")
    assert len(keys) == len(set(keys)) == 8
    assert len(told(tracked, "SELECT * FROM metrics WHERE key = 'rows'")) == 6
    assert {status for (status,) in told(tracked, "SELECT status FROM runs")} == {"FINISHED"}
    assert tracked.call("send", "--dry-run", "--json").json[0]["waiting"] == []


@pytest.mark.slow
def test_two_runs_at_once_are_both_told_once(tracked: Shop) -> None:
    started = [tracked.start("run", "flow", "--no-cache") for _ in range(2)]
    for process in started:
        with process:
            process.communicate(timeout=120)
            assert process.returncode == 0
    until(lambda: not senders(tracked))
    keys = told(tracked, "SELECT value FROM tags WHERE key = 'firnflow.key'")
    assert len(keys) == len(set(keys)) == 8
    assert tracked.call("send", "--dry-run", "--json").json[0]["waiting"] == []
