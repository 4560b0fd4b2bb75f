"""The verbs where pipelines run on Airflow, which is a server that answers as it is told; a real one: conformance."""

from __future__ import annotations

import ast
import datetime as dt
import hashlib
import json
import re
from pathlib import Path

from firnflow.cli import _checks
from firnflow.project import load_project, load_settings
from firnflow.targets.airflow import backfills, instances, names
from firnflow.targets.operate import LogLine

DROP = "drop"
DAG, START, LIST = "GET dags/p_flow", "POST dags/p_flow/dagRuns", "POST dags/~/dagRuns/list"
AWAKE, PAUSED = {"is_paused": False}, {"is_paused": True}


def started(airflow):
    return [call.data for call in airflow.calls if call.method == "POST" and call.path.endswith("/dagRuns")]


# -- run --------------------------------------------------------------------------------------------------------------


def test_a_run_is_started_once_and_followed(shop, airflow, run_of, task_of):
    airflow.on(DAG, AWAKE)
    airflow.on(START, DROP, (409, {"detail": "there"}))
    states = ["queued", "queued", "running", "running", "failed"]
    path = "GET dags/p_flow/dagRuns/one"
    conf = {"rows": 5}
    airflow.on(path, *(run_of("p_flow", "one", state, conf=conf) for state in states))
    tries = [
        [task_of("make", None), task_of("double", None)],
        [task_of("make", "running"), task_of("double", None)],
        DROP,
        [task_of("make", "up_for_retry"), task_of("double", None)],
        [
            task_of("make", "failed", try_number=2),
            task_of("double", "upstream_failed", start_date=None),
            task_of("finalizer", "failed"),
        ],
    ]
    pages = [DROP if each == DROP else {"task_instances": each, "total_entries": len(each)} for each in tries]
    airflow.on(f"{path}/taskInstances", *pages)
    called = shop.call("run", "flow", "--id", "one", "--set", "rows=5")
    assert called.code == 1
    assert started(airflow) == [{"dag_run_id": "one", "logical_date": None, "conf": conf}] * 2
    lines = called.err.splitlines()
    assert lines[0] == "run flow.one: 2 tasks"
    assert "↻ make  Airflow: ended the task. Its log says why; again in 0 s" in lines
    assert any(line.startswith("✗ make  2.50 s  failed, attempt 2: Airflow: ended the task") for line in lines)
    assert "✗ double  upstream failed" in lines
    assert (
        "Error: failed: Airflow has ended it before a task of it had begun. See: firnflow logs flow.one --env prod"
        in lines
    )
    assert "To go on from what is done: firnflow resume flow.one --env prod" in lines
    assert not any("finalizer" in line for line in lines)  # the pipeline has none


WRONG = {
    ("--set", "rwos=5"): "No parameter 'rwos' in P (--set). Did you mean 'rows'?",
    ("--set", "rows=x"): "Parameter 'rows' (--set) is int, not 'x'",
    ("--id", "a/b"): "--id 'a/b' is no id of a run",
    ("--partition", "2026-01-01"): "pipeline flow has no partition",
    ("--only", "make"): "--only: Airflow runs a pipeline as it was deployed",
    ("--from", "make"): "--from: Airflow runs a pipeline as it was deployed",
    ("--no-cache",): "--no-cache: Airflow runs",
    ("--workers", "2"): "--workers: Airflow runs",
    ("--timeout", "soon"): "'soon' is not a duration",
    (): "flow is paused in Airflow",
}


def test_what_is_wrong_is_said_before_anything_starts(shop, airflow):
    airflow.on(DAG, PAUSED)
    for arguments, said in WRONG.items():
        called = shop.call("run", "flow", *arguments)
        assert (called.code, started(airflow)) == (2, [])
        assert said in called.err


