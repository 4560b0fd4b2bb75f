"""Snowflake Scripting: blocks by themselves, in procedures and in tasks."""

from __future__ import annotations

import datetime as dt

import pytest

pytestmark = pytest.mark.slow

WRONG = "DECLARE wrong EXCEPTION (-20005, 'it is wrong');"
BLOCKS = {
    "DECLARE n INT DEFAULT 2; s VARCHAR := 'a'; BEGIN RETURN s || n; END": "a2",
    "BEGIN LET n := 1; n := n + 1; LET v VARIANT := PARSE_JSON('{\"k\": [1, 2]}'); RETURN v:k[1]::INT + n; END": 4,
    "BEGIN LET d DATE := '2026-01-31'; RETURN DATEADD(MONTH, 1, d); END": dt.date(2026, 2, 28),
    "BEGIN LET x NUMBER(10, 2) := 1.005; RETURN x::VARCHAR; END": "1.01",
    "DECLARE x INT; BEGIN x := 5; DECLARE x INT DEFAULT 7; BEGIN x := x + 1; END; RETURN x; END": 5,
    "BEGIN LET n := 3; IF (n > 4) THEN RETURN 'a'; ELSEIF (n = 3) THEN RETURN 'b'; ELSE RETURN 'c'; END IF; END": "b",
    "BEGIN LET n := 3; CASE (n) WHEN 1 THEN RETURN 'a'; WHEN 3 THEN RETURN 'b'; END CASE; END": "b",
    "BEGIN LET n := 9; CASE WHEN n = 3 THEN RETURN 'b'; ELSE RETURN CASE n WHEN 9 THEN 'd' END; END; END": "d",
    "BEGIN LET s := 0; FOR i IN 1 TO 200 DO s := s + i; END FOR; RETURN s; END": 20100,
    "BEGIN LET s := ''; FOR i IN REVERSE 1 TO 3 LOOP s := s || i; END LOOP; RETURN s; END": "321",
    "BEGIN LET i := 0; WHILE (1) DO i := i + 1; IF (i < 4) THEN CONTINUE; END IF; EXIT; END WHILE; RETURN i; END": 4,
    "BEGIN LET i := 0; REPEAT i := i + 1; UNTIL (i >= 4) END REPEAT; RETURN i; END": 4,
    "BEGIN LET i := 0; LOOP LOOP i := i + 1; BREAK o; END LOOP; i := 9; END LOOP o; RETURN i; END": 1,
    "BEGIN LET a INT; LET b VARCHAR; SELECT COUNT(*), MAX(b) INTO :a, :b FROM t WHERE a < 3; RETURN a || b; END": "2y",
    "BEGIN LET s := 0; LET c CURSOR FOR SELECT a FROM t; FOR r IN c DO s := s + r.a; END FOR; RETURN s; END": 6,
    """DECLARE c CURSOR FOR SELECT a, b FROM t WHERE a > ? ORDER BY a; x INT; y VARCHAR;
    BEGIN OPEN c USING (1); FETCH c INTO x, y; FETCH c INTO x, y; CLOSE c; RETURN x || y; END""": "3z",
    "BEGIN LET r RESULTSET := (SELECT a FROM t); LET s := 0; FOR x IN r DO s := s + x.a; END FOR; RETURN s; END": 6,
    """BEGIN LET q := 'SELECT COUNT(*) FROM t WHERE a > ?'; LET n := 1;
    LET r RESULTSET := (EXECUTE IMMEDIATE :q USING (n)); RETURN TABLE(r); END""": 2,
    "BEGIN LET name := 't'; LET n INT; SELECT COUNT(*) INTO :n FROM IDENTIFIER(:name); RETURN n; END": 3,
    "BEGIN UPDATE t SET b = 'q' WHERE a > 1; RETURN SQLROWCOUNT || ' ' || SQLFOUND || ' ' || SQLNOTFOUND; END": (
        "2 true false"
    ),
    "BEGIN RETURN SQLROWCOUNT IS NULL AND SQLFOUND IS NULL AND SQLNOTFOUND IS NULL; END": True,
    "BEGIN UPDATE t SET b = 'q'; SELECT 1; RETURN SQLROWCOUNT; END": None,
    """BEGIN FOR i IN 1 TO 2 DO BEGIN LET x := 1 / 0; EXCEPTION WHEN OTHER THEN CONTINUE; END; RETURN 0; END FOR;
    RETURN 1; END""": 1,
    "BEGIN FOR i IN 1 TO NULL DO RETURN i; END FOR; EXCEPTION WHEN OTHER THEN RETURN SQLERRM; END": (
        "SQL compilation error:\nFOR I: where it begins and ends must not be NULL"
    ),
    f"{WRONG} BEGIN RAISE wrong; EXCEPTION WHEN wrong THEN RETURN SQLCODE || SQLSTATE || SQLERRM; END": (
        "-20005P0001it is wrong"
    ),
    "BEGIN LET x := 1 / 0; EXCEPTION WHEN STATEMENT_ERROR THEN RETURN 1; WHEN EXPRESSION_ERROR THEN RETURN 2; END": 2,
    "BEGIN SELECT * FROM nowhere; EXCEPTION WHEN OTHER THEN RETURN SQLCODE; END": 2003,
    f"{WRONG} BEGIN BEGIN RAISE wrong; EXCEPTION WHEN OTHER THEN RAISE; END; EXCEPTION WHEN wrong THEN RETURN 1; END": (
        1
    ),
    """DECLARE n INT DEFAULT 0; BEGIN SELECT * FROM nowhere; n := n + 10; RETURN n;
    EXCEPTION WHEN OTHER CONTINUE THEN n := n + 1; END""": 11,
    "BEGIN LET n INT; SELECT a INTO :n FROM t; EXCEPTION WHEN OTHER THEN RETURN SQLERRM; END": (
        "SELECT INTO statement expects exactly 1 returned row, but got 3."
    ),
    "BEGIN NULL; END": None,
}
"""Block → what it returns."""


