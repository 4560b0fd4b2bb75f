"""A planted secret is known only to the tasks that use it: nothing that Firnflow says, writes or starts holds it."""

from __future__ import annotations

import os
import pty
import signal
import sqlite3
import subprocess
import sys
import uuid
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
import sqlalchemy as sa

CORE = "c4n4ry"  # the part that every form of the secrets has: whatever holds it, holds a secret
PASSWORD = f'{CORE}-pw/"ü"@% &\\x'
TOKEN = f"{CORE}-tökén\"'\t<&>"
KEY = f"-----BEGIN KEY-----\n{CORE}AAAABBBB\nCCCC{CORE}DDDD\n-----END KEY-----"
URL = f"postgresql://crm:{quote(PASSWORD, safe='')}@127.0.0.1:1/crm"

FLOW = """
    import json, logging, os, signal, subprocess, sys, time, urllib.parse, warnings
    from pathlib import Path

    class Login(ff.Params):
        token: str
        key: str

    def known(reference: str) -> str:
        kind, _, name = reference.partition(":")
        return os.environ[name] if kind == "env" else (Path(__file__).parent / name).read_text()

    @ff.task
    def chatty(token: str, key: str) -> int:
        secret = known(token)
        print(secret)
        print(secret[:4], end="")
        print(secret[4:])
        print(repr(secret), json.dumps(secret), json.dumps({"s": secret}, ensure_ascii=False), [secret])
        print(urllib.parse.quote(secret), urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret))
        print(secret.encode(), file=sys.stderr)
        print(known(key))
        print(repr(known(key)), known(key).splitlines())
        print(os.environ["CRM_URL"], urllib.parse.urlsplit(os.environ["CRM_URL"]).password)
        print(urllib.parse.unquote(urllib.parse.urlsplit(os.environ["CRM_URL"]).password))
        logging.getLogger("crm").error("refused: %s", secret)
        try:
            raise RuntimeError(secret)
        except RuntimeError:
            logging.exception("again")
        warnings.warn(f"old login {secret}")
        if os.environ.get("INLINE") != "1":  # there a child process writes to the terminal, and to nothing of ours
            subprocess.run(["sh", "-c", 'printf "%s\\n" "$TOKEN" "$CRM_URL" >&2'])
            os.write(1, (secret + " without an end").encode())
        return 1

    @ff.task(retries=1, retry_delay=0.01)
    def raises(token: str, after: int) -> int:
        try:
            raise KeyError(known(token))
        except KeyError as error:
            raise ValueError(f"cannot log in with {known(token)}\\nnor with {os.environ['CRM_URL']}") from error

    @ff.task
    def dies(token: str, after: int) -> int:
        if os.environ.get("INLINE") == "1":
            raise OSError(5, known(token), known(token))
        os.write(2, known(token).encode())
        os.kill(os.getpid(), signal.SIGKILL)

    @ff.task
    def returns(token: str, after: int) -> int:
        return known(token)

    @ff.task
    def waits(after: int) -> list[int]:
        print("here")
        while Path("hold").exists():
            time.sleep(0.02)
        return list(range(1000))

    @ff.task
    def cleanup(summary: ff.RunSummary) -> str:
        print(summary.error, summary.tasks)
        return summary.status

    @ff.pipeline(params=Login, finalizer=cleanup)
    def flow(p):
        one = chatty(p.token, p.key)
        raises(p.token, one)
        dies(p.token, one)
        returns(p.token, one)

    @ff.pipeline(params=Login)
    def quiet(p):
        waits(chatty(p.token, p.key))

    @ff.task
    def reads(customers: ff.Figure | None) -> int:
        return 1

    @ff.pipeline
    def crm():
        ff.source("customers")
"""
SETTINGS = """
    [pipelines.flow.params]
    token = "env:TOKEN"
    key = "file:secrets/key.pem"
    [pipelines.quiet.params]
    token = "env:TOKEN"
    key = "file:secrets/key.pem"
    [environments.far]
    state = "env:FAR_STATE"
    [environments.cloud]
    artifacts = "env:BUCKET"
    [environments.onairflow]
    state = "airflow:conn/far"
    [environments.filed]
    state = "file:secrets/state-url"
"""
CATALOG = """
    [customers]
    query = "SELECT 1 AS one"
    connection = "env:CRM_URL"
    [orders]
    url = "file:secrets/orders-url"
    format = "csv"
"""


