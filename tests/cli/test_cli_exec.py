"""`firnflow exec`: one task of a run, for schedulers other than Firnflow's own."""

from __future__ import annotations

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from firnflow.engine.external.run import EXTERNAL
from firnflow.values import Ref


@pytest.fixture
def graph(shop):
    """Return a function that calls `exec` for a pipeline's task in this process."""

    def call(task, *arguments, pipeline="flow", run="r1"):
        file = shop.root / f"{pipeline}.json"
        if not file.exists():
            shop.call("show", pipeline, "--format", "json", "--output", str(file))
        return shop.call("exec", "--graph", str(file), "--task", task, "--run", run, *arguments)

    return call


def test_a_pipeline_task_by_task(shop, graph):
    for task in ("make", "split", "count", "judge", "page"):
        called = graph(task)
        assert called.code == 0, called.err
        assert called.json["state"] == "succeeded"
        assert shop.newest().status == "running"
    assert Ref.from_json(called.json["outputs"]["result"]).type == "html"
    assert graph("alert").json["state"] == "skipped"
    ended = graph("finalizer")
    assert (ended.code, ended.json["status"]) == (0, "succeeded")
    run = shop.newest()
    assert (run.id, run.status, run.owner) == ("r1", "succeeded", EXTERNAL)
    shown = shop.call("resume", "r1", "--json").json
    assert {name: task["state"] for name, task in shown["tasks"].items()} == {
        "make": "succeeded",
        "split": "succeeded",
        "count": "succeeded",
        "judge": "succeeded",
        "page": "succeeded",
        "alert": "skipped",
    }


def test_the_outputs_are_those_of_a_local_run(shop, graph):
    local = shop.call("run", "flow", "--inline", "--json").json
    graph("make", "--no-cache")
    answer = graph("split", "--no-cache").json
    assert {name: ref["digest"] for name, ref in answer["outputs"].items()} == {
        "train": local["outputs"]["split.train"]["digest"],
        "test": local["outputs"]["split.test"]["digest"],
    }


def test_stdout_is_json_and_the_tasks_output_goes_to_stderr_and_the_log(shop, graph):
    shop.call("show", "flow", "--format", "json", "--output", "flow.json")
    called = shop.process("exec", "--graph", "flow.json", "--task", "make", "--run", "r1")
    answer = json.loads(called.out)
    assert "making 4 rows" in called.err
    assert "making 4 rows" in Path(answer["log"]).read_text()
    assert "make | making 4 rows" in shop.call("logs", "r1").out


def test_it_is_done_once(shop, graph):
    assert graph("make").json["attempt"] == 1
    again = graph("make")
    assert (again.code, again.json["state"], again.json["attempt"]) == (0, "succeeded", None)
    assert len(shop.state.attempts("r1")) == 1
    assert graph("make", run="r2").json["state"] == "cached"
    assert graph("make", "--no-cache", run="r2").json["attempt"] == 1


def test_elements_of_a_map(shop, graph):
    graph("make")
    graph("split")
    told = graph("count", "--elements").json
    assert told["elements"] == [{"element": n, "label": f"word={word}"} for n, word in enumerate("abc")]
    one = graph("count", "--element", "1").json
    assert (one["element"], one["label"], one["metrics"]) == (1, "word=b", {"rows": 3.0})
    assert "has not committed" in graph("judge").err
    every = graph("count").json
    assert every["outputs"]["result"]["kind"] == "list"
    assert [each["attempt"] for each in every["elements"]] == [1, None, 1]
    assert graph("judge").json["state"] == "succeeded"
    called = graph("count", "--element", "3")
    assert called.code == 2
    assert "has 3 elements" in called.err
    assert graph("make", "--element", "0").code == graph("make", "--elements").code == 2


