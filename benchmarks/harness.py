"""Runs commands side by side as whole processes, in turns, and keeps what they took.

A command may print one JSON object (as the whole of its output or as its last line); `inside` in it, or `seconds`, is
the time that it measured itself, without the start of its process.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from venvs import ROOT, WORK

if TYPE_CHECKING:
    import resource
    from collections.abc import Callable, Sequence

    from venvs import Peer

BENCHMARKS = ROOT / "benchmarks"
PROJECTS = BENCHMARKS / "projects"
FIRNFLOW = str(Path(sys.executable).with_name("firnflow"))
TIMEOUT = 1800.0
ORPHAN_SECONDS = 10.0


@dataclass(frozen=True)
class Contender:
    """One way to do the work: a command.

    Attributes:
        name: how it is called in the results.
        command: the program and its arguments.
        units: how many tasks it runs, for the time per task.
        cwd: where it runs; None: a folder of its own, made anew each time.
        reset: what is removed or made before each run; not part of its time.
        state: the state that every task of a `firnflow run --json` must end in.
        most_runs: for what is too slow to be run as often as the others.
        tracking: who is told of a run of Firnflow's beside it; no peer tells anybody.
        memory: bytes of data that it may hold, where it does not bound itself: more would end others on this machine.
        note: what a reader of the results must know.
    """

    name: str
    command: Sequence[str]
    units: int = 1
    cwd: Path | None = None
    reset: Callable[[], None] | None = None
    state: str | None = None
    most_runs: int = 99
    tracking: str = "none"
    memory: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Sample:
    """One run of a command.

    Attributes:
        wall: seconds from its start to its end.
        cpu: seconds of processor, of it and of the processes that it started and waited for.
        inside: seconds as it measured itself, where it did.
        peak: resident bytes of the largest of its processes.
        said: the JSON that it printed.
    """

    wall: float
    cpu: float
    inside: float | None
    peak: int
    said: dict[str, Any]


@dataclass
class Samples:
    """The runs of one contender, or the error of the one that failed."""

    contender: Contender
    runs: list[Sample] = field(default_factory=list)
    error: str | None = None

    @property
    def wall(self) -> float:
        """Median seconds of the whole process."""
        return statistics.median(run.wall for run in self.runs)

    @property
    def inside(self) -> float | None:
        """Median seconds inside, where the command measures itself."""
        return self.median(lambda run: run.inside)

    def median(self, of: Callable[[Sample], float | None]) -> float | None:
        """Return the median of a figure of the runs, or None where one lacks it."""
        values = [of(run) for run in self.runs]
        return None if not values or None in values else statistics.median(v for v in values if v is not None)


@dataclass(frozen=True)
class Bench:
    """What the measures get: how thorough to be, and the peers that could be installed."""

    quick: bool
    peers: Sequence[Peer]

    def rounds(self, full: int = 3, quick: int = 1) -> int:
        """Return how often to measure."""
        return quick if self.quick else full

    def interleave(self, contenders: Sequence[Contender], rounds: int, *, warm: bool = True) -> dict[str, Samples]:
        """Run A B C, A B C, … after one round that does not count, unless `warm` is False.

        A contender that fails is left out from then on.
        """
        found = {c.name: Samples(c) for c in contenders}
        for turn in range(-1 if warm else 0, rounds):
            for contender in contenders:
                mine = found[contender.name]
                if mine.error is not None or turn >= contender.most_runs or (turn < 0 and contender.most_runs < 2):
                    continue
                try:
                    sample = once(contender)
                except RunError as error:
                    mine.error = str(error)
                    print(f"    {contender.name}: FAILED: {error}", flush=True)
                    continue
                label = f"run {turn + 1}" if turn >= 0 else "warm-up"
                inside = "" if sample.inside is None else f", inside {sample.inside:.3f} s"
                print(
                    f"    {contender.name}: {label}: {sample.wall:.3f} s, processor {sample.cpu:.3f} s{inside}",
                    flush=True,
                )
                if turn >= 0:
                    mine.runs.append(sample)
        return found


class RunError(Exception):
    """A command failed; the message is the last line that it wrote."""


def once(contender: Contender) -> Sample:
    """Run a command to its end. Raises RunError where it fails or takes too long."""
    if contender.reset is not None:
        contender.reset()
    cwd = contender.cwd or fresh("cwd")
    _adopt_orphans()
    out, err = WORK / "out.txt", WORK / "err.txt"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        began = time.perf_counter()
        process = subprocess.Popen(
            [*([] if contender.memory is None else ["prlimit", f"--data={contender.memory}"]), *contender.command],
            cwd=cwd,
            env=environment(scripted=contender.command[0] != FIRNFLOW, tracking=contender.tracking),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        alarm = threading.Timer(TIMEOUT, os.killpg, (process.pid, signal.SIGKILL))
        alarm.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            alarm.cancel()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what it left behind
            left = _reap_orphans()
    said = read_json(out.read_text(encoding="utf-8", errors="replace"))
    if process.returncode != 0:
        lines = err.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it said nothing"]
        why = said.get("error") or lines[-1].strip()
        raise RunError(f"exit code {process.returncode} after {wall:.0f} s: {str(why)[:300]}")
    other = {task["state"] for task in said.get("tasks", {}).values()} - {contender.state}
    if contender.state is not None and other:
        raise RunError(f"tasks were {', '.join(sorted(other))} instead of {contender.state}")
    cpu = sum(used.ru_utime + used.ru_stime for used in (usage, *left))
    peak = max(used.ru_maxrss for used in (usage, *left)) * 1024
    return Sample(wall, cpu, said.get("inside", said.get("seconds")), peak, said)


def _adopt_orphans() -> None:
    """Ask Linux to make this process the parent of what a command leaves behind (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    ctypes.CDLL(None).prctl(36, 1)


def _reap_orphans() -> list[resource.struct_rusage]:
    """Wait for what a command has left behind, end what does not end by itself, and return what each process used."""
    used: list[resource.struct_rusage] = []
    until = time.monotonic() + ORPHAN_SECONDS
    while True:
        try:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return used
        if pid:
            used.append(usage)
        elif time.monotonic() > until:
            for child in psutil.Process().children(recursive=True):
                child.kill()
        else:
            time.sleep(0.01)


def read_json(text: str) -> dict[str, Any]:
    """Return the JSON object that `text` is, or that its last line is, or an empty one."""
    for candidate in (text, text.strip().rpartition("\n")[2]):
        with contextlib.suppress(ValueError):
            found = json.loads(candidate)
            if isinstance(found, dict):
                return found
    return {}


def environment(*, scripted: bool, tracking: str = "none") -> dict[str, str]:
    """Return the variables that a command gets: a home of its own, no telemetry, byte code kept.

    Scripts find the functions that they share on PYTHONPATH; Firnflow finds those of a project by itself.
    """
    home = WORK / "home"
    home.mkdir(parents=True, exist_ok=True)
    paths = [
        ROOT / "src",
        PROJECTS / "small",
        PROJECTS / "frames",
        BENCHMARKS,
        BENCHMARKS / "shared",
        ROOT / "examples/churn",
    ]
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "USER": "bench",
        **({"PYTHONPATH": os.pathsep.join(map(str, paths))} if scripted else {"FIRNFLOW_TRACKING": tracking}),
        "DO_NOT_TRACK": "1",
        "KEDRO_DISABLE_TELEMETRY": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DAGSTER_HOME": str(home / "dagster"),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_LOCAL_STORAGE_PATH": str(WORK / "work/cwd"),
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "METAFLOW_DEFAULT_DATASTORE": "local",
        "METAFLOW_DEFAULT_METADATA": "local",
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(WORK / "work/cwd"),
        "USERNAME": "bench",
    }


def fresh(name: str) -> Path:
    """Return an empty folder under `.benchmarks/work`."""
    folder = WORK / "work" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def project(source: Path, name: str) -> Path:
    """Return a copy of a Firnflow project under `.benchmarks/work`, with nothing run yet."""
    folder = WORK / "work" / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns(".firnflow", "__pycache__", "data", "reports"))
    return folder


def forget(folder: Path) -> Callable[[], None]:
    """Return what removes everything that was run in a project."""
    return lambda: shutil.rmtree(folder / ".firnflow", ignore_errors=True)


def script(python: str | Path, name: str, *arguments: object) -> list[str]:
    """Return the command that runs a script of `benchmarks/` with an interpreter."""
    return [str(python), "-P", str(BENCHMARKS / name), *map(str, arguments)]
