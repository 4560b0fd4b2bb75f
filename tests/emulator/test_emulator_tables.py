"""Tables: transactions, changes, what they held before, and what is refused."""

from __future__ import annotations

import datetime as dt
import re
import threading

import pytest

from firnflow.emulator.account import Account

pytestmark = pytest.mark.slow


def test_ddl_commits_what_is_open(sql):
    sql("CREATE TABLE t (a INT)")
    for statement, expected in (("CREATE TABLE u (a INT)", 1), ("SELECT 1", 0)):
        sql("DELETE FROM t")
        sql("BEGIN")
        sql("INSERT INTO t VALUES (1)")
        sql(statement)
        sql("ROLLBACK")
        assert sql("SELECT COUNT(*) AS n FROM t") == [(expected,)]


def test_statements_that_are_one_leave_nothing_whatever_fails(tmp_path):
    def broken() -> None:
        with session.transaction.whole():
            session.execute("INSERT INTO t VALUES (1)")
            raise RuntimeError("broken")

    account = Account(tmp_path)
    try:
        session = account.login("EMULATOR")
        for statement in ("CREATE DATABASE d", "USE WAREHOUSE COMPUTE_WH", "CREATE TABLE t (a INT)"):
            session.execute(statement)
        with pytest.raises(RuntimeError, match="broken"):
            broken()
        assert not session.transaction.is_open
        assert session.execute("SELECT COUNT(*) AS n FROM t").table.to_pylist() == [{"N": 0}]
    finally:
        account.close()


def test_without_autocommit_a_change_waits_for_commit(server, sql):
    sql("CREATE TABLE t (a INT)")
    sql.connection.autocommit(mode=False)
    sql("INSERT INTO t VALUES (1)")
    with server.connect(database=sql("SELECT CURRENT_DATABASE()")[0][0]) as other:
        assert other.cursor().execute("SELECT COUNT(*) FROM t").fetchall() == [(0,)]
        sql.connection.commit()
        assert other.cursor().execute("SELECT COUNT(*) FROM t").fetchall() == [(1,)]
    sql("INSERT INTO t VALUES (2)")
    sql.connection.rollback()
    sql.connection.autocommit(mode=True)
    assert sql("SELECT COUNT(*) FROM t") == [(1,)]


def test_merge_counts_what_it_does(sql):
    sql("CREATE TABLE t AS SELECT 1 AS id, 'a' AS n UNION ALL SELECT 2, 'b' UNION ALL SELECT 3, 'c'")
    statement = """MERGE INTO t USING (SELECT 1 AS k, 'A' AS v UNION ALL SELECT 2, NULL UNION ALL SELECT 9, 'Z') s
        ON t.id = s.k WHEN MATCHED AND s.v IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET n = s.v
        WHEN NOT MATCHED THEN INSERT (id, n) VALUES (s.k, s.v)"""
    assert sql(statement) == [(1, 1, 1)]
    assert sql.columns == ["number of rows inserted", "number of rows updated", "number of rows deleted"]
    assert sql("SELECT * FROM t ORDER BY id") == [(1, "A"), (3, "c"), (9, "Z")]


def test_what_a_table_held_before_is_there(sql):
    sql("CREATE TABLE t (id INT)")
    sql("INSERT INTO t VALUES (1), (2)")
    sql("SET before = (SELECT LAST_QUERY_ID())")
    sql("INSERT INTO t VALUES (3)")
    sql("UPDATE t SET id = 30 WHERE id = 3")
    sql("SET updated = (SELECT LAST_QUERY_ID())")
    sql("ALTER TABLE t ADD COLUMN more INT")
    sql("TRUNCATE TABLE t")
    assert sql("SELECT * FROM t") == []
    assert sql("SELECT * FROM t BEFORE(STATEMENT => LAST_QUERY_ID(-2)) ORDER BY id")[-1] == (30, None)
    assert sql("SELECT * FROM t AT(STATEMENT => $before) ORDER BY id") == [(1,), (2,)]
    assert sql("SELECT * FROM t BEFORE(STATEMENT => $updated) x WHERE x.id > 1 ORDER BY id") == [(2,), (3,)]
    sql("CREATE TABLE c CLONE t AT(STATEMENT => $before)")
    assert sql("SELECT COUNT(*) FROM c") == [(2,)]
    assert "Time travel data is not available" in str(sql.refused("SELECT * FROM t AT(OFFSET => -3600)"))


def test_a_dropped_table_comes_back(sql):
    sql("CREATE TABLE t AS SELECT 1 AS id")
    sql("DROP TABLE t")
    sql("CREATE TABLE t AS SELECT 2 AS id")
    assert "already exists" in str(sql.refused("UNDROP TABLE t"))
    sql("ALTER TABLE t RENAME TO other")
    sql("UNDROP TABLE t")
    assert sql("SELECT * FROM t UNION ALL SELECT * FROM other ORDER BY 1") == [(1,), (2,)]
    assert "does not exist" in str(sql.refused("UNDROP TABLE nosuch"))


