"""Connections that are cut while the state in Snowflake is written: nothing is lost, nothing doubled."""

from __future__ import annotations

import time
import uuid

import pytest
from cutting import BEFORE, BEHIND, ENDED, HALF, Cutter

from firnflow.errors import StateError
from firnflow.stores.state import Attempt, Run, State
from firnflow.stores.state.outbox import Outbox

pytestmark = [pytest.mark.slow, pytest.mark.server]


@pytest.fixture
def cutter(port):
    made = Cutter(port)
    yield made
    made.close()


@pytest.fixture
def state(connect, cutter, monkeypatch):
    database = f"C{uuid.uuid4().hex[:8].upper()}"
    connect().cursor().execute(f"CREATE DATABASE {database}")
    where = f'protocol = "http"\nhost = "127.0.0.1"\nport = {cutter.port}\naccount = "emulator"\n'
    who = 'user = "EMULATOR"\npassword = "x"\nwarehouse = "COMPUTE_WH"\n'
    monkeypatch.setenv("SNOWFLAKE_CONNECTIONS", f"[cut]\n{where}{who}")
    opened = State(f"snowflake://cut/{database}/PUBLIC")
    yield opened
    opened.close()


def a_run():
    now = time.time()
    about = {"params": {}, "request": {}, "origin": {}, "graph": "g" * 64, "owner": "elsewhere:1:1", "epoch": 1}
    times = {"lease_until": now + 600, "cancel_requested": 0, "started_at": now, "ended_at": None, "error": None}
    return Run(id="r", pipeline="p", environment="prod", status="running", **about, **times)


def test_what_is_read_when_the_connection_is_cut_or_the_session_has_ended_is_read_again(state, cutter):
    state.create_run(a_run(), "{}")
    for way in (BEFORE, HALF, BEHIND, *ENDED):
        left = [way]
        cutter.cut = lambda _, what, left=left: left.pop() if left and what.startswith("SELECT") else None
        assert state.run("r").status == "running"
        assert not left
    assert {how for how, _ in cutter.done} == {BEFORE, HALF, BEHIND, *ENDED}
    cutter.cut = lambda _, what: ENDED[-1] if what.startswith("SELECT") else None
    with pytest.raises(StateError, match="the state database cannot be used: 390115: over"):
        state.run("r")


@pytest.mark.parametrize("way", [HALF, BEHIND])
def test_what_was_committed_when_the_connection_was_cut_is_committed_once(state, cutter, way):
    left = {"COMMIT": 5, "INSERT INTO attempt": 1, "UPDATE run SET": 1}

    def cut(_, what):
        start = next((each for each in left if what.startswith(each) and left[each]), None)
        if start is None or (start == "COMMIT" and len(cutter.done) % 2):
            return None
        left[start] -= 1
        return way

    cutter.cut = cut
    state.create_run(a_run(), "{}")
    one, other = state.add_attempts(
        "r", 1, [Attempt(task="a", number=1, status="running"), Attempt(task="b", number=1, status="running")]
    )
    state.commit(one, {"out": 1}, {"auc": 0.5}, 1)
    assert state.fail(other, "failed", {"error": "x"})
    Outbox(state, "t").add("k", {})
    Outbox(state, "t").add("k", {})
    state.end_run("r", 1, "failed", "x")
    cutter.cut = lambda _, __: None
    assert len(cutter.done) >= 4
    assert [(each.id, each.task, each.status) for each in state.attempts("r")] == [
        (one, "a", "succeeded"),
        (other, "b", "failed"),
    ]
    assert state.run("r").status == "failed"
    assert [each.key for each in Outbox(state, "t").waiting()] == ["k"]
