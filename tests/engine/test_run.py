from __future__ import annotations

import itertools
import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from firnflow.engine.request import RunRequest
from firnflow.engine.run import run
from firnflow.errors import NotFoundError, ParameterError, UsageError

FLOW = """
    from typing import Literal, NamedTuple

    class P(ff.Params):
        n: int = 4
        boom: bool = False

    class Halves(NamedTuple):
        low: list[int]
        high: list[int]

    @ff.task
    def numbers(n: int) -> list[int]:
        return list(range(n))

    @ff.task
    def square(x: int) -> int:
        return x * x

    @ff.task
    def halve(xs: list[int]) -> Halves:
        middle = len(xs) // 2
        return Halves(xs[:middle], xs[middle:])

    @ff.task
    def total(xs: list[int], boom: bool) -> int:
        if boom:
            raise ValueError("boom was asked for")
        ff.log_metric("sum", sum(xs))
        return sum(xs)

    @ff.task
    def judge(value: int) -> Literal["big", "small"]:
        return "big" if value > 10 else "small"

    @ff.task
    def say(value: int) -> str:
        return f"value {value}"

    @ff.task
    def either(a: str | None, b: str | None) -> str:
        return f"{a} {b}"

    @ff.task
    def after_small(b: str) -> str:
        return b

    @ff.task
    def cleanup(summary: ff.RunSummary) -> dict[str, str]:
        return {"status": summary.status, **summary.tasks}

    @ff.pipeline(params=P, finalizer=cleanup)
    def flow(p):
        low, high = halve(square.map(numbers(p.n)))
        value = total(high, p.boom)
        verdict = judge(value)
        with verdict.case("big"):
            a = say.options(name="big")(value)
        with verdict.case("small"):
            b = say.options(name="small")(value)
        either(a, b)
        after_small(b)
"""


def test_runs_maps_branches_joins_and_the_finalizer(lab):
    project = lab(FLOW)
    result = project.run()
    assert result.status == "succeeded"
    assert project.states(result) == {
        "numbers": "succeeded",
        "square": "succeeded",
        "halve": "succeeded",
        "total": "succeeded",
        "judge": "succeeded",
        "big": "succeeded",
        "small": "skipped",
        "either": "succeeded",
        "after_small": "skipped",
        "finalizer": "succeeded",
    }
    assert result.outputs["total"].inline == "13"
    assert result.outputs["either"].inline == '"value 13 None"'
    assert result.outputs["halve.low"].inline == "[0,1]"
    assert result.metrics == {"total.sum": 13.0}
    assert result.tasks["square"].elements == 4


def test_an_inline_run_gives_the_same_outputs(lab):
    project = lab(FLOW)
    apart, inline = project.run(), project.run(inline=True, cache=False)
    assert {name: ref.digest for name, ref in inline.outputs.items()} == {n: r.digest for n, r in apart.outputs.items()}


def test_a_second_run_is_cached_and_a_changed_parameter_runs_just_what_depends_on_it(lab):
    project = lab(FLOW)
    first = project.run()
    project.events.clear()
    second = project.run()
    assert project.started() == ["finalizer"]
    assert second.metrics == first.metrics
    assert {state for name, state in project.states(second).items() if name != "finalizer"} == {"cached", "skipped"}
    project.events.clear()
    project.run("flow", "n=5")
    assert project.started() == ["numbers", "square", "halve", "total", "judge", "big", "either", "finalizer"]


@pytest.mark.slow
def test_no_cache_runs_all_again(lab):
    project = lab(FLOW)
    project.run()
    project.events.clear()
    project.run(cache=False)
    assert len(project.started()) == len(["numbers", *"4444", "halve", "total", "judge", "big", "either", "finalizer"])


