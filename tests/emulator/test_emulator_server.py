"""The server as clients see it: who gets in, what is refused, what survives."""

from __future__ import annotations

import json
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


def test_an_account_survives_its_server_and_a_folder_has_one(start, tmp_path):
    first = start(tmp_path / "account")
    with first.connect() as connection:
        for statement in ("CREATE DATABASE kept", "CREATE TABLE t (id INT)", "INSERT INTO t VALUES (1), (2)"):
            connection.cursor().execute(statement)
    command = [sys.executable, "-m", "firnflow", "emulate", "--port", "0", "--data", str(tmp_path / "account")]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert "Another emulator holds" in second.stderr
    assert "--data" in second.stderr
    first.stop(signal.SIGKILL)
    again = start(tmp_path / "account")
    with again.connect(database="kept", schema="public") as connection:
        assert connection.cursor().execute("SELECT SUM(id) AS s FROM t").fetchall() == [(3,)]
    assert again.stop() == 0


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
