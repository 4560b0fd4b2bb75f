"""Tables altered by their definition, rows for several tables, rows that a file has in vain, containers renamed."""

from __future__ import annotations

import datetime as dt

import pytest

pytestmark = pytest.mark.slow


def test_create_or_alter_keeps_the_rows_and_makes_the_columns_those_of_the_definition(sql):
    create = "CREATE OR ALTER TABLE t"
    sql(f"{create} (a INT NOT NULL, b VARCHAR(10) DEFAULT 'q', c NUMBER(10, 2)) COMMENT = 'one'")
    sql("INSERT INTO t VALUES (1, 'x', 1.5)")
    wider = f"{create} (a INT, b VARCHAR(20), c NUMBER(12, 2), d DATE COMMENT 'day', e INT NOT NULL DEFAULT 7)"
    assert sql(wider) == [("Table T successfully altered.",)]
    sql(wider)
    sql("CREATE TABLE computed AS SELECT 1 AS a")
    sql("CREATE OR ALTER TABLE computed (a INT, b INT DEFAULT (3.5 * 2)::INT)")
    assert sql("SELECT b FROM computed") == [(7,)]
    sql("INSERT INTO t (a, d) VALUES (NULL, '2026-01-02')")
    assert sql("SELECT * FROM t ORDER BY a") == [(1, "x", 1.5, None, 7), (None, None, None, dt.date(2026, 1, 2), 7)]
    columns = {row["name"]: row for row in sql.maps("DESCRIBE TABLE t")}
    assert [row["type"] for row in columns.values()][1:3] == ["VARCHAR(20)", "NUMBER(12,2)"]
    assert (columns["A"]["null?"], columns["E"]["null?"], columns["D"]["comment"]) == ("Y", "N", "day")
    assert sql.maps("SHOW TABLES LIKE 't'")[0]["comment"] == ""
    sql(f"{create} (a INT, d DATE)")
    assert sql("SELECT * FROM t ORDER BY a") == [(1, None), (None, dt.date(2026, 1, 2))]
    for definition, said in (
        ("(a VARCHAR, d DATE)", r"column A from type NUMBER\(38,0\) to VARCHAR"),
        ("(d DATE, a INT)", "keep their order"),
        ("(x INT, a INT, d DATE)", "keep their order"),
        ("(a INT NOT NULL, d DATE)", "NULL result in a non-nullable column: A"),
        ("(a INT DEFAULT 3, d DATE)", "default of column A"),
        ("AS SELECT 1 AS x", "without columns"),
    ):
        with pytest.raises(Exception, match=said):
            sql(f"{create} {definition}")
    assert "stays what it is" in str(sql.refused("CREATE OR ALTER TRANSIENT TABLE t (a INT, d DATE)"))
    assert sql("SELECT COUNT(*) FROM t") == [(2,)]


def test_copy_leaves_out_the_rows_that_a_table_does_not_take(sql, tmp_path):
    sql("CREATE TABLE t (a INT, b VARCHAR NOT NULL, d DATE)")
    sql("CREATE STAGE st")
    (tmp_path / "f.csv").write_text("1,a,2024-01-01\nx,b,2024-01-02\n3,c,nodate\n4,,2024-01-04\n5,e,2024-01-05\n")
    (tmp_path / "g.csv").write_text("6,g\n")
    for file in ("f.csv", "g.csv"):
        sql(f"PUT 'file://{tmp_path}/{file}' @st AUTO_COMPRESS = FALSE")
    copy = "COPY INTO t FROM @st FILES = ('{}')"
    found = sql.maps(copy.format("f.csv") + " VALIDATION_MODE = RETURN_ERRORS")
    assert [(row["ROW_NUMBER"], row["COLUMN_NAME"], row["ERROR"]) for row in found] == [
        (2, '"T"["A"]', "Numeric value 'x' is not recognized"),
        (3, '"T"["D"]', "Date 'nodate' is not recognized"),
        (4, '"T"["B"]', "NULL result in a non-nullable column"),
    ]
    assert sql(copy.format("f.csv") + " VALIDATION_MODE = RETURN_1_ROWS") == [(1, "a", dt.date(2024, 1, 1))]
    assert "line 2, column A" in str(sql.refused(copy.format("f.csv") + " VALIDATION_MODE = RETURN_2_ROWS"))
    assert sql.maps(copy.format("f.csv") + " ON_ERROR = SKIP_FILE_3")[0]["status"] == "LOAD_FAILED"
    assert sql.maps(copy.format("f.csv") + " ON_ERROR = 'SKIP_FILE_59%'")[0]["status"] == "LOAD_FAILED"
    assert sql.maps(copy.format("g.csv") + " ON_ERROR = CONTINUE")[0]["status"] == "LOAD_FAILED"
    assert sql("SELECT COUNT(*) FROM t") == [(0,)]
    loaded = sql.maps(copy.format("f.csv") + " ON_ERROR = CONTINUE")[0]
    told = ("status", "rows_parsed", "rows_loaded", "errors_seen", "first_error_line", "first_error_column_name")
    assert [loaded[name] for name in told] == ["PARTIALLY_LOADED", 5, 2, 3, 2, "A"]
    assert sql("SELECT a FROM t ORDER BY a") == [(1,), (5,)]
    assert "processed" in sql(copy.format("f.csv") + " ON_ERROR = CONTINUE")[0][0]
    assert sql.maps(copy.format("f.csv") + " ON_ERROR = 'SKIP_FILE_60%' FORCE = TRUE")[0]["rows_loaded"] == 2
    with_query = "COPY INTO t FROM (SELECT $1, $2, $3 FROM @st) ON_ERROR = CONTINUE"
    assert "with a query" in str(sql.refused(with_query))
    assert "invalid value 'BOGUS'" in str(sql.refused(copy.format("f.csv") + " ON_ERROR = BOGUS"))