def test_what_airflow_does_not_take(shop, airflow, run_of):
    airflow.on(DAG, AWAKE)
    airflow.on("GET dags/p_flow/dagRuns/one", run_of("p_flow", "one"))
    broken = [{"filename": "/dags/firnflow-shop-prod/flow.py", "stack_trace": "Traceback\nImportError: x"}]
    for answer, errors, code, said in (
        ((400, {"detail": "rows: too many"}), [], 2, "Airflow does not take the run: Airflow at"),
        ((404, {"detail": "no DAG"}), [], 2, "knows no DAG p_flow. Mend: firnflow apply --env prod"),
        ((404, {"detail": "no DAG"}), broken, 1, "cannot read the DAG p_flow: ImportError: x"),
        ((500, {"detail": "oh"}), [], 1, "answers 500: oh"),
        ((409, {"detail": "there"}), [], 1, "there is a run flow.one already"),
    ):
        airflow.on(START, answer)
        airflow.on("GET importErrors", {"import_errors": errors})
        called = shop.call("run", "flow", "--id", "one")
        assert (called.code, called.out) == (code, "")
        assert said in called.err


def test_what_is_no_answer_of_airflow(shop, airflow, run_of):
    for answer in ([], {}, None, {"dag_runs": None}, {"dag_runs": [{"dag_id": 7}]}, {"dag_runs": [[]]}):
        airflow.on(LIST, answer)
        called = shop.call("runs")
        assert (called.code, "answers otherwise than Airflow does" in called.err) == (1, True)
    airflow.on(LIST, {"dag_runs": [run_of("p_flow", "one", start_date="soon")]})
    assert "answers otherwise than Airflow does (ValueError" in shop.call("runs").err
    airflow.on(DAG, [])
    assert "answers otherwise than Airflow does (TypeError" in shop.call("run", "flow").err


def test_doctor_looks_at_it(shop, airflow):
    def found():
        return list(_checks.orchestrator(shop.root, load_settings(shop.root, "prod")))

    airflow.on("GET dags", {"dags": []}, (401, {"detail": "no"}))
    airflow.on("GET version", {"version": "3.3.2"})
    assert found() == [_checks.Finding("orchestrator", "ok", f"Airflow 3.3.2 answers at {airflow.url}")]
    (broken,) = found()
    assert (broken.state, broken.mend) == ("broken", "token in [environments.prod.airflow]")
    shop.replace(f', url = "{airflow.url}"', "")
    assert [each.state for each in found()] == ["note"]


def test_an_airflow_that_is_away_for_a_while_is_waited_for(shop, airflow, run_of, task_of, monkeypatch):
    from firnflow.cli._elsewhere import _follow

    airflow.on(DAG, AWAKE)
    airflow.on(START, run_of("p_flow", "one"))
    path = "GET dags/p_flow/dagRuns/one"
    airflow.on(path, *[(503, {"detail": "starting"})] * 7, run_of("p_flow", "one", "failed"))
    rows = [task_of("make", "failed")]
    airflow.on(f"{path}/taskInstances", {"task_instances": rows, "total_entries": 1})
    called = shop.call("run", "flow", "--id", "one")
    assert called.code == 1
    assert called.err.count("The run is not touched by that; still looking") == 1
    assert "✗ make" in called.err
    airflow.on(path, (503, {"detail": "starting"}))
    monkeypatch.setattr(_follow, "PATIENCE", 0.05)
    called = shop.call("run", "flow", "--id", "one")
    assert (called.code, "answers 503: starting" in called.err) == (1, True)


def test_workers_with_another_state_are_noticed(shop, airflow, run_of, task_of):
    airflow.on(DAG, AWAKE)
    airflow.on(START, run_of("p_flow", "one"))
    airflow.on("GET dags/p_flow/dagRuns/one", run_of("p_flow", "one", "success"))
    rows = [task_of("make", "success"), task_of("double", "success")]
    airflow.on("GET dags/p_flow/dagRuns/one/taskInstances", {"task_instances": rows, "total_entries": 2})
    called = shop.call("run", "flow", "--id", "one")
    assert (called.code, "flow succeeded in 9.00 s" in called.out) == (0, True)
    assert "Note: the state here knows nothing of it. Mend: `state` of prod must be one and the same" in called.err


def test_nobody_waits_for_ever(shop, airflow, run_of):
    airflow.on(DAG, AWAKE)
    airflow.on(START, run_of("p_flow", "one", "queued"))
    airflow.on("GET dags/p_flow/dagRuns/one", run_of("p_flow", "one", "queued"))
    airflow.on("GET dags/p_flow/dagRuns/one/taskInstances", {"task_instances": [], "total_entries": 0})
    called = shop.call("run", "flow", "--id", "one", "--timeout", "0.05s")
    assert called.code == 1
    assert (
        "not ended within 0.05 s: run flow.one goes on in Airflow. To follow it: firnflow logs flow.one" in called.err
    )
    called = shop.call("run", "flow", "--id", "one", "--no-wait", "--json")
    assert (called.code, called.json) == (0, {"run": "flow.one", "pipeline": "flow", "status": "queued"})


