"""Roles and grants: what a role lacks fails as it does in Snowflake, and a grant mends it."""

from __future__ import annotations

import re
import uuid

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def role(sql):
    """A role that the user has, with the use of the database and of nothing in it."""
    name = f"R{uuid.uuid4().hex[:8].upper()}"
    sql(f"CREATE ROLE {name}")
    sql(f"GRANT ROLE {name} TO USER EMULATOR")
    database = sql("SELECT CURRENT_DATABASE()")[0][0]
    sql(f"GRANT USAGE ON DATABASE {database} TO ROLE {name}")
    sql(f"GRANT USAGE ON SCHEMA {database}.PUBLIC TO ROLE {name}")
    yield name
    sql("USE ROLE ACCOUNTADMIN")
    sql(f"DROP ROLE {name}")


STEPS = [
    ("SELECT * FROM t", "GRANT SELECT ON TABLE t", "Object .* does not exist or not authorized"),
    ("INSERT INTO t VALUES (1)", "GRANT INSERT ON TABLE t", "Insufficient privileges to operate on table 'T'"),
    ("UPDATE t SET a = 2", "GRANT UPDATE ON TABLE t", "Insufficient privileges to operate on table 'T'"),
    ("DELETE FROM t", "GRANT DELETE ON TABLE t", "Insufficient privileges to operate on table 'T'"),
    ("CREATE TABLE new (a INT)", "GRANT CREATE TABLE ON SCHEMA public", "operate on schema 'PUBLIC'"),
    ("CREATE STAGE s2", "GRANT CREATE STAGE ON SCHEMA public", "operate on schema 'PUBLIC'"),
    ("LIST @s", "GRANT READ ON STAGE s", "Stage .* does not exist or not authorized"),
    ("REMOVE @s", "GRANT WRITE ON STAGE s", "Insufficient privileges to operate on stage 'S'"),
    ("CREATE DATABASE nobodys", None, "Insufficient privileges to operate on account"),
    ("DROP TABLE t", None, "Insufficient privileges to operate on table 'T'"),
    ("GRANT SELECT ON TABLE t TO ROLE PUBLIC", None, "Insufficient privileges to operate on table 'T'"),
    ("CREATE ROLE nobodys", None, "Insufficient privileges to operate on account"),
]


def test_each_missing_privilege_is_named_and_its_grant_mends_it(sql, role):
    sql("CREATE TABLE t (a INT)")
    sql("CREATE STAGE s")
    for statement, grant, said in STEPS:
        sql(f"USE ROLE {role}")
        error = sql.refused(statement)
        assert error.errno in (3001, 2003)
        assert re.search(said, str(error)), f"{statement}: {error}"
        sql("USE ROLE ACCOUNTADMIN")
        if grant is not None:
            sql(f"{grant} TO ROLE {role}")
            sql(f"USE ROLE {role}")
            sql(statement)


def test_a_privilege_that_is_taken_away_is_gone(sql, role):
    sql("CREATE TABLE t (a INT)")
    sql(f"GRANT SELECT ON TABLE t TO ROLE {role}")
    sql(f"USE ROLE {role}")
    sql("SELECT * FROM t")
    sql("USE ROLE ACCOUNTADMIN")
    sql(f"REVOKE SELECT ON TABLE t FROM ROLE {role}")
    sql(f"USE ROLE {role}")
    assert sql.refused("SELECT * FROM t").errno == 2003


def test_what_is_granted_for_later_holds_for_what_comes(sql, role):
    sql(f"GRANT SELECT ON FUTURE TABLES IN SCHEMA public TO ROLE {role}")
    sql("CREATE TABLE later AS SELECT 7 AS a")
    sql(f"USE ROLE {role}")
    assert sql("SELECT a FROM later") == [(7,)]


def test_a_role_has_what_is_granted_to_those_below_it_and_not_above(sql, role):
    sql("CREATE TABLE t (a INT)")
    sql(f"GRANT SELECT ON TABLE t TO ROLE {role}")
    sql("USE ROLE SYSADMIN")
    assert sql.refused(f"SELECT * FROM {_full(sql, 't')}").errno == 2003
    sql("USE ROLE ACCOUNTADMIN")
    sql(f"GRANT ROLE {role} TO ROLE SYSADMIN")
    sql("USE ROLE SYSADMIN")
    assert sql(f"SELECT * FROM {_full(sql, 't')}") == []
    sql("USE ROLE ACCOUNTADMIN")
    assert "is already granted" in str(sql.refused(f"GRANT ROLE SYSADMIN TO ROLE {role}"))


def _full(sql, name):
    return f"{sql('SELECT CURRENT_DATABASE()')[0][0]}.PUBLIC.{name}"


def test_who_owns_may_all_and_ownership_moves(sql, role):
    sql("CREATE TABLE t (a INT)")
    sql(f"GRANT OWNERSHIP ON TABLE t TO ROLE {role}")
    assert sql.refused("INSERT INTO t VALUES (1)").errno == 2003
    sql(f"USE ROLE {role}")
    sql("INSERT INTO t VALUES (1)")
    shown = sql.maps("SHOW GRANTS ON TABLE t")
    assert [(each["privilege"], each["grantee_name"]) for each in shown] == [("OWNERSHIP", role)]
    sql("DROP TABLE t")


def test_a_statement_needs_a_warehouse_that_runs_and_may_be_used(sql, role):
    warehouse = f"W{uuid.uuid4().hex[:8].upper()}"
    sql("CREATE TABLE t (a INT)")
    sql(f"GRANT SELECT ON TABLE t TO ROLE {role}")
    sql(f"CREATE WAREHOUSE {warehouse} AUTO_RESUME = FALSE INITIALLY_SUSPENDED = TRUE")
    assert "cannot be resumed" in str(sql.refused("SELECT * FROM t"))
    sql(f"ALTER WAREHOUSE {warehouse} RESUME")
    assert sql("SELECT * FROM t") == []
    assert "Invalid state" in str(sql.refused(f"ALTER WAREHOUSE {warehouse} RESUME"))
    sql(f"USE ROLE {role}")
    assert "Insufficient privileges to operate on warehouse" in str(sql.refused("SELECT * FROM t"))
    sql("USE ROLE ACCOUNTADMIN")
    sql(f"DROP WAREHOUSE {warehouse}")
    assert "No active warehouse selected" in str(sql.refused("SELECT * FROM t"))


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("GRANT FROBNICATE ON ACCOUNT TO ROLE PUBLIC", "Invalid privilege FROBNICATE on account"),
        ("GRANT SELECT ON TABLE nosuch TO ROLE PUBLIC", "Table 'NOSUCH|does not exist or not authorized"),
        ("GRANT USAGE ON DATABASE nosuch TO ROLE PUBLIC", "does not exist or not authorized"),
        ("GRANT MONITOR ON ACCOUNT TO ROLE nosuch", "Role 'NOSUCH' does not exist"),
        ("GRANT SELECT ON TABLES TO ROLE PUBLIC", "Unsupported feature|syntax error"),
        ("GRANT USAGE ON WAREHOUSE COMPUTE_WH TO DATABASE ROLE x", "Unsupported feature"),
    ],
)
def test_a_wrong_grant_is_refused(sql, statement, said):
    assert re.search(said, str(sql.refused(statement)))
