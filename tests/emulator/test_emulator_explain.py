"""EXPLAIN says what a statement would do, asks for the same privileges, and does nothing."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.slow


def test_a_plan_names_what_would_be_read_and_nothing_is_done(sql):
    home = sql("SELECT CURRENT_DATABASE()")[0][0]
    sql("CREATE TABLE a AS SELECT 1 AS x, 2 AS y")
    sql("CREATE TABLE b AS SELECT 1 AS x")
    query = "SELECT a.y, SUM(a.x) AS s FROM a LEFT JOIN b ON a.x = b.x WHERE a.y > ? GROUP BY 1 ORDER BY 2"
    found = sql.maps(f"EXPLAIN {query}", 1)
    assert [row["operation"] for row in found[:5]] == ["GlobalStats", "Result", "Sort", "Aggregate", "LeftOuterJoin"]
    assert [row["objects"] for row in found[5:]] == [f"{home}.PUBLIC.A", f"{home}.PUBLIC.B"]
    assert (found[0]["partitionsTotal"], found[4]["expressions"]) == (2, "joinKey: (X = X)")
    sql("USE ROLE ACCOUNTADMIN")
    plan = json.loads(sql("EXPLAIN USING JSON INSERT INTO a SELECT x, SYSTEM$WAIT(3600) FROM b")[0][0])
    assert plan["Operations"][0][0]["operation"] == "Insert"
    assert "->CreateTableAsSelect" in sql("EXPLAIN USING TEXT CREATE TABLE c AS SELECT * FROM a")[0][0]
    assert "->Merge" in sql("EXPLAIN USING TEXT MERGE INTO a USING b ON a.x = b.x WHEN MATCHED THEN DELETE")[0][0]
    sql("EXPLAIN DELETE FROM a")
    assert sql("SELECT * FROM a") == [(1, 2)]
    assert sql.refused("SELECT * FROM c").errno == 2003
    as_json = sql("SELECT SYSTEM$EXPLAIN_PLAN_JSON('SELECT x FROM a')")[0][0]
    as_text = sql("SELECT SYSTEM$EXPLAIN_JSON_TO_TEXT(?)", as_json)[0][0]
    assert as_text == sql("EXPLAIN USING TEXT SELECT x FROM a")[0][0]


def test_it_needs_the_privileges_of_the_statement_and_no_warehouse(sql):
    home = sql("SELECT CURRENT_DATABASE()")[0][0]
    role = f"R_{home}"
    sql("CREATE TABLE a AS SELECT 1 AS x")
    sql(f"CREATE ROLE {role}")
    sql(f"GRANT ROLE {role} TO USER EMULATOR")
    sql(f"GRANT USAGE ON DATABASE {home} TO ROLE {role}")
    sql(f"GRANT USAGE ON SCHEMA PUBLIC TO ROLE {role}")
    sql(f"GRANT SELECT ON TABLE a TO ROLE {role}")
    sql(f"CREATE WAREHOUSE {role}")  # which becomes the session's
    sql("USE SECONDARY ROLES NONE")
    sql(f"USE ROLE {role}")
    assert sql.refused("SELECT * FROM a").errno == 3001
    assert sql("EXPLAIN SELECT * FROM a")[1][3] == "Result"
    assert sql.refused("EXPLAIN DELETE FROM a").errno == 3001
    assert sql.refused("EXPLAIN CREATE TABLE b AS SELECT * FROM a").errno == 3001
    assert "EXPLAIN SELECT" in sql.refused("EXPLAIN SHOW TABLES").msg
    assert "USING TABULAR" in sql.refused("EXPLAIN USING TABLE SELECT 1").msg
    sql("USE ROLE ACCOUNTADMIN")
    sql(f"DROP WAREHOUSE {role}")