def test_a_column_takes_texts_of_its_length_only(sql, tmp_path):
    sql("CREATE TABLE t (a INT, s VARCHAR(5) DEFAULT 'd', c CHAR, j VARIANT)")
    sql("INSERT INTO t VALUES (1, 'äöüßé', 'x', NULL), ('2', DEFAULT, NULL, PARSE_JSON('[1]'))")
    sql("INSERT INTO t (c, a) WITH w AS (SELECT 'z' AS c) SELECT c, ? FROM w", 3)
    sql("CREATE TABLE drawn (s VARCHAR(3), p INT)")
    assert sql("INSERT INTO drawn SELECT 'r', RANDOM(7)") == [(1,)]
    sql("CREATE TABLE source AS SELECT 'longer' AS s, 1 AS k")
    merge = "MERGE INTO t USING source ON t.a = source.k + {} WHEN"
    for statement in (
        "INSERT INTO t (s) VALUES ('ok'), ('longer')",
        "INSERT INTO t (c, a) SELECT 'zz', 1",
        "INSERT INTO t SELECT k, s, NULL, NULL FROM source",
        "INSERT OVERWRITE INTO t (s) SELECT s FROM source",
        "INSERT ALL INTO t (a, s) VALUES (k, s) SELECT * FROM source",
        "UPDATE t SET a = 7, s = s || 'r' WHERE a = 1",
        merge.format(0) + " MATCHED THEN UPDATE SET s = source.s",
        merge.format(9) + " NOT MATCHED THEN INSERT (a, s) VALUES (k, source.s)",
        "CREATE TABLE u (s VARCHAR(5)) AS SELECT s FROM source",
    ):
        assert "is too long and would be truncated" in sql.refused(statement).msg, statement
    assert "expected 2 columns but 3" in sql.refused("INSERT INTO t (a, s) SELECT 1, 'a', 'b'").msg
    assert sql("SELECT a, s, c, j FROM t ORDER BY a") == [
        (1, "äöüßé", "x", None),
        (2, "d", None, "[1]"),
        (3, "d", "z", None),
    ]
    for change in ("RENAME COLUMN c TO d", "ADD COLUMN e VARCHAR(2)", "ALTER COLUMN s SET DATA TYPE VARCHAR(6)"):
        sql(f"ALTER TABLE t {change}")
    assert [row["type"] for row in sql.maps("DESCRIBE TABLE t")][1:] == ["VARCHAR(6)", "CHAR", "VARIANT", "VARCHAR(2)"]
    sql("INSERT INTO t (a, s) SELECT 4, s FROM source")
    for column in ("d", "e"):
        assert "'long' is too long" in sql.refused(f"INSERT INTO t ({column}) VALUES ('long')").msg
    sql("ALTER TABLE t DROP COLUMN e")
    sql("ALTER TABLE t ADD COLUMN e VARCHAR")
    sql("INSERT INTO t (a, e) VALUES (5, 'long')")


def test_copy_looks_at_the_lengths_of_texts_or_cuts_them(sql, tmp_path):
    sql("CREATE TABLE t (a INT, s VARCHAR(3))")
    sql("CREATE STAGE st")
    (tmp_path / "f.csv").write_text("1,abc\n2,toolong\n3,\n")
    sql(f"PUT 'file://{tmp_path}/f.csv' @st AUTO_COMPRESS = FALSE")
    (told,) = sql.maps("COPY INTO t FROM @st VALIDATION_MODE = RETURN_ERRORS")
    assert (told["ERROR"], told["ROW_NUMBER"], told["CODE"], told["SQL_STATE"]) == (
        *("User character length limit (3) exceeded by string 'toolong'", 2, 100074, "54000"),
    )
    assert "'toolong' is too long" in sql.refused("COPY INTO t FROM @st").msg
    assert sql.maps("COPY INTO t FROM @st ON_ERROR = CONTINUE")[0]["rows_loaded"] == 2
    for how in ("TRUNCATECOLUMNS = TRUE", "ENFORCE_LENGTH = FALSE", "TRUNCATECOLUMNS = TRUE ON_ERROR = CONTINUE"):
        assert sql.maps(f"COPY INTO t FROM @st FORCE = TRUE {how}")[0]["rows_loaded"] == 3
    assert sql("SELECT s, COUNT(*) FROM t GROUP BY s ORDER BY s") == [("abc", 4), ("too", 3), (None, 4)]