def test_ctrl_c_leaves_the_run_alone(shop, airflow, run_of, monkeypatch):
    from firnflow.cli._elsewhere import _follow

    def interrupted(_):
        raise KeyboardInterrupt

    airflow.on(DAG, AWAKE)
    airflow.on(START, run_of("p_flow", "one"))
    airflow.on("GET dags/p_flow/dagRuns/one", run_of("p_flow", "one"))
    airflow.on("GET dags/p_flow/dagRuns/one/taskInstances", {"task_instances": [], "total_entries": 0})
    monkeypatch.setattr(_follow.time, "sleep", interrupted)
    called = shop.call("run", "flow", "--id", "one")
    assert called.code == 130
    assert "run flow.one goes on in Airflow" in called.err
    assert "firnflow cancel flow.one --env prod" in called.err
    assert airflow.seen("PATCH") == []


def test_trigger_starts_also_what_is_paused_and_says_so(shop, airflow, run_of):
    airflow.on("GET dags/p_by_day", PAUSED)
    airflow.on("POST dags/p_by_day/dagRuns", run_of("p_by_day", "x", "queued"))
    called = shop.call("trigger", "by_day", "--partition", "2026-01-05")
    assert (called.code, started(airflow)[0]["conf"]) == (0, {"partition": "2026-01-05"})
    assert "waits for `firnflow unpause by_day --env prod`" in called.err


def test_pause_and_unpause(shop, airflow):
    airflow.on(DAG, AWAKE, PAUSED, PAUSED, AWAKE)
    airflow.on("PATCH dags/p_flow", {})
    said = [shop.call(verb, "flow").out for verb in ("pause", "pause", "unpause", "unpause")]
    assert said == ["flow is paused\n", "flow was paused already\n", "flow starts again\n", "flow is not paused\n"]
    assert [call.data for call in airflow.calls if call.method == "PATCH"] == [
        {"is_paused": True},
        {"is_paused": False},
    ]


def test_when_pipelines_start_next_and_that_up_would_run_them_twice(shop, airflow):
    moment = "2026-11-22T06:00:00Z"
    airflow.on("GET dags/p_by_day", {**AWAKE, "next_dagrun_run_after": moment})
    for dag in ("p_by_key", "p_flow"):
        airflow.on(f"GET dags/{dag}", {**PAUSED, "next_dagrun_run_after": None})
    found = {each["pipeline"]: (each["next"], each["paused"]) for each in shop.call("next", "--json").json["pipelines"]}
    assert found == {"by_day": (["2026-11-22T06:00:00+00:00"], False), "by_key": ([], True), "flow": ([], True)}
    assert "flow      -                          paused" in shop.call("next").out
    assert "all would run twice" in shop.call("up").err


# -- what is there ----------------------------------------------------------------------------------------------------


def commit(shop, run, task, *more):
    """Let a task of a run be executed, as Airflow would."""
    (graph,) = (shop.root / "dags" / "firnflow-shop-prod" / "parts").glob("flow-*.graph.json")
    return shop.call("exec", "--graph", str(graph), "--task", task, "--run", run, *more)


def test_runs_of_both_are_listed(shop, airflow, run_of):
    assert commit(shop, "flow.known", "make").code == 0
    assert commit(shop, "flow.lost", "make").code == 0
    long = "manual__" + "x" * 100
    rows = [
        run_of("p_flow", "waiting", "queued", conf={"partition": "a"}),
        run_of("p_flow", "known", "running"),
        run_of("p_flow", "lost", "failed"),
        run_of("p_by_day", long, "failed", note="cancelled by firnflow"),
    ]
    airflow.on(LIST, lambda call: {"dag_runs": [each for each in rows if each["dag_id"] in call.data["dag_ids"]]})
    found = {each["run"]: each["status"] for each in shop.call("runs", "--json").json}
    digested = names.run_id("by_day", long)
    assert found == {"flow.known": "running", "flow.lost": "failed", "flow.waiting": "queued", digested: "cancelled"}
    assert airflow.calls[-1].data["dag_ids"] == ["p_by_day", "p_by_key", "p_flow"]
    text = shop.call("runs").out
    assert "ended before it could say how" in text
    assert "no task of it has begun" in text
    queued = shop.call("runs", "--status", "queued", "-n", "1", "--json").json
    assert [each["run"] for each in queued] == ["flow.waiting"]
    assert airflow.calls[-1].data["page_limit"] == 100
    assert {each["run"] for each in shop.call("runs", "-p", "flow", "--json").json} == {*found} - {digested}
    assert airflow.calls[-1].data["dag_ids"] == ["p_flow"]
    assert shop.call("runs", "-p", "nix").out == "There is no such run.\n"
    assert "Did you mean 'queued'?" in shop.call("runs", "--status", "quued").err


