"""Each file under `.firnflow`, cut at many places and with single bits flipped: it is noticed, named, and mended.

A damaged file may cost work, or need a hand; it must not end in a mistake of ours, nor in a wrong result.
"""

from __future__ import annotations

import contextlib
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

FLOW = """
    import ibis
    import numpy as np
    import pandas as pd

    class P(ff.Params):
        count: int = 3000
        share: float = 0.25
        label: str = "a label of some length"

    @ff.task
    def numbers(count: int) -> list[int]:
        print("so many:", count)
        ff.log_metric("count", count)
        return list(range(count))

    @ff.task
    def rows(xs: list[int]) -> ibis.Table:
        return ibis.memtable({"x": xs}).mutate(y=ibis._.x * 0.5)

    @ff.task
    def frame(xs: list[int]) -> pd.DataFrame:
        return pd.DataFrame({"x": xs})

    @ff.task
    def array(frame: pd.DataFrame) -> np.ndarray:
        return frame["x"].to_numpy()

    @ff.task
    def part(xs: list[int], k: int) -> list[int]:
        return xs[k:]

    @ff.task
    def total(
        xs: list[int], t: ibis.Table, f: pd.DataFrame, a: np.ndarray, parts: list[list[int]], share: float, label: str
    ) -> str:
        sums = sum(xs), float(t.y.sum().execute()), int(f.x.sum()), int(a.sum()), sum(map(sum, parts)) * share
        return f"{label}: {sums}"

    @ff.pipeline(params=P)
    def flow(p):
        xs = numbers(p.count)
        f = frame(xs)
        total(xs, rows(xs), f, array(f), part.map(xs, k=[1, 2]), p.share, p.label)
"""
ATTEMPTS = 7  # of which `total` is the last: it reads what all the others have made
RESUME = ("resume", "--inline", "--json")
CLEAN = ("clean", "--older-than", "0s")
LIGHT = [("runs", "--json"), ("show", "--run", "flow"), ("logs",), ("output",), ("sql",), CLEAN]


@dataclass
class Stopped:
    """A project whose run was killed as its last task began, and whose own folder can be put back as it was then."""

    project: object
    kept: Path
    right: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def restore(self):
        for extra in ("-wal", "-shm"):
            (self.project.own / f"state.db{extra}").unlink(missing_ok=True)
        shutil.copytree(self.kept, self.project.own, dirs_exist_ok=True, copy_function=copy)

    def spoil(self, path, data):
        """Put the folder back, but for one file."""
        self.restore()
        place = self.project.own / path
        place.chmod(0o644)
        place.write_bytes(data)

    def resume(self):
        """Resume; if the run is said to have succeeded, its result must be right. Return what was said."""
        said = self.project.quick(*RESUME).well()
        if said.code == 0:
            assert digests(said)["total"] == self.right["total"], said
        return said

    def files(self, pattern):
        found = sorted(path.relative_to(self.kept) for path in self.kept.glob(pattern))
        assert found, pattern
        return found


def copy(source, target):
    """Copy a file over one that may be read-only; it keeps its number, by which a state is known from its copy."""
    with contextlib.suppress(FileNotFoundError):
        Path(target).chmod(0o644)
    shutil.copy2(source, target)


def digests(said):
    return {name: output["digest"] for name, output in said.json["outputs"].items()}


@pytest.fixture
def stopped(place, request):
    """A stopped run; `request.param`: whether what it wrote still stands in the write-ahead log."""
    project = place(FLOW)
    said = project.quick("run", "flow", "--inline", FIRNFLOW_CRASH=f"attempt.started:kill@{ATTEMPTS}")
    assert said.code == -9, said
    if not getattr(request, "param", False):
        project.quick("runs").well(0)
    made = Stopped(project, project.root.parent / "kept")
    shutil.copytree(project.own, made.kept)
    assert (made.kept / "state.db-wal").exists() == getattr(request, "param", False)
    said = project.quick(*RESUME).well(0)
    made.right = digests(said)
    for name, output in said.json["outputs"].items():
        items = enumerate(output.get("items", ()))
        made.places |= {name: output["place"] or "", **{f"{name}[{i}]": item["place"] for i, item in items}}
    return made