def test_a_failure_stops_what_depends_on_it_and_the_finalizer_hears_of_it(lab):
    project = lab(FLOW)
    result = project.run("flow", "boom=true")
    assert result.status == "failed"
    assert result.error == "task total: ValueError: boom was asked for"
    assert project.states(result)["judge"] == "upstream_failed"
    assert project.states(result)["square"] == "succeeded"
    traceback = result.tasks["total"].error["traceback"]
    assert 'in total\n    raise ValueError("boom was asked for")' in traceback
    assert "firnflow/engine" not in traceback
    assert project.states(result)["finalizer"] == "succeeded"
    finalizer = [a for a in project.state.attempts(result.run) if a.task == "finalizer"]
    assert '"status":"failed"' in finalizer[0].outputs["result"]["inline"]


def test_resume_goes_on_from_what_is_committed(lab, tmp_path):
    flag = tmp_path / "mended"
    project = lab(f"""
        from pathlib import Path

        @ff.task(cache=False)
        def first() -> int:
            return 1

        @ff.task
        def second(x: int) -> int:
            if not Path({str(flag)!r}).exists():
                raise RuntimeError("not yet")
            return x + 1

        @ff.pipeline
        def flow():
            second(first())
    """)
    failed = project.run()
    assert failed.status == "failed"
    flag.touch()
    project.events.clear()
    result = project.resume()
    assert result.run == failed.run
    assert result.status == "succeeded"
    assert project.started() == ["second"]
    attempts = [(a.task, a.number, a.status) for a in project.state.attempts(result.run)]
    assert attempts == [("first", 1, "succeeded"), ("second", 1, "failed"), ("second", 2, "succeeded")]


def test_resume_of_a_finished_run_shows_it(lab):
    project = lab(FLOW)
    first = project.run()
    project.events.clear()
    again = project.resume(first.run[:-1])
    assert project.events == []
    assert (again.run, again.status, again.metrics) == (first.run, "succeeded", first.metrics)
    assert {n: r.digest for n, r in again.outputs.items() if n != "finalizer"} == {
        n: r.digest for n, r in first.outputs.items()
    }


def test_retries_with_back_off_until_it_works(lab, tmp_path):
    project = lab(f"""
        from pathlib import Path

        @ff.task(retries=3, retry_delay=0.01)
        def flaky() -> int:
            marks = Path({str(tmp_path / "marks")!r})
            marks.write_text(marks.read_text() + "x" if marks.exists() else "x")
            if len(marks.read_text()) < 3:
                raise OSError("away")
            return len(marks.read_text())

        @ff.pipeline
        def flow():
            flaky()
    """)
    result = project.run()
    assert result.status == "succeeded"
    assert result.tasks["flaky"].attempts == 3
    waits = [event.data["seconds"] for event in project.events if event.kind == "task_retrying"]
    assert waits == [0.01, 0.02]


@pytest.mark.slow
def test_a_timeout_ends_the_work_and_its_children(lab, tmp_path):
    project = lab(f"""
        import subprocess, time

        @ff.task(timeout=0.5)
        def hang() -> None:
            child = subprocess.Popen(["sleep", "300"])
            open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
            time.sleep(300)

        @ff.pipeline
        def flow():
            hang()
    """)
    result = project.run()
    assert result.status == "failed"
    assert result.tasks["hang"].error["type"] == "TaskTimeoutError"
    assert "timeout of 0.5 s" in result.tasks["hang"].error["message"]
    pid = int((tmp_path / "pid").read_text())
    assert _gone(pid)


@pytest.mark.slow
def test_a_task_that_outgrows_its_memory_is_ended(lab):
    project = lab("""
        import time

        @ff.task(resources=ff.Resources(memory="300Mi"))
        def hungry() -> int:
            held = [bytearray(50 * 2**20) for _ in range(40)]
            time.sleep(300)
            return len(held)

        @ff.task
        def modest() -> int:
            return 1

        @ff.pipeline
        def flow():
            hungry()
            modest()
    """)
    result = project.run()
    assert result.tasks["hungry"].error["type"] == "MemoryLimitError"
    assert "300 MiB" in result.tasks["hungry"].error["message"]
    assert result.tasks["modest"].state == "succeeded"


