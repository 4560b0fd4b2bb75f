"""Procedures with Python handlers: what they get, whose rights they have, how they fail."""

from __future__ import annotations

import json
import time

import psutil
import pytest

pytestmark = pytest.mark.slow

MADE = """CREATE OR REPLACE PROCEDURE {name} RETURNS {returns} LANGUAGE PYTHON RUNTIME_VERSION = '3.11'
PACKAGES = ('snowflake-snowpark-python') HANDLER = 'main' {more} AS $${body}$$"""


def make(sql, name: str, body: str, returns: str = "VARCHAR", more: str = "") -> None:
    sql(MADE.format(name=name, returns=returns, more=more, body=body))


def test_a_handler_gets_a_session_its_arguments_and_what_it_imports(sql, tmp_path):
    sql("CREATE TABLE T (A NUMBER)")
    sql("CREATE STAGE S")
    (tmp_path / "helper.py").write_text("def double(x):\n    return 2 * x\n")
    sql(f"PUT file://{tmp_path}/helper.py @S AUTO_COMPRESS = FALSE")
    body = """
from helper import double
def main(session, count, text, more):
    session.sql(f"INSERT INTO T VALUES ({double(count)})").collect()
    rows = session.table("T").collect()
    return {"rows": [int(row["A"]) for row in rows], "text": text, "more": more}
"""
    make(sql, "P(COUNT NUMBER, TEXT VARCHAR, MORE VARIANT DEFAULT NULL)", body, "VARIANT", "IMPORTS = ('@S/helper.py')")
    assert sql("CALL P(20 + 1, 'it''s; $$')") == [('{"rows": [42], "text": "it\'s; $$", "more": null}',)]
    (row,) = sql.maps("SHOW PROCEDURES LIKE 'P'")
    assert row["arguments"] == "P(NUMBER, VARCHAR, VARIANT) RETURN VARIANT"
    assert "Invalid argument types" in str(sql.refused("CALL P()"))
    assert "does not exist" in str(sql.refused("DROP PROCEDURE P(VARCHAR)"))
    sql("DROP PROCEDURE P(NUMBER, VARCHAR, VARIANT)")
    assert "does not exist" in str(sql.refused("CALL P(1, 'a')"))


def test_what_a_handler_raises_is_told_and_what_is_not_there_is_refused(sql):
    make(sql, "P()", "def main(session):\n    raise ValueError('no: it''s \"wrong\"')")
    failure = sql.refused("CALL P()")
    assert failure.errno == 100357
    assert "ValueError: no: its" in str(failure)
    secret = MADE.format(
        name="Q()", returns="VARCHAR", more="SECRETS = ('a' = b)", body="def main(session): return 'x'"
    )
    assert "does not know it" in str(sql.refused(secret))
    no_package = MADE.replace("snowflake-snowpark-python", "no-such-package")
    assert "pip install" in str(sql.refused(no_package.format(name="Q()", returns="VARCHAR", more="", body="")))


def test_a_handler_may_do_no_more_than_a_procedure_may(sql, tmp_path):
    sql("CREATE STAGE S")
    body = f"""
import importlib
def tried(work, *arguments, **options):
    try:
        work(*arguments, **options)
    except Exception as error:
        return str(error).partition("\\n")[0]
    return "done"
def main(session, what):
    import snowflake.connector
    path = {str(tmp_path / "a.txt")!r}
    open(path, "w").write("x")
    cursor = session.connection.cursor()
    return {{
        "put": tried(session.sql, f"PUT file://{{path}} @S"),
        "get": tried(cursor.execute, "GET @S/a.txt file:///tmp"),
        "put by name": tried(session.sql, query=f"PUT file://{{path}} @S"),
        "get by name": tried(cursor.execute, command="GET @S/a.txt file:///tmp"),
        "query": session.sql(query="SELECT ?", params=[1]).collect()[0][0],
        "command": cursor.execute(command="SELECT 2").fetchone()[0],
        "autocommit": tried(cursor.execute, "ALTER SESSION SET AUTOCOMMIT = FALSE"),
        "connect": tried(snowflake.connector.connect),
        "files": session.file.put(path, "@S", auto_compress=False)[0].status,
        "listed": tried(importlib.import_module, "duckdb"),
        "needed": tried(importlib.import_module, "tzlocal"),
        "not listed": tried(importlib.import_module, "sklearn"),
    }}
"""
    kind = MADE.replace("'snowflake-snowpark-python'", "'snowflake-snowpark-python', 'duckdb'")
    sql(kind.format(name="P(WHAT VARCHAR)", returns="VARIANT", more="", body=body))
    (found,) = sql("CALL P('')")[0]
    said = json.loads(found)
    for each in ("put", "get", "put by name", "get by name", "autocommit"):
        assert "Unsupported statement in a stored procedure: " in said.pop(each)
    assert said == {
        "connect": "a stored procedure reaches no network, and has the session that it was given",
        "files": "UPLOADED",
        "query": 1,
        "command": 2,
        "listed": "done",
        "needed": "done",
        "not listed": "No module named 'sklearn'",
    }
    repository = MADE.format(name="Q()", returns="VARCHAR", more="ARTIFACT_REPOSITORY = OURS.PYPI", body="")
    assert "does not exist" in str(sql.refused(repository))