def test_without_an_address_the_state_has_to_do(shop, airflow):
    assert commit(shop, "flow.known", "make").code == 0
    shop.replace(f', url = "{airflow.url}"', "")
    called = shop.call("runs")
    assert (called.code, "flow.known" in called.out) == (0, True)
    assert called.err.startswith("Only what the state knows: [environments.prod.airflow] says not where")
    assert shop.call("cancel", "flow.known").out == "run flow.known cancelled\n"
    refused = shop.call("resume", "flow.known")
    assert (refused.code, "Mend: url = " in refused.err) == (2, True)


def test_a_run_is_found_by_its_id_by_airflows_or_by_its_beginning(shop, airflow, run_of):
    airflow.on(LIST, {"dag_runs": [run_of("p_flow", "manual__1"), run_of("p_flow", "manual__2")]})
    for run in ("1", "2"):
        airflow.on(f"GET dags/p_flow/dagRuns/manual__{run}", run_of("p_flow", f"manual__{run}", "success"))
    for given in ("flow.manual__1", "manual__1"):
        assert shop.call("cancel", given).out == "run flow.manual__1 succeeded\n"
    assert "it could be flow.manual__1, flow.manual__2" in shop.call("cancel", "flow.m").err
    assert "there is no run 'nix'. See: firnflow runs --env prod" in shop.call("cancel", "nix").err
    assert "is no id of a run" in shop.call("cancel", "../etc").err


# -- cancel, resume ---------------------------------------------------------------------------------------------------


def test_a_cancelled_run_can_commit_nothing_more_and_goes_on_by_resume(shop, airflow, run_of, task_of):
    assert commit(shop, "flow.one", "make").code == 0
    one, path = "GET dags/p_flow/dagRuns/one", "dags/p_flow/dagRuns/one"

    def ended(_):
        """The finalizer runs, then Airflow's run has failed."""
        refused = commit(shop, "flow.one", "double")
        assert (refused.code, "is to stop" in refused.err) == (1, True)
        commit(shop, "flow.one", "finalizer")
        airflow.on(one, run_of("p_flow", "one", "failed"))
        return {}

    airflow.on(DAG, AWAKE)
    airflow.on(LIST, {"dag_runs": []})
    airflow.on(one, run_of("p_flow", "one"))
    airflow.on(f"PATCH {path}", ended)
    called = shop.call("cancel", "flow.one")
    assert (called.code, called.out) == (0, "run flow.one cancelled\n")
    assert [each.data for each in airflow.calls if each.method == "PATCH"] == [
        {"state": "failed", "note": "cancelled by firnflow"}
    ]

    rows = [
        task_of("make", "success"),
        task_of("double", "skipped"),
        task_of("each", "success", map_index=0),
        task_of("each", "failed", map_index=1),
        task_of("gone", "removed"),
        task_of("finalizer", "failed"),
    ]
    airflow.on(f"GET {path}/taskInstances", {"task_instances": rows, "total_entries": len(rows)})

    def cleared(call):
        assert call.data["task_ids"] == ["double", ["each", 1], "finalizer"]
        assert commit(shop, "flow.one", "double").code == 0
        commit(shop, "flow.one", "finalizer")
        airflow.on(one, run_of("p_flow", "one", "success"))
        return {"task_instances": []}

    airflow.on("POST dags/p_flow/clearTaskInstances", (500, {"detail": "oh"}), cleared)
    refused = shop.call("resume", "flow.one")
    assert (refused.code, "answers 500: oh" in refused.err) == (1, True)
    assert [each["status"] for each in shop.call("runs", "--json").json] == ["cancelled"]  # as it was
    called = shop.call("resume", "flow.one", "--json")
    assert (called.code, called.json["status"]) == (0, "succeeded")
    assert shop.call("resume", "flow.one", "--json").json["outputs"].keys() == {"make", "double"}