@pytest.mark.slow
def test_a_segmentation_fault_is_reported_and_the_rest_goes_on(lab):
    project = lab("""
        import ctypes

        import numpy as np

        @ff.task(retries=1, retry_delay=0)
        def crash() -> None:
            ctypes.string_at(int(np.zeros(1)[0]))

        @ff.task
        def fine() -> int:
            return 1

        @ff.pipeline
        def flow():
            crash()
            fine()
    """)
    result = project.run()
    error = result.tasks["crash"].error
    assert error["type"] == "WorkerLostError"
    assert "SIGSEGV" in error["message"]
    assert "string_at" in error["traceback"]
    assert "Extension modules" not in error["traceback"]
    assert result.tasks["crash"].attempts == 2
    assert result.tasks["fine"].state == "succeeded"


@pytest.mark.slow
def test_sigterm_cancels_and_the_finalizer_still_runs(lab, tmp_path):
    project = lab(f"""
        import time
        from pathlib import Path

        @ff.task
        def slow() -> None:
            Path({str(tmp_path / "begun")!r}).touch()
            time.sleep(300)

        @ff.task
        def after(x: None) -> None:
            pass

        @ff.task
        def cleanup(summary: ff.RunSummary) -> str:
            return summary.status

        @ff.pipeline(finalizer=cleanup)
        def flow():
            slow()
    """)
    threading.Thread(target=_signal_when, args=(tmp_path / "begun", signal.SIGTERM), daemon=True).start()
    result = project.run()
    assert result.status == "cancelled"
    assert project.states(result) == {"slow": "cancelled", "finalizer": "succeeded"}
    assert project.state.run(result.run).status == "cancelled"
    assert [a.status for a in project.state.attempts(result.run)] == ["cancelled", "succeeded"]


@pytest.mark.slow
def test_cancel_from_elsewhere(lab, tmp_path):
    project = lab(f"""
        import time
        from pathlib import Path

        @ff.task
        def slow() -> None:
            Path({str(tmp_path / "begun")!r}).touch()
            time.sleep(300)

        @ff.pipeline
        def flow():
            slow()
    """)

    def cancel() -> None:
        _wait_for(tmp_path / "begun")
        state = project.state
        state.request_cancel(state.runs(limit=1)[0].id)

    threading.Thread(target=cancel, daemon=True).start()
    result = project.run()
    assert result.status == "cancelled"
    assert result.error == "stopped by firnflow cancel"


def test_concurrency_of_a_task_is_respected(lab, tmp_path):
    project = lab(f"""
        import time, os
        from pathlib import Path

        @ff.task(concurrency=1)
        def alone(x: int) -> None:
            lock = Path({str(tmp_path / "lock")!r})
            fd = os.open(lock, os.O_CREAT | os.O_EXCL)
            time.sleep(0.05)
            os.close(fd)
            lock.unlink()

        @ff.pipeline
        def flow():
            alone.map([1, 2, 3, 4])
    """)
    assert project.run(workers=4).status == "succeeded"


def test_of_what_could_start_the_highest_priority_does(lab, tmp_path):
    project = lab(f"""
        from pathlib import Path

        @ff.task
        def note(word: str) -> None:
            with Path({str(tmp_path / "notes")!r}).open("a") as file:
                file.write(word + " ")

        @ff.pipeline
        def flow():
            note.options(name="one")("one")
            note.options(name="late", priority=-1)("late")
            note.options(name="two")("two")
            note.options(name="first", priority=5)("first")
            note.options(name="crowded", priority=5, concurrency=1).map(["a", "b"])
    """)
    assert project.run(inline=True).status == "succeeded"
    assert (tmp_path / "notes").read_text().split() == ["first", "a", "b", "one", "two", "late"]


@pytest.mark.slow
def test_a_task_that_asks_for_all_processors_runs_alone(lab):
    project = lab("""
        import time

        @ff.task(resources=ff.Resources(cpu=2))
        def wide(x: int) -> tuple[float, float]:
            began = time.time()
            time.sleep(0.1)
            return began, time.time()

        @ff.pipeline
        def flow():
            wide.map([1, 2, 3])
    """)
    result = project.run(workers=2)
    spans = sorted(json.loads(ref.inline) for ref in result.outputs["wide"].items)
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(spans))