def test_schemas_and_databases_are_cloned_and_renamed_with_what_is_in_them(sql):
    database = sql("SELECT CURRENT_DATABASE()")[0][0]
    sql("CREATE SCHEMA s")
    sql("CREATE TABLE t (a INT NOT NULL DEFAULT (1.5 * 2)::INT, b VARCHAR(10))")
    sql("INSERT INTO t VALUES (1, 'x')")
    sql("CREATE VIEW v AS SELECT a, b FROM t")
    sql("GRANT SELECT ON TABLE t TO ROLE SYSADMIN")
    sql(f"CREATE SCHEMA {database}.s2 CLONE {database}.s")
    sql(f"INSERT INTO {database}.s2.t (b) VALUES ('y')")
    assert sql(f"SELECT COUNT(*) FROM {database}.s.v") == [(1,)]
    assert sql(f"SELECT a, b FROM {database}.s2.v ORDER BY b") == [(1, "x"), (3, "y")]
    assert sql.maps(f"DESCRIBE TABLE {database}.s2.t")[1]["type"] == "VARCHAR(10)"
    assert "SYSADMIN" in {row["grantee_name"] for row in sql.maps(f"SHOW GRANTS ON TABLE {database}.s2.t")}
    sql(f"ALTER SCHEMA {database}.s2 RENAME TO {database}.s3")
    assert sql("SELECT CURRENT_SCHEMA()") == [("S3",)]
    assert sql("SELECT COUNT(*) FROM v") == [(2,)]
    assert "does not exist" in str(sql.refused(f"SELECT * FROM {database}.s2.v"))
    sql(f"CREATE DATABASE {database}_c CLONE {database}")
    sql(f"ALTER DATABASE {database}_c RENAME TO {database}_d")
    try:
        sql(f"INSERT INTO {database}_d.s3.t (b) VALUES ('z')")
        assert sql(f"SELECT COUNT(*) FROM {database}_d.s3.v") == [(3,)]
        assert sql(f"SELECT COUNT(*) FROM {database}.s3.v") == [(2,)]
        assert "already exists" in str(sql.refused(f"ALTER DATABASE {database}_d RENAME TO {database}"))
    finally:
        sql(f"DROP DATABASE {database}_d")
    sql(f"USE SCHEMA {database}.s")
    sql("CREATE TASK k WAREHOUSE = COMPUTE_WH AS SELECT 1")
    assert "CLONE of what has a TASK (K)" in str(sql.refused("CREATE SCHEMA s4 CLONE s"))
    assert sql.maps("SHOW SCHEMAS LIKE 's4'") == []


def test_a_view_of_a_clone_or_of_a_renamed_schema_reads_what_its_names_mean_there(sql):
    database = sql("SELECT CURRENT_DATABASE()")[0][0]
    sql("CREATE SCHEMA s")
    sql("CREATE TABLE t AS SELECT 1 AS a")
    sql("CREATE VIEW z AS SELECT a / a AS a FROM t")
    sql("CREATE VIEW below AS SELECT * FROM z")  # is made after what it reads, though its name comes first
    sql(f"CREATE VIEW said AS SELECT * FROM {database}.s.t")
    sql("CREATE VIEW said_short (x) AS WITH z AS (SELECT a FROM s.t) SELECT * FROM z")

    def counts(place, *names):
        return [sql(f"SELECT COUNT(*) FROM {place}.{name}")[0][0] for name in names or ("below", "said", "said_short")]

    sql(f"CREATE SCHEMA {database}.s2 CLONE s")
    sql("INSERT INTO t VALUES (2)")
    assert counts("s2") == [2, 1, 1]
    sql("ALTER SCHEMA s RENAME TO old")
    assert counts("old", "below", "z") == [1, 1]
    for place in ("old", "s2"):
        for name in ("said", "said_short"):
            assert "does not exist" in sql.refused(f"SELECT * FROM {place}.{name}").msg
    sql(f"CREATE SCHEMA {database}.s3 CLONE old")
    assert counts("s3", "below") == [1]
    sql("ALTER SCHEMA old RENAME TO s")
    assert counts("s") == [1, 1, 1]
    sql(f"CREATE DATABASE {database}_c CLONE {database}")
    try:
        sql(f"INSERT INTO {database}_c.s.t VALUES (3)")
        assert counts(f"{database}_c.s") == [2, 1, 2]
        sql(f"ALTER DATABASE {database}_c RENAME TO {database}_d")
        assert counts(f"{database}_d.s") == [2, 1, 2]
        sql(f"ALTER DATABASE {database} RENAME TO {database}_c")
        assert "does not exist" in sql.refused(f"SELECT * FROM {database}_d.s.said").msg
        assert "does not exist" in sql.refused(f"SELECT * FROM {database}_c.s.said").msg
        assert counts(f"{database}_c.s", "below", "said_short") == [1, 1]
        sql(f"ALTER DATABASE {database}_c RENAME TO {database}")
        assert counts(f"{database}.s") == [1, 1, 1]
    finally:
        for end in "cd":
            sql(f"DROP DATABASE IF EXISTS {database}_{end}")