def test_a_run_that_is_queued_or_paused_ends_at_once(shop, airflow, run_of):
    one = "dags/p_flow/dagRuns/one"
    airflow.on(
        f"GET {one}", run_of("p_flow", "one", "queued"), run_of("p_flow", "one", "failed", note="cancelled by firnflow")
    )
    airflow.on(f"PATCH {one}", {})
    assert shop.call("cancel", "flow.one").out == "run flow.one cancelled\n"
    at_once = [f"PATCH /api/v2/{one}/taskInstances/finalizer", f"PATCH /api/v2/{one}"]
    assert airflow.seen("PATCH") == at_once
    airflow.on(DAG, PAUSED)
    ended = run_of("p_flow", "one", "failed", note="cancelled by firnflow")
    airflow.on(f"GET {one}", run_of("p_flow", "one", "running"), ended)
    assert shop.call("cancel", "flow.one").out == "run flow.one cancelled\n"
    assert airflow.seen("PATCH") == at_once * 2


def test_what_cannot_be_resumed(shop, airflow, run_of):
    airflow.on(LIST, {"dag_runs": []})
    airflow.on("GET dags/p_flow/dagRuns/one", run_of("p_flow", "one", "running"))
    called = shop.call("resume", "flow.one")
    assert (called.code, "it is under way: run flow.one goes on" in called.err) == (1, True)
    commit(shop, "flow.gone", "make")
    called = shop.call("resume", "flow.gone")
    assert (called.code, "knows run flow.gone no more" in called.err) == (1, True)


# -- logs -------------------------------------------------------------------------------------------------------------


def test_logs_of_all_attempts(shop, airflow, run_of, task_of):
    path = "GET dags/p_flow/dagRuns/one"
    airflow.on(path, run_of("p_flow", "one", "failed"))
    rows = [task_of("make", "success", try_number=2), task_of("each", "running", map_index=1, rendered_map_index="x=7")]
    airflow.on(f"{path}/taskInstances", {"task_instances": rows, "total_entries": 2})
    airflow.on(LIST, {"dag_runs": []})

    def says(text, at):
        line = {"timestamp": f"2026-11-01T06:00:0{at}Z", "event": text, "level": "info", "logger": "x.firnflow_1.task"}
        return {"content": [line], "continuation_token": None}

    airflow.on(f"{path}/taskInstances/make/logs/1", says("first\x1b]0;x\x07", 1))
    airflow.on(f"{path}/taskInstances/make/logs/2", says("second", 3))
    airflow.on(f"{path}/taskInstances/each/logs/1", says("of one", 2))
    lines = [json.loads(line) for line in shop.call("logs", "flow.one", "--json").out.splitlines()]
    assert [(each["task"], each["element"], each["attempt"], each["message"]) for each in lines] == [
        *(("make", None, 1, "first\x1b]0;x\x07"), ("each", "x=7", 1, "of one"), ("make", None, 2, "second"))
    ]
    assert "\x1b" not in shop.call("logs", "flow.one").out
    assert shop.call("logs", "flow.one", "each[x=7]").out.count("\n") == 1
    assert shop.call("logs", "flow.one", "make", "--attempt", "2").out.endswith("make | second\n")
    assert "no task 'mkae'. Did you mean 'make'?" in shop.call("logs", "flow.one", "mkae").err
    assert (
        "Airflow has no log of task make in run flow.one" in shop.call("logs", "flow.one", "make", "--attempt", "9").err
    )


