"""What goes to a stage, and what runs there: payload, launcher and procedure."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

import firnflow as ff
from firnflow.errors import ConfigError
from firnflow.stores.snowflake.code import archive
from firnflow.targets.snowflake.beside import launcher, procedure
from firnflow.targets.snowflake.compile.payload import MANIFEST, payload_of
from firnflow.targets.snowflake.grammar import parse
from firnflow.targets.snowflake.grammar import statements as st
from firnflow.targets.snowflake.grammar import values as v


@ff.task
def number() -> int:
    return 1


@ff.pipeline
def sums():
    number()


def names(payload):
    with zipfile.ZipFile(io.BytesIO(payload.files["project.zip"])) as file:
        return file.namelist()


# -- the payload ------------------------------------------------------------------------------------------------------


def test_only_what_is_declared_goes_to_the_stage(project):
    made = project(sums, more='files = ["sql/*.sql"]\n')
    for name in ("sql/a.sql", "data/big.csv", ".env", ".venv/x.py", "env/pyvenv.cfg", "env/y.py", "tests/test_a.py"):
        path = made.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("canary")
    (made.root / "lib").mkdir()
    (made.root / "lib" / "steps.py").write_text("")
    (made.root / "outside.py").symlink_to("/etc/hostname")
    assert names(payload_of(made, {})) == ["firnflow.toml", "lib/steps.py", "pipelines.py", "sql/a.sql"]


def test_the_same_code_is_the_same_payload(project):
    made = project(sums)
    first = payload_of(made, {"sums": "{}"})
    os.utime(made.root / "pipelines.py", (0, 0))
    assert payload_of(made, {"sums": "{}"}) == first
    assert [*first.files][-1] == MANIFEST
    digests = json.loads(first.files[MANIFEST])["files"]
    assert digests == {name: hashlib.sha256(data).hexdigest() for name, data in first.files.items() if name != MANIFEST}
    assert payload_of(made, {"sums": "{ }"}).digest != first.digest
    (made.root / "pipelines.py").write_text("# other code\n")
    assert payload_of(made, {"sums": "{}"}).digest != first.digest
    assert archive({"b": b"1", "a": b"2"}) == archive({"a": b"2", "b": b"1"})


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("key.p8", "key.p8 looks like a secret, which never goes to a stage. Mend: a SECRET in Snowflake"),
        ("*.csv", "there is nothing like '.*csv'"),
        ("../*.py", "lies outside of the project"),
        ("link", "is a link out of the project"),
    ],
)
def test_what_must_not_leave_is_refused(project, pattern, message):
    made = project(sums, more=f'files = ["{pattern}"]\n')
    (made.root / "key.p8").write_text("canary")
    (made.root / "link").symlink_to("/etc/hostname")
    with pytest.raises(ConfigError, match=message):
        payload_of(made, {})


# -- the launcher -----------------------------------------------------------------------------------------------------

JOB = {"pipeline": "sums", "task": "number", "run": "sums.1", "env": "prod"}


def test_the_call_of_exec_says_what_the_job_says(tmp_path):
    words = launcher.command({**JOB, "values": {"a": "x=y", "b": [1]}, "element": 0, "memory": 2**30}, tmp_path)
    assert words[3:] == [
        *("exec", "--graph", f"{tmp_path}/sums.graph.json", "--task", "number", "--run", "sums.1", "--env", "prod"),
        *("--set", "a=x=y", "--set", "b=[1]", "--element", "0", "--memory", str(2**30)),
    ]
    due = {**JOB, "partitioned": True, "due": "2025-01-02 03:04:05.678 -0800"}
    assert launcher.command(due, tmp_path)[-2:] == ["--due", "2025-01-02 03:04:05.678-0800"]
    assert launcher.command({**due, "partition": "2025-01-01"}, tmp_path)[-2:] == ["--partition", "2025-01-01"]


def test_the_answer_says_what_was_decided_and_why_it_failed():
    answer = {"state": "succeeded", "outputs": {"result": {"inline": '"promote"'}, "other": {"inline": "true"}}}
    assert launcher.summary({**JOB, "decides": "result"}, answer, 0)["decided"] == "promote"
    assert launcher.summary({**JOB, "decides": "other"}, answer, 0)["decided"] == "true"
    assert "decided" not in launcher.summary(JOB, answer, 0)
    assert "decided" not in launcher.summary({**JOB, "decides": "result"}, {"state": "skipped", "outputs": {}}, 0)
    failed = {"state": "failed", "error": {"type": "ValueError", "message": "x" * 9000}}
    assert launcher.summary(JOB, failed, 1)["error"].startswith("ValueError: xxx")
    assert len(launcher.summary(JOB, failed, 1)["error"]) == 2000
    assert launcher.summary(JOB, {}, 137)["error"] == "firnflow exec: exit code 137"


PROJECT = """
import os
import time
from pathlib import Path

