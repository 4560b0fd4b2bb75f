"""The churn example, killed again and again: what it comes to is what it would have come to undisturbed."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from forked_calls import Quick

from firnflow.stores.state import COMMITTED

CHURN = Path(__file__).parents[2] / "examples" / "churn"
CALL = ("run", "churn", "--set", "customers=5000", "--set", "gating.resamples=100", "--json")
SEED = 20
KILLS = int(os.environ.get("FAULTS_KILLS", "5"))
FINALIZER = "finalizer"
LAST = 16  # how many attempts may have committed at the last moment: of some 20


@dataclass(frozen=True)
class Moment:
    """When somebody is killed: so many seconds after so many attempts have committed, while one is under way."""

    committed: int
    seconds: float
    victim: str


def moments():
    chance = random.Random(SEED)
    after = sorted(chance.randint(0, LAST) for _ in range(KILLS))
    return [Moment(n, chance.uniform(0, 0.6), ("driver", "workers")[i % 2]) for i, n in enumerate(after)]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Calls of the command line in forks of a process that has loaded the steps."""
    made = Quick(tmp_path_factory.mktemp("loaded"), ("firnflow.steps",))
    yield made
    made.close()


def churn(place, loaded, name):
    project = place("")
    project.root, project.forked = project.root.with_name(name), loaded
    shutil.copytree(CHURN, project.root, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    return project


def digests(said):
    assert said.code == 0, said
    return {name: output["digest"] for name, output in said.json["outputs"].items()}


def units(attempts):
    """Return the attempts of tasks that count: task and element → number in the database. A finalizer always runs."""
    return {(a.task, a.element): a.id for a in attempts if a.status in COMMITTED and a.task != FINALIZER}


def workers_of(driver):
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(driver).children():
            if "forkserver" in " ".join(child.cmdline()):
                return child.children()
    return []


def kill_workers(process, lost):
    """Kill workers with -9 until that cost an attempt; return how many."""
    count = 0
    while process.poll() is None and not lost():
        for worker in workers_of(process.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
                count += 1
        time.sleep(0.1)
    return count


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_kills_of_drivers_and_workers_change_nothing(place, loaded, finish, capsys):
    undisturbed = churn(place, loaded, "undisturbed").fork(*CALL, "--inline")
    project = churn(place, loaded, "killed")
    began = time.monotonic()
    before, killed = {}, Counter()
    for number, moment in enumerate(moments()):
        process = project.fork(*(CALL if number == 0 else ("resume", "--json")))
        state = project.wait(lambda: (project.own / "state.db").exists() and project.state, process)

        def attempts(status, state=state, epoch=number + 1):
            run = next(iter(state.runs(limit=1)), None)
            found = state.attempts(run.id) if run is not None and run.epoch == epoch else []
            return found if any(a.status == status and a.epoch == epoch for a in found) else []

        project.wait(lambda now=attempts, wanted=moment: len(units(now("running"))) >= wanted.committed, process)
        time.sleep(moment.seconds)
        if moment.victim == "driver":
            process.kill()
        killed[moment.victim] += 1 if moment.victim == "driver" else kill_workers(process, lambda: attempts("lost"))
        said = finish(process)
        assert said.code == (-signal.SIGKILL if moment.victim == "driver" else 1), (moment, said)
        now = units(state.attempts(state.runs()[0].id))
        assert before.items() <= now.items()  # what had committed before still counts, and did not run again
        before = now
        state.close()
    last, expected = project.quick("resume", "--json"), digests(finish(undisturbed))
    assert digests(last) == expected
    with contextlib.closing(project.state) as state:
        assert [run.status for run in state.runs()] == ["succeeded"]
        found = [a for a in state.attempts(last.json["run"]) if a.task != FINALIZER]
    done = units(found)
    assert sum(a.status in COMMITTED for a in found) == len(done)
    again = [a for a in found if a.id > done.get((a.task, a.element), a.id)]
    assert not again
    with capsys.disabled():
        print(
            f"\n{KILLS} moments in one run of {time.monotonic() - began:.0f} s: {killed['driver']} drivers and "
            f"{killed['workers']} workers killed; {len(found)} attempts: {dict(Counter(a.status for a in found))}; of "
            f"{len(done)} units that committed {len(again)} ran again; {len(expected)} outputs, digests as undisturbed"
        )