def test_what_airflow_says_of_itself_is_left_out():
    ours, cause = "airflow.task.operators.firnflow_1.task.FirnflowTask", [{"exc_type": "E", "exc_value": "why"}]
    rows = [
        {"event": "::group::Log message source details"},
        {"event": "/logs/attempt=1.log"},
        {"event": "::endgroup::"},
        {"timestamp": "2026-11-01T06:00:01Z", "event": "Filling up the DagBag", "level": "info", "logger": "airflow.x"},
        {"timestamp": "2026-11-01T06:00:02Z", "event": "Calling p exec", "level": "info", "logger": ours},
        {"timestamp": "2026-11-01T06:00:03Z", "event": "ValueError: no", "level": "info", "logger": ours},
        {"timestamp": "2026-11-01T06:00:04Z", "event": "ValueError: no", "level": "error", "logger": ours},
        {"event": "Task failed", "level": "error", "logger": "task", "error_detail": cause},
        "a plain line",
        {"event": None, "timestamp": 7},
    ]
    at = dt.datetime(2026, 11, 1, 6, tzinfo=dt.UTC).timestamp()
    assert instances.lines(rows) == [
        LogLine(at + 2, "debug", ours, "Calling p exec"),
        LogLine(at + 3, "info", ours, "ValueError: no"),
        LogLine(at + 4, "error", "task", "Task failed: E: why"),
        LogLine(at + 4, "info", "", "a plain line"),
    ]


# -- backfill ---------------------------------------------------------------------------------------------------------


def test_partitions_without_a_moment_are_run_one_by_one_and_found_again(shop, airflow, run_of):
    """One is under way since a backfill that was killed, one ends at this moment, one is new, and fails."""
    airflow.on("GET dags/p_by_key", AWAKE)
    path = "GET dags/p_by_key/dagRuns/backfill"

    def execute(key, *tasks):
        (graph,) = (shop.root / "dags" / "firnflow-shop-prod" / "parts").glob("by_key-*.graph.json")
        call = ("exec", "--graph", str(graph), "--run", f"by_key.backfill-{key}", "--partition", key, "--task")
        for task in tasks:
            assert shop.call(*call, task).code == 0

    def ending(key):
        def end(_):
            execute(key, "of_day", "finalizer")
            airflow.on(f"{path}-{key}", run_of("p_by_key", f"backfill-{key}", "success"))
            return run_of("p_by_key", f"backfill-{key}", "success")

        return end

    def start(call):
        key = call.data["conf"]["partition"]
        if key != "c":
            return 409, {"detail": "there"}
        execute("c", "of_day")
        return run_of("p_by_key", "backfill-c", "queued")

    airflow.on("POST dags/p_by_key/dagRuns", start)
    under_way = run_of("p_by_key", "backfill-a", "running")
    airflow.on(f"{path}-a", under_way, under_way, ending("a"))
    airflow.on(f"{path}-b", ending("b"))
    airflow.on(f"{path}-c", run_of("p_by_key", "backfill-c", "failed"))
    called = shop.call("backfill", "by_key", "--json")
    assert called.code == 1
    assert {name: called.json[name] for name in ("ran", "done_elsewhere", "failed")} == {
        "ran": ["a"],
        "done_elsewhere": ["b"],
        "failed": {"c": "Airflow has ended it before it could say how"},
    }
    assert "nothing to do: a and b are done" in shop.call("backfill", "by_key", "--keys", "a,b").out
    assert sorted(each["dag_run_id"] for each in started(airflow)) == ["backfill-a", "backfill-b", "backfill-c"]


def test_a_stretch_of_days_is_airflows_own_backfill(shop, airflow, run_of):
    airflow.on("GET dags/p_by_day", AWAKE)
    days = [f"2026-01-0{day}T06:00:00+00:00" for day in (3, 4, 5)]
    rows = [run_of("p_by_day", f"backfill__{day}", "queued", logical_date=day, run_type="backfill") for day in days]
    airflow.on(
        "GET dags/p_by_day/dagRuns", {"dag_runs": [], "total_entries": 0}, {"dag_runs": rows, "total_entries": 3}
    )
    airflow.on("GET backfills", {"backfills": [{"completed_at": days[0]}]})
    airflow.on("POST backfills/dry_run", {"backfills": [{"logical_date": day.replace("+00:00", "Z")} for day in days]})
    airflow.on("POST backfills", {"id": 1})
    (graph,) = (shop.root / "dags" / "firnflow-shop-prod" / "parts").glob("by_day-*.graph.json")
    for day, row in zip(days, rows, strict=True):
        name = row["dag_run_id"]

        def ended(_, day=day, name=name):
            for task in ("of_day", "finalizer"):
                call = ("exec", "--graph", str(graph), "--run", f"by_day.{name}", "--due", day, "--task", task)
                assert shop.call(*call).code == 0
            airflow.on(f"GET dags/p_by_day/dagRuns/{name}", run_of("p_by_day", name, "success"))
            return run_of("p_by_day", name, "running")

        airflow.on(f"GET dags/p_by_day/dagRuns/{name}", ended)
    called = shop.call("backfill", "by_day", "--from", "2026-01-02", "--to", "2026-01-04", "--workers", "3")
    assert (called.code, called.out) == (0, "by_day: 3 partitions from 2026-01-02 to 2026-01-04: 3 ran\n")
    (asked,) = [each.data for each in airflow.calls if each.path == "/api/v2/backfills" and each.method == "POST"]
    assert (asked["from_date"], asked["to_date"], asked["max_active_runs"]) == (days[0], days[2], 3)
    assert started(airflow) == []
    assert "nothing to do" in shop.call("backfill", "by_day", "--from", "2026-01-02", "--to", "2026-01-04").out