def cuts(data, count):
    """Return the first parts of `data`, cut at some early places and at others all over it."""
    places = {0, 1, 16, 50, 99, *(len(data) * i // count + i for i in range(1, count)), len(data) - 1}
    return [data[:at] for at in sorted(places) if at < len(data)]


def flips(data, count, seed, needles=()):
    """Return `data` with one bit flipped: somewhere where it is not all zero, or a little behind a needle."""
    chance = random.Random(seed)
    used = [at for at, byte in enumerate(data) if byte]
    places = [chance.choice(used) for _ in range(count)]
    places += [data.index(needle) + chance.randrange(len(needle) + 20) for needle in needles]
    return [flipped(data, at, chance.randrange(8)) for at in places]


def flipped(data, at, bit):
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def mended(stopped):
    """Say of the folder as it is now whether a second or third call ends with the right result."""
    return any(stopped.resume().code == 0 for _ in range(3))


@pytest.mark.slow
def test_a_state_database_that_is_cut(stopped):
    for number, data in enumerate(cuts((stopped.kept / "state.db").read_bytes(), 12)):
        stopped.spoil("state.db", data)
        for verb in LIGHT if number % 4 == 0 else LIGHT[:1]:
            said = stopped.project.quick(*verb).well(0, 1, 2)
            if said.code == 1:
                assert "state database" in said.err, said
                assert "Mend: " in said.err, said
        stopped.resume()
        if number == 10:
            said = stopped.project.quick("doctor").well(1)
            assert "✗ state: " in said.out, said


NEEDLES = [b'"count":', b'"share":', b'"label":', b'"pipeline":', b'"given_by":', b'"inputs":', b"crashed", b'"where":']


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_state_database_with_a_flipped_bit(stopped, seed):
    data = (stopped.kept / "state.db").read_bytes()
    for number, spoilt in enumerate(flips(data, 12, seed, NEEDLES)):
        stopped.spoil("state.db", spoilt)
        for verb in LIGHT if number % 6 == 0 else LIGHT[number % len(LIGHT) :][:1]:
            said = stopped.project.quick(*verb).well(0, 1, 2)
            assert said.code != 1 or "Mend: " in said.err or "firnflow " in said.err, said
        said = stopped.resume()
        assert said.code == 0 or "Mend: " in said.err or "firnflow " in said.err, said
        if "task total failed" in said.err:
            assert mended(stopped)


@pytest.mark.slow
@pytest.mark.parametrize("stopped", [True], indirect=True)
def test_a_write_ahead_log_that_is_cut_or_changed(stopped):
    """SQLite takes it as ended there: what was written behind that is lost, and done again; nothing is half there."""
    for name, count in (("state.db-wal", 4), ("state.db-shm", 1)):
        data = (stopped.kept / name).read_bytes()
        for spoilt in [*cuts(data, count)[2:], *flips(data, count, 1)]:
            stopped.spoil(name, spoilt)
            stopped.project.quick("output").well(0, 1, 2)
            if stopped.resume().code != 0:
                said = stopped.project.quick("run", "flow", "--inline", "--json").well(0)
                assert digests(said) == stopped.right


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["parquet", "npy", "json"])
def test_a_stored_value_that_is_cut_or_changed_anywhere(stopped, suffix):
    """Who loads it says so and which it is; the next resume makes it anew."""
    for name in stopped.files(f"artifacts/objects/*/*.{suffix}"):
        data = (stopped.kept / name).read_bytes()
        for spoilt in (cuts(data, 1)[-1], *flips(data, 2, 2)):
            stopped.spoil(name, spoilt)
            said = stopped.resume()
            assert said.code == 1, name
            assert f"objects/{name.parent.name}/{name.name}" in said.err, said
            assert "firnflow resume" in said.err
            said = stopped.project.quick(*RESUME).well(0)
            assert digests(said) == stopped.right
        stopped.spoil(name, spoilt)
        task = next(task for task, where in stopped.places.items() if where.endswith(name.name))
        readers = [("output", task), *([("sql", f"SELECT sum(x) FROM {task}")] if suffix == "parquet" else [])]
        for verb in readers if suffix != "npy" else []:
            assert name.name in stopped.project.quick(*verb).well(1).err
    for verb in LIGHT:
        stopped.project.quick(*verb).well(0)


@pytest.mark.slow
def test_logs_and_marks_that_are_cut_or_changed(stopped):
    for name in (*stopped.files("logs/*/*.jsonl"), *stopped.files("artifacts/owners/*.json")):
        data = (stopped.kept / name).read_bytes()
        for number, spoilt in enumerate((*cuts(data, 2)[-2:], *flips(data, 4, 4))):
            stopped.spoil(name, spoilt)
            for verb in [("logs",), ("logs", "--json")] if name.parts[0] == "logs" else [CLEAN]:
                stopped.project.quick(*verb).well(0)
            if number == 0:
                assert stopped.resume().code == 0


@pytest.mark.slow
def test_files_that_are_gone_or_are_folders(stopped):
    values = stopped.files("artifacts/objects/*/*")
    for name in (Path("state.db"), *values, *stopped.files("logs/*"), Path("artifacts")):
        for folder in (False, True) if name in values[:2] else (name == Path("state.db"),):
            stopped.restore()
            place = stopped.project.own / name
            shutil.rmtree(place) if place.is_dir() else place.unlink()
            if folder:
                place.mkdir(parents=True)
            for verb in LIGHT if name == Path("state.db") else LIGHT[3:4]:
                said = stopped.project.quick(*verb).well(0, 1, 2)
                assert said.code == 0 or "state.db" in said.err
            said = stopped.resume()
            if folder:
                assert said.code == 1
                assert str(place) in said.err
                shutil.rmtree(place)
            assert mended(stopped) or name == Path("state.db")
