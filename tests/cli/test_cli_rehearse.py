"""`firnflow apply --rehearse`: deployed to an emulator, run there and here, compared; and all that it started ended."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
import tomllib
from typing import TYPE_CHECKING, Any

import psutil
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import firnflow as ff
from firnflow.cli._rehearsal import comparing, inside, presumed, surroundings
from firnflow.cli._rehearsal.inside import in_order
from firnflow.errors import RunError
from firnflow.project import Project, load_settings
from firnflow.targets.snowflake.grammar import parse, render

if TYPE_CHECKING:
    from pathlib import Path

PIPELINES = """
import os
import time

import pyarrow as pa

import ibis

import firnflow as ff


@ff.task
def numbers(count: int) -> ibis.Table:
    return ibis.range(count).unnest().name("n").as_table()


@ff.task
def mean(rows: ibis.Table) -> float:
    return float(rows.n.mean().execute())


@ff.task
def where(score: float) -> dict[str, str]:
    return {"where": "there" if "SNOWFLAKE_HOST" in os.environ else "here"}


@ff.pipeline
def a_same():
    mean(numbers(10))


@ff.pipeline
def b_other():
    where(1.0)


@ff.task
def nap() -> int:
    time.sleep(300 if "SNOWFLAKE_HOST" in os.environ else 0)
    return 1


@ff.pipeline
def sleepy():
    nap()


class Day(ff.Params):
    day: str


@ff.task
def read(rows: pa.Table, day: str) -> int:
    return rows.num_rows


@ff.pipeline(params=Day)
def asked(p):
    read(ff.source("orders"), p.day)
"""
CATALOG = """
[orders]
path = "data/*.csv"
[orders.columns]
amount = { type = "int" }
"""
SETTINGS = """
[project]
name = "shop"

[environments.prod]
orchestrator = "snowflake"
state = "env:STATE_URL"
artifacts = "s3://models/shop"
warehouse = "duckdb"

[environments.prod.snowflake]
connection = "no-such-connection"
database = "ml"
schema = "prod"
warehouse = "wh"
image = "/ml/prod/images/shop:1"
integrations = ["reach"]
secrets = { STATE_URL = "vault.keys.state_url" }
pool = "small"
pools.small = { family = "CPU_X64_S" }
pools.big = { name = "team_pool" }
files = ["data/*.csv"]
"""


@pytest.fixture
def prod(shop, monkeypatch, tmp_path):
    """The project, whose real state would be a file that nobody may make."""
    (shop.root / "pipelines.py").write_text(PIPELINES)
    (shop.root / "firnflow.toml").write_text(SETTINGS)
    (shop.root / "catalog.toml").write_text(CATALOG)
    (shop.root / "data").mkdir()
    (shop.root / "data" / "orders.csv").write_text("amount\n1\n")
    monkeypatch.setenv("STATE_URL", f"sqlite:///{tmp_path}/real.db")
    monkeypatch.setenv("SNOWFLAKE_HOME", str(tmp_path / "home"))
    return shop


def mine(root: Path) -> list[int]:
    """Return the processes that work in a folder, or were told of it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            told = [process.cwd(), *process.cmdline(), *process.environ().values()]
            if any(str(root) in each for each in told) and process.pid != os.getpid():
                found.append(process.pid)
    return found


@pytest.mark.slow
def test_what_comes_to_something_else_there_stops_before_the_real_account(prod, tmp_path):
    pytest.importorskip("fakesnow")
    done = prod.process("apply", "--rehearse", "--env", "prod", "--only", "a_same", "--only", "b_other", "--yes")
    assert done.code == 1, done.err
    assert "role FIRNFLOW_PROD by the script" in done.err
    assert "a_same: the same there as here, 2 outputs" in done.err
    said = "b_other comes to something else there than on this machine: where is {'where': 'there'}, here it is"
    assert said in done.err
    assert "so nothing was applied" in done.err
    assert not (tmp_path / "real.db").exists()
    assert "no-such-connection" not in done.err
    assert mine(prod.root) == []


