"""Task graphs of the emulator: what runs, in which order, and who may.

https://docs.snowflake.com/en/user-guide/tasks-graphs has the rules.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from firnflow.emulator.account import Account
from firnflow.emulator.errors import SnowflakeError
from firnflow.emulator.tasks.runner import Runner
from firnflow.emulator.tasks.schedules import following

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from firnflow.emulator.catalog import Object

pytestmark = pytest.mark.slow
MINE = "WHERE DATABASE_NAME = CURRENT_DATABASE()"
RUNS = f"SELECT * FROM TABLE(INFORMATION_SCHEMA.COMPLETE_TASK_GRAPHS(ROOT_TASK_NAME => 'R')) {MINE}"
RAN = f"SELECT NAME, STATE, RUN_ID, ATTEMPT_NUMBER FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY()) {MINE}"


class Tasks:
    """A session of an account in this process."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.session = account.login("EMULATOR")
        self.session.warehouse = "COMPUTE_WH"

    def __call__(self, *statements: str) -> list[dict[str, Any]]:
        found = None
        for statement in statements:
            found = self.account.queries.start(self.session, statement, ()).future.result().table.to_pylist()
        return found or []

    def refused(self, statement: str) -> str:
        with pytest.raises(SnowflakeError) as caught:
            self(statement)
        return str(caught.value)

    def task(self, name: str, rest: str, *, resumed: bool = True) -> None:
        self(f"CREATE OR REPLACE TASK {name} WAREHOUSE = COMPUTE_WH {rest}")
        if resumed:
            self(f"ALTER TASK {name} RESUME")

    def ended(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many runs have ended, and return them, the last one first."""
        until = time.monotonic() + 20
        while len(found := self(RUNS)) < count:
            assert time.monotonic() < until
            time.sleep(0.1)
        return found

    def ran(self) -> dict[str, str]:
        """How the tasks have ended in the last run."""
        rows = self(RAN)
        if not rows:
            return {}
        last = [row for row in rows if row["ATTEMPT_NUMBER"] == rows[0]["ATTEMPT_NUMBER"]]
        return {row["NAME"]: row["STATE"] for row in last if row["RUN_ID"] == rows[0]["RUN_ID"]}

    def written(self) -> list[str]:
        return sorted(row["A"] for row in self("SELECT A FROM T"))


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    found = Account(tmp_path_factory.mktemp("account"))
    yield found
    found.close()


@pytest.fixture
def tasks(account: Account) -> Tasks:
    made = Tasks(account)
    made(f"CREATE DATABASE D{uuid.uuid4().hex[:6]}", "CREATE TABLE T (A VARCHAR)")
    return made


def test_branches_joins_and_the_finalizer_run_as_they_say(tasks: Tasks) -> None:
    tasks.task("R", """CONFIG = '{"env": "x", "n": 1}' AS CALL SYSTEM$SET_RETURN_VALUE('go')""", resumed=False)
    said = "SYSTEM$GET_PREDECESSOR_RETURN_VALUE('R')"
    tasks.task("A", f"AFTER R WHEN {said} = 'go' AS INSERT INTO T SELECT SYSTEM$GET_TASK_GRAPH_CONFIG('env')")
    tasks.task("B", f"AFTER R WHEN {said} = 'stop' AS INSERT INTO T VALUES ('b')")
    tasks.task("C", "AFTER B AS INSERT INTO T VALUES ('c')")
    tasks.task("J", "AFTER A, C WHEN SYSTEM$PREDECESSORS_STATE('NONE_FAILED') AS INSERT INTO T VALUES ('j')")
    tasks.task("F", "FINALIZE = R AS BEGIN INSERT INTO T SELECT SYSTEM$TASK_COMPLETION_STATE('C'); SELECT 1; END")
    tasks("""EXECUTE TASK R USING CONFIG = $${"env": "prod"}$$""")
    (run,) = tasks.ended(1)
    assert (run["STATE"], run["CONFIG"]) == ("SUCCEEDED", '{"env": "prod", "n": 1}')
    assert tasks.ran() == {
        "R": "SUCCEEDED",
        "A": "SUCCEEDED",
        "B": "SKIPPED",
        "C": "SKIPPED",
        "J": "SUCCEEDED",
        "F": "SUCCEEDED",
    }
    assert tasks.written() == ["SKIPPED", "j", "prod"]
    assert [row["NAME"] for row in tasks("SELECT * FROM TABLE(INFORMATION_SCHEMA.TASK_DEPENDENTS('R'))")] == [
        *("R", "A", "B", "C", "J", "F")
    ]


def test_what_a_task_sends_has_the_tag_of_the_task(tasks: Tasks) -> None:
    tasks.task("R", 'QUERY_TAG = \'{"pipeline": "churn"}\' AS SELECT 4711', resumed=False)
    tasks("EXECUTE TASK R")
    tasks.ended(1)
    history = "TABLE(INFORMATION_SCHEMA.QUERY_HISTORY(RESULT_LIMIT => 1000))"
    (found,) = tasks(f"SELECT query_tag, user_name FROM {history} WHERE query_text = 'SELECT 4711'")
    assert found == {"QUERY_TAG": '{"pipeline": "churn"}', "USER_NAME": "SYSTEM"}


def test_what_has_failed_is_retried_and_nothing_else(tasks: Tasks) -> None:
    tasks.task("R", "AS INSERT INTO T VALUES ('r')", resumed=False)
    tasks.task("A", "AFTER R AS INSERT INTO LATER VALUES ('a')")
    tasks.task("B", "AFTER A AS INSERT INTO T VALUES ('b')")
    tasks.task("D", "AFTER A WHEN SYSTEM$PREDECESSORS_STATE('AT_LEAST_ONE_FAILED') AS INSERT INTO T VALUES ('d')")
    tasks.task("F", "FINALIZE = R AS CREATE TABLE IF NOT EXISTS LATER (A VARCHAR)")
    tasks("EXECUTE TASK R")
    (first,) = tasks.ended(1)
    assert tasks.ran() == {"R": "SUCCEEDED", "A": "FAILED", "D": "SUCCEEDED", "F": "SUCCEEDED"}
    assert (first["STATE"], first["FIRST_ERROR_TASK_NAME"]) == ("FAILED", "A")
    assert "LATER" in first["FIRST_ERROR_MESSAGE"]
    tasks("EXECUTE TASK R RETRY LAST")
    second = tasks.ended(2)[0]
    assert (second["STATE"], second["ATTEMPT_NUMBER"], second["SCHEDULED_FROM"]) == ("SUCCEEDED", 2, "MANUAL RETRY")
    assert second["GRAPH_RUN_GROUP_ID"] == first["GRAPH_RUN_GROUP_ID"]
    assert tasks.written() == ["b", "d", "r"]
    assert "has to be FAILED" in tasks.refused("EXECUTE TASK R RETRY LAST")


def test_a_graph_retries_by_itself_and_a_changed_one_is_not_retried(tasks: Tasks) -> None:
    tasks.task("R", "TASK_AUTO_RETRY_ATTEMPTS = 1 AS INSERT INTO NOWHERE VALUES (1)", resumed=False)
    tasks("EXECUTE TASK R")
    found = tasks.ended(2)
    assert [(run["ATTEMPT_NUMBER"], run["SCHEDULED_FROM"]) for run in found] == [
        (2, "AUTOMATIC RETRY"),
        (1, "EXECUTE TASK"),
    ]
    tasks("ALTER TASK R MODIFY AS SELECT 1")
    assert "was modified" in tasks.refused("EXECUTE TASK R RETRY LAST")


def test_a_run_under_way_keeps_its_version_and_a_suspended_child_is_left_out(tasks: Tasks) -> None:
    tasks.task("R", "AS CALL SYSTEM$WAIT(1)", resumed=False)
    tasks.task("A", "AFTER R AS INSERT INTO T VALUES ('old')")
    tasks.task("B", "AFTER R AS INSERT INTO T VALUES ('b')", resumed=False)
    tasks.task("C", "AFTER B AS INSERT INTO T VALUES ('c')")
    tasks("EXECUTE TASK R", "ALTER TASK A MODIFY AS INSERT INTO T VALUES ('new')", "EXECUTE TASK R")
    running = tasks(f"SELECT STATE FROM TABLE(INFORMATION_SCHEMA.CURRENT_TASK_GRAPHS()) {MINE}")
    assert running == [{"STATE": "EXECUTING"}, {"STATE": "SCHEDULED"}]  # the second one waits: NO_OVERLAP
    found = tasks.ended(2)
    assert [run["GRAPH_VERSION"] for run in found] == [2, 1]
    assert found[0]["QUERY_START_TIME"] > found[1]["COMPLETED_TIME"]
    assert tasks.written() == ["c", "c", "new", "old"]


def test_what_takes_too_long_fails_and_what_is_cancelled_is_cancelled(tasks: Tasks) -> None:
    tasks.task("R", "AS SELECT 1", resumed=False)
    tasks.task("A", "USER_TASK_TIMEOUT_MS = 200 AFTER R AS CALL SYSTEM$WAIT(30)")
    tasks("EXECUTE TASK R")
    assert "statement timeout of 0.2 second" in tasks.ended(1)[0]["FIRST_ERROR_MESSAGE"]
    tasks("ALTER TASK A UNSET USER_TASK_TIMEOUT_MS", "EXECUTE TASK R")
    until = time.monotonic() + 10
    while tasks.ran().get("A") != "EXECUTING" and time.monotonic() < until:
        time.sleep(0.1)
    tasks("SELECT SYSTEM$USER_TASK_CANCEL_ONGOING_EXECUTIONS('R')")
    assert tasks.ended(2)[0]["STATE"] == "CANCELLED"


def test_a_scheduled_root_starts_locks_its_graph_and_is_suspended_after_failures(tasks: Tasks) -> None:
    tasks.task("R", "SCHEDULE = '10 SECONDS' SUSPEND_TASK_AFTER_NUM_FAILURES = 1 AS SELECT 1", resumed=False)
    tasks.task("A", "AFTER R AS INSERT INTO NOWHERE VALUES (1)", resumed=False)
    tasks("SELECT SYSTEM$TASK_DEPENDENTS_ENABLE('R')")
    for statement in (
        "ALTER TASK A SUSPEND",
        "DROP TASK A",
        "CREATE TASK K WAREHOUSE = COMPUTE_WH AFTER R AS SELECT 1",
    ):
        assert "root task is not suspended" in tasks.refused(statement)
    (next_one,) = tasks(f"SELECT STATE, SCHEDULED_TIME FROM TABLE(INFORMATION_SCHEMA.CURRENT_TASK_GRAPHS()) {MINE}")
    assert 0 < (next_one["SCHEDULED_TIME"] - dt.datetime.now(dt.UTC)).total_seconds() <= 10
    root = tasks.account.catalog.get("TASK", (str(tasks.session.database), "PUBLIC", "R"))
    assert root is not None
    tasks.account.catalog.put(root.changed(resumed=root.body["resumed"] - 9))  # due in a second
    assert [run["SCHEDULED_FROM"] for run in tasks.ended(1)] == ["SCHEDULE"]
    until = time.monotonic() + 5
    while tasks("SHOW TASKS LIKE 'R'")[0]["state"] == "started":
        assert time.monotonic() < until
    assert tasks("SHOW TASKS LIKE 'R'")[0]["last_suspended_reason"] == "SUSPENDED_DUE_TO_ERRORS"


def test_a_stream_starts_a_graph_once_for_each_change_and_loses_none(tasks: Tasks) -> None:
    tasks("CREATE TABLE ORDERS (N INT)", "CREATE STREAM NEWS ON TABLE ORDERS")
    used = "BEGIN CREATE OR REPLACE TEMPORARY TABLE S (X INT); INSERT INTO S SELECT 1 FROM NEWS WHERE 0 = 1; END"
    tasks.task("R", f"WHEN SYSTEM$STREAM_HAS_DATA('NEWS') AS {used}", resumed=False)
    tasks.task(
        "A", "AFTER R AS BEGIN INSERT INTO T SELECT COUNT(*) FROM ORDERS; CALL SYSTEM$WAIT(700, 'MILLISECONDS'); END"
    )
    tasks("ALTER TASK R RESUME")
    time.sleep(1.2)  # two looks at a stream without data
    assert tasks.written() == []
    tasks("INSERT INTO ORDERS VALUES (1)")
    (run,) = tasks.ended(1)
    assert (run["STATE"], run["SCHEDULED_FROM"]) == ("SUCCEEDED", "TRIGGER")
    tasks("INSERT INTO ORDERS VALUES (2)")
    until = time.monotonic() + 10
    while len(tasks.written()) < 2:
        assert time.monotonic() < until
        time.sleep(0.1)
    tasks("INSERT INTO ORDERS VALUES (3)", "INSERT INTO ORDERS VALUES (4)")  # while it runs
    assert len(tasks.ended(3)) == 3
    time.sleep(1.2)
    assert (tasks.written(), len(tasks(RUNS))) == (["1", "2", "4"], 3)
    assert tasks("SHOW TASKS LIKE 'R'")[0]["schedule"] is None


def test_a_task_that_cannot_be_looked_at_is_told_once_and_holds_up_no_other(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def look(runner: Runner, root: Object) -> None:
        assert root.name != "B"
        actual(runner, root)

    actual = Runner._look_at
    monkeypatch.setattr(Runner, "_look_at", look)
    tasks("CREATE TABLE GONE (N INT)", "CREATE STREAM NEWS ON TABLE GONE", "CREATE STREAM FIRST ON TABLE T")
    tasks.task("A", "WHEN SYSTEM$STREAM_HAS_DATA('NEWS') AS SELECT 1", resumed=False)
    tasks.task("B", "SCHEDULE = '59 MINUTES' AS SELECT 1")
    tasks.task("R", "WHEN SYSTEM$STREAM_HAS_DATA('FIRST') AS CREATE OR REPLACE STREAM FIRST ON TABLE T")
    tasks("CREATE OR REPLACE TABLE GONE (N INT, M INT)")
    for statement in ("SELECT SYSTEM$STREAM_HAS_DATA('NEWS')", "SELECT * FROM NEWS"):
        assert tasks.refused(statement).startswith("Binder Error")
    tasks("DROP TABLE GONE", "ALTER TASK A RESUME")
    for statement in ("SELECT SYSTEM$STREAM_HAS_DATA('NEWS')", "SELECT * FROM NEWS"):
        assert "GONE' does not exist" in tasks.refused(statement)
    for count in (1, 2):
        tasks("INSERT INTO T VALUES ('t')")
        tasks.ended(count)
    tasks("CREATE OR REPLACE STREAM NEWS ON TABLE T SHOW_INITIAL_ROWS = TRUE")  # no row changes, and yet A can start
    until = time.monotonic() + 20
    while "A" not in {each["NAME"] for each in tasks(RAN)}:
        assert time.monotonic() < until
        time.sleep(0.1)
    tasks("ALTER TASK B SUSPEND", "ALTER TASK A SUSPEND")
    told = [each.getMessage() for each in caplog.records if each.name == "firnflow.emulator.tasks.runner"]
    assert len(told) == 2
    assert all("cannot be started" in each for each in told)


def test_what_does_not_go_together_is_refused(tasks: Tasks) -> None:
    tasks.task("R", "AS SELECT 1", resumed=False)
    tasks.task("A", "AFTER R AS SELECT 1")
    tasks.task("F", "FINALIZE = R AS SELECT 1")
    made = "CREATE TASK X WAREHOUSE = COMPUTE_WH"
    refused = {
        f"{made} SCHEDULE = '1 DAY' AS SELECT 1": "Invalid schedule",
        f"{made} SCHEDULE = '10 MINUTES' AFTER R AS SELECT 1": "only a root task",
        f"{made} AFTER NOWHERE AS SELECT 1": "does not exist",
        f"{made} AFTER F AS SELECT 1": "cannot have child tasks",
        f"{made} FINALIZE = R AS SELECT 1": "has a finalizer already",
        f"{made} CONFIG = '[1]' AS SELECT 1": "JSON object",
        f"{made} AS FLY TO THE MOON": "does not know it",
        f"{made} WHEN SYSTEM$NO_SUCH() AS SELECT 1": "does not know it",
        f"{made} ERROR_INTEGRATION = N AS SELECT 1": "does not know it",
        f"{made} TASK_AUTO_RETRY_ATTEMPTS = 31 AS SELECT 1": "0 to 30",
        "ALTER TASK R ADD AFTER A": "no cycle",
        "ALTER TASK R RESUME": "no schedule",
        "EXECUTE TASK A": "not a root task",
        "SELECT SYSTEM$SET_RETURN_VALUE('x')": "from within a task",
    }
    for statement, said in refused.items():
        assert said in tasks.refused(statement)


def test_a_return_value_has_a_limit_and_names_may_be_anything(tasks: Tasks) -> None:
    tasks.task("R", f"AS CALL SYSTEM$SET_RETURN_VALUE('{'é' * 5001}')", resumed=False)
    tasks("EXECUTE TASK R")
    assert "longer than 10000" in tasks.ended(1)[0]["FIRST_ERROR_MESSAGE"]
    tasks.task('"a;b""c\'d é"', "AS CALL SYSTEM$SET_RETURN_VALUE('it''s')", resumed=False)
    tasks.task("B", 'AFTER "a;b""c\'d é" AS INSERT INTO T SELECT SYSTEM$GET_PREDECESSOR_RETURN_VALUE()')
    tasks('EXECUTE TASK "a;b""c\'d é"')
    until = time.monotonic() + 10
    while not tasks.written() and time.monotonic() < until:
        time.sleep(0.1)
    assert tasks.written() == ["it's"]


def test_a_role_needs_what_it_does(tasks: Tasks) -> None:
    home = tasks.session.database
    tasks("CREATE ROLE MAKER", "GRANT ROLE MAKER TO USER EMULATOR", f"GRANT ALL ON DATABASE {home} TO ROLE MAKER")
    tasks("GRANT USAGE, CREATE TASK ON SCHEMA PUBLIC TO ROLE MAKER", "CREATE TASK R AS SELECT 1")
    tasks("USE SECONDARY ROLES NONE", "USE ROLE MAKER")
    assert "does not exist or not authorized" in tasks.refused("EXECUTE TASK R")
    assert "Insufficient privileges" in tasks.refused("CREATE TASK X AS SELECT 1")  # without a warehouse
    tasks("CREATE TASK X WAREHOUSE = COMPUTE_WH AS SELECT 1")
    assert "EXECUTE TASK privilege must be granted" in tasks.refused("EXECUTE TASK X")
    tasks("USE ROLE ACCOUNTADMIN", "GRANT OPERATE ON TASK R TO ROLE MAKER", "USE ROLE MAKER")
    tasks("EXECUTE TASK R")
    assert "Insufficient privileges" in tasks.refused("DROP TASK R")
    tasks("USE ROLE ACCOUNTADMIN")
    tasks.ended(1)


def test_a_run_that_the_server_has_left_has_failed_and_is_retried(tmp_path: Path) -> None:
    left = Account(tmp_path)
    tasks = Tasks(left)
    tasks("CREATE DATABASE D", "CREATE TABLE T (A VARCHAR)")
    tasks.task("R", "AS SELECT 1", resumed=False)
    tasks("EXECUTE TASK R")
    tasks.ended(1)
    run = left.runner.runs.graphs()[0]
    run.state, run.ended = "EXECUTING", None  # as a killed server leaves it
    left.runner.runs.put(run)
    left.close()
    account = Account(tmp_path)
    try:
        tasks = Tasks(account)
        tasks("USE SCHEMA D.PUBLIC")
        assert [run["STATE"] for run in tasks.ended(1)] == ["FAILED"]
        tasks("EXECUTE TASK R RETRY LAST")
        assert [run["STATE"] for run in tasks.ended(2)] == ["SUCCEEDED", "FAILED"]
    finally:
        account.close()


def test_an_account_that_closes_waits_for_no_finalizer(tmp_path: Path) -> None:
    account = Account(tmp_path)
    try:
        tasks = Tasks(account)
        tasks("CREATE DATABASE D")
        for root, before in (("R", "SELECT 1"), ("LATER", "CALL SYSTEM$WAIT(3000)")):
            tasks.task(root, f"AS {before}", resumed=False)
            tasks.task(f"{root}_END", f"FINALIZE = {root} AS CALL SYSTEM$WAIT(3000)")
            tasks(f"EXECUTE TASK {root}")
        until = time.monotonic() + 60
        while not {("R_END", "EXECUTING"), ("LATER", "EXECUTING")} <= {(t["NAME"], t["STATE"]) for t in tasks(RAN)}:
            assert time.monotonic() < until, tasks(RAN)
            time.sleep(0.1)
    finally:
        account.close()
    account = Account(tmp_path)
    try:
        assert {(t["NAME"], t["STATE"]) for t in Tasks(account)(RAN.replace(MINE, ""))} == {
            *(("R", "SUCCEEDED"), ("R_END", "CANCELLED"), ("LATER", "CANCELLED")),
        }
    finally:
        account.close()


def test_cron_goes_by_the_clock_on_the_wall() -> None:
    def due(schedule: str, since: str) -> str:
        moment = following(schedule, 0.0, dt.datetime.fromisoformat(since).timestamp())
        return dt.datetime.fromtimestamp(moment, dt.UTC).isoformat(sep=" ", timespec="minutes")[:16]

    night = "USING CRON 30 1 * * * America/Los_Angeles"
    assert due(night, "2026-11-01T00:00-07:00") == "2026-11-01 08:30"
    assert due(night, "2026-11-01T08:30+00:00") == "2026-11-01 09:30"  # comes twice
    assert due("USING CRON 30 2 * * * America/Los_Angeles", "2026-03-08T00:00-08:00") == "2026-03-09 09:30"
    assert due("USING CRON 0 6 L * * UTC", "2026-02-01T00:00+00:00") == "2026-02-28 06:00"
    assert following("90 SECONDS", 1000.0, 1000.0) == 1090.0
    with pytest.raises(SnowflakeError, match="Invalid schedule"):
        following("USING CRON 0 6 * * UTC", 0.0, 0.0)