def test_shares_of_a_map_are_all_elements_each_once(shop, graph):
    graph("make")
    graph("split")
    early = graph("count", "--share", "1/2")
    assert (early.code, early.json["outputs"]) == (0, {})
    assert [each["element"] for each in early.json["elements"]] == [1]
    assert graph("judge").code == 2  # the other share is not there yet
    assert [each["element"] for each in graph("count", "--share", "0/2").json["elements"]] == [0, 2]
    more = graph("count", "--share", "3/4").json  # of more processes than elements some have nothing to do
    assert (more["state"], more["elements"]) == ("succeeded", [])
    counts = [(each.element, each.number) for each in shop.state.attempts("r1") if each.task == "count"]
    assert sorted(counts) == [(0, 1), (1, 1), (2, 1)]
    assert graph("judge").json["state"] == "succeeded"
    empty = ["--set", "words=[]"]
    for task in ("make", "split"):
        graph(task, *empty, run="r2")
    for share in ("0/2", "1/2"):
        assert graph("count", "--share", share, run="r2").json["state"] == "succeeded"
    assert len([each for each in shop.state.attempts("r2") if each.task == "count"]) == 1
    assert graph("judge", run="r2").json["state"] == "succeeded"
    skipped = graph("alert", "--share", "0/2", run="r2")
    assert (skipped.code, "--share: task 'alert' is no map" in skipped.err) == (2, True), skipped.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["2/2"], "--share '2/2' is no share of a map. E.g.: 0/2 and 1/2"),
        (["-1/2"], "is no share of a map"),
        (["half"], "is no share of a map"),
        (["0/2", "--element", "0"], "says itself which elements"),
        (["0/2", "--elements"], "says itself which elements"),
    ],
)
def test_what_is_no_share_is_refused(graph, words, said):
    called = graph("count", "--share", *words)
    assert (called.code, said in called.err) == (2, True), called.err


def test_a_failed_task(shop, graph):
    graph("first", pipeline="broken")
    called = graph("fail", pipeline="broken")
    assert called.code == 1
    assert (called.json["state"], called.json["error"]["type"]) == ("failed", "IndexError")
    assert "in helper" in called.json["error"]["traceback"]
    ended = graph("finalizer", pipeline="broken")
    assert (ended.code, ended.json["status"]) == (1, "failed")
    run = shop.newest()
    assert (run.status, run.error) == ("failed", "task fail: IndexError: list index out of range")


def test_a_run_that_has_ended_goes_on(shop, graph):
    graph("first", pipeline="broken")
    graph("fail", pipeline="broken")
    graph("finalizer", pipeline="broken")
    assert graph("fail", pipeline="broken").json["attempt"] == 2
    assert (shop.newest().status, shop.newest().epoch) == ("running", 2)


def test_the_finalizer_gets_a_summary(shop, graph):
    graph("nap", "--set", "seconds=0", "--set", f"folder={shop.root}", pipeline="sleepy")
    called = graph("finalizer", pipeline="sleepy")
    assert called.json["state"] == "succeeded"
    assert "cleaning up after succeeded" in called.err


def test_parameters_belong_to_the_run(shop, graph):
    assert graph("make", "--set", "rows=9").json["outputs"]["result"]["meta"]["rows"] == 9
    assert graph("make", "--set", "rows=9").code == 0
    assert graph("split").json["outputs"]["test"]["meta"]["rows"] == 8
    called = graph("make", "--set", "rows=8")
    assert called.code == 2
    assert "was started with other parameters" in called.err
    assert "Did you mean 'rows'?" in graph("make", "--set", "row=8", run="r2").err


@pytest.fixture
def changed(shop, graph):
    """Returns a function that calls `exec` with the graph of `flow`, in which `make` takes another number of rows."""

    def call(task, rows, *arguments):
        shop.call("show", "flow", "--format", "json", "--output", str(shop.root / "flow.json"))
        data = json.loads((shop.root / "flow.json").read_text())
        data["tasks"]["make"]["inputs"]["rows"] = {"source": "constant", "value": rows}
        data["tasks"]["split"] |= {"doc": "Split it.", "options": {"retries": 3}}
        (shop.root / "changed.json").write_text(json.dumps(data))
        return graph(task, *arguments, pipeline="changed")

    return call


