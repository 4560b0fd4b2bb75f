"""The server as clients see it: who gets in, what is refused, what survives."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
import uuid

import pytest

pytestmark = pytest.mark.slow


def test_it_says_what_it_is_for(server):
    assert "for tests and rehearsals only" in server.said[0]
    assert "not Snowflake" in server.said[1]


def test_a_query_has_its_types(sql):
    found = sql("SELECT 1 AS a, 'x' AS b, 1.5::FLOAT AS c, 1.25::NUMBER(10, 2) AS d, NULL AS e, TRUE AS f")
    assert [str(value) for value in found[0]] == ["1", "x", "1.5", "1.25", "None", "True"]
    assert sql.columns == ["A", "B", "C", "D", "E", "F"]
    assert sql("SELECT '1969-12-31 23:59:59.5'::TIMESTAMP AS t")[0][0].isoformat() == "1969-12-31T23:59:59.500000"
    assert sql("SELECT NULL::TIMESTAMP AS t")[0] == (None,)
    assert sql("SELECT 1 AS a WHERE FALSE") == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("CREATE MATERIALIZED VIEW v AS SELECT 1", "The emulator does not know it.*CREATE VIEW"),
        ("FROBNICATE", "Unsupported feature 'FROBNICATE'"),
        ("SELEC 1", "Near are: .*SELECT"),
        ("SELECT SYSTEM$NOSUCH(1)", r"Unsupported feature 'SYSTEM\$NOSUCH'"),
        ("SELECT 1; SELECT 2", "Actual statement count 2"),
        ("SELECT 'a", "syntax error line 1 at position 7"),
        ("SELECT nosuch(1)", "Unknown function nosuch"),
        ("USE ROLE nosuch", "does not exist, or operation cannot be performed"),
        ("USE WAREHOUSE nosuch", "does not exist, or operation cannot be performed"),
        (";", "Empty SQL statement"),
    ],
)
def test_what_is_not_known_is_refused(server, statement, said):
    from snowflake.connector.errors import ProgrammingError

    with server.connect() as connection, pytest.raises(ProgrammingError, match=said):
        connection.cursor().execute(statement, _is_put_get=False)


def test_only_users_of_the_account_get_in_and_only_in_their_roles(server):
    from snowflake.connector.errors import DatabaseError

    with pytest.raises(DatabaseError, match="Incorrect username or password was specified"):
        server.connect(user="NOBODY")
    with pytest.raises(DatabaseError, match="Role 'NOSUCH' specified in the connect string does not exist"):
        server.connect(role="nosuch")
    with server.connect(role="sysadmin") as connection:
        assert connection.cursor().execute("SELECT CURRENT_ROLE()").fetchall() == [("SYSADMIN",)]
        assert connection.role == "SYSADMIN"


def test_a_statement_can_run_beside_and_be_cancelled(server):
    from snowflake.connector.errors import ProgrammingError

    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute_async("SELECT 42 AS answer")
        query = cursor.sfqid
        while connection.is_still_running(connection.get_query_status(query)):
            time.sleep(0.02)
        cursor.get_results_from_sfqid(query)
        assert cursor.fetchall() == [(42,)]
        cursor.execute_async("SELECT SYSTEM$WAIT(60)")
        query = cursor.sfqid
        with server.connect() as other:
            other.cursor().execute("SELECT SYSTEM$CANCEL_QUERY(?)", (query,))
        while connection.is_still_running(connection.get_query_status(query)):
            time.sleep(0.02)
        with pytest.raises(ProgrammingError, match="canceled"):
            connection.get_query_status_throw_if_error(query)


@pytest.fixture
def disk(tmp_path):
    """A small disk, and what makes it larger; an ordinary folder for who may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        yield folder, None
        return
    yield folder, lambda: subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(sql):
    """Insert rows until the disk is full; return how many were inserted."""
    from snowflake.connector.errors import ProgrammingError

    count = 2
    while count < 10_000:
        wide = os.urandom(20_000).hex()
        try:
            sql(f"INSERT INTO t SELECT seq4(), '{wide}' FROM TABLE(GENERATOR(ROWCOUNT => 50))")
        except ProgrammingError as error:
            assert "the disk that holds the account is full" in error.msg  # noqa: PT017 - which one fails is open
            return count
        count += 50
    raise AssertionError