def test_which_partitions_have_one_moment(tmp_path, monkeypatch):
    (tmp_path / "firnflow.toml").write_text('[project]\nname = "shop"\npipelines = ["moments_of_partitions"]\n')
    (tmp_path / "moments_of_partitions.py").write_text(
        "import firnflow as ff\n\n@ff.task\ndef of(key: str) -> str:\n    return key\n"
        + "".join(
            f"\n@ff.pipeline(partition=ff.{partition}, schedule={schedule})\n"
            f"def {name}(partition):\n    of(partition.key)\n"
            for name, partition, schedule in (
                (
                    "daily",
                    'Daily(start="2026-03-01", timezone="Europe/Zurich")',
                    'ff.Cron("0 6 * * *", timezone="Europe/Zurich")',
                ),
                ("twice", 'Daily(start="2026-03-01")', 'ff.Cron("0 6,18 * * *")'),
                ("monday", 'Daily(start="2026-03-01")', 'ff.Cron("0 6 * * 1")'),
                ("weekly", 'Weekly(start="2026-W10")', 'ff.Cron("0 6 * * 2")'),
                ("hourly", 'Hourly(start="2026-03-01T00")', 'ff.Every("1h")'),
                ("odd", 'Daily(start="2026-03-01")', 'ff.Every("7h")'),
                ("never", 'Daily(start="2026-03-01")', "None"),
                ("keys", 'ByKey("2026-03-28", "b")', "None"),
            )
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    project = load_project(tmp_path, None)

    def found(name, *keys):
        graph = project.pipeline(name).build()
        moments = backfills.moments(graph, keys, 1e10)
        texts = {key: dt.datetime.fromtimestamp(at, dt.UTC).isoformat()[:16] for key, at in moments.items()}
        return texts, list(backfills.stretch(graph, moments))

    days = ("2026-03-27", "2026-03-28", "2026-03-30", "2026-03-31", "2026-04-01")  # the clock jumps on the 29th
    assert found("daily", *days) == (
        {
            "2026-03-27": "2026-03-28T05:00",
            "2026-03-28": "2026-03-29T04:00",
            "2026-03-30": "2026-03-31T04:00",
            "2026-03-31": "2026-04-01T04:00",
            "2026-04-01": "2026-04-02T04:00",
        },
        list(days[2:]),
    )
    assert found("twice", *days) == found("never", *days) == found("odd", *days) == ({}, [])
    assert found("monday", *days) == ({}, [])  # none for most days, which is none for a stretch of them
    assert found("weekly", "2026-W13", "2026-W14")[1] == ["2026-W13", "2026-W14"]
    assert found("hourly", "2026-03-01T00", "2026-03-01T01")[0]["2026-03-01T01"] == "2026-03-01T02:00"
    assert found("keys", "2026-03-28") == ({}, [])


def test_both_sides_call_runs_alike():
    source = Path(names.__file__).with_name("beside") / "task.py"
    wanted = [
        node
        for node in ast.parse(source.read_text()).body
        if getattr(node, "name", "") == "run_id" or (isinstance(node, ast.Assign) and node.targets[0].id == "PARTITION")
    ]
    there = {"re": re, "hashlib": hashlib}
    exec(compile(ast.Module(wanted, []), str(source), "exec"), there)
    assert there["PARTITION"] == names.PARTITION
    for run in ("one", "manual__2026-01-01T06:00:00.123+00:00", "x" * 200, "a b/ü", "", "-", "a\nb"):
        assert names.run_id("flow", run) == there["run_id"]("flow", run)
