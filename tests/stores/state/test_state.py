"""The state on SQLite and on a real PostgreSQL: transitions, leases, fencing, concurrency, migrations."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
import uuid

import pytest
import sqlalchemy as sa

from firnflow.errors import MissingExtraError, NotFoundError, RunConflictError, StateError
from firnflow.stores.state import Attempt, Run, State, partitions, schema, this_process
from firnflow.stores.state.migrate import VERSION_TABLE, alembic_config
from firnflow.stores.state.owner import is_alive


def a_run(name="run-1", **changes):
    now = time.time()
    run = Run(
        id=name,
        pipeline="flow",
        environment="local",
        status="running",
        graph="g" * 64,
        params={"n": 1},
        request={},
        origin={},
        owner=this_process(),
        epoch=1,
        lease_until=now + 60,
        cancel_requested=0,
        started_at=now,
        ended_at=None,
        error=None,
    )
    return dataclasses.replace(run, **changes)


def an_attempt(task="train", number=1, status="running", **more):
    return Attempt(task=task, number=number, status=status, **more)


def test_what_is_written_is_read(state):
    digest = hashlib.sha256(b'{"graph": true}').hexdigest()
    run = a_run(params={"name": "Ünï 'quoted' \"x\" %s", "nested": {"a": [1, None, 2.5]}}, graph=digest)
    state.create_run(run, '{"graph": true}')
    assert state.run("run-1") == run
    assert state.graph_json(run.graph) == '{"graph": true}'
    (number,) = state.add_attempts("run-1", 1, [an_attempt(key="k", inputs={"x": "d"})])
    state.commit(number, {"result": {"kind": "json"}}, {"auc": 0.5}, 123)
    (attempt,) = state.attempts("run-1")
    assert (attempt.status, attempt.outputs, attempt.metrics) == (
        "succeeded",
        {"result": {"kind": "json"}},
        {"auc": 0.5},
    )
    assert (attempt.peak_memory, attempt.inputs, attempt.key) == (123, {"x": "d"}, "k")
    assert state.find_cached(["k", "other"])["k"].id == number
    state.end_run("run-1", 1, "succeeded", None)
    assert state.run("run-1").status == "succeeded"


def test_many_attempts_keep_their_order(state):
    state.create_run(a_run(), "{}")
    ids = state.add_attempts("run-1", 1, [an_attempt(f"t{i}", status="cached") for i in range(700)])
    assert [a.id for a in state.attempts("run-1")] == ids
    assert [a.task for a in state.attempts("run-1")] == [f"t{i}" for i in range(700)]


def test_a_run_is_found_by_the_beginning_of_its_id(state):
    state.create_run(a_run("flow-1-aa"), "{}")
    state.create_run(a_run("flow-1-ab"), "{}")
    assert state.run("flow-1-ab").id == "flow-1-ab"
    assert state.run("flow-1-aa").id == "flow-1-aa"
    with pytest.raises(NotFoundError, match="flow-1-aa, flow-1-ab"):
        state.run("flow")
    with pytest.raises(NotFoundError, match=r"no run 'flow_1'$"):
        state.run("flow_1")  # no pattern of SQL
    with pytest.raises(NotFoundError, match="no run ''"):
        state.run("")


def test_two_runs_of_one_id_conflict(state):
    state.create_run(a_run(), "{}")
    with pytest.raises(RunConflictError, match="there is a run run-1 already"):
        state.create_run(a_run(owner="else/1/1"), "{}")


def test_a_process_that_lost_the_run_can_commit_nothing(state):
    state.create_run(a_run(owner="elsewhere/boot/pid/1/2", lease_until=time.time() - 1), "{}")
    (number,) = state.add_attempts("run-1", 1, [an_attempt()])
    assert state.reap() == ["run-1"]
    assert state.claim("run-1", "else/1/1", time.time() + 60) == 2
    with pytest.raises(RunConflictError, match="given up"):
        state.commit(number, {}, {}, None)
    with pytest.raises(RunConflictError, match="taken over"):
        state.add_attempts("run-1", 1, [an_attempt("other")])
    with pytest.raises(RunConflictError, match="taken over"):
        state.heartbeat("run-1", 1, time.time() + 60)
    with pytest.raises(RunConflictError, match="taken over"):
        state.end_run("run-1", 1, "succeeded", None)
    assert [a.status for a in state.attempts("run-1")] == ["lost"]
    assert state.run("run-1").status == "running"


def test_a_living_process_keeps_its_run(state):
    state.create_run(a_run(), "{}")
    assert state.reap() == []
    with pytest.raises(RunConflictError, match="under way in another process"):
        state.claim("run-1", "else/1/1", time.time() + 60)


def test_a_process_that_is_seen_alive_keeps_its_run_when_the_lease_ended(state):
    """The machine slept: the process will go on, and renew its lease."""
    state.create_run(a_run(lease_until=time.time() - 3600), "{}")
    assert state.reap() == []
    assert state.heartbeat("run-1", 1, time.time() + 60) is False


def test_a_process_that_cannot_be_seen_keeps_its_run_until_the_lease_ends(state):
    state.create_run(a_run("held", owner="elsewhere/boot/pid/1/2"), "{}")
    state.create_run(a_run("lost", owner="elsewhere/boot/pid/1/2", lease_until=time.time() - 1), "{}")
    assert state.reap() == ["lost"]


def test_a_dead_process_on_this_machine_loses_its_run_at_once(state):
    script = "from firnflow.stores.state import this_process; print(this_process())"
    owner = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip()
    state.create_run(a_run(owner=owner, lease_until=time.time() + 3600), "{}")
    assert state.reap() == ["run-1"]
    assert state.run("run-1").error == "its process was killed or lost its machine"


def test_owners():
    assert is_alive(this_process()) is True
    machine, _, started = this_process().rpartition(f"/{os.getpid()}/")
    assert is_alive(f"{machine}/{os.getpid()}/{started}0") is False
    assert is_alive("elsewhere/boot/pid/1/2") is None
    assert is_alive("") is None


def test_cancel_is_heard_with_the_heartbeat(state):
    state.create_run(a_run(), "{}")
    assert state.heartbeat("run-1", 1, time.time() + 60) is False
    assert state.request_cancel("run-1") is True
    assert state.heartbeat("run-1", 1, time.time() + 60) is True
    state.end_run("run-1", 1, "cancelled", "asked")
    assert state.request_cancel("run-1") is False


def test_what_a_run_leaves_under_way_is_cancelled_when_it_ends(state):
    state.create_run(a_run(), "{}")
    state.add_attempts("run-1", 1, [an_attempt()])
    state.end_run("run-1", 1, "failed", "x")
    assert [a.status for a in state.attempts("run-1")] == ["cancelled"]


def test_forgotten_runs_are_gone_with_their_graphs_but_not_those_under_way(state):
    state.create_run(a_run("old"), "{}")
    state.end_run("old", 1, "succeeded", None)
    state.create_run(a_run("new", graph="h" * 64), "{}")
    state.delete_runs(["old", "new"])
    assert [run.id for run in state.runs()] == ["new"]
    with pytest.raises(StateError, match="not what was written"):
        state.graph_json("g" * 64)


CLAIM = """
import sys, time
from firnflow.errors import RunConflictError
from firnflow.stores.state import State, this_process
state = State(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
try:
    print(state.claim("run-1", this_process(), time.time() + 60))
    sys.stdin.readline()
except RunConflictError as error:
    print(error)
"""


@pytest.mark.slow
def test_of_six_processes_that_claim_a_run_one_gets_it(state, url):
    state.create_run(a_run(), "{}")
    state.end_run("run-1", 1, "failed", None)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([sys.executable, "-c", CLAIM, url], **pipes) for _ in range(6)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.stdout.readline() for process in processes]
    for process in processes:
        process.communicate("end\n", timeout=60)
    assert said.count("2\n") == 1
    assert sum("under way in another process" in line for line in said) == 5


def test_concurrent_writers_lose_nothing(state, url):
    names = [f"run-{i}" for i in range(4)]

    def write(name):
        mine = State(url)
        mine.create_run(a_run(name), "{}")
        for i in range(30):
            (number,) = mine.add_attempts(name, 1, [an_attempt(f"t{i}")])
            mine.commit(number, {}, {}, None)
        mine.end_run(name, 1, "succeeded", None)
        mine.close()

    threads = [threading.Thread(target=write, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for name in names:
        assert [a.status for a in state.attempts(name)] == ["succeeded"] * 30


def test_of_two_that_make_a_run_at_once_both_have_it_or_one_is_told(state, monkeypatch):
    """The tasks of another scheduler begin together; a database that does not let only one write meets its key."""
    if state.engine.dialect.name == "sqlite":
        pytest.skip("SQLite lets one at a time write")
    hold, between = partitions.take, []

    def take(*given, **more):  # behind the look, before the row
        if between:
            between.pop()()
        hold(*given, **more)

    monkeypatch.setattr(partitions, "take", take)
    mine = a_run("external", owner="external")
    between.append(lambda: state.create_run(mine, "{}"))
    state.create_run(mine, "{}")
    assert [run.id for run in state.runs()] == ["external"]
    between.append(lambda: state.create_run(a_run("both"), "{}"))
    with pytest.raises(RunConflictError, match="there is a run both already"):
        state.create_run(a_run("both", owner="somebody else"), "{}")
    assert state.run("both").owner == this_process()


@pytest.mark.server
def test_connections_that_are_cut_lose_and_double_nothing(postgres_url, monkeypatch):
    url = sa.make_url(postgres_url).set(database=f"cut_{uuid.uuid4().hex[:8]}")
    admin = sa.create_engine(
        sa.make_url(postgres_url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{url.database}"')
    state = State(url.render_as_string(hide_password=False))
    stop = threading.Event()
    cuts = 0

    def cut():
        nonlocal cuts
        with admin.connect() as connection:
            while not stop.wait(0.15):
                cuts += connection.exec_driver_sql(
                    f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{url.database}'"
                ).scalar()

    state.create_run(a_run(), "{}")
    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        for i in range(400):
            (number,) = state.add_attempts("run-1", 1, [an_attempt(f"t{i}")])
            state.commit(number, {}, {}, None)
        state.end_run("run-1", 1, "succeeded", None)
    finally:
        stop.set()
        cutter.join()
        admin.dispose()
    assert cuts >= 2
    attempts = state.attempts("run-1")
    assert [(a.task, a.status) for a in attempts] == [(f"t{i}", "succeeded") for i in range(400)]
    state.close()


def test_migrations_make_the_tables_that_the_code_has(state):
    if state.engine.dialect.name == "snowflake":  # where they are made at once, see test_state_snowflake.py
        pytest.skip("nothing is migrated")
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with state.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True, "target_metadata": schema.metadata}
        )
        assert compare_metadata(context, schema.metadata) == []
    assert ScriptDirectory.from_config(alembic_config()).get_current_head() == schema.REVISION


@pytest.mark.parametrize("revision", ["0001", "0002", "0004", "0006"])
def test_a_state_of_an_earlier_version_is_migrated_and_keeps_what_it_has(url, monkeypatch, revision):
    if url.startswith("snowflake"):
        pytest.skip("no Firnflow has made tables of an earlier version in Snowflake")
    monkeypatch.setattr(schema, "REVISION", revision)
    old = State(url)
    known = sa.Table("run", sa.MetaData(), autoload_with=old.engine).c.keys()
    with old.engine.begin() as connection:  # as a Firnflow of that time has written it
        connection.execute(schema.graph.insert().values(digest="g" * 64, json="{}"))
        values = dataclasses.asdict(a_run())
        connection.execute(schema.run.insert().values({name: values[name] for name in known}))
    old.close()
    monkeypatch.undo()
    state = State(url)
    assert [(run.id, run.partition, run.due) for run in state.runs()] == [("run-1", None, None)]
    assert len(state.identity()) == 32
    again = State(url)
    assert again.identity() == state.identity()
    again.close()
    state.close()


def test_inputs_cannot_be_taken_from_a_run_that_is_forgotten_meanwhile(state):
    state.create_run(a_run("giver"), "{}")
    state.end_run("giver", 1, "succeeded", None)
    taker = a_run("taker", request={"given_by": "giver"})
    state.create_run(taker, "{}")
    state.delete_runs(["giver"])
    assert state.run("giver").id == "giver"
    state.end_run("taker", 1, "succeeded", None)
    state.delete_runs(["giver"])
    with pytest.raises(RunConflictError, match="run giver, which has the inputs, was deleted at this moment"):
        state.create_run(dataclasses.replace(taker, id="late"), "{}")
    assert {run.id for run in state.runs()} == {"taker"}


def test_a_newer_state_is_refused(url):
    state = State(url)
    with state.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    state.close()
    with pytest.raises(StateError, match="version 9999, which this Firnflow does not know"):
        State(url)


@pytest.mark.slow
def test_eight_processes_that_open_a_new_database_at_once(url):
    script = f"from firnflow.stores.state import State; print(len(State({url!r}).runs()))"
    processes = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(8)]
    assert [process.communicate(timeout=60)[0].strip() for process in processes] == ["0"] * 8


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_new_database_that_another_process_has_locked_is_waited_for(tmp_path, lock):
    holder = sqlite3.connect(tmp_path / "state.db", isolation_level=None, check_same_thread=False)
    holder.execute("CREATE TABLE other (a)")
    holder.execute(f"BEGIN {lock}")
    holder.execute("INSERT INTO other VALUES (1)")
    timer = threading.Timer(0.4, holder.execute, ["COMMIT"])
    timer.start()
    state = State(f"sqlite:///{tmp_path}/state.db")
    assert state.runs() == []
    state.close()
    timer.join()
    holder.close()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("nonsense", "is no database URL"),
        ("mysql://u:secret@h/d", "SQLite, PostgreSQL or 'snowflake', not mysql"),
        ("sqlite://", "needs a file"),
        ("postgresql://u:hunter2@127.0.0.1:1/d", "cannot be used"),
    ],
)
def test_wrong_urls(wrong, said, monkeypatch):
    monkeypatch.setattr("firnflow.stores.state.transaction.PATIENCE", 0)
    with pytest.raises(StateError, match=said) as caught:
        State(wrong)
    assert "hunter2" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_missing_driver_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[postgres\]'"):
        State("postgresql://u@h/d")


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "state.db").write_text("this is no database, and longer than a hundred bytes" * 4)
    with pytest.raises(StateError, match="file is not a database"):
        State(f"sqlite:///{tmp_path}/state.db")


@pytest.mark.parametrize("part", range(0, 100, 7))
def test_a_database_cut_anywhere_is_an_error_or_whole_never_nonsense(tmp_path, part):
    path = tmp_path / "state.db"
    state = State(f"sqlite:///{path}")
    state.create_run(a_run(), "{}")
    state.add_attempts("run-1", 1, [an_attempt(f"t{i}") for i in range(50)])
    state.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * part // 100])
    for extra in ("-wal", "-shm"):
        (tmp_path / f"state.db{extra}").unlink(missing_ok=True)
    try:
        again = State(f"sqlite:///{path}")
        try:
            found = again.runs()
            assert found == [] or [a.task for a in again.attempts("run-1")] == [f"t{i}" for i in range(50)]
        finally:
            again.close()
    except StateError as error:
        said = str(error)
        assert "the state database is damaged" in said


def test_a_status_that_is_none_is_named(state):
    state.create_run(a_run(), "{}")
    with state.engine.begin() as connection:
        connection.execute(schema.run.update().values(status="runing"))
    with pytest.raises(StateError, match="status of run 'run-1' is 'runing'"):
        state.run("run-1")