def test_a_run_goes_on_with_a_graph_that_makes_the_same(shop, graph, changed):
    graph("make")
    assert changed("split", 4).json["outputs"]["train"]["meta"]["rows"] == 1
    for task in ("count", "judge", "page", "alert"):
        assert changed(task, 4).code == 0
    assert changed("finalizer", 4).json["status"] == "succeeded"
    shown = json.loads(shop.state.graph_json(shop.newest().graph))
    assert shown["tasks"]["make"]["inputs"]["rows"]["value"] == 4  # the run has ended with this graph


def test_what_a_changed_graph_would_make_otherwise_is_not_read(shop, graph, changed):
    graph("make")
    graph("split")
    called = changed("count", 5)
    assert called.code == 2
    assert "comes after make, which run r1 has committed before the pipeline was changed" in called.err
    assert changed("finalizer", 5).json["status"] == "failed"
    assert shop.newest().error == "task make was committed before the pipeline was changed, and would differ now"
    for task in ("make", "split"):  # as a scheduler does that was told to run it again with all that comes after it
        assert changed(task, 5).json["state"] == "succeeded"
    assert changed("count", 5, "--element", "0").json["outputs"]["result"]["inline"] == "4"


def test_a_run_keeps_its_parameters_when_the_defaults_of_a_schedule_change(shop, graph):
    graph("make", "--set", "rows=9", "--keep")
    assert graph("split", "--set", "rows=8", "--keep").json["outputs"]["test"]["meta"]["rows"] == 8
    assert shop.newest().params["rows"] == 9


def test_a_run_is_of_one_pipeline(shop, graph):
    graph("make")
    called = graph("first", pipeline="broken")
    assert (called.code, "run r1 is of pipeline 'flow'" in called.err) == (2, True)


def test_a_cancelled_run_starts_nothing_more(shop, graph):
    graph("make")
    assert shop.call("cancel", "r1").code == 0
    assert shop.newest().status == "cancelled"
    called = graph("split")
    assert called.code == 1
    assert "was cancelled" in called.err


def test_the_finalizer_of_a_run_that_is_to_stop_still_runs_and_ends_it(shop, graph):
    assert graph("make").code == 0
    assert shop.state.request_cancel("r1")
    refused = graph("split")
    assert (refused.code, refused.err) == (1, "Error: run r1 is to stop: nothing of it begins any more\n")
    ended = graph("finalizer")
    assert (ended.code, ended.json["status"], shop.newest().status) == (1, "cancelled", "cancelled")


def test_a_run_is_for_the_partition_that_was_complete_when_it_was_due(shop, add):
    add("""
        @ff.task
        def of_day(day: str) -> str:
            return day

        @ff.pipeline(partition=ff.Daily(start="2026-01-01"))
        def by_day(partition):
            of_day(partition.key)
        """)
    shop.call("show", "by_day", "--format", "json", "--output", "by_day.json")
    call = ("exec", "--graph", "by_day.json", "--task", "of_day", "--run")
    for due, key in (("2026-01-05T06:00:00+00:00", "2026-01-04"), ("2026-01-05T00:00:00+02:00", "2026-01-03")):
        called = shop.call(*call, f"run{due}", "--due", due)
        assert called.code == 0, called.err
        assert shop.newest().partition == key
    again = shop.call(*call, "run2026-01-05T06:00:00+00:00", "--due", "2026-01-20T06:00:00+00:00")
    assert again.code == 0  # what it is for was settled by the first call
    assert shop.state.run("run2026-01-05T06:00:00+00:00").partition == "2026-01-04"
    keys = ("2026-01-07", "2026-01-05", "2026-W09")
    news = ("--due", "2026-01-20T06:00:00+00:00", *(f"--changed={key}" for key in keys))
    assert shop.call(*call, "r8", *news, "--changed", "2999-01-01").json["partition"] == "2026-01-07"
    assert shop.call(*call, "r7", *news, "--partition", "2026-01-02").json["partition"] == "2026-01-02"
    assert shop.call(*call, "r6", *news[:2], "--changed", "2026-W09").json["partition"] == "2026-01-19"
    assert "no moment with a time zone" in shop.call(*call, "r9", "--due", "2026-01-05T06:00:00").err
    assert "no complete partition yet" in shop.call(*call, "r9", "--due", "2026-01-01T06:00:00+00:00").err