@pytest.mark.slow
def test_ctrl_c_ends_all_that_was_started(prod, tmp_path):
    pytest.importorskip("fakesnow")
    log = tmp_path / "said"
    with (
        log.open("w") as file,
        prod.start(
            *("apply", "--rehearse", "--env", "prod", "--only", "sleepy", "--yes"), stdout=file, stderr=file
        ) as process,
    ):
        until = time.monotonic() + 90
        while "sleepy there" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert mine(prod.root) == []
    assert not (tmp_path / "real.db").exists()


def test_only_what_was_rehearsed_well_is_applied(prod, monkeypatch):
    asked: list[Any] = []
    monkeypatch.setattr("firnflow.cli._rehearsal.rehearse", lambda *given: asked.append(given))
    monkeypatch.setenv("STATE_URL", "postgresql://nobody@127.0.0.1:1/none")
    called = prod.call("apply", "--rehearse", "--env", "prod", "--only", "a_same", "--timeout", "2m", "--yes")
    assert asked == [(prod.root, "prod", ["a_same"], 120.0)]
    assert called.code == 1  # it has gone on to the real state, which does not answer
    assert "127.0.0.1" in called.err

    def fail(*_: object) -> None:
        raise RunError("it differs")

    monkeypatch.setattr("firnflow.cli._rehearsal.rehearse", fail)
    called = prod.call("apply", "--rehearse", "--env", "prod", "--yes")
    assert (called.code, called.err) == (1, "Error: it differs\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--env", "prod", "--only", "a_same"], "--only is of a rehearsal. Mend: --rehearse"),
        (["--env", "prod", "--timeout", "2m"], "--timeout is of a rehearsal. Mend: --rehearse"),
        (["--rehearse"], "environment 'local' is not on Snowflake, and only that is emulated"),
        (["--rehearse", "--env", "prd"], "there is no environment 'prd'. Did you mean 'prod'?"),
        (["--rehearse", "--timeout", "soon"], "is not a duration: write it like '2h'"),
    ],
)
def test_what_cannot_be_rehearsed_is_said(prod, words, message):
    called = prod.call("apply", *words)
    assert (called.code, message in called.err) == (2, True), called.err


def test_of_two_rehearsals_at_once_one_is_told(prod):
    place = prod.root / ".firnflow" / "rehearsal"
    place.mkdir(parents=True)
    with (place / "prod.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        called = prod.call("apply", "--rehearse", "--env", "prod")
    assert (called.code, "is being rehearsed by another process" in called.err) == (1, True), called.err


def test_all_that_the_environment_presumes_is_made_and_is_sql(prod):
    project = Project(prod.root, load_settings(prod.root, "prod"), {}, {})
    texts = [render(each) for each in presumed.presumed(project)]
    assert [parse(text) for text in texts] == [*presumed.presumed(project)]
    assert texts == [
        "CREATE DATABASE IF NOT EXISTS ML",
        "CREATE DATABASE IF NOT EXISTS VAULT",
        "CREATE SCHEMA IF NOT EXISTS ML.PROD",
        "CREATE SCHEMA IF NOT EXISTS VAULT.KEYS",
        "CREATE WAREHOUSE IF NOT EXISTS WH",
        "CREATE IMAGE REPOSITORY IF NOT EXISTS ML.PROD.IMAGES",
        "CREATE SECRET IF NOT EXISTS VAULT.KEYS.STATE_URL TYPE = GENERIC_STRING SECRET_STRING = 'rehearsal'",
        "CREATE COMPUTE POOL IF NOT EXISTS TEAM_POOL MIN_NODES = 1 MAX_NODES = 10 INSTANCE_FAMILY = CPU_X64_M",
        (
            "CREATE NETWORK RULE ML.PROD.FIRNFLOW_REHEARSAL TYPE = HOST_PORT MODE = EGRESS "
            "VALUE_LIST = ('example.com:443')"
        ),
        "CREATE EXTERNAL ACCESS INTEGRATION REACH ALLOWED_NETWORK_RULES = (ML.PROD.FIRNFLOW_REHEARSAL) ENABLED = TRUE",
    ]


def test_the_process_of_a_rehearsal_is_told_of_nothing_real(prod, monkeypatch):
    monkeypatch.setenv("SNOWFLAKE_ACCOUNT", "real")
    monkeypatch.setenv("FIRNFLOW_STATE", "postgresql://real/state")
    folder = prod.root / ".firnflow" / "rehearsal" / "prod"
    folder.mkdir(parents=True)
    told = surroundings.variables_of(load_settings(prod.root, "prod"), folder, 4711)
    assert "SNOWFLAKE_ACCOUNT" not in told
    assert told["FIRNFLOW_STATE"] == f"sqlite:///{folder}/there/state.db"
    connections = tomllib.loads((folder / "home" / "connections.toml").read_text())
    assert connections["rehearsal"] | {"host": "127.0.0.1", "port": 4711} == connections["rehearsal"]
    assert (folder / "home" / "connections.toml").stat().st_mode & 0o77 == 0
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SNOWFLAKE_ACCOUNT")
    section = load_settings(prod.root, "prod").snowflake
    assert (section.connection, section.integrations) == ("rehearsal", ("reach",))
    assert section.variables["FIRNFLOW_ARTIFACTS"] == f"{folder}/there/artifacts"
    assert section.database == "ml"


def test_what_has_parameters_without_values_is_left_out_with_a_word(prod, tmp_path, capsys):
    wish = {"root": str(prod.root), "environment": "prod", "seconds": 1.0, "port": 1}
    rehearsed = inside.Rehearsal(tmp_path, pipelines=[], **wish)
    capsys.readouterr()
    assert rehearsed.names() == ["a_same", "b_other", "sleepy"]
    said = "asked cannot be rehearsed: parameters have no values. Mend: [pipelines.asked.params]"
    assert said in capsys.readouterr().out
    assert inside.Rehearsal(tmp_path, pipelines=["asked"], **wish).names() == ["asked"]


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.recursive(texts | st.integers(-9, 9) | st.booleans(), lambda x: st.lists(x) | st.dictionaries(texts, x)))
def test_any_text_survives_a_variable(value):
    assert tomllib.loads(f"value = {surroundings.as_toml(value)}")["value"] == value


