"""A process dies at a named point, or at a random moment; whoever resumes ends with exactly one effect of each task."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from collections import Counter

import pytest

from firnflow._crash import POINTS
from firnflow.engine.pool import Pool
from firnflow.stores.state import COMMITTED, State

FLOW = """
    import time

    @ff.task(cache=False)
    def numbers(n: int) -> list[int]:
        time.sleep(0.05)
        return list(range(n))

    @ff.task(cache=False)
    def shift(xs: list[int], by: int) -> list[int]:
        time.sleep(0.05)
        return [x + by for x in xs]

    @ff.task(cache=False)
    def total(parts: list[list[int]]) -> int:
        time.sleep(0.05)
        return sum(map(sum, parts))

    @ff.task
    def cleanup(summary: ff.RunSummary) -> str:
        return summary.pipeline

    @ff.pipeline(finalizer=cleanup)
    def flow():
        total(shift.map(numbers(2000), by=[1, 2, 3]))
"""
EXPECTED = sum(3 * x + 6 for x in range(2000))
_ELSEWHERE = ("apply.", "collect.", "model.", "online.", "schedule.", "snowflake.", "table.", "warehouse.")
"""Points that a run of FLOW does not pass: they are tried where their code is tested."""
RUN_POINTS = sorted(point for point in POINTS if not point.startswith(_ELSEWHERE))
KILLS = int(os.environ.get("FAULTS_KILLS", "8"))


@pytest.fixture
def firnflow(quick):
    """Return a function that starts `firnflow …` in a folder, to die at a point: in a fork, in half of the time."""

    def start(root, *arguments, crash=None):
        return quick.start(root, *arguments, environment={"FIRNFLOW_CRASH": crash} if crash else {})

    return start


def finish(process):
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def state_of(root):
    return State(f"sqlite:///{root}/.firnflow/state.db")


def logs_of(root):
    return "".join(path.read_text() for path in (root / ".firnflow" / "logs").rglob("*.jsonl"))


def resume_to_the_end(project):
    """Resume, in this process, which saves half of the time; return what `firnflow resume --json` would begin with."""
    result = project.resume(workers=2) if project.state.runs() else project.run()
    return {"run": result.run, "status": result.status}


def check_exactly_once(root, result, committed_before=frozenset()):
    state = state_of(root)
    assert result["status"] == "succeeded"
    assert [run.status for run in state.runs()] == ["succeeded"]
    attempts = state.attempts(result["run"])
    done = Counter((a.task, a.element) for a in attempts if a.status in COMMITTED and a.task != "finalizer")
    assert done == {("numbers", -1): 1, ("shift", 0): 1, ("shift", 1): 1, ("shift", 2): 1, ("total", -1): 1}
    assert not [a for a in attempts if a.status == "running"]
    total = next(a for a in attempts if a.task == "total" and a.status == "succeeded")
    assert total.outputs["result"]["inline"] == str(EXPECTED)
    assert committed_before <= {a.id for a in attempts if a.status in COMMITTED}
    left = [path for path in (root / ".firnflow" / "artifacts" / "objects").rglob("*") if path.is_file()]
    assert len(left) == 4  # one file a task that returns a list: nothing half-written stands among the objects


@pytest.mark.slow
@pytest.mark.parametrize("action", ["kill", "term", "raise"])
@pytest.mark.parametrize("point", RUN_POINTS)
def test_a_death_at_each_named_point_leaves_exactly_one_effect(lab, firnflow, point, action):
    project = lab(FLOW)
    code, _, err = finish(firnflow(project.root, "run", "flow", "--json", crash=f"{point}:{action}"))
    if point == "commit.after":  # a worker that dies behind its commit is not missed, but written down
        assert (code, "usual causes" in logs_of(project.root)) == (0, True), err
    else:
        # who is told to end by a signal when all has been done ends well
        assert code != 0 or (action == "term" and point in {"finalizer.before", "run.ending", "run.ended"}), err
    check_exactly_once(project.root, resume_to_the_end(project))


@pytest.mark.slow
@pytest.mark.parametrize("nth", [2, 3, 4])
def test_a_death_at_a_later_commit(lab, firnflow, nth):
    project = lab(FLOW)
    code, _, err = finish(firnflow(project.root, "run", "flow", "--json", crash=f"driver.told:kill@{nth}"))
    assert code == -signal.SIGKILL, err
    check_exactly_once(project.root, resume_to_the_end(project))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(KILLS))
def test_kill_9_of_driver_and_workers_at_a_random_moment(lab, firnflow, seed):
    project = lab(FLOW)
    root, moments = project.root, random.Random(seed)
    for _ in range(moments.randint(1, 2)):
        started = bool((root / ".firnflow").exists() and state_of(root).runs())
        process = firnflow(root, *(["resume", "--json"] if started else ["run", "flow", "--json"]))
        time.sleep(moments.uniform(0, 1.2))
        for victim in (*descendants(process.pid), process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        finish(process)
    there = (root / ".firnflow" / "state.db").exists() and state_of(root).runs()
    before = {a.id for a in state_of(root).attempts(there[0].id) if a.status in COMMITTED} if there else set()
    check_exactly_once(root, resume_to_the_end(project), before)


@pytest.mark.slow
def test_a_killed_fork_server_is_replaced(lab, firnflow):
    project = lab(FLOW.replace("@ff.task(cache=False)", "@ff.task(cache=False, retries=3, retry_delay=0.1)"))
    process = firnflow(project.root, "run", "flow", "--json")
    until = time.monotonic() + 20
    while not (server := [p for p in descendants(process.pid) if "forkserver" in command(p)]):
        assert time.monotonic() < until
        time.sleep(0.02)
    time.sleep(0.5)
    os.kill(server[0], signal.SIGKILL)
    code, out, err = finish(process)
    assert code == 0, err
    check_exactly_once(project.root, json.loads(out))


@pytest.mark.slow
def test_nothing_outlives_a_killed_driver(lab, firnflow, tmp_path):
    project = lab(f"""
        import subprocess
        from pathlib import Path

        @ff.task
        def slow() -> None:
            child = subprocess.Popen(["sleep", "300"])
            Path({str(tmp_path / "pid")!r}).write_text(str(child.pid))
            child.wait()

        @ff.pipeline
        def flow():
            slow()
    """)
    process = firnflow(project.root, "run", "flow")
    until = time.monotonic() + 20
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    pids = descendants(process.pid)
    assert len(pids) >= 3
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    until = time.monotonic() + 10
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [pid for pid in pids if alive(pid)]


@pytest.mark.slow
def test_eight_runs_of_one_project_at_once(lab, firnflow):
    root = lab(FLOW).root
    processes = [firnflow(root, "run", "flow", "--json", "--workers", "1") for _ in range(8)]
    results = []
    for process in processes:
        code, out, err = finish(process)
        assert code == 0, err
        results.append(json.loads(out))
    assert len({result["run"] for result in results}) == 8
    digests = {tuple(sorted((n, o["digest"]) for n, o in r["outputs"].items())) for r in results}
    assert len(digests) == 1


@pytest.mark.slow
def test_a_run_under_way_cannot_be_resumed(lab, firnflow):
    root = lab(FLOW.replace("0.05", "1.5")).root
    process = firnflow(root, "run", "flow", "--json")
    until = time.monotonic() + 20
    while not ((root / ".firnflow" / "state.db").exists() and state_of(root).runs()) and time.monotonic() < until:
        time.sleep(0.05)
    code, _, err = finish(firnflow(root, "resume"))
    assert code == 1
    assert "under way in another process" in err
    assert finish(process)[0] == 0


def descendants(pid):
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def command(pid):
    import psutil

    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return ""


def alive(pid):
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
def test_a_fork_server_that_dies_with_its_worker_is_buried_once(lab):
    """The driver hears of both at the same moment, and of the worker first."""
    project = lab(FLOW)
    setup = {"root": str(project.root), "environment": "local", "pipeline": "flow"}
    pool = Pool(1, setup, list)
    try:
        assert pool.start_worker(60)
        real = pool._selector

        class WorkersFirst:
            def select(self, timeout):
                until = time.monotonic() + 20
                while len(found := real.select(timeout)) < 2:
                    assert time.monotonic() < until
                return sorted(found, key=lambda ready: ready[0].data is None)

            def __getattr__(self, name):
                return getattr(real, name)

        pool._selector = WorkersFirst()
        pool._server.kill()
        assert pool.wait(1) == []
        pool._selector = real
        assert pool.workers == []
        assert pool.start_worker(60)  # by another server
    finally:
        pool.close()
