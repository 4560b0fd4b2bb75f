"""What is of the state in Snowflake alone: its tables, how many statements it sends, and what ends suddenly."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
import uuid

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from firnflow.errors import ConfigError, StateError
from firnflow.project.account_url import read_account_url
from firnflow.stores.snowflake.connection import connect_to
from firnflow.stores.state import State, schema
from firnflow.stores.state.records import Attempt, Run
from firnflow.stores.state.snowflake import lease, tables

pytestmark = [pytest.mark.slow, pytest.mark.server]


_shared: list[str] = []


@pytest.fixture
def url(snowflake_url):
    """The schema of the first test, for all: making the tables takes a second."""
    _shared.append(snowflake_url)
    return _shared[0]


@pytest.fixture
def run_id():
    return f"run-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def state(url):
    opened = State(url)
    yield opened
    opened.close()


@pytest.fixture
def sent(monkeypatch):
    """The statements that are sent to Snowflake."""
    from snowflake.connector.cursor import SnowflakeCursor

    found, execute = [], SnowflakeCursor._execute_helper

    def noted(self, query, *args, **kwargs):
        found.append(" ".join(query.split()))
        return execute(self, query, *args, **kwargs)

    monkeypatch.setattr(SnowflakeCursor, "_execute_helper", noted)
    return found


def a_run(run_id, **changes):
    now = time.time()
    run = Run(
        id=run_id,
        pipeline="p",
        environment="prod",
        status="running",
        graph="g" * 64,
        params={},
        request={},
        origin={},
        owner="elsewhere:1:1",
        epoch=1,
        lease_until=now + 60,
        cancel_requested=0,
        started_at=now,
        ended_at=None,
        error=None,
    )
    return dataclasses.replace(run, **changes)


def an_attempt(task):
    return Attempt(task=task, number=1, status="running", key="k")


def test_the_tables_have_the_columns_and_keys_of_the_schema(state, url):
    with connect_to(read_account_url(url)[0], "x")[0] as connection, connection.cursor() as cursor:
        for table in schema.metadata.sorted_tables:
            name = state.engine.dialect.identifier_preparer.quote(table.name)
            rows = cursor.execute(f"DESCRIBE TABLE {name}").fetchall()
            assert {(row[0].lower(), row[3] == "Y") for row in rows} == {
                (column.name, column.nullable) for column in table.columns
            }
            keys = {row[0].lower() for row in rows if row[5] == "Y"}
            assert keys == {column.name for column in table.primary_key}
    made = "\n".join(tables.statement(table, state.engine.dialect) for table in schema.metadata.tables.values())
    assert made.count("CREATE HYBRID TABLE IF NOT EXISTS") == len(schema.metadata.tables)
    assert made.count("FOREIGN KEY") == sum(len(each.foreign_keys) for each in schema.metadata.tables.values())
    indexes = [index for each in schema.metadata.tables.values() for index in each.indexes]
    assert made.count("UNIQUE") == sum(index.unique for index in indexes)


def test_a_run_and_its_attempts_cost_few_statements(state, sent, run_id):
    state.create_run(a_run(run_id), "{}")
    assert len(sent) == 5, sent
    sent.clear()
    (attempt,) = state.add_attempts(run_id, 1, [an_attempt("a")])
    assert len(sent) <= 4, sent
    sent.clear()
    state.commit(attempt, {}, {}, None)
    assert len(sent) == 2, sent
    sent.clear()
    assert state.run(run_id).status == "running"
    assert len(sent) == 1, sent


def test_texts_and_figures_come_back_as_they_are(state, run_id):
    hostile = 'it\'s "a" \\ ?; -- $1 %s {x} :y \n\t ü 😀 \u2028' + "x" * 5000
    run = a_run(run_id, params={hostile: 0.1 + 0.2})
    state.create_run(run, hostile)
    found = state.run(run_id)
    assert (found.params, found.started_at, found.lease_until) == (run.params, run.started_at, run.lease_until)
    (attempt,) = state.add_attempts(run_id, 1, [an_attempt("t")])
    state.commit(attempt, {"out": {"n": 2**53 + 1}}, {"auc": 0.1 + 0.2, "none": float("nan")}, 2**40)
    done = state.attempt(attempt)
    assert done.outputs == {"out": {"n": 2**53 + 1}}
    assert (done.metrics["auc"], str(done.metrics["none"]), done.peak_memory) == (0.1 + 0.2, "nan", 2**40)


def test_keys_are_kept(state, run_id):
    state.create_run(a_run(run_id), "{}")
    with pytest.raises(IntegrityError), state.engine.begin() as connection:
        connection.execute(schema.graph.insert().values(digest="g" * 64, json="{}"))
    with pytest.raises(IntegrityError), state.engine.begin() as connection:
        connection.execute(schema.graph.delete())


def test_a_schema_that_is_not_there_is_made(url):
    url = f"{url}_FIRNFLOW"
    first, again = State(url), State(url)
    assert first.identity() == again.identity()
    first.close()
    again.close()
    with pytest.raises(StateError, match=r"cannot be used: .*Mend: .*CREATE SCHEMA NOWHERE\.S"):
        State("snowflake://emulated/NOWHERE/S")
    with pytest.raises(ConfigError, match=r"'nobody'.* Mend: \[nobody\]"):
        State("snowflake://nobody/TESTS/S")


def test_who_may_not_make_hybrid_tables_or_has_no_warehouse_is_told(url, state, monkeypatch):
    database, schema = url.split("/")[-2:]
    other = f"{schema}_OTHER"
    with state.engine.connect() as connection:
        for text in (
            "CREATE ROLE IF NOT EXISTS R",
            "CREATE USER IF NOT EXISTS U DEFAULT_ROLE = R",
            "GRANT ROLE R TO USER U",
            f"CREATE SCHEMA {other}",
            f"GRANT USAGE ON DATABASE {database} TO ROLE R",
            f"GRANT USAGE ON SCHEMA {other} TO ROLE R",
            f"USE SCHEMA {schema}",
        ):
            connection.exec_driver_sql(text)
    known = os.environ["SNOWFLAKE_CONNECTIONS"].replace('"EMULATOR"', '"U"')
    monkeypatch.setenv("SNOWFLAKE_CONNECTIONS", known)
    with pytest.raises(StateError, match="Mend: the role needs CREATE HYBRID TABLE"):
        State(f"{url}_OTHER")
    monkeypatch.setenv("SNOWFLAKE_CONNECTIONS", known.replace('"COMPUTE_WH"', '"NOSUCH"'))
    with pytest.raises(StateError, match=r"no warehouse\. Mend: warehouse = 'wh'"):
        State(f"{url}_OTHER")
    server, rest = url.removeprefix("snowflake://").split("/", 1)
    with pytest.raises(StateError, match=r"warehouse 'gone' is not there, or .*GRANT USAGE ON WAREHOUSE gone TO ROLE"):
        State(f"snowflake://{server};warehouse=gone/{rest}_OTHER")


def test_a_session_that_has_ended_is_begun_anew(state, run_id):
    state.create_run(a_run(run_id), "{}")
    for record in state.engine.pool._pool.queue:
        record.dbapi_connection.rest.delete_session()
    state.request_cancel(run_id)
    assert state.run(run_id).cancel_requested


def test_what_one_holds_another_gets_when_that_has_ended(state, url, monkeypatch):
    other = State(url)
    one, two = lease.Lease(state.engine, "w"), lease.Lease(other.engine, "w")
    monkeypatch.setattr(lease, "is_alive", lambda _: None)  # as from another machine
    assert (one.take(), two.take(), one.take()) == (True, False, True)
    one.give_back()
    assert two.take()
    with state.engine.begin() as connection:
        mine = tables.lock.c.name == "w"
        connection.execute(tables.lock.update().where(mine).values(until=time.time() - 1))
    three = lease.Lease(state.engine, "w")
    assert three.take()
    two.give_back()
    assert not two.take()
    three.give_back()
    other.close()


def test_two_that_count_up_at_once_lose_nothing(state, url):
    others = [State(url) for _ in range(3)]

    def count(one):
        for _ in range(5):
            with one.engine.begin() as connection:
                mine = tables.lock.c.name == "n"
                connection.execute(tables.lock.update().where(mine).values(until=tables.lock.c.until + 1))

    with state.engine.begin() as connection:
        connection.execute(tables.lock.insert().values(name="n", owner="", until=0.0))
    threads = [threading.Thread(target=count, args=(one,)) for one in others]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    with state.engine.connect() as connection:
        counted = sa.select(tables.lock.c.until).where(tables.lock.c.name == "n")
        assert connection.execute(counted).scalar_one() == 15.0
    for one in others:
        one.close()
