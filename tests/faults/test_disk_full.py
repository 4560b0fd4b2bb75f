"""A disk fills in the middle of a run: it is said, nothing half-written counts, and with more room the run goes on."""

from __future__ import annotations

import hashlib
import os
import subprocess

import pytest

FLOW = """
    import ibis
    import numpy as np
    import pandas as pd

    @ff.task
    def numbers() -> list[int]:
        return list(range(20_000))

    @ff.task
    def table(xs: list[int]) -> ibis.Table:
        return ibis.memtable({"x": xs}).mutate(y=ibis._.x * 0.37)

    @ff.task
    def frame(xs: list[int]) -> pd.DataFrame:
        return pd.DataFrame({"x": xs, "y": np.random.default_rng(1).normal(size=len(xs))})

    @ff.task
    def array(f: pd.DataFrame) -> np.ndarray:
        return f["y"].to_numpy()

    @ff.task
    def talks(xs: list[int]) -> int:
        for i in range(2000):
            print("line", i, "of the many that fill a disk")
        return 1

    @ff.task
    def total(t: ibis.Table, a: np.ndarray, one: int) -> float:
        return float(t.x.sum().execute() + a.sum() + one)

    @ff.pipeline
    def flow():
        xs = numbers()
        total(table(xs), array(frame(xs)), talks(xs))
"""
DIGESTS: dict[str, str] = {}


@pytest.fixture
def small(place, request):
    """Return a function that makes the project with a small disk at a folder of its own, and one to enlarge it."""

    def make(size, where="", **environment):
        made = place(FLOW, **environment)
        if not DIGESTS:
            DIGESTS.update(
                digests(made.quick("run", "flow", "--json", FIRNFLOW_ARTIFACTS="other", FIRNFLOW_STATE=OTHER))
            )
        disk = made.own / where
        disk.mkdir(parents=True, exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(disk)]
        if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
            pytest.skip("mounting a small tmpfs needs root")
        request.addfinalizer(lambda: subprocess.run(["umount", "-l", str(disk)], check=True))
        return made, lambda: subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)

    return make


OTHER = "sqlite:///other.db"


def digests(said):
    assert said.code == 0, said
    return {name: output["digest"] for name, output in said.json["outputs"].items()}


def check_objects(project):
    """Check that each file that stands among the objects is whole: its name is the SHA-256 of its bytes."""
    for path in project.objects():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem


def go_on(project):
    """Go on with the run, or start one where there is none, and check that it ends as if nothing had happened."""
    runs = project.quick("runs", "--json").well(0).json
    assert all(run["status"] in {"failed", "crashed", "succeeded"} for run in runs)
    said = project.quick("resume" if runs else "run", *([] if runs else ["flow"]), "--json")
    assert digests(said) == DIGESTS
    check_objects(project)
    assert not list((project.own / "artifacts" / "tmp").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "inline"),
    [(4, False), (110, False), (160, True), (260, False), (420, True), (600, False), (800, False), (900, True)],
)
def test_one_small_disk_for_all(small, size, inline):
    project, enlarge = small(size)
    said = project.quick("run", "flow", *(["--inline"] if inline else [])).well(0, 1)
    if size < 800:
        assert said.code == 1
    if said.code == 1:
        assert "full" in said.err
        assert "Mend: " in said.err
    check_objects(project)
    for verb in (["runs"], ["logs"], ["doctor"], ["clean", "--yes"], ["sql", "SELECT count(*) FROM frame"]):
        answer = project.quick(*verb)
        answer.well(
            0, 1, *([2] if "Table" in answer.err or "run has made" in answer.err or "no run" in answer.err else [])
        )
    enlarge()
    go_on(project)


@pytest.mark.slow
@pytest.mark.parametrize(("where", "size"), [("artifacts", 300), ("artifacts", 450), ("logs", 4), ("logs", 40)])
def test_a_small_disk_for_values_or_logs(small, where, size):
    project, enlarge = small(size, where)
    said = project.quick("run", "flow").well(0, 1)
    assert said.code == (where == "artifacts")
    assert [run["status"] for run in project.quick("runs", "--json").json] == ["failed" if said.code else "succeeded"]
    if said.code:
        assert "disk of" in said.err
        assert "firnflow resume" in said.err
    enlarge()
    go_on(project)


@pytest.mark.slow
@pytest.mark.parametrize("size", [40, 100, 128])
def test_a_small_disk_for_the_state(small, size):
    project, enlarge = small(size, "state")
    project.environment["FIRNFLOW_STATE"] = f"sqlite:///{project.own}/state/state.db"
    said = project.quick("run", "flow").well(0, 1)
    if said.code:
        assert "the state database" in said.err
        assert "disk is full" in said.err
    enlarge()
    go_on(project)