def test_an_account_survives_a_full_disk_and_kill_9_and_a_folder_has_one_server(start, disk, speak, tmp_path):
    folder, enlarge = disk
    first = start(folder / "account")
    with first.connect() as connection:
        sql = speak(connection)
        sql("CREATE DATABASE kept")
        sql("CREATE TABLE t AS SELECT column1 AS id, column2 AS x FROM VALUES (1, ''), (2, '')")
        count = fill(sql) if enlarge else 2
        assert sql("SELECT COUNT(*) FROM t") == [(count,)]
        if enlarge:
            enlarge()
        sql("INSERT INTO t VALUES (1, '')")
        sql("CREATE TASK waits WAREHOUSE = COMPUTE_WH AS SELECT SYSTEM$WAIT(60)")
        sql("EXECUTE TASK waits")
        while state(sql, "waits") != "EXECUTING":
            time.sleep(0.02)
        command = [sys.executable, "-m", "firnflow", "emulate", "--port", "0", "--data", str(folder / "account")]
        (tmp_path / "temporary").mkdir()
        temporary = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
        second = subprocess.run(command, env=temporary, capture_output=True, text=True, timeout=60)
        assert second.returncode == 1
        assert list((tmp_path / "temporary").iterdir()) == []
        assert "Another emulator holds" in second.stderr
        assert "--data" in second.stderr
        first.stop(signal.SIGKILL)
    again = start(folder / "account")
    with again.connect(database="kept", schema="public") as connection:
        sql = speak(connection)
        assert sql("SELECT COUNT(*) FROM t") == [(count + 1,)]
        assert state(sql, "waits") == "FAILED"
    assert again.stop() == 0


def state(sql, task):
    """Return the state of a task's last run."""
    found = sql(f"SELECT STATE FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY(TASK_NAME => '{task}'))")
    return found[0][0] if found else None


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"garbage", {}, 400),
        (b"[]", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b'{"sqlText": 5}', {}, 400),
        (b'{"sqlText": "\\ud800"}', {}, 400),
        (b'{"sqlText": "SELECT ?", "bindings": {"x": {"type": "FIXED", "value": "y"}}}', {}, 400),
        (b"garbage", {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b'{"sqlText": ""}', mtime=0)[:-4], {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b" " * (65 << 20), 1, mtime=0), {"Content-Encoding": "gzip"}, 413),
    ],
)
def test_a_request_that_is_none_is_refused_and_the_server_goes_on(server, sql, body, headers, status):
    token = {"Authorization": f'Snowflake Token="{sql.connection.rest.token}"'}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        for path in (f"/queries/v1/query-request?requestId={uuid.uuid4()}", "/session/v1/login-request"):
            connection.request("POST", path, body, {**token, **headers})
            answer = connection.getresponse()
            said = json.load(answer)
            assert (answer.status, said["success"]) in {(status, False), (200, False)}
            assert answer.status == status or "login" in path  # what is no statement may well be a login of nobody
    assert sql("SELECT 1") == [(1,)]


def test_what_cannot_be_opened_is_said(tmp_path):
    file, damaged = tmp_path / "file", tmp_path / "damaged"
    file.write_text("no folder")
    damaged.mkdir()
    (damaged / "catalog.sqlite").write_text("no database, but long enough to be read as one" * 100)
    for folder in (file, damaged):
        command = [sys.executable, "-m", "firnflow", "emulate", "--port", "0", "--data", str(folder)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 1
        assert f"The account in {folder} cannot be opened" in ended.stderr
        assert "Mend: give another folder with --data" in ended.stderr


def test_a_request_that_is_sent_again_is_not_done_again(server, sql):
    """What a connector does when the connection breaks before the answer is there."""
    sql("CREATE TABLE t (a INT)")
    session = sql.connection.rest
    request = str(uuid.uuid4())
    answers = []
    for _ in range(2):
        url = f"http://127.0.0.1:{server.port}/queries/v1/query-request?requestId={request}"
        body = json.dumps({"sqlText": "INSERT INTO t VALUES (1)"}).encode()
        headers = {"Authorization": f'Snowflake Token="{session.token}"', "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
            answers.append(json.load(answer)["data"])
    assert answers[0]["queryId"] == answers[1]["queryId"]
    assert answers[0]["rowset"] == answers[1]["rowset"] == [["1"]]
    assert sql("SELECT COUNT(*) FROM t") == [(1,)]
    with urllib.request.urlopen(urllib.request.Request(url, body, {"Authorization": "none"}), timeout=30) as answer:
        assert json.load(answer)["code"] == "390101"