@pytest.mark.parametrize(
    ("wish", "started"),
    [
        ({"start": ("total",)}, ["total", "judge", "big", "either", "finalizer"]),
        ({"stop": ("halve",)}, ["numbers", "square", "square", "square", "square", "halve", "finalizer"]),
        ({"only": ("halve", "total")}, ["halve", "total", "finalizer"]),
        ({"start": ("halve",), "stop": ("judge",)}, ["halve", "total", "judge", "finalizer"]),
    ],
)
@pytest.mark.slow
def test_partial_runs_take_inputs_from_the_last_good_run(lab, wish, started):
    project = lab(FLOW)
    good = project.run()
    project.events.clear()
    result = project.run(cache=False, **wish)
    assert result.status == "succeeded"
    assert project.started() == started
    said = [event.data["message"] for event in project.events if event.kind == "notice"]
    assert said == ([] if "stop" in wish and "start" not in wish else [said[0]])
    assert all(good.run in message for message in said)


def test_a_partial_run_without_a_good_run_says_what_to_run(lab):
    with pytest.raises(UsageError, match="--to halve"):
        lab(FLOW).run(only=("total",))


def test_wrong_names_are_refused_before_anything_starts(lab):
    project = lab(FLOW)
    with pytest.raises(NotFoundError, match="Did you mean 'flow'"):
        project.run("flwo")
    with pytest.raises(NotFoundError, match=r"no task 'totl'\. Did you mean 'total'"):
        project.run(only=("totl",))
    with pytest.raises(ParameterError, match="boom"):
        project.run("flow", "bom=true")
    with pytest.raises(UsageError, match="no task would run"):
        project.run(start=("judge",), stop=("numbers",))
    assert project.state.runs() == []


def test_an_empty_map_gives_an_empty_list(lab):
    project = lab(FLOW)
    result = project.run("flow", "n=0")
    assert result.outputs["halve.low"].inline == "[]"
    assert result.tasks["square"].elements == 0


def test_zipped_lists_of_different_lengths_fail_the_task_with_their_lengths(lab):
    project = lab("""
        @ff.task
        def many(n: int) -> list[int]:
            return list(range(n))

        @ff.task
        def add(x: int, y: int) -> int:
            return x + y

        @ff.pipeline
        def flow():
            add.map(many.options(name="two")(2), many.options(name="three")(3))
    """)
    result = project.run()
    assert result.status == "failed"
    assert "x 2, y 3" in result.tasks["add"].error["message"]


@pytest.mark.slow
def test_each_element_that_is_committed_is_kept_when_a_sibling_fails(lab, tmp_path):
    flag = tmp_path / "mended"
    project = lab(f"""
        from pathlib import Path

        @ff.task(cache=False)
        def work(x: int) -> int:
            if x == 2 and not Path({str(flag)!r}).exists():
                raise RuntimeError("two")
            return x

        @ff.pipeline
        def flow():
            work.map([1, 2, 3])
    """)
    assert project.run().status == "failed"
    flag.touch()
    project.events.clear()
    result = project.resume()
    assert [event.label for event in project.events if event.kind == "task_started"] == ["x=2"]
    assert [ref.inline for ref in result.outputs["work"].items] == ["1", "2", "3"]


@pytest.mark.slow
def test_a_damaged_input_is_made_again_on_resume(lab):
    project = lab("""
        @ff.task
        def make() -> list[int]:
            return list(range(5000))

        @ff.task(cache=False)
        def use(xs: list[int]) -> int:
            return len(xs)

        @ff.pipeline
        def flow():
            use(make())
    """)
    first = project.run(stop=("make",))
    stored = project.root / ".firnflow" / "artifacts" / first.outputs["make"].where
    stored.chmod(0o644)
    stored.write_bytes(stored.read_bytes()[:-10])
    failed = project.run()
    assert failed.tasks["use"].error["type"] == "DamagedArtifactError"
    result = project.resume(failed.run)
    assert result.status == "succeeded"
    assert result.outputs["use"].inline == "5000"