@ff.task
def made() -> pa.Table: ...


@ff.task
def read(rows: pa.Table) -> int: ...


@ff.pipeline
def aa_reader():
    read(ff.table("orders"))


@ff.pipeline
def zz_publisher():
    made().publish("orders")


@ff.pipeline
def middle():
    made()


def test_who_publishes_a_table_runs_before_who_reads_it():
    order = in_order({each.name: each.build() for each in (aa_reader, middle, zz_publisher)})
    assert sorted(order) == ["aa_reader", "middle", "zz_publisher"]
    assert order.index("zz_publisher") < order.index("aa_reader")


def table(**columns: Any) -> pa.Table:
    return pa.table(columns)


@pytest.mark.parametrize(
    ("here", "there", "said"),
    [
        (table(x=[1.0, 2.0]), table(x=[1.0, 2.0 + 1e-12]), None),
        (table(x=[1.0, float("nan")]), table(x=[1.0, float("nan")]), None),
        (table(x=[1.0, 2.0]), table(x=[1.0, 2.1]), "out: row 1, column x: 2.1, here 2.0"),
        (table(x=[1]), table(x=["1"]), "out: column x is string, here it is int64"),
        (table(x=[1]), table(y=[1]), "out: column x is missing, here it is int64"),
        (table(x=[1]), table(x=[1, 2]), "out: 2 rows, here 1"),
        (table(x=[1]), table(x=[None]).cast(pa.schema([("x", pa.int64())])), "out: row 0, column x: None, here 1"),
    ],
)
def test_tables_are_compared_value_by_value(here, there, said):
    assert comparing.of_tables("out", here, there, in_order=True) == said


def test_rows_of_a_relation_have_no_order():
    here, there = table(k=["a", "b"], v=[0.1, 0.2]), table(k=["b", "a"], v=[0.2, 0.1 + 1e-15])
    assert comparing.of_tables("out", here, there, in_order=False) is None
    assert comparing.of_tables("out", here, there, in_order=True) == "out: row 0, column k: 'b', here 'a'"


def test_plain_values_are_alike_only_where_they_are():
    assert comparing.alike({"a": [1.0, None, "x"]}, {"a": [1.0 + 1e-13, None, "x"]})
    for one, other in ((1, True), (1, 1.0), (1.0, 1.0001), ({"a": 1}, {"b": 1}), ([1], [1, 2]), (None, 0)):
        assert not comparing.alike(one, other)
