"""Runs whose task in the middle waits until it may go on: something is done to it meanwhile, which must not be seen."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from firnflow.stores.state import State

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from airflow_bench import Bench

LONG = 300.0
"""Seconds that a run has in all, with what is done to it: Airflow gives up a silent task after 40."""


@dataclass
class Steady:
    """A run of the pipeline `steady`.

    Args:
        bench: the Airflow.
        folder: an empty one, in which the task says that it is there.
    """

    bench: Bench
    folder: Path

    def __post_init__(self) -> None:
        """Start the run when all others have ended."""
        self.bench.quiet()
        self.bench.trigger(self.name, "c_steady", folder=str(self.folder))
        self._until = time.monotonic() + LONG

    @property
    def name(self) -> str:
        return str(self.folder)

    def process(self, but: Collection[int] = ()) -> psutil.Process:
        """Wait until a process is at the task, which is none of `but`, and return it."""
        while not (found := {int(path.name[3:]) for path in self.folder.glob("at-*")} - set(but)):
            assert time.monotonic() < self._until, f"nobody is at {self.folder}"
            self.bench.airflow.revive()
            time.sleep(0.1)
        return psutil.Process(found.pop())

    def check(self) -> None:
        """Let the task go on, and check that the run ends as if nothing had been: each task has committed once."""
        (self.folder / "go").touch()
        assert self.bench.ended(self.name, self._until - time.monotonic()) == "success"
        state = State(self.bench.state)
        try:
            run = state.run(self.bench.run_id(self.name))
            attempts = state.attempts(run.id)
        finally:
            state.close()
        assert run.status == "succeeded"
        done = Counter(each.task for each in attempts if each.status == "succeeded")
        assert done == {"left": 1, "wait": 1, "below": 1, "finalizer": 1}