@pytest.fixture
def tables(sql):
    sql("CREATE TABLE t (a INT, b VARCHAR) AS SELECT * FROM VALUES (1, 'x'), (2, 'y'), (3, 'z')")
    return sql


def test_blocks_return_what_the_language_says(tables):
    found = {}
    for block in BLOCKS:
        tables("BEGIN TRANSACTION")
        found[block] = tables(f"EXECUTE IMMEDIATE $${block}$$")[0][0]
        tables("ROLLBACK")
    assert found == BLOCKS
    assert tables("BEGIN RETURN 1; END;") == [(1,)]
    assert tables.columns == ["anonymous block"]


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (
            f"{WRONG} BEGIN RAISE wrong; END",
            "Uncaught exception of type 'WRONG' on line 1 at position 55 : it is wrong",
        ),
        ("BEGIN\n  SELECT * FROM nowhere; END", "'STATEMENT_ERROR' on line 2 at position 2 : SQL compilation error"),
        ("BEGIN RETURN :y; END", "Bind variable :Y not set."),
        ("BEGIN x := 1; END", "invalid identifier 'X'"),
        ("BEGIN ASYNC (SELECT 1); END", "Unsupported feature 'ASYNC'"),
        ("BEGIN BOGUS statement; END", "Unsupported feature 'BOGUS STATEMENT'"),
        ("BEGIN IF (TRUE) THEN RETURN 1; END; END", "unexpected ';'"),
        ("BEGIN SELECT 1; END x", "unexpected 'x'"),
        ("BEGIN LET i := 0; BREAK; END", "unexpected 'BREAK'"),
        ("BEGIN LOOP CONTINUE outer; END LOOP inner; END", "unexpected 'CONTINUE outer'"),
        ("BEGIN REPEAT NULL; UNTIL (TRUE) END REPEAT; EXIT; END", "unexpected 'EXIT'"),
        ("DECLARE x INT DEFAULT; BEGIN RETURN 1; END", "unexpected ';'"),
        ("BEGIN LET c CURSOR FOR SELECT 1; LET x INT; FETCH c INTO x; END", "Cursor 'C' is not open."),
    ],
)
def test_what_is_wrong_in_a_block_is_said_with_its_place(sql, block, said):
    assert said in str(sql.refused(f"EXECUTE IMMEDIATE $${block}$$"))


def test_a_procedure_in_sql_takes_arguments_and_has_the_rights_of_its_owner(tables, server, speak):
    database = tables("SELECT CURRENT_DATABASE()")[0][0]
    tables("""
        CREATE PROCEDURE add_one(n INT, s VARCHAR DEFAULT 'q', d DATE DEFAULT '2024-01-01') RETURNS VARCHAR LANGUAGE SQL
        AS $$ BEGIN INSERT INTO t VALUES (:n, :s); RETURN s || n || DATEADD(DAY, 1, d); END $$
    """)
    tables("""
        CREATE PROCEDURE below(n INT) RETURNS TABLE (a INT, b VARCHAR) LANGUAGE SQL
        AS $$ DECLARE r RESULTSET DEFAULT (SELECT a, b FROM t WHERE a < :n ORDER BY a); BEGIN RETURN TABLE(r); END $$
    """)
    assert tables("CALL add_one(7)") == [("q72024-01-02",)]
    assert tables("CALL add_one(8, s => 'it''s')") == [("it's82024-01-02",)]
    assert tables("CALL below(3)") == [(1, "x"), (2, "y")]
    assert tables("BEGIN LET x VARCHAR; CALL add_one(9) INTO :x; RETURN x; END") == [("q92024-01-02",)]
    role = f"R_{database}"
    for statement in (
        f"CREATE ROLE {role}",
        f"GRANT ROLE {role} TO USER EMULATOR",
        f"GRANT USAGE ON DATABASE {database} TO ROLE {role}",
        f"GRANT USAGE ON SCHEMA {database}.PUBLIC TO ROLE {role}",
        f"GRANT USAGE ON WAREHOUSE COMPUTE_WH TO ROLE {role}",
        f"GRANT USAGE ON PROCEDURE {database}.PUBLIC.below(INT) TO ROLE {role}",
    ):
        tables(statement)
    with server.connect(role=role, warehouse="COMPUTE_WH") as connection:
        guest = speak(connection)
        assert "not authorized" in str(guest.refused(f"SELECT * FROM {database}.PUBLIC.t"))
        assert guest(f"CALL {database}.PUBLIC.below(2)") == [(1, "x")]
        assert guest("SELECT CURRENT_ROLE(), CURRENT_DATABASE()") == [(role, None)]
    tables(f"DROP ROLE {role}")


