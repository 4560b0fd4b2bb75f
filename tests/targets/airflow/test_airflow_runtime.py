"""What Airflow's process does for a task, with stand-ins for the classes of Airflow; a real one runs in conformance."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import sys
import threading
import time
import types
from pathlib import Path

import pytest

from firnflow.targets.airflow import files

NAMES = ["DAG", "Asset", "AssetAll", "AssetAny", "CronTriggerTimetable", "DeltaTriggerTimetable", "Param", "TaskGroup"]
NAMES += ["BaseOperatorLink"]
ERRORS = ("AirflowException", "AirflowFailException", "AirflowSkipException")


class Log:
    def __init__(self):
        self.lines = []

    def info(self, text, *values):
        self.lines.append(text % values)

    error = info


class Operator:
    """As much of BaseOperator as a task needs."""

    def __init__(self, **_):
        self.log, self.downstream_list = Log(), []


class Skips:
    skipped_all_but = None

    def skip_all_except(self, _, chosen):
        self.skipped_all_but = chosen


@pytest.fixture
def runtime(monkeypatch, tmp_path):
    """The modules as a DAG file loads them, beside stand-ins for Airflow, by name."""
    sdk = types.ModuleType("airflow.sdk")
    for name in NAMES:
        setattr(sdk, name, type(name, (), {}))
    sdk.BaseOperator = Operator
    exceptions, skipmixin = types.ModuleType("airflow.sdk.exceptions"), types.ModuleType("airflow.sdk.bases.skipmixin")
    for name in ERRORS:
        setattr(exceptions, name, type(name, (Exception,), {}))
    skipmixin.SkipMixin = Skips
    modules = {"airflow": types.ModuleType("airflow"), "airflow.sdk": sdk, "airflow.sdk.exceptions": exceptions}
    modules |= {"airflow.sdk.bases": types.ModuleType("airflow.sdk.bases"), "airflow.sdk.bases.skipmixin": skipmixin}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    call = {"python": "python", "project": "/p", "env": "prod"}
    made = files.bundle({"pipeline": "sales", "dag_id": "sales"}, "{}", call, "mark")
    files.Folder(tmp_path / "dags").write(made)
    code = (tmp_path / "dags" / "sales.py").read_text().replace("dag = ", "build = lambda: ")
    found = {"__file__": str(tmp_path / "dags" / "sales.py")}
    try:
        exec(compile(code, "sales.py", "exec"), found)
        loaded = {
            name.rpartition(".")[2]: sys.modules[name] for name in sys.modules if name.startswith(found["NAME"] + ".")
        }
        monkeypatch.setattr(loaded["program"], "GRACE", 1.0)
        yield types.SimpleNamespace(**loaded, errors=exceptions)
    finally:
        for name in [name for name in sys.modules if name.startswith(found["NAME"])]:
            del sys.modules[name]


@pytest.fixture
def task(runtime, tmp_path):
    """Makes a task whose `python` is a script."""

    def make(script, **node):
        python = tmp_path / "python"
        python.write_text(f"#!{sys.executable}\n{script}")
        python.chmod(0o755)
        call = {"python": str(python), "project": str(tmp_path), "graph": "g.json", "env": "prod", "pipeline": "sales"}
        call |= {"params": ["rows", "word"], "partitioned": False}
        made = runtime.task.FirnflowTask(node={"id": "train", **node}, call=call)
        made.context = {"run_id": "manual__1", "params": {"rows": [1, None], "word": "$(ls) 'ü\""}, "ti": None}
        return made

    return make


def answers(code=0, **answer):
    answer = {"run": "r", "state": "succeeded", "outputs": {}, "error": None, **answer}
    return f"import sys; print({json.dumps(answer)!r}); print('a word', file=sys.stderr); sys.exit({code})"


def test_a_task_is_one_call_whose_refs_are_returned_and_whose_words_are_logged(task):
    made = task(answers(outputs={"result": {"digest": "d"}}))
    assert made.execute(made.context) == {"result": {"digest": "d"}}
    assert made.log.lines[-1] == "a word"
    made = task(
        "import json, sys; print(json.dumps({'state': 'succeeded', 'outputs': {'said': {'inline': sys.argv[1:]}}}))"
    )
    assert made.execute(made.context)["said"]["inline"] == [
        *(
            "-m",
            "firnflow",
            "exec",
            "--graph",
            "g.json",
            "--task",
            "train",
            "--run",
            "sales.manual__1",
            "--env",
            "prod",
        ),
        *("--set", "rows=[1, null]", "--set", "word=$(ls) 'ü\""),
    ]


def test_a_run_is_for_the_partition_that_was_asked_for_or_for_that_of_its_moment(task):
    made = task("")
    made.call |= {"partitioned": True}
    day, night = dt.datetime(2026, 1, 5, tzinfo=dt.UTC), dt.datetime(2026, 1, 6, tzinfo=dt.UTC)
    run = types.SimpleNamespace(data_interval_end=None, logical_date=day, run_after=night)
    made.context |= {"dag_run": run, "triggering_asset_events": {}}
    assert made._command(made.context)[-2:] == ["--due", "2026-01-05T00:00:00+00:00"]
    run.data_interval_end = night
    assert made._command(made.context)[-2:] == ["--due", "2026-01-06T00:00:00+00:00"]
    run.data_interval_end = run.logical_date = None  # an asset has started it
    assert made._command(made.context)[-2:] == ["--due", "2026-01-06T00:00:00+00:00"]
    extras = ({"partition": "2026-01-04"}, None, {"partition": "2026-01-03"}, {"partition": 7})
    events = [types.SimpleNamespace(extra=extra) for extra in extras]
    made.context["triggering_asset_events"] = {"orders": events[:2], "users": events[2:]}
    assert made._command(made.context)[-4:] == ["--changed", "2026-01-03", "--changed", "2026-01-04"]
    made.context["params"]["partition"] = "2026-01-01"
    assert made._command(made.context)[-2:] == ["--partition", "2026-01-01"]


@pytest.mark.parametrize(
    ("code", "answer", "error", "message"),
    [
        (0, {"state": "skipped"}, "AirflowSkipException", "its case was not chosen"),
        (
            1,
            {"state": "failed", "error": {"type": "ValueError", "message": "no"}},
            "AirflowException",
            "ValueError: no",
        ),
        (2, {"state": "failed"}, "AirflowFailException", "called wrongly"),
        (1, {"status": "failed"}, "AirflowFailException", "the run has failed"),
        (1, {"status": "cancelled"}, "AirflowFailException", "the run was cancelled"),
    ],
)
def test_what_airflow_is_told_of_a_call_that_did_not_succeed(runtime, task, code, answer, error, message):
    made = task(answers(code, **answer))
    with pytest.raises(getattr(runtime.errors, error), match=message):
        made.execute(made.context)


def test_a_call_that_dies_without_an_answer_is_a_failure(runtime, task):
    made = task("import os; os.kill(os.getpid(), 9)")
    with pytest.raises(runtime.errors.AirflowException, match="ended with -9 and gave no answer"):
        made.execute(made.context)


def test_the_tasks_of_other_cases_are_skipped(task):
    made = task(
        answers(outputs={"result": {"inline": '"left"'}}), cases={"a": [["result", "left"]], "b": [["result", "right"]]}
    )
    made.downstream_list = [types.SimpleNamespace(task_id=name) for name in ("a", "b", "neither")]
    made.execute(made.context)
    assert made.skipped_all_but == ["a", "neither"]


def test_a_task_that_is_killed_ends_with_all_that_it_has_started(task, tmp_path):
    """A child that is deaf to SIGTERM, and what it prints into."""
    made = task(
        "import os, pathlib, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "pathlib.Path('pids').write_text(f'{os.getpid()} {child.pid}')\n"
        "os.rename('pids', 'ready')\n"
        "time.sleep(600)"
    )
    ended = []
    thread = threading.Thread(target=lambda: ended.append(made._exec(made._command(made.context))))
    thread.start()
    until = time.monotonic() + 20
    while not (tmp_path / "ready").exists() and time.monotonic() < until:
        time.sleep(0.02)
    pids = [int(pid) for pid in (tmp_path / "ready").read_text().split()]
    made.on_kill()
    thread.join(20)
    assert ended[0][1] == -9
    until = time.monotonic() + 5
    while any(is_there(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.02)
    assert [pid for pid in pids if is_there(pid)] == []


def is_there(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_any_id_of_a_run_becomes_one_of_ours_and_two_never_become_one(runtime):
    ours = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,79}")
    ids = ["manual__2026-01-01T00:00:00+00:00", "a b", "a-b", "x" * 300, "x" * 301, "../../etc", "ü", "~"]
    made = [runtime.task.run_id("sales", each) for each in ids]
    assert made[0] == f"sales.{ids[0]}"
    assert len(set(made)) == len(ids)
    assert all(ours.fullmatch(each) for each in made)


def test_airflows_settings_and_python_do_not_reach_the_project(runtime):
    given = {
        "AIRFLOW__CORE__FERNET_KEY": "k",
        "_AIRFLOW_X": "1",
        "PYTHONPATH": "/a",
        "VIRTUAL_ENV": "/v",
        "STATE_URL": "s",
    }
    assert runtime.program.environment({**given, "PATH": os.defpath}) == {"STATE_URL": "s", "PATH": os.defpath}