@pytest.fixture
def nest(place, tmp_path):
    """A project that knows secrets by reference, in a world where all that they lead to is out of reach."""
    made = place(FLOW, SETTINGS)
    made.write("catalog.toml", CATALOG)
    made.write("secrets/key.pem", KEY)
    made.write("secrets/state-url", f"postgresql://firn:{CORE}filed@127.0.0.1:1/state")
    made.write("secrets/orders-url", f"s3://{CORE}-bucket/orders.csv")
    (tmp_path / "tmp").mkdir()
    made.environment = {
        "TOKEN": TOKEN,
        "CRM_URL": URL,
        "FAR_STATE": f"postgresql://firn:{quote(PASSWORD, safe='')}@127.0.0.1:1/state?connect_timeout=2",
        "BUCKET": "s3://bucket/prefix",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": f"{CORE}-id",
        "AWS_SECRET_ACCESS_KEY": f"{CORE}-aws",
        "AWS_MAX_ATTEMPTS": "1",
        "TMPDIR": str(tmp_path / "tmp"),
    }
    return made


def clean(text, where):
    """Check that a text holds no secret."""
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    at = data.find(CORE.encode())
    assert at < 0, f"{where}: …{data[max(0, at - 200) : at + 60]!r}"


def check_files(nest, *more):
    """Check every byte that was written: state, logs, objects, and what is left in the folder for temporary files."""
    for path in [*nest.own.rglob("*"), *Path(nest.environment["TMPDIR"]).rglob("*"), *more]:
        clean(str(path.name), path)
        if path.is_file():
            clean(path.read_bytes(), path)


def said_by(nest, *arguments, **environment):
    """Call a verb in each way in which it may speak, and check what it says."""
    said = None
    for extra in ([], ["--json"]):
        for before in ([], ["--debug"]):
            if extra and arguments[0] in {"exec", "init"}:
                continue
            said = nest.quick(*before, *arguments, *extra, **environment)
            clean(said.out + said.err, (before, arguments, extra))
    return said


@pytest.mark.slow
def test_a_secret_that_tasks_print_and_raise_is_kept_nowhere(nest):
    said = nest.call("run", "flow", "--json")
    clean(said.out + said.err, "run --json")
    assert said.code == 1
    result = said.json
    assert {name: task["state"] for name, task in result["tasks"].items()} == {
        "chatty": "succeeded",
        "raises": "failed",
        "dies": "failed",
        "returns": "failed",
        "finalizer": "succeeded",
    }
    assert "***" in result["tasks"]["raises"]["error"]["message"]
    assert "without an end" in nest.call("logs", "chatty").out
    check_files(nest)
    run = result["run"]
    for call in (
        ("resume",),
        ("runs",),
        ("logs",),
        ("logs", run, "raises"),
        ("show", "flow"),
        ("show", "flow", "--run", run),
        ("show", "flow", "--format", "svg"),
        ("show", "flow", "--format", "mermaid"),
        ("list",),
        ("sql",),
        ("cancel", run),
        ("clean", "--older-than", "0s"),
        ("doctor",),
    ):
        said_by(nest, *call)
    check_files(nest)


@pytest.mark.slow
def test_a_tracker_is_told_no_secret(nest):
    pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
    said = nest.call("run", "flow", "--json", FIRNFLOW_TRACKING="mlflow")
    assert said.code == 1
    sent = said_by(nest, "send", FIRNFLOW_TRACKING="mlflow")  # after the process beside the run has sent
    assert (sent.code, sent.json[0]["waiting"]) == (0, [])
    with sqlite3.connect(nest.own / "mlflow.db") as told:
        tags = dict(told.execute("SELECT key, value FROM tags").fetchall())
    told.close()
    assert "***" in tags["firnflow.error"]
    check_files(nest)
    away = {"MLFLOW_URL": f"http://me:{quote(PASSWORD, safe='')}@127.0.0.1:1/{CORE}"}
    away["FIRNFLOW_TRACKING"] = '{ backend = "mlflow", url = "env:MLFLOW_URL" }'
    for call in (("send", "--dry-run"), ("send",), ("doctor",), ("run", "flow")):
        said = said_by(nest, *call, **away)
        assert "127.0.0.1:1" in said.out + said.err or call[0] == "run"
    nest.wait(lambda: "still to be told" in (nest.own / "sender.log").read_text())
    check_files(nest)