def test_values_are_what_snowflake_makes_of_them(sql):
    sql("CREATE TABLE t (id INT, d DATE, n NUMBER(10, 2), s VARCHAR)")
    sql("INSERT INTO t VALUES (1, '2020-01-31', 0.1, 'x'), (2, '2021-12-01', 0.2, NULL)")
    found = sql("SELECT SUM(id) AS i, SUM(n) AS n, SUM(id) OVER () AS w FROM t GROUP BY id ORDER BY id")
    assert [repr(value) for value in found[0]] == ["1", "Decimal('0.10')", "3"]
    assert sql("SELECT TO_CHAR(d, 'YYYY-MM'), TO_VARCHAR(d, 'DD.MM.YY HH24:MI') FROM t WHERE id = 1") == [
        ("2020-01", "31.01.20 00:00")
    ]
    assert sql("SELECT {'a': 1, 'B': [1, 2]} AS o, AVG(id) AS m FROM t") == [('{"a":1,"B":[1,2]}', 1.5)]
    for statement in ("SELECT SUM(s) FROM t", "SELECT AVG(s) FROM t", "SELECT TO_CHAR(d, 'QQQ') FROM t"):
        sql.refused(statement)


def test_tables_swap_with_what_is_granted(sql):
    sql("CREATE TABLE a AS SELECT 1 AS x")
    sql("CREATE TABLE b AS SELECT 2 AS x")
    sql("GRANT SELECT ON TABLE a TO ROLE SYSADMIN")
    sql("ALTER TABLE a SWAP WITH b")
    assert sql("SELECT a.x, b.x FROM a, b") == [(2, 1)]
    assert [row["grantee_name"] for row in sql.maps("SHOW GRANTS ON TABLE b") if row["privilege"] == "SELECT"] == [
        "SYSADMIN"
    ]


def test_rows_of_an_earlier_answer_can_be_asked(sql):
    sql("CREATE TABLE t (id INT)")
    sql("SHOW TABLES")
    found = sql('SELECT "name", "rows" + 1 AS more FROM TABLE(RESULT_SCAN(LAST_QUERY_ID())) WHERE "kind" = \'TABLE\'')
    assert found == [("T", 1)]


def test_temporary_tables_are_one_sessions(server, sql):
    database = sql("SELECT CURRENT_DATABASE()")[0][0]
    with server.connect(database=database) as other:
        other.cursor().execute("CREATE TEMPORARY TABLE mine AS SELECT 1 AS a")
        assert other.cursor().execute("SELECT * FROM mine").fetchall() == [(1,)]
        assert "does not exist" in str(sql.refused("SELECT * FROM mine"))
        assert sql("SHOW TABLES") == []
    sql("CREATE TABLE mine (a INT)")
    assert sql("SELECT * FROM mine") == []


def test_sessions_that_change_one_row_wait_for_each_other(server, sql):
    sql("CREATE TABLE t AS SELECT 0 AS n")
    database = sql("SELECT CURRENT_DATABASE()")[0][0]

    def add() -> None:
        with server.connect(database=database) as connection:
            for _ in range(10):
                connection.cursor().execute("UPDATE t SET n = n + 1")

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sql("SELECT n FROM t") == [(30,)]