def test_a_procedure_with_its_owners_rights_has_nothing_of_its_callers_session(sql):
    database = sql("SELECT CURRENT_DATABASE()")[0][0]
    role, other = f"R_{database}", f"O_{database}"
    bodies = {"reads": "SELECT COUNT(*) FROM t;", "asks": "RETURN $x;", "sets": "SET x = 6; RETURN $x;"}
    bodies |= {"role": "USE ROLE PUBLIC;", "others": "USE SECONDARY ROLES ALL;", "nests": "CALL asks_caller();"}
    bodies |= {"session": "ALTER SESSION SET QUERY_TAG = 'x';", "files": "LIST @~;"}
    sql("CREATE TABLE t (x INT)")
    for each in (role, other):
        sql(f"CREATE ROLE {each}")
        sql(f"GRANT ROLE {each} TO USER EMULATOR")
    for grant in (f"USAGE ON DATABASE {database}", "USAGE, CREATE PROCEDURE ON SCHEMA PUBLIC"):
        sql(f"GRANT {grant} TO ROLE {role}")
    sql(f"GRANT SELECT ON TABLE t TO ROLE {other}")
    sql("SET x = 5")
    sql(f"USE ROLE {role}")
    sql("USE SECONDARY ROLES ALL")
    for name, body in bodies.items():
        for kind in ("owner", "caller"):
            sql(
                f"CREATE PROCEDURE {name}_{kind}() RETURNS VARCHAR LANGUAGE SQL EXECUTE AS {kind} "
                f"AS $$ BEGIN {body} END $$"
            )
    said = {name: str(sql.refused(f"CALL {name}_owner()")) for name in bodies if name != "sets"}
    assert "not authorized" in said["reads"]
    assert "Session variable '$X' does not exist" in said["asks"]
    assert "Session variable '$X' does not exist" in said["nests"]
    for name, kind in {"role": "USE", "others": "USE", "session": "ALTER_SESSION", "files": "LIST"}.items():
        assert f"Unsupported statement type '{kind}'" in said[name]
    assert sql("CALL sets_owner()") == [("6",)]
    assert sql("SELECT $x, CURRENT_ROLE()") == [(5, role)]
    sql("CALL reads_caller()")
    assert sql("CALL asks_caller()") == [("5",)]
    sql("CALL sets_caller()")
    sql("CALL role_caller()")
    assert sql("SELECT $x, CURRENT_ROLE()") == [(6, "PUBLIC")]
    sql("USE ROLE ACCOUNTADMIN")
    for each in (role, other):
        sql(f"DROP ROLE {each}")


def test_a_transaction_is_all_in_a_procedure_or_all_around_it(sql):
    sql("CREATE TABLE t (x INT)")
    bodies = {
        "plain": "INSERT INTO t VALUES (2);",
        "commits": "INSERT INTO t VALUES (2); COMMIT;",
        "undoes": "INSERT INTO t VALUES (2); ROLLBACK;",
        "makes": "CREATE TABLE u (x INT);",
        "whole": "BEGIN TRANSACTION; INSERT INTO t VALUES (3); COMMIT;",
        "open": "BEGIN TRANSACTION; INSERT INTO t VALUES (3); RETURN 1;",
        "fails": "BEGIN TRANSACTION; INSERT INTO t VALUES (3); SELECT * FROM nowhere;",
        "calls": "BEGIN TRANSACTION; INSERT INTO t VALUES (3); CALL commits(); COMMIT;",
    }
    for name, body in bodies.items():
        sql(f"CREATE PROCEDURE {name}() RETURNS INT LANGUAGE SQL AS $$ BEGIN {body} END $$")
    within = {}
    for name in bodies:
        sql("BEGIN TRANSACTION")
        sql("INSERT INTO t VALUES (1)")
        within[name] = "" if name == "plain" else str(sql.refused(f"CALL {name}()"))
        sql("EXECUTE IMMEDIATE 'SELECT 1'")
        sql("ROLLBACK")
        assert sql("SELECT * FROM t") == [], name
    for name in ("commits", "undoes", "makes"):
        assert "Modifying a transaction that has started at a different scope is not allowed" in within[name]
    assert "BEGIN in a procedure that is called in a transaction" in within["whole"]
    sql("CALL whole()")
    assert "Scoped transaction started in stored procedure is incomplete" in str(sql.refused("CALL open()"))
    assert "NOWHERE" in str(sql.refused("CALL fails()"))
    assert "at a different scope" in str(sql.refused("CALL calls()"))
    sql("ROLLBACK")
    assert sql("SELECT * FROM t") == [(3,)]