def test_insert_all_and_first_give_each_table_its_rows_or_none_any(sql):
    sql("CREATE TABLE s AS SELECT * FROM VALUES (1, 'x'), (7, 'y'), (NULL, 'z') v(a, b)")
    sql("CREATE TABLE t1 (a INT, b VARCHAR)")
    sql("CREATE TABLE t2 (n INT)")
    assert sql("INSERT ALL INTO t1 INTO t2 (n) VALUES (a * 2) SELECT a, b FROM s WHERE a = ?", 7) == [(1, 1)]
    assert sql.columns == ["number of rows inserted into T1", "number of rows inserted into T2"]
    sql("DELETE FROM t1")
    split = """
        INSERT {} WHEN a > 5 THEN INTO t1 INTO t2 (n) VALUES (a) WHEN a > 0 THEN INTO t2 (n) VALUES (-a)
        ELSE INTO t1 (b) VALUES ('else ' || b) SELECT a, b FROM s
    """
    assert sql(split.format("FIRST")) == [(1, 1, 1, 1)]
    assert sql("SELECT * FROM t1 ORDER BY b") == [(None, "else z"), (7, "y")]
    assert sql("SELECT n FROM t2 ORDER BY n") == [(-1,), (7,), (14,)]
    assert sql(split.format("ALL")) == [(1, 1, 2, 1)]
    before = sql("SELECT COUNT(*) FROM t2")
    sql.refused("INSERT ALL INTO t2 (n) VALUES (a) INTO t2 (n) VALUES (b) SELECT 1 AS a, 'q' AS b")
    assert "INSERT OVERWRITE ALL" in str(sql.refused("INSERT OVERWRITE ALL INTO t2 SELECT 1"))
    assert sql("SELECT COUNT(*) FROM t2") == before


def test_the_information_schema_tells_of_what_the_role_may_see(sql, server, speak):
    database = sql("SELECT CURRENT_DATABASE()")[0][0]
    assert sql("SELECT table_name, comment FROM information_schema.tables") == []
    assert sql("SELECT numeric_scale FROM information_schema.columns") == []
    columns = "a NUMBER(38, 0) NOT NULL, b TIMESTAMP_NTZ(9), c VARCHAR(10) COMMENT 'cc', d VARIANT"
    sql(f"CREATE TABLE t ({columns}) COMMENT = 'tt'")
    sql("INSERT INTO t (a) VALUES (1), (2)")
    sql("CREATE VIEW v AS SELECT a FROM t")
    tables = sql(
        "SELECT table_name, table_type, row_count, comment, table_owner FROM information_schema.tables ORDER BY 1"
    )
    assert tables == [("T", "BASE TABLE", 2, "tt", "ACCOUNTADMIN"), ("V", "VIEW", None, None, "ACCOUNTADMIN")]
    columns = sql("""
        SELECT column_name, data_type, is_nullable, numeric_precision, character_maximum_length, datetime_precision,
            comment FROM information_schema.columns WHERE table_name = 'T' ORDER BY ordinal_position
    """)
    assert columns == [
        ("A", "NUMBER", "NO", 38, None, None, None),
        ("B", "TIMESTAMP_NTZ", "YES", None, None, 9, None),
        ("C", "TEXT", "YES", None, 10, None, "cc"),
        ("D", "VARIANT", "YES", None, None, None, None),
    ]
    assert sql("SELECT schema_name FROM information_schema.schemata") == [("PUBLIC",)]
    sql(f"CREATE ROLE R_{database}")
    for statement in (f"ROLE R_{database} TO USER EMULATOR", f"USAGE ON DATABASE {database} TO ROLE R_{database}"):
        sql(f"GRANT {statement}")
    with server.connect(role=f"R_{database}") as connection:
        assert speak(connection)(f"SELECT table_name FROM {database}.information_schema.tables") == []
    sql(f"DROP ROLE R_{database}")