import firnflow as ff

HERE = Path(os.environ["SCRATCH"])


class Params(ff.Params):
    x: int = 1


@ff.task
def count(x: int) -> str:
    (HERE / f"try{len(list(HERE.glob('try*')))}").touch()
    (HERE / "firnflow").write_text(ff.__file__)
    if len(list(HERE.glob("try*"))) < 2:
        raise ValueError("not yet")
    return "go" * x


@ff.task
def sleep() -> int:
    (HERE / "begun").touch()
    time.sleep(60)
    return 1


@ff.pipeline(params=Params)
def sums(p):
    count(p.x)
    sleep()
"""


@pytest.fixture
def payload(tmp_path):
    """Return the folder of a payload on its stage, as a container mounts it, and the variables of its jobs."""
    from firnflow.project import load_project

    root = tmp_path / "made"
    root.mkdir()
    (root / "pipelines.py").write_text(PROJECT)
    (root / "firnflow.toml").write_text('[project]\nname = "shop"\n[environments.prod]\n')
    os.environ["SCRATCH"] = str(tmp_path)
    try:
        made = load_project(root, "prod")
    finally:
        del os.environ["SCRATCH"]
    graph = made.pipelines["sums"].build().model_dump_json()
    folder = tmp_path / "stage"
    folder.mkdir()
    for name, data in payload_of(made, {"sums": graph}).files.items():
        (folder / name).write_bytes(data)
    given = {"SCRATCH": str(tmp_path), "FIRNFLOW_STATE": f"sqlite:///{tmp_path}/state.db"}
    return folder, {**given, "FIRNFLOW_ARTIFACTS": str(tmp_path / "artifacts")}


def start(payload, **job):
    folder, given = payload
    words = json.dumps({**JOB, "variables": given, **job})
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": "/"}
    return subprocess.Popen([sys.executable, str(folder / "launcher.py"), words], **pipes)


class Asked:
    """A session that tells of runs that wait, by their configs, and keeps what it is sent."""

    def __init__(self, *configs):
        self.configs, self.sent = configs, []

    def sql(self, text):
        self.sent.append(text)
        return self

    def collect(self):
        return [(each,) for each in self.configs] if "CURRENT_TASK_GRAPHS" in self.sent[-1] else []


@pytest.mark.parametrize(
    ("waiting", "starts"),
    [
        ((), True),
        ((None,), False),
        (('{"rows": 3}',), False),
        (('{"firnflow": {"run": "of-before"}}',), True),  # one that is resumed reads what it has read
        (('{"firnflow": {"run": "of-before"}}', '{"rows": 3}'), False),
    ],
)
def test_a_change_starts_a_run_unless_one_waits_that_will_read_it(waiting, starts):
    session = Asked(*waiting)
    said = procedure.main(session, json.dumps({"version": procedure.VERSION, "starts": ["ML", "P'\"S", "SHOP"]}))
    assert json.loads(said) == ({"started": "SHOP"} if starts else {"waits": "SHOP"})
    assert (session.sent[-1] == 'EXECUTE TASK "ML"."P\'""S"."SHOP"') is starts
    assert "SCHEMA_NAME = 'P''\"S' AND STATE = 'SCHEDULED' AND COALESCE(ATTEMPT_NUMBER, 1) = 1" in session.sent[0]


@pytest.mark.slow
@pytest.mark.parametrize("is_installed", [True, False])
def test_the_launcher_runs_a_task_again_until_it_succeeds(payload, tmp_path, is_installed):
    """By the Firnflow that is installed, where it is the very one, or else by that of the payload."""
    if not is_installed:
        with zipfile.ZipFile(payload[0] / "firnflow.zip", "a") as file:
            file.writestr("firnflow/another.py", "")
    options = {"task": "count", "values": {"x": 2}, "decides": "result", "retries": 2, "retry_delay": 0.1}
    said, log = (running := start(payload, **options)).communicate(timeout=100)
    assert running.returncode == 0, log
    answer = procedure.answer_in(said)
    assert answer == {"run": "sums.1", "task": "count", "code": 0, "state": "succeeded", "decided": "gogo"}
    assert "Try 1 of 3 has failed; the next in 0.1 s" in log
    assert ((tmp_path / "firnflow").read_text() == ff.__file__) is is_installed


@pytest.mark.slow
def test_a_call_that_is_refused_says_why(payload):
    said, log = (running := start(payload, task="nobody", retries=3)).communicate(timeout=100)
    assert running.returncode == 2, log
    error = procedure.answer_in(said)["error"]
    assert error.startswith("firnflow exec: ")
    assert "nobody" in error
    assert f"Error: {error.removeprefix('firnflow exec: ')}" in log


@pytest.mark.slow
def test_a_task_that_takes_too_long_is_ended_and_so_is_one_whose_container_stops(payload, tmp_path):
    said, _ = (running := start(payload, task="sleep", timeout=5)).communicate(timeout=100)
    assert running.returncode == 124
    assert procedure.answer_in(said)["error"] == "TaskTimeoutError: was ended after 5 s"
    (tmp_path / "begun").unlink()
    running = start(payload, task="sleep")
    until = time.monotonic() + 60
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)
    assert running.returncode == 143


# -- the procedure ----------------------------------------------------------------------------------------------------


class Session:
    """What a procedure is given: answers by how a statement begins."""

    def __init__(self, answers):
        self.answers, self.said = answers, []

    def sql(self, text):
        self.said.append(text)
        return self

    def collect(self):
        for start_of, answer in self.answers.items():
            if self.said[-1].startswith(start_of):
                if isinstance(answer, Exception):
                    raise answer
                return [[answer]]
        raise AssertionError(self.said[-1])


def log_of(**answer):
    return f"noise\n{procedure.MARK}{json.dumps(answer)}\n"


def called(**more):
    job = {"version": 1, "pipeline": "sums", "task": "number", "params": ["x"], "env": "prod", "image": "/d/s/r/i:1"}
    place = {"schema": "ML.PROD", "pool": "CP", "warehouse": "WH", "payload": "@ML.PROD.FIRNFLOW/shop-prod/0"}
    return json.dumps({**job, **place, **more})


def session(log, config="null", job=None):
    return Session(
        {
            "SELECT SYSTEM$TASK_RUNTIME_INFO('CURRENT_TASK_GRAPH_RUN_GROUP_ID')": "1754",
            "SELECT SYSTEM$GET_TASK_GRAPH_CONFIG": None if config == "null" else config,
            "EXECUTE JOB SERVICE": job,
            "SELECT SYSTEM$GET_SERVICE_LOGS": log,
            "CALL SYSTEM$SET_RETURN_VALUE": None,
        }
    )


def test_the_procedure_runs_a_job_and_hands_on_what_was_decided():
    asked = session(log_of(code=0, decided="it's"), config='{"x": "$$; DROP", "other": 1}')
    limits = {"memory": 2**31, "cpu": 2, "secrets": {"STATE_URL": "ML.PROD.STATE"}, "integrations": ["EAI"]}
    answer = json.loads(procedure.main(asked, called(decides="result", **limits)))
    assert answer["decided"] == "it's"
    assert asked.said[-1] == "CALL SYSTEM$SET_RETURN_VALUE('it''s')"
    statement = parse(next(text for text in asked.said if text.startswith("EXECUTE")))
    assert statement.pool == v.Name(("CP",))
    assert statement.get("EXTERNAL_ACCESS_INTEGRATIONS") == (v.Name(("EAI",)),)
    spec = json.loads(statement.specification)["spec"]
    assert spec["volumes"][0]["stageConfig"]["name"] == "@ML.PROD.FIRNFLOW/shop-prod/0"
    container = spec["containers"][0]
    assert container["resources"]["limits"] == {"cpu": 2, "memory": "2048Mi"}
    assert container["secrets"][0]["envVarName"] == "STATE_URL"
    told = json.loads(container["args"][0])
    assert (told["run"], told["values"], told["memory"]) == ("sums.1754", {"x": "$$; DROP"}, 2**31)


def test_every_statement_of_the_procedure_is_one_of_the_grammar():
    asked = session(log_of(code=0, decided="a\\'b"), config='{"x": "é\\u0000 \'"}')
    procedure.main(asked, called(task="it's"))
    assert [type(parse(text)).__name__ for text in asked.said] == [
        *("Select", "Select", "ExecuteJobService", "Select", "CallProcedure"),
    ]
    assert parse(asked.said[-1]).call.arguments == (v.Constant("a\\'b"),)


@pytest.mark.parametrize(
    ("log", "failure", "message"),
    [
        (
            log_of(code=1, error="ValueError: no"),
            RuntimeError("job failed"),
            "number of run sums.1754 has failed: Value",
        ),
        ("killed", RuntimeError("out of memory"), "has ended without an answer: out of memory"),
        ("last words", None, "has ended without an answer: last words"),
        (RuntimeError("no such job"), RuntimeError("no pool"), "has ended without an answer: no pool"),
    ],
)
def test_the_procedure_fails_where_the_task_has_failed(log, failure, message):
    with pytest.raises(RuntimeError, match=message):
        procedure.main(session(log, job=failure), called())


@pytest.mark.parametrize("failure", [None, RuntimeError("no stage")])
def test_the_end_of_a_run_empties_the_folder_that_gets_logs_next(monkeypatch, failure):
    days = [0, 8, 16, 24]
    said = []
    for day in days:
        monkeypatch.setattr(procedure.time, "time", lambda day=day: day * 86_400.0)
        asked = Session({**session(log_of(code=0)).answers, "REMOVE": failure})
        procedure.main(asked, called(task="finalizer"))
        said.append(asked.said[-1])
    assert [parse(text) for text in said] == [
        st.RemoveFiles(v.Location(v.Name(("ML", "PROD", "FIRNFLOW")), f"logs/shop-prod/{turn}/"))
        for turn in (1, 2, 0, 1)
    ]
    assert procedure.logs_folder("@ML.PROD.FIRNFLOW/shop-prod/0", 3) == "@ML.PROD.FIRNFLOW/logs/shop-prod/0"


def test_a_new_version_starts_the_pipelines_that_wait_for_it():
    given = {"partition": "2025-01-01", "firnflow": {"run": "r"}}
    log = log_of(code=0, begins=[["ML.PROD.TRAIN", given], ['ML.PROD."it\'s"', given]])
    asked = Session({**session(log).answers, "EXECUTE TASK": None})
    procedure.main(asked, called())
    config = json.dumps(given)
    assert [parse(text) for text in asked.said if text.startswith("EXECUTE TASK")] == [
        st.ExecuteTask(v.Name(("ML", "PROD", name)), config) for name in ("TRAIN", "it's")
    ]
    assert launcher.begins(JOB, {"state": "succeeded"}) == []
    woken = {
        "wakes": [{"pipeline": "p", "run": "r1", "partition": None}, {"pipeline": "p", "run": "r2", "partition": "k"}]
    }
    assert launcher.begins({**JOB, "wakes": {"p": "P"}}, woken) == [
        ["P", {"firnflow": {"run": "r1"}}],
        ["P", {"partition": "k", "firnflow": {"run": "r2"}}],
    ]


def test_a_job_that_is_lost_is_run_again_as_often_as_its_task_may_be():
    asked = session("killed")
    with pytest.raises(RuntimeError, match="has ended without an answer: killed"):
        procedure.main(asked, called(retries=2))
    jobs = [parse(text) for text in asked.said if text.startswith("EXECUTE")]
    told = [json.loads(json.loads(job.specification)["spec"]["containers"][0]["args"][0]) for job in jobs]
    assert [each["retries"] for each in told] == [2, 1, 0]
    assert len({job.name for job in jobs}) == 3


class Dealt(Session):
    """A session whose job has several instances, each with a log of its own."""

    def collect(self):
        found = parse(self.said[-1])
        if self.said[-1].startswith("SELECT SYSTEM$GET_SERVICE_LOGS"):
            return [[self.answers["logs"][found.items[0].arguments[1].value]]]
        return super().collect()


def test_of_several_instances_each_must_answer_and_one_that_fails_fails_the_task():
    def asked(*logs):
        made = Dealt({**session(None).answers, "logs": logs})
        return made, lambda: procedure.main(made, called(instances=2))

    good, bad = log_of(code=0, state="succeeded"), log_of(code=1, error="ValueError: no")
    made, call = asked(good, good)
    assert json.loads(call())["code"] == 0
    statement = parse(next(text for text in made.said if text.startswith("EXECUTE")))
    assert statement.get("REPLICAS") == 2
    assert len([text for text in made.said if "GET_SERVICE_LOGS" in text]) == 2
    for logs in ((good, bad), (bad, good)):
        with pytest.raises(RuntimeError, match=r"number of run sums\.1754 has failed: ValueError: no"):
            asked(*logs)[1]()
    with pytest.raises(RuntimeError, match="has ended without an answer: killed"):
        asked(good, "killed")[1]()


def test_an_instance_takes_the_share_of_its_number(monkeypatch):
    monkeypatch.setenv("SNOWFLAKE_JOB_INDEX", "1")
    assert launcher.command({**JOB, "instances": 3}, Path("/x"))[-2:] == ["--share", "1/3"]
    assert launcher.command({**JOB, "instances": 3, "share": "2/3"}, Path("/x"))[-2:] == ["--share", "2/3"]


def test_each_step_of_a_job_has_options_of_its_own():
    job = {**JOB, "task": "a+b", "retries": 3, "memory": 9, "steps": [{"task": "a", "retries": 3}, {"task": "b"}]}
    first, second = launcher.steps(job)
    assert (first["task"], first["retries"], second["task"]) == ("a", 3, "b")
    assert not {"retries", "memory", "steps"} & set(second)
    assert launcher.steps(JOB) == [JOB]


def test_a_procedure_of_another_version_refuses():
    with pytest.raises(ValueError, match="reads version 1, not 2: firnflow apply"):
        procedure.main(Session({}), called(version=2))


def test_a_run_is_named_by_the_run_of_the_graph():
    assert procedure.run_id("sums", "1754-ab") == "sums.1754-ab"
    long = procedure.run_id("s" * 100, "1754")
    assert len(long) <= 80
    assert long != procedure.run_id("s" * 100, "1755")


@pytest.mark.parametrize("codes", [(2, 1), (2, 124), (1, 2), (1, 3), (2, 2)])
def test_of_several_failures_in_a_job_the_first_that_was_no_refusal_speaks(codes):
    def attempt(step, _):
        code = dict(zip("ab", codes, strict=True))[step["task"]]
        return code, {"state": "failed", "error": {"type": f"Error{code}", "message": f"of {step['task']}"}}

    job = {**JOB, "task": "a+b", "steps": [{"task": "a"}, {"task": "b"}]}
    found = launcher.work(job, Path("/x"), attempt)
    first = "b" if codes in {(2, 1), (2, 124)} else "a"
    code = codes["ab".index(first)]
    assert (found["task"], found["code"], found["error"]) == (first, code, f"Error{code}: of {first}")