@pytest.mark.server
@pytest.mark.parametrize("spoilt", ["copy", "object"])
def test_of_a_remote_input_only_what_is_damaged_is_deleted(lab, s3_url, spoilt):
    import fsspec

    source = """
        @ff.task
        def make() -> list[int]:
            return list(range(5000))

        @ff.task(cache=False)
        def use(xs: list[int]) -> int:
            return len(xs)

        @ff.pipeline
        def flow():
            use(make())
    """
    project = lab(source, f'artifacts = "{s3_url}"')
    where = project.run(stop=("make",), inline=True).outputs["make"].where
    copy = project.root / ".firnflow" / "cache" / where
    copy.chmod(0o644)
    copy.write_bytes(b"[0")
    remote = fsspec.filesystem("s3")
    if spoilt == "object":
        remote.pipe_file(f"{s3_url}/{where}", b"[0")
    failed = project.run(inline=True)
    assert failed.tasks["use"].error["type"] == "DamagedArtifactError"
    remote.invalidate_cache()
    assert remote.exists(f"{s3_url}/{where}") is (spoilt == "copy")
    project.events.clear()
    assert project.resume(failed.run, inline=True).outputs["use"].inline == "5000"
    assert project.started() == (["use"] if spoilt == "copy" else ["make", "use"])


def test_output_of_a_wrong_type_fails_the_task_and_names_both_types(lab):
    project = lab("""
        @ff.task
        def wrong() -> int:
            return "text"

        @ff.pipeline
        def flow():
            wrong()
    """)
    error = project.run().tasks["wrong"].error
    assert "text" in error["message"]
    assert "int" in error["message"]


def _signal_when(path, number):
    _wait_for(path)
    os.kill(os.getpid(), number)


def _wait_for(path):
    until = time.monotonic() + 30
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.01)


def _gone(pid):
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        try:
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.slow
def test_a_resumed_partial_run_keeps_its_inputs_though_a_newer_run_has_others(lab, tmp_path):
    flag = tmp_path / "mended"
    project = lab(f"""
        from pathlib import Path

        class P(ff.Params):
            n: int = 1

        @ff.task
        def make(n: int) -> int:
            return n

        @ff.task(cache=False)
        def use(x: int) -> int:
            if x == 1 and not Path({str(flag)!r}).exists():
                raise RuntimeError("not yet")
            return x

        @ff.pipeline(params=P)
        def flow(p):
            use(make(p.n))
    """)
    project.run(stop=("make",))
    failed = project.run(only=("use",))
    project.run("flow", "n=2")
    flag.touch()
    result = project.resume(failed.run)
    assert (result.status, result.outputs["use"].inline) == ("succeeded", "1")


@pytest.mark.slow
def test_a_file_given_for_a_source_or_a_task_is_found_again_from_elsewhere(lab, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "given.csv").write_text("x\n1\n2\n")
    flag = tmp_path / "mended"
    project = lab(f"""
        from pathlib import Path
        import ibis

        @ff.task
        def orders() -> ibis.Table:
            return ibis.memtable({{"x": [5]}})

        @ff.task(cache=False)
        def total(orders: ibis.Table) -> int:
            if not Path({str(flag)!r}).exists():
                raise RuntimeError("not yet")
            return int(orders.x.sum().to_pyarrow().as_py())

        @ff.pipeline
        def flow():
            total(orders())
    """)
    monkeypatch.chdir(tmp_path / "data")
    failed = project.run(inputs={"orders": "given.csv"})
    assert failed.status == "failed"
    flag.touch()
    monkeypatch.chdir(tmp_path)
    result = project.resume(failed.run)
    assert (result.status, result.outputs["total"].inline) == ("succeeded", "3")
    with pytest.raises(NotFoundError, match="Did you mean 'orders'"):
        project.run(inputs={"order": "x.csv"})
    with pytest.raises(UsageError, match="returns one table"):
        project.run(inputs={"total": "x.csv"})