NAMES = ['a"b', "a;b", "a'b", "Ünï cödé", "select", "x" * 255, "a.b", "--", "%", "{}", "a\\b"]


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_are_only_names(sql, name):
    quoted = '"' + name.replace('"', '""') + '"'
    sql(f"CREATE SCHEMA {quoted}")
    sql(f"CREATE TABLE {quoted}.{quoted} ({quoted} INT COMMENT 'it''s')")
    sql(f"INSERT INTO {quoted}.{quoted} ({quoted}) VALUES (?)", 1)
    sql(f"CREATE STAGE {quoted}.{quoted}")
    sql(f"CREATE TAG {quoted}.{quoted}")
    sql(f"ALTER TABLE {quoted}.{quoted} SET TAG {quoted}.{quoted} = 'v'")
    assert sql(f"SELECT {quoted} FROM IDENTIFIER(?)", f"{quoted}.{quoted}") == [(1,)]
    assert [row["name"] for row in sql.maps(f"SHOW TABLES IN SCHEMA {quoted}")] == [name]
    assert sql(f"LIST @{quoted}.{quoted}") == []
    sql(f"DROP SCHEMA {quoted}")
    assert sql.maps(f"SHOW SCHEMAS LIKE '{name[:3]}%'" if name.isalpha() else "SHOW SCHEMAS LIKE 'nosuch'") == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("CREATE TABLE u (a INT) WITH ROW ACCESS POLICY p ON (a)", "Unsupported feature"),
        ("CREATE OR ALTER VIEW u AS SELECT 1", "Unsupported feature 'CREATE OR ALTER VIEW'"),
        ("CREATE OR REPLACE TABLE IF NOT EXISTS u (a INT)", "incompatible"),
        ("ALTER TABLE t ADD SEARCH OPTIMIZATION", "Unsupported feature"),
        ("CREATE VIEW t AS SELECT 1 AS a", "already exists"),
        ("DROP VIEW t", "View .* does not exist or not authorized"),
        ("SELECT b FROM t", "invalid identifier"),
        ("INSERT INTO t VALUES ('x')", "Numeric value 'x' is not recognized"),
        ("CREATE TABLE nosuch.public.u (a INT)", "Schema .* does not exist or not authorized"),
        ("SELECT * FROM t; DROP TABLE t", "Actual statement count 2"),
        ("CREATE ICEBERG TABLE i (a INT)", "Unsupported feature 'CREATE ICEBERG TABLE'"),
        ("CREATE PIPE p AS COPY INTO t FROM @s", "Unsupported feature 'CREATE PIPE"),
        ("UPDATE t SET a = 1 WHERE nosuch = 1", "invalid identifier"),
    ],
)
def test_what_is_wrong_or_not_emulated_is_refused(sql, statement, said):
    sql("CREATE TABLE t (a INT)")
    error = sql.refused(statement)
    assert re.search(said, str(error)), error
    assert sql("SELECT COUNT(*) FROM t") == [(0,)]


def test_dates_that_are_moved_or_cut_stay_dates(sql):
    sql("CREATE TABLE t AS SELECT DATE '2020-01-31' AS d, TIMESTAMP '2020-01-31 10:00' AS ts, 2 AS n")
    found = sql(
        "SELECT DATEADD(day, n, d), DATEADD('month', 1, d), DATEADD(quarter, -n, d), d + INTERVAL '2 months', "
        "ADD_MONTHS(d, 1), DATE_TRUNC('month', d), DATEADD(day, 1, NULL::DATE) FROM t"
    )
    days = ("2020-02-02", "2020-02-29", "2019-07-31", "2020-03-31", "2020-02-29", "2020-01-01")
    assert found == [(*map(dt.date.fromisoformat, days), None)]
    found = sql(
        "SELECT DATEADD(hour, 1, d), DATEADD(day, 1, ts), DATEADD(year, 1, '2020-02-29'), ts - INTERVAL '1 day' FROM t"
    )
    moments = ("2020-01-31T01", "2020-02-01T10", "2021-02-28T00", "2020-01-30T10")
    assert found == [tuple(map(dt.datetime.fromisoformat, moments))]


def test_an_asof_join_keeps_each_row_with_the_last_before_it(sql):
    sql("CREATE TABLE l (k INT, t TIMESTAMP_NTZ)")
    sql("INSERT INTO l VALUES (1, '2024-01-05'), (1, '2024-01-01'), (1, NULL), (NULL, '2024-01-09'), (2, '2024-01-09')")
    sql("CREATE TABLE r (k INT, t TIMESTAMP_NTZ, v TEXT)")
    sql("INSERT INTO r VALUES (1, '2024-01-02', 'a'), (1, '2024-01-04', NULL), (2, '2024-01-09', 'b')")
    joined = (
        "SELECT l.k, DAY(l.t), DAY(r.t), v FROM l ASOF JOIN r MATCH_CONDITION (l.t {} r.t) ON l.k = r.k ORDER BY 1, 2"
    )
    found = [(1, 1, None, None), (1, 5, 4, None), (1, None, None, None), (2, 9, 9, "b"), (None, 9, None, None)]
    assert sql(joined.format(">=")) == found
    assert sql(joined.format("<"))[0] == (1, 1, 2, "a")
    assert "syntax error" in str(sql.refused(joined.format("=")))
    assert sql("SELECT DATEADD(MICROSECOND, -'5', '2024-01-01'::TIMESTAMP_NTZ)")[0][0].microsecond == 999_995


def test_rows_have_one_hash_in_any_order_and_are_counted_as_they_are(sql):
    sql("CREATE TABLE a AS SELECT 1 AS x, 'p' AS y UNION ALL SELECT 2, NULL")
    sql("CREATE TABLE b AS SELECT 2 AS x, NULL AS y UNION ALL SELECT 1, 'p'")
    one, other = (sql(f"SELECT HASH_AGG(1, x, y), HASH_AGG(2, x, y) FROM {name}")[0] for name in "ab")
    assert one == other
    assert one[0] != one[1]
    assert sql("SELECT HASH_AGG(x) FROM a WHERE x > 5") == [(0,)]
    assert "HASH_AGG of *" in str(sql.refused("SELECT HASH_AGG(*) FROM a"))
    sql("DELETE FROM a WHERE x = 1")
    assert sql("SELECT HASH_AGG(1, x, y) FROM a") != [one[:1]]
    assert [row["rows"] for row in sql.maps("SHOW TABLES")] == [1, 2]
    assert sql("SELECT ARRAY_GENERATE_RANGE(0, ARRAY_SIZE(PARSE_JSON('[7, 8]')))")[0][0].replace(" ", "") == "[0,1]"


