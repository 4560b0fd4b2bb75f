"""A month of schedules in half a minute, with real runs, and `kill -9` at random moments."""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from firnflow.engine.schedules.calendar import moments
from firnflow.graph.model import Cron, Every
from firnflow.graph.partitions import Daily
from firnflow.stores.state import State
from firnflow.stores.state.ledger import Cause, DueStatus, Ledger
from firnflow.stores.state.partitions import Partitions

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400.0
BEGIN = 1_792_000_000.0  # 14 October 2026: the clock goes back on the 25th
KILLS = int(os.environ.get("FAULTS_KILLS", "8"))
DAYS = Daily("2026-01-01", timezone="Europe/Zurich")
SCHEDULES = {
    "daily": Cron("30 2 * * *", timezone="Europe/Zurich", catch_up="all"),
    "often": Every("3d", catch_up="all"),
}

PIPELINES = """
import os

import firnflow as ff

@ff.task(cache=False)
def work() -> int:
    with open("done.txt", "a") as file:
        file.write("x")
    return 1

@ff.task(cache=False)
def after(x: int) -> int:
    return x + 1

@ff.task(cache=False)
def for_day(key: str) -> str:
    with open("days.txt", "a") as file:
        file.write(key + chr(10))
    return key

@ff.pipeline(
    schedule=ff.Cron("30 2 * * *", timezone="Europe/Zurich", catch_up="all"),
    partition=ff.Daily("2026-01-01", timezone="Europe/Zurich"),
)
def daily(partition):
    for_day(partition.key)

@ff.pipeline(schedule=ff.Every("3d", catch_up="all"))
def often():
    after(work())
"""

# What `firnflow up` does, on a clock on which a month takes as long as the kills.
UP = """
import json, signal, sys, threading, time
from pathlib import Path
from firnflow.cli import _schedules
from firnflow.engine.schedules.up import Up
from firnflow.engine.schedules.updates import NamedTables
from firnflow.project import load_settings
from firnflow.stores import Stores

clock, root = json.loads(sys.argv[1]), Path.cwd()
settings, stop = load_settings(root, None), threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
state, said = _schedules.open_state(settings), lambda line: print(line, flush=True)
now = lambda: min(clock["begin"] + (time.time() - clock["real"]) * clock["speed"], clock["end"])
tables = NamedTables(state, Stores.open(settings, root))
schedules = _schedules.Schedules(root, "local", said)
runs, known = _schedules.Runs(root, settings), schedules.partitions
Up(state, "local", schedules, runs, tables, said, now, 2, known).go(stop, grace=60, pace=0.05)
"""


def wait_until_all_is_done(ledger: Ledger, dues: dict[str, list[float]]) -> None:
    until = time.monotonic() + 200
    while time.monotonic() < until:
        last = ledger.last()
        if not ledger.open() and all(name in last and last[name].due == dues[name][-1] for name in dues):
            return
        time.sleep(0.2)
    raise AssertionError([ledger.open(), ledger.last()])


@pytest.mark.slow
@pytest.mark.timeout(290)
def test_a_month_with_kills_runs_each_moment_once(tmp_path: Path, kill, monkeypatch: pytest.MonkeyPatch):
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    (tmp_path / "firnflow.toml").write_text('[project]\nname = "month"\n\n[environments.local]\nworkers = 1\n')
    (tmp_path / "pipelines.py").write_text(PIPELINES)
    (tmp_path / "up.py").write_text(UP)
    monkeypatch.setenv("FIRNFLOW_TRACKING", "none")
    state = State(f"sqlite:///{tmp_path}/.firnflow/state.db")
    ledger = Ledger(state, "local")
    for name, schedule in SCHEDULES.items():
        counts = schedule.model_dump_json(exclude={"catch_up", "overlap"})
        ledger.begin(name, counts, BEGIN, {})
    end = BEGIN + 30 * DAY
    clock = json.dumps({"begin": BEGIN, "end": end, "real": time.time(), "speed": 30 * DAY / (1.5 * KILLS)})
    command = [sys.executable, "up.py", clock]
    log = (tmp_path / "log.txt").open("wb")
    options = {"cwd": tmp_path, "stdout": log, "stderr": log, "env": os.environ}
    process = subprocess.Popen(command, **options)
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.3, 2.5))
        assert process.poll() is None, (tmp_path / "log.txt").read_text()
        kill(process, with_runs=chance.random() < 0.5)
        process = subprocess.Popen(command, **options)
    dues = {
        name: list(itertools.takewhile(lambda moment: moment <= end, moments(schedule, BEGIN)))
        for name, schedule in SCHEDULES.items()
    }
    try:
        wait_until_all_is_done(ledger, dues)
    finally:
        process.terminate()
        assert process.wait(90) == 0
        log.close()
    from firnflow.stores.state import schema

    ended = ledger._where(schema.due.c.cause == Cause.SCHEDULE)
    assert {(each.status, each.outcome) for each in ended} == {(DueStatus.ENDED, "succeeded")}
    assert {name: [each.due for each in ended if each.pipeline == name] for name in dues} == dues
    runs = state.runs(limit=10_000)
    assert sorted(run.id for run in runs) == sorted(each.run for each in ended)
    assert {run.status for run in runs} == {"succeeded"}
    for run in runs:  # each task has committed once, however often its run was killed
        committed = [attempt.task for attempt in state.attempts(run.id) if attempt.status == "succeeded"]
        assert sorted(committed) == (["for_day"] if run.pipeline == "daily" else ["after", "work"])
    days = Partitions(state, "local").of("daily")  # each partition once, none lost
    assert [*days] == DAYS.ended_between(BEGIN, dues["daily"][-1])
    assert {day.status for day in days.values()} == {"succeeded"}
    assert sorted(run.partition for run in runs if run.pipeline == "daily") == [*days]
    assert sorted({*(tmp_path / "days.txt").read_text().split()}) == [*days]
    assert {run.id: run.due for run in runs} == {each.run: each.due for each in ended}
    state.close()