WAITING = """

@ff.task
def rows_of(seed: int) -> pa.Table:
    return pa.table({"x": [seed]})


class Seed(ff.Params):
    seed: int = 0


@ff.pipeline(params=Seed)
def orders(p):
    rows_of(p.seed).publish("orders")


@ff.pipeline(params=Seed)
def customers(p):
    rows_of(p.seed).publish("customers")


@ff.pipeline(schedule=ff.OnUpdate("orders") & ff.OnUpdate("customers"))
def after_both():
    first()
"""


def publishing(shop, name, run, seed):
    """Return the call that publishes a version; what it publishes is made."""
    shop.call("show", name, "--format", "json", "--output", f"{name}.json")
    words = ["exec", "--graph", f"{name}.json", "--run", run, "--set", f"seed={seed}", "--task"]
    assert shop.call(*words, "rows_of").code == 0
    return [*words, f"publish_{name}", "--wakes", "after_both"]


def publish(shop, *given):
    """Publish a version, and return which runs it begins."""
    called = shop.call(*publishing(shop, *given))
    assert called.code == 0, called.err
    return called.json["wakes"]


@pytest.mark.slow
def test_a_pipeline_that_waits_for_several_tables_begins_once_when_all_have_come(shop, add):
    add(WAITING)
    assert publish(shop, "orders", "o1", 1) == []
    assert publish(shop, "orders", "o2", 2) == []
    (begun,) = publish(shop, "customers", "c1", 1)
    assert (begun["pipeline"], begun["partition"]) == ("after_both", None)
    assert publish(shop, "customers", "c1", 1) == [begun]  # who may have died before it could start it is told again
    assert publish(shop, "customers", "c2", 2) == []  # others are not
    shop.call("show", "after_both", "--format", "json", "--output", "after_both.json")
    words = ["exec", "--graph", "after_both.json", "--task", "first", "--run", f"after_both.{begun['run']}"]
    assert shop.call(*words).code == 0
    assert publish(shop, "customers", "c1", 1) == []  # its run has begun
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(shop.process, *publishing(shop, name, f"{name}3", 3)) for name in ("orders", "customers")]
        found = [each for future in both for each in future.result().json["wakes"]]
    assert len(found) == 1
    assert found[0]["run"] != begun["run"]
    assert shop.call("pause", "after_both").code == 0
    assert publish(shop, "orders", "o4", 4) == publish(shop, "customers", "c4", 4) == []
    assert publish(shop, "customers", "c3", 3) == []  # it is not told again either what was to begin before
    assert shop.call("unpause", "after_both").code == 0
    assert [each["run"] for each in publish(shop, "customers", "c4", 4)] != [found[0]["run"]]
    unknown = shop.call(*words[:-1], "x", "--wakes", "after_bot")
    assert (unknown.code, "Did you mean 'after_both'?" in unknown.err) == (2, True), unknown.err


@pytest.mark.slow
def test_a_run_of_a_local_process_cannot_be_joined(shop, graph):
    process = shop.start("run", "sleepy", "--set", f"folder={shop.root}")
    wait_until((shop.root / "asleep").exists)
    local = shop.newest().id
    called = graph("nap", run=local, pipeline="sleepy")
    assert called.code in {1, 2}
    assert local in called.err
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


@pytest.mark.parametrize(
    ("run", "said"), [("../../x", "is no id"), ("", "is no id"), ("a" * 81, "is no id"), ("a\nb", "is no id")]
)
def test_a_hostile_id(shop, graph, run, said):
    called = graph("make", run=run)
    assert called.code == 2
    assert said in called.err
    assert not (shop.root / ".firnflow" / "logs").exists()


