"""A world without processes: a clock that is set by hand, runs that are rows of the state, tables that are numbers."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from firnflow.engine.schedules.up import Up
from firnflow.errors import RunConflictError
from firnflow.graph.model import Every
from firnflow.status import RunStatus
from firnflow.stores.state import Run, State, this_process
from firnflow.stores.state.ledger import Cause, Ledger

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from firnflow.stores.state.ledger import Due

START = 1_780_000_000.0
"""When the world begins: 28 May 2026, 20:26:40 UTC."""


@dataclasses.dataclass
class Process:
    """A process that is over when the world says so."""

    exit: int | None = None
    stopped: bool = False

    def code(self) -> int | None:
        return self.exit

    def said(self) -> str:
        return "module not found"

    def stop(self) -> None:
        self.stopped = True


class World:
    """Schedules, a clock, tables, and runs that take as long as the test says."""

    def __init__(self, folder: Path) -> None:
        self.state = State(f"sqlite:///{folder}/state.db")
        self.ledger = Ledger(self.state, "local")
        self.now = START
        self.schedules: dict[str, Any] = {}
        self.versions: dict[str, int] = {}
        self.changes: dict[tuple[str, int], list[str]] = {}
        self.said: list[str] = []
        self.started: list[tuple[str, bool]] = []
        self.processes: dict[str, Process] = {}
        self.cannot_start: set[str] = set()
        self.partitions: dict[str, Any] = {}
        self.tidied, self.told = 0.0, 0

    def newest(self, tables):
        return {table: self.versions.get(table, 0) for table in tables}

    def changed(self, between):
        meant = {(table, number) for table, (before, last) in between.items() for number in range(before + 1, last + 1)}
        return {key for each in meant for key in self.changes.get(each, ())}

    def start(self, due: Due, *, resume: bool) -> Process:
        self.started.append((due.run, resume))
        process = self.processes[due.run] = Process()
        if due.pipeline in self.cannot_start:
            process.exit = 2
        elif resume:
            self.state.claim(due.run, this_process(), self.now + 1e9)
        else:
            try:
                self.create(due.pipeline, due.run, due.partition, unless_done=due.cause == Cause.SCHEDULE)
            except RunConflictError:
                process.exit = 1
        return process

    def tidy(self, before: float) -> None:
        self.tidied = before

    def tell(self) -> None:
        self.told += 1

    def create(self, pipeline: str, run: str, partition: str | None = None, *, unless_done: bool = False) -> None:
        graph = "{}"
        digest = hashlib.sha256(graph.encode()).hexdigest()
        held = (this_process(), 1, 1e12, 0)
        what = ("local", RunStatus.RUNNING, digest, {}, {"settles": partition is not None}, {})
        self.state.create_run(
            Run(run, pipeline, *what, *held, 0, None, None, partition), graph, unless_done=unless_done
        )

    def end(self, run: str, status: RunStatus = RunStatus.SUCCEEDED, error: str | None = None) -> None:
        self.state.end_run(run, self.state.run(run).epoch, status, error)
        if run in self.processes:
            self.processes[run].exit = 0 if status == RunStatus.SUCCEEDED else 1

    def end_all(self) -> None:
        for run in self.state.runs(status="running", limit=1000):
            self.end(run.id)

    def die(self, run: str) -> None:
        """Let the process of a run be killed."""
        self.end(run, RunStatus.CRASHED)
        self.processes[run].exit = -9

    def up(self, most: int = 10) -> Up:
        """Return what a process that has just begun would work with."""
        self.processes = {}
        say, now, partitions = self.said.append, lambda: self.now, lambda: self.partitions
        return Up(self.state, "local", lambda: self.schedules, self, self, say, now, most, partitions)

    def pass_by(self, up: Up, seconds: float, step: float = 60.0) -> None:
        """Let time pass, a round each step; runs take less than a step."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(self.now + step, until)
            up.round()
            self.end_all()
        up.round()

    def hour(self) -> tuple[Up, str]:
        """Return `up`, and the run that it has just started of an hourly pipeline `a`."""
        self.schedules = {"a": Every("1h")}
        up = self.up()
        up.round()
        self.now += 3600.0
        up.round()
        return up, self.started[0][0]

    def dues(self, *statuses: str) -> list[float]:
        """Return the moments in the ledger that stand so."""
        rows = [*self.ledger.open(), *self.ledger._where(self.settled)]
        return sorted(each.due for each in rows if each.status in statuses)

    @property
    def settled(self):
        from firnflow.stores.state import schema

        return schema.due.c.settled_at.is_not(None)


@pytest.fixture
def kill() -> Callable[..., None]:
    """Return what kills a process, and `with_runs` all that it has started."""

    def killed(process: subprocess.Popen[bytes], *, with_runs: bool) -> None:
        below = psutil.Process(process.pid).children(recursive=True) if with_runs else []
        process.kill()
        process.wait()
        for each in below:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()

    return killed


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.state.close()