def test_a_task_that_exits_has_failed_inline_and_in_a_worker(lab):
    project = lab("""
        import sys

        @ff.task(cache=False)
        def leaves() -> None:
            sys.exit(0)

        @ff.pipeline
        def flow():
            leaves()
    """)
    for inline in (True, False):
        result = project.run(inline=inline)
        assert result.status == "failed"
        assert result.tasks["leaves"].error["type"] == "SystemExit"
    assert project.state.run(result.run).status == "failed"


def test_a_missing_source_fails_its_task_and_the_rest_goes_on(lab):
    project = lab("""
        import ibis

        @ff.task
        def count(t: ibis.Table) -> int:
            return 1

        @ff.task
        def apart() -> int:
            return 2

        @ff.task
        def cleanup(summary: ff.RunSummary) -> str:
            return summary.status

        @ff.pipeline(finalizer=cleanup)
        def flow():
            count(ff.source("orders"))
            apart()
    """)
    (project.root / "catalog.toml").write_text('[orders]\npath = "none.csv"\n')
    again = project.again()
    result = again.run()
    assert again.states(result) == {
        "orders": "failed", "count": "upstream_failed", "apart": "succeeded", "finalizer": "succeeded",
    }  # fmt: skip
    assert "none.csv" in result.tasks["orders"].error["message"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("workers", [1, None])
def test_a_source_that_changes_while_it_is_read_is_no_result(lab, kind, workers):
    import pyarrow as pa
    from pyarrow import csv, parquet

    project = lab("""
        import pyarrow as pa

        @ff.task
        def total(orders: pa.Table) -> int:
            return sum(orders["x"].to_pylist())

        @ff.pipeline
        def flow():
            total(ff.source("orders"))
    """)
    file = project.root / f"orders.{kind}"
    write = csv.write_csv if kind == "csv" else parquet.write_table
    (project.root / "catalog.toml").write_text(f'[orders]\npath = "orders.{kind}"\n')
    write(pa.table({"x": [1, 2]}), file)
    project = project.again()

    def change(event):
        if event.kind == "task_started":
            write(pa.table({"x": [10, 20]}), file)

    request = RunRequest("flow", workers=workers, inline=workers is None)
    changed = run(project.project, request, [change])
    assert changed.tasks["orders"].error["type"] == "DataError"
    assert "orders changed while it was read, so nothing of it is kept. Mend: run again" in changed.error
    assert project.run(inline=True).outputs["total"].inline == "30"
    write(pa.table({"x": [1, 2]}), file)
    assert project.run(inline=True).outputs["total"].inline == "3"


@pytest.mark.slow
def test_options_that_change_do_not_run_committed_tasks_again(lab, tmp_path):
    flag = tmp_path / "mended"
    source = f"""
        from pathlib import Path

        @ff.task(cache=False, retries=0)
        def work(x: int) -> int:
            if x == 2 and not Path({str(flag)!r}).exists():
                raise RuntimeError("two")
            return x

        @ff.pipeline
        def flow():
            work.map([1, 2, 3])
    """
    project = lab(source)
    failed = project.run()
    flag.touch()
    again = lab(source.replace("retries=0", "retries=2"))
    result = again.resume(failed.run)
    assert [event.label for event in again.events if event.kind == "task_started"] == ["x=2"]
    assert result.status == "succeeded"


@pytest.mark.slow
def test_a_resumed_run_shows_the_tasks_that_were_added_meanwhile(lab):
    source = """
        @ff.task
        def one() -> int:
            raise RuntimeError("x")

        @ff.task
        def two() -> int:
            return 2

        @ff.pipeline
        def flow():
            one()
    """
    failed = lab(source).run()
    again = lab(
        source.replace('raise RuntimeError("x")', "return 1").replace("    one()\n    ", "    one(); two()\n    ")
    )
    result = again.resume(failed.run)
    assert {name: ref.inline for name, ref in result.outputs.items()} == {"one": "1", "two": "2"}
    shown = again.resume(failed.run)
    assert set(shown.tasks) == {"one", "two"}
    assert {name: ref.inline for name, ref in shown.outputs.items()} == {"one": "1", "two": "2"}