def test_an_id_as_airflow_makes_them(graph):
    assert graph("make", run="scheduled__2024-05-01T06:00:00+00:00").code == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda g: g["tasks"]["make"].update(key="os:system"), "has no 'os:system'"),
        (lambda g: g["tasks"]["make"].update(key="__main__:make"), "has no '__main__:make'"),
        (lambda g: g["tasks"]["make"]["inputs"].clear(), "takes or returns something else"),
        (lambda g: g["tasks"]["make"].update(outputs={}), "reads output 'result' of 'make'"),
        (
            lambda g: g["tasks"]["make"]["inputs"]["rows"].update(path=["rows", "deep"]),
            "'rows.deep', which the run lacks",
        ),
        (lambda g: g["tasks"]["make"]["inputs"]["rows"].update(path=["nope"]), "nope"),
        (lambda g: g.update(version=2), "version 2"),
        (lambda g: g.update(pipeline="flwo"), "Did you mean 'flow'?"),
        (lambda g: g.update(surprise=1), "surprise"),
    ],
)
def test_a_hostile_graph(shop, graph, change, said):
    graph("make", run="r0")
    file = shop.root / "flow.json"
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))
    called = graph("make")
    assert called.code == 2, called.out
    assert said in called.err
    assert [run.id for run in shop.state.runs()] == ["r0"]


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00", "[" * 100_000, '{"format": "firnflow.graph"}'])
def test_what_is_no_graph(shop, text):
    (shop.root / "g.json").write_text(text)
    called = shop.call("exec", "--graph", "g.json", "--task", "make", "--run", "r1")
    assert called.code == 2
    assert called.err.startswith("Error: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--graph", "nope.json", "--task", "make", "--run", "r"), "firnflow show PIPELINE --format json"),
        (("--graph", "flow.json", "--task", "mak", "--run", "r"), "Did you mean 'make'?"),
    ],
)
def test_a_wrong_call(shop, graph, arguments, said):
    graph("make", run="r0")
    called = shop.call("exec", *arguments)
    assert called.code == 2
    assert said in called.err


def test_a_call_that_comes_too_early_leaves_no_trace(shop, graph):
    early = graph("split")
    assert early.code == 2
    assert "task 'split' reads make, which run r1 has not committed yet" in early.err
    assert graph("make", "--element", "3").code == 2
    assert shop.call("runs", "--json").json == []
    graph("make")
    graph("finalizer")
    ended = shop.newest()
    assert graph("judge").code == 2
    assert shop.newest() == ended


def wait_until(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def start_nap(shop, *arguments, seconds=60):
    shop.call("show", "sleepy", "--format", "json", "--output", "sleepy.json")
    wishes = ["--set", f"folder={shop.root}", "--set", f"seconds={seconds}", *arguments]
    return shop.start("exec", "--graph", "sleepy.json", "--task", "nap", "--run", "r1", *wishes)


@pytest.mark.slow
def test_sigterm_cancels_the_attempt(shop):
    process = start_nap(shop)
    wait_until((shop.root / "asleep").exists)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert json.loads(out)["state"] == "cancelled"
    assert [attempt.status for attempt in shop.state.attempts("r1")] == ["cancelled"]
    assert shop.newest().status == "running"


@pytest.mark.slow
def test_cancel_ends_an_attempt_under_way(shop):
    process = start_nap(shop)
    wait_until((shop.root / "asleep").exists)
    assert shop.call("cancel", "r1").code == 0
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "was cancelled, or taken over" in err
    assert shop.newest().status == "cancelled"


@pytest.mark.slow
def test_a_killed_attempt_is_lost_and_the_next_one_counts(shop):
    process = start_nap(shop)
    wait_until((shop.root / "asleep").exists)
    process.kill()
    process.communicate(timeout=60)
    (shop.root / "asleep").unlink()
    again = start_nap(shop, "--no-cache")
    wait_until((shop.root / "asleep").exists)
    assert [attempt.status for attempt in shop.state.attempts("r1")] == ["lost", "running"]
    again.kill()
    again.communicate(timeout=60)
    ended = shop.call("exec", "--graph", "sleepy.json", "--task", "finalizer", "--run", "r1")
    assert ended.json["status"] == "failed"
    assert shop.newest().error.startswith("task nap: WorkerLostError: its process was ended from outside")


@pytest.mark.slow
def test_several_tasks_of_one_run_at_once(shop):
    """The first calls race to make the run; all of them execute."""
    shop.call("show", "flow", "--format", "json", "--output", "flow.json")
    shop.call("show", "broken", "--format", "json", "--output", "broken.json")
    calls = ["make", "alert", "make", "make"]

    def execute(task):
        return shop.process("exec", "--graph", "flow.json", "--task", task, "--run", "r1")

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(execute, calls))
    made = [called for task, called in zip(calls, done, strict=True) if task == "make"]
    assert any(called.code == 0 for called in made)
    lost = [called.err for called in made if called.code]
    assert all("was given up" in err or "started the same attempt" in err for err in lost), lost
    assert "has not committed" in done[1].err
    assert [a.status for a in shop.state.attempts("r1")].count("succeeded") == 1
    assert shop.newest().status == "running"