@pytest.mark.slow
def test_inline_and_in_a_terminal(nest):
    said = nest.call("run", "flow", "--inline", INLINE="1")
    clean(said.out + said.err, "run --inline")
    assert said.code == 1
    clean(in_a_terminal(nest, "run", "flow"), "run in a terminal")
    clean(in_a_terminal(nest, "logs"), "logs in a terminal")
    check_files(nest)


def in_a_terminal(nest, *arguments):
    """Return what a call writes to a terminal, colours and all."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "200", **nest.environment}
    command = [sys.executable, "-m", "firnflow", *arguments]
    process = subprocess.Popen(command, cwd=nest.root, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 65536):
            text += part
    except OSError:
        pass  # the other end is closed
    os.close(ours)
    assert process.wait(60) in {0, 1}
    assert text
    return text


@pytest.mark.slow
def test_no_process_shows_a_secret_in_its_arguments_and_a_killed_run_leaves_none_behind(nest):
    nest.write("hold", "")
    process = nest.start("run", "quiet")
    nest.wait(lambda: list(nest.own.glob("logs/*/waits.1.jsonl")), process)
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    assert len(family) >= 3
    for each in family:
        clean("\0".join(each.cmdline()), each)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    psutil.wait_procs(family, 10)
    assert nest.call("runs").code == 0
    check_files(nest)


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["far", "filed"])
def test_a_state_that_cannot_be_reached(nest, environment):
    for call in (("run", "quiet"), ("runs",), ("resume",), ("doctor",), ("clean",), ("sql", "SELECT 1")):
        said = said_by(nest, *call, "--env", environment)
        assert said.code == 1
    said = nest.quick("runs", "--env", environment)
    assert "the state database *** cannot be used" in said.err or "127.0.0.1" in said.err
    check_files(nest)


@pytest.mark.slow
@pytest.mark.parametrize(
    "state",
    [
        f"postgresql://firn:{CORE}@127.0.0.1:notaport/x",
        f"postgresql://firn:{CORE}@[::1/x",
        f"postgresql://firn:{CORE}/with/slashes@127.0.0.1:1/x",
        f"postgresql://127.0.0.1:1/x?user=firn&password={CORE}",
        f"mysql://firn:{CORE}@127.0.0.1:1/x",
        f"{CORE}",
        f"postgresql+{CORE}://firn@127.0.0.1:1/x",
    ],
)
def test_urls_that_are_wrong(nest, state):
    for reference in ("FIRNFLOW_STATE", "FAR_STATE"):
        options = ["--env", "far"] if reference == "FAR_STATE" else []
        for verb in (["runs"], ["--debug", "doctor"], ["run", "quiet"]):
            said = nest.quick(*verb, *options, **{reference: state})
            if reference == "FAR_STATE" or "password" in state or "firn:" in state:
                clean(said.out + said.err, (reference, state, verb))
            assert said.code in {1, 2}
    check_files(nest)


@pytest.mark.parametrize(
    ("section", "key"),
    [("environments.local", "state"), ("environments.local", "artifacts"), ("catalog", "connection")],
)
@pytest.mark.parametrize("form", ["postgresql://u:{}@h/d", "postgresql://h/d?password={}", "s3://k:{}@bucket/x"])
def test_a_password_in_a_file_is_refused_without_repeating_it(nest, section, key, form):
    text = form.format(CORE)
    if section == "catalog":
        nest.write("catalog.toml", f'[customers]\nquery = "SELECT 1"\nconnection = "{text}"\n')
    else:
        with (nest.root / "firnflow.toml").open("a") as file:
            file.write(f'[{section}]\n{key} = "{text}"\n')
    for verb in (["list"], ["doctor"], ["--debug", "run", "quiet"]):
        said = nest.quick(*verb)
        clean(said.out + said.err, verb)
        assert said.code in {1, 2}
        assert "Write a reference instead: 'env:NAME' or 'file:PATH'" in said.out + said.err
    check_files(nest)


@pytest.mark.parametrize(
    "given", [f"postgresql://u:{CORE}@h/d", f"s3://k:{CORE}@bucket/x.csv", f"https://u:{CORE}@h/x"]
)
def test_a_password_in_an_input_is_refused_without_repeating_it(nest, given):
    said = nest.quick("run", "crm", "--input", f"customers={given}")
    clean(said.out + said.err, given)
    assert said.code == 2
    check_files(nest)


@pytest.mark.slow
def test_sources_and_a_store_that_cannot_be_reached(nest):
    nest.quick("run", "crm")
    said = said_by(nest, "run", "crm")
    assert said.code == 1
    said = nest.quick("run", "crm", "--input", "customers=s3://bucket/x.csv")
    clean(said.out + said.err, "input")
    assert said.code == 1
    for call in (("run", "quiet"), ("doctor",)):
        said = nest.quick("--debug", *call, "--env", "cloud")
        clean(said.out + said.err, call)
        assert said.code == 1
    check_files(nest)


@pytest.mark.slow
@pytest.mark.server
def test_a_state_on_postgresql(nest, postgres_url):
    name = f"canary_{uuid.uuid4().hex[:8]}"
    url = sa.make_url(postgres_url).set(drivername="postgresql+psycopg", password=PASSWORD)
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    engine.dispose()
    url = url.set(database=name)
    nest.environment["FAR_STATE"] = url.set(drivername="postgresql").render_as_string(hide_password=False)
    assert said_by(nest, "run", "flow", "--env", "far").code == 1
    for call in (("runs",), ("logs",), ("doctor",), ("show", "flow", "--run", "flow")):
        said_by(nest, *call, "--env", "far")
    check_files(nest)
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        for table in ("run", "attempt", "graph"):
            for row in connection.exec_driver_sql(f'SELECT row_to_json(t)::text FROM "{table}" AS t').scalars():
                clean(row, table)
                assert row
    engine.dispose()


def test_a_module_that_cannot_be_imported(nest):
    module = next(nest.root.glob("flows_*.py"))
    module.write_text(module.read_text() + "\nraise RuntimeError(os.environ['TOKEN'])\n")
    for verb in (["list"], ["run", "flow"], ["doctor"], ["doctor", "--json"], ["--debug", "show", "flow"]):
        said = nest.quick(*verb)
        clean(said.out + said.err, verb)
        assert said.code in {1, 2}
        assert "RuntimeError" in said.out + said.err


@pytest.mark.slow
def test_a_module_that_cannot_be_imported_by_the_workers_alone(nest):
    module = next(nest.root.glob("flows_*.py"))
    raising = "\nif 'forkserver' in sys.argv[0]: raise RuntimeError(os.environ['TOKEN'])\n"
    module.write_text(module.read_text() + raising)
    said = nest.call("run", "quiet")
    clean(said.out + said.err, "run")
    assert said.code in {1, 2}
    assert "cannot be loaded in a process of its own" in said.err
    check_files(nest)
    connection = sqlite3.connect(nest.own / "state.db")
    assert connection.execute("SELECT status FROM run").fetchall() == [("failed",)]
    connection.close()


def test_what_a_task_on_airflow_is_given(nest):
    """Its connections come in variables, as `firnflow exec` gets them there."""
    nest.environment["AIRFLOW_CONN_FAR"] = nest.environment["FAR_STATE"].replace("postgresql", "postgres")
    assert nest.quick("show", "quiet", "--output", "graph.json").code == 0
    execute = ("exec", "--graph", "graph.json", "--task", "chatty", "--run", "one")
    for call in (
        ("runs",),
        execute,
        ("--debug", *execute),
        (*execute[:4], "finalizer", "--given-up", "why", *execute[5:]),
    ):
        said = nest.quick(*call, "--env", "onairflow")
        clean(said.out + said.err, call)
        assert (said.code, "127.0.0.1" in said.err) == (1, True), said.err
    check_files(nest, nest.root / "graph.json")


@pytest.mark.slow
def test_exec(nest):
    said = nest.quick("show", "flow", "--output", "graph.json")
    assert said.code == 0
    for task in ("chatty", "raises", "returns", "finalizer"):
        said = nest.quick("exec", "--graph", "graph.json", "--task", task, "--run", "one", INLINE="1")
        clean(said.out + said.err, task)
    check_files(nest, nest.root / "graph.json")
