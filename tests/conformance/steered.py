"""Steers a real Airflow by the command line, each call a process, and looks at what that has come to."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from firnflow.stores.state import State

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_bench import Bench

LONG = 300.0


@dataclass
class Steered:
    """A project whose environment `prod` is on an Airflow.

    Args:
        bench: the Airflow.
        project: the project's folder.
    """

    bench: Bench
    project: Path

    def call(self, *arguments: str, code: int = 0) -> str:
        """Call `firnflow` and return what it prints; stderr too where it has to fail."""
        done = subprocess.run(
            self._command(*arguments),
            env=self._variables(),
            cwd=self.project,
            capture_output=True,
            text=True,
            timeout=LONG,
        )
        assert done.returncode == code, f"firnflow {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
        return done.stdout if code == 0 else done.stdout + done.stderr

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.call(*arguments, "--json", code=code))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `firnflow`, and go on."""
        return subprocess.Popen(
            self._command(*arguments), env=self._variables(), cwd=self.project, stdout=subprocess.PIPE, text=True
        )

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "firnflow", *arguments, "--env", "prod"]

    def _variables(self) -> dict[str, str]:
        section = {"project": str(self.project), **self.bench.section}
        text = ", ".join(f"{name} = {json.dumps(value)}" for name, value in section.items())
        return {**os.environ, **self.bench.variables, "FIRNFLOW_AIRFLOW": f"{{ {text} }}"}

    # -- what is to be seen -------------------------------------------------------------------------------------------

    def fail_and_tell(self) -> None:
        """A failed run is told as here: the user's traceback, the log, exit code 1."""
        said = self.call("run", "failing", "--id", "steered", code=1)
        assert re.search(r'File ".*flows\.py", line \d+, in broken', said)
        assert "Error: task broken failed: ValueError: no luck with 1" in said
        assert "To go on from what is done: firnflow resume failing.steered --env prod" in said
        assert "ValueError: no luck with 1" in self.call("logs", "failing.steered", "broken")

    def pause(self) -> None:
        """What is paused is not started, and nobody waits for it."""
        self.call("pause", "groups")
        assert "groups is paused in Airflow" in self.call("run", "groups", code=2)
        self.call("unpause", "groups")

    def cancel_and_resume(self, folder: Path) -> None:
        """A cancelled run leaves no process and runs its finalizer; resumed, it does nothing twice."""
        asked = ("run", "steady", "--id", "steered", "--set", f"folder={folder}", "--no-wait")
        assert "goes on in Airflow" in self.call(*asked)
        end = time.monotonic() + LONG
        while not (at := list(folder.glob("at-*"))):
            assert time.monotonic() < end, "nobody is at the task"
            time.sleep(0.1)
        process = psutil.Process(int(at[0].name[3:]))
        family = [process, *process.children(recursive=True)]
        listed = {each["run"]: each["status"] for each in self.json("runs", "-p", "steady")}
        assert listed["steady.steered"] == "running"
        with self.start("logs", "steady.steered", "-f", "--json") as follower:
            assert self.json("cancel", "steady.steered", "--wait", str(LONG))["status"] == "cancelled"
            lines = [json.loads(line) for line in follower.communicate(timeout=LONG)[0].splitlines()]
        assert {"left", "wait", "finalizer"} <= {each["task"] for each in lines}
        assert psutil.wait_procs(family, 30)[1] == []
        (folder / "go").touch()
        result = self.json("resume", "steady.steered", "--timeout", f"{LONG}s")
        assert (result["status"], result["tasks"]["left"]["attempts"]) == ("succeeded", 1)
        state = State(self.bench.states["conformance"])
        try:
            attempts = state.attempts("steady.steered")
        finally:
            state.close()
        done = Counter(each.task for each in attempts if each.status == "succeeded")
        assert done == {"left": 1, "wait": 1, "below": 1, "finalizer": 2}  # that of the cancelled run, and of the whole
        (first, _) = [each.outputs["result"] for each in attempts if each.task == "finalizer" and each.outputs]
        assert json.loads(first["inline"] if isinstance(first, dict) else first.inline)["status"] == "cancelled"

    def backfill(self) -> None:
        """Partitions are run once each: by Airflow's own backfill, and without a schedule one by one."""
        days = ("nightly", "--from", "2026-01-02", "--to", "2026-01-04")
        found = self.json("backfill", *days)
        assert (sorted(found["ran"]), found["failed"]) == (["2026-01-02", "2026-01-03", "2026-01-04"], {})
        runs = self.bench.rest.get("dags/c_nightly/dagRuns?run_type=backfill")["dag_runs"]
        assert sorted(each["logical_date"] for each in runs) == [f"2026-01-0{day}T06:00:00Z" for day in (3, 4, 5)]
        assert sorted(self.json("backfill", "keyed")["ran"]) == ["a", "b"]
        assert "nothing to do" in self.call("backfill", *days)
        assert "nothing to do" in self.call("backfill", "keyed")
        done = [each for each in self.json("runs", "-p", "nightly") if each["status"] == "succeeded"]
        moments = {each["partition"]: each["elsewhere"]["name"].partition("__")[2] for each in done}
        assert len(moments) >= 3
        for day, moment in moments.items():  # each is for the day before, also the one that the schedule has started
            assert dt.date.fromisoformat(day) + dt.timedelta(days=1) == dt.datetime.fromisoformat(moment).date()


def steer(steered: Steered, folder: Path) -> None:
    """Do all of it, most at once."""
    with ThreadPoolExecutor(3) as pool:
        jobs = [
            pool.submit(steered.cancel_and_resume, folder),
            pool.submit(steered.backfill),
            pool.submit(steered.fail_and_tell),
        ]
        for job in jobs:
            job.result()
    steered.pause()