def test_a_run_that_its_scheduler_gives_up_has_failed_and_one_that_has_ended_stays(shop, graph):
    graph("make")
    told = graph("finalizer", "--given-up", "nobody serves the queue")
    assert (told.code, told.json["status"], told.json["is_news"]) == (0, "failed", True)
    assert (shop.newest().status, shop.newest().error) == ("failed", "nobody serves the queue")
    assert graph("finalizer", "--given-up", "again").json["error"] == "nobody serves the queue"
    assert graph("finalizer", "--given-up", "no task began", run="r2").json["is_news"]
    assert shop.state.run("r2").error == "no task began"
    wrong = graph("make", "--given-up", "why")
    assert (wrong.code, "Mend: --task finalizer" in wrong.err) == (2, True)


def test_a_size_that_is_none_is_refused(graph):
    said = graph("make", "--memory", "much")
    assert (said.code, "--memory 'much' is no size" in said.err) == (2, True)


@pytest.mark.slow
def test_a_task_that_outgrows_its_memory_is_ended_with_an_answer(shop):
    """A Python with these libraries holds more than 40 MiB at any rate; a child of the task ends too."""
    process = start_nap(shop, "--memory", "40MiB", seconds=3)
    out, _ = process.communicate(timeout=60)
    answer = json.loads(out)
    assert (process.returncode, answer["state"], answer["error"]["type"]) == (1, "failed", "MemoryLimitError")
    assert "took more memory than its limit of 40 MiB" in answer["error"]["message"]
    (attempt,) = shop.state.attempts("r1")
    assert (attempt.status, attempt.error["kind"]) == ("failed", "memory")
    again = start_nap(shop, "--memory", "4GiB", seconds=3)
    again.communicate(timeout=60)
    assert again.returncode == 0


@pytest.mark.server
def test_on_postgresql(shop, postgres_url, monkeypatch):
    monkeypatch.setenv("FIRNFLOW_STATE", postgres_url)
    shop.call("show", "flow", "--format", "json", "--output", "flow.json")
    run = f"r-{shop.module.stem}"

    def execute(*tasks):
        with ThreadPoolExecutor(2) as pool:
            return list(
                pool.map(lambda t: shop.process("exec", "--graph", "flow.json", "--task", t, "--run", run), tasks)
            )

    assert [called.code for called in execute("make")] == [0]
    assert [called.code for called in execute("split", "page")] == [0, 2]
    assert [called.code for called in execute("count")] == [0]
    assert [called.code for called in execute("judge")] == [0]
    assert [called.code for called in execute("page", "alert")] == [0, 0]
    assert [called.json["status"] for called in execute("finalizer")] == ["succeeded"]