def test_a_stream_has_what_has_changed_until_it_is_used(sql):
    sql("CREATE TABLE t (a INT, b VARCHAR) AS SELECT 0, 'before'")
    sql("CREATE TABLE u (a INT, b VARCHAR)")
    sql("CREATE STREAM st ON TABLE t")
    sql("CREATE STREAM all_of_it ON TABLE t APPEND_ONLY = TRUE SHOW_INITIAL_ROWS = TRUE")
    assert sql("SELECT SYSTEM$STREAM_HAS_DATA('st')") == [(False,)]
    sql("INSERT INTO t VALUES (1, 'x'), (1, 'x')")
    changes = "SELECT a, b, METADATA$ACTION FROM st ORDER BY METADATA$ACTION, a"
    for _ in range(2):
        assert sql(changes) == [(1, "x", "INSERT")] * 2
    assert sql("SELECT COUNT(*) FROM all_of_it") == [(3,)]
    sql.refused("INSERT INTO u SELECT a, b::INT FROM st")
    assert sql("SELECT SYSTEM$STREAM_HAS_DATA('st')") == [(True,)]
    sql("INSERT INTO u SELECT a, b FROM st WHERE METADATA$ACTION = 'INSERT'")
    assert (sql("SELECT a, b FROM u"), sql(changes)) == ([(1, "x")] * 2, [])
    sql("UPDATE t SET b = 'after' WHERE a = 0")
    assert sql(changes) == [(0, "before", "DELETE"), (0, "after", "INSERT")]
    merge = "USING (SELECT * FROM st WHERE METADATA$ACTION = 'INSERT') s ON u.a = s.a"
    sql(f"MERGE INTO u {merge} WHEN NOT MATCHED THEN INSERT (a, b) VALUES (s.a, s.b)")
    assert sql("SELECT SYSTEM$STREAM_HAS_DATA('st')") == [(False,)]
    assert sql("SELECT b FROM u WHERE a = 0") == [("after",)]
    assert "Unsupported" in sql.refused("CREATE STREAM v ON STAGE w").msg
    sql("DROP STREAM st")
    assert sql.refused("SELECT * FROM st").errno == 2003


def test_a_stream_moves_on_with_its_transaction_and_the_last_change_with_what_is_committed(sql):
    sql("CREATE TABLE t (a INT) AS SELECT 0")
    sql("CREATE TABLE u (a INT)")
    sql("CREATE VIEW w AS SELECT a FROM t WHERE a + a > 0")
    sql("CREATE STREAM st ON TABLE t")
    sql("CREATE STREAM sw ON VIEW w")
    changed = "SELECT SYSTEM$LAST_CHANGE_COMMIT_TIME('t'), SYSTEM$LAST_CHANGE_COMMIT_TIME('w')"
    before = sql(changed)
    sql("INSERT INTO t VALUES (1)")
    assert all(now > then for now, then in zip(sql(changed)[0], before[0], strict=True))
    assert (sql("SELECT a FROM sw"), sql(changed)) == ([(1,)], sql(changed))
    sql("BEGIN")
    sql("INSERT INTO u SELECT a FROM st")
    assert sql("SELECT a FROM st") == [(1,)]  # the transaction goes on to see what it has used
    sql("ROLLBACK")
    assert sql("SELECT SYSTEM$STREAM_HAS_DATA('st')") == [(True,)]
    there = sql("SELECT SYSTEM$LAST_CHANGE_COMMIT_TIME('u')")
    sql("BEGIN")
    sql("INSERT INTO u SELECT a FROM st")
    sql("INSERT INTO u SELECT 10 * a FROM st")
    assert sql("SELECT SYSTEM$LAST_CHANGE_COMMIT_TIME('u')") == there
    sql("COMMIT")
    assert sql("SELECT SYSTEM$STREAM_HAS_DATA('st')") == [(False,)]
    assert sql("SELECT a FROM u ORDER BY a") == [(1,), (10,)]
    assert sql("SELECT SYSTEM$LAST_CHANGE_COMMIT_TIME('u')") > there
    assert sql.refused("SELECT SYSTEM$LAST_CHANGE_COMMIT_TIME('nowhere')").errno == 2003