def test_a_procedure_has_the_rights_of_its_owner_or_of_its_caller(sql):
    home = sql("SELECT CURRENT_DATABASE()")[0][0]
    role = f"CALLER_{home}"
    sql("CREATE TABLE T (A NUMBER)")
    sql("INSERT INTO T VALUES (7)")
    body = "def main(session):\n    return str(session.sql('SELECT MAX(A) FROM T').collect()[0][0])"
    make(sql, "OWNERS()", body)
    make(sql, "CALLERS()", body, more="EXECUTE AS CALLER")
    for statement in (
        f"CREATE ROLE {role}",
        f"GRANT ROLE {role} TO USER EMULATOR",
        f"GRANT USAGE ON DATABASE {home} TO ROLE {role}",
        f"GRANT USAGE ON SCHEMA PUBLIC TO ROLE {role}",
        "USE SECONDARY ROLES NONE",
        f"USE ROLE {role}",
    ):
        sql(statement)
    assert "does not exist or not authorized" in str(sql.refused("CALL OWNERS()"))
    sql("USE ROLE ACCOUNTADMIN")
    for name in ("OWNERS", "CALLERS"):
        sql(f"GRANT USAGE ON PROCEDURE {name}() TO ROLE {role}")
    sql(f"USE ROLE {role}")
    assert sql("CALL OWNERS()") == [("7",)]
    assert "not authorized" in str(sql.refused("CALL CALLERS()"))


def test_a_cancelled_call_leaves_no_process(server, sql, tmp_path):
    body = f"""
import os, subprocess, sys, time
def main(session):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    open({str(tmp_path / "pids")!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
    time.sleep(60)
"""
    make(sql, "P()", body)
    with sql.connection.cursor() as cursor:
        cursor.execute_async("CALL P()")
        written = tmp_path / "pids"
        until = time.monotonic() + 20
        while not written.exists() or not written.read_text():
            assert time.monotonic() < until
            time.sleep(0.05)
        pids = [int(pid) for pid in written.read_text().split()]
        call = cursor.sfqid
    with server.connect() as other, other.cursor() as cursor:  # the first session is busy
        cursor.execute(f"SELECT SYSTEM$CANCEL_QUERY('{call}')")
    until = time.monotonic() + 15
    while any(psutil.pid_exists(pid) for pid in pids):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_tasks_call_procedures_and_know_their_graph(sql):
    sql("CREATE TABLE T (A VARCHAR)")
    anonymous = """WITH P AS PROCEDURE (N NUMBER) RETURNS VARCHAR LANGUAGE PYTHON RUNTIME_VERSION = '3.11'
PACKAGES = ('snowflake-snowpark-python') HANDLER = 'main' AS '
def main(session, n):
    root = session.sql("SELECT SYSTEM$TASK_RUNTIME_INFO(''CURRENT_ROOT_TASK_NAME'')").collect()[0][0]
    session.call("system$set_return_value", f"{root.split(chr(46))[-1]} {n}")
    return ""
' CALL P(3)"""
    sql(f"CREATE TASK R WAREHOUSE = COMPUTE_WH AS {anonymous}")
    sql("CREATE TASK A WAREHOUSE = COMPUTE_WH AFTER R AS INSERT INTO T SELECT SYSTEM$GET_PREDECESSOR_RETURN_VALUE('R')")
    sql("ALTER TASK A RESUME")
    sql("EXECUTE TASK R")
    until = time.monotonic() + 30
    while not sql("SELECT * FROM T"):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert sql("SELECT * FROM T") == [("R 3",)]


def test_a_block_runs_its_statements_until_one_fails(sql):
    sql("CREATE TABLE T (A NUMBER)")
    sql("EXECUTE IMMEDIATE 'BEGIN INSERT INTO T VALUES (1); INSERT INTO T VALUES (2); END'")
    assert sql("SELECT COUNT(*) FROM T") == [(2,)]
    sql.refused("EXECUTE IMMEDIATE $$BEGIN INSERT INTO T VALUES (3); INSERT INTO NOWHERE VALUES (1); SELECT 1; END$$")
    assert sql("SELECT COUNT(*) FROM T") == [(3,)]
    assert sql("EXECUTE IMMEDIATE 'SELECT ? + ?' USING (1, 2)") == [(3,)]
