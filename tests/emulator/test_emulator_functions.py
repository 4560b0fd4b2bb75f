"""Functions of users: in SQL and in Python, called in queries, and as Snowpark registers them."""

from __future__ import annotations

import time

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

PYTHON = "LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'go' AS"


def test_functions_are_called_where_queries_call_them(sql):
    sql("CREATE TABLE t (n INT, s VARCHAR, x FLOAT) AS SELECT 2, 'it''s', 1.5 UNION ALL SELECT NULL, NULL, NULL")
    sql("CREATE FUNCTION twice(a INT, b VARCHAR) RETURNS VARCHAR AS 'a * 2 || b'")
    assert sql("SELECT twice(n, s), twice(n + 1, twice(1, 'x')) FROM t ORDER BY n") == [("4it's", "62x"), (None, None)]
    sql("CREATE VIEW v AS SELECT twice(n, s) AS a FROM t WHERE n IS NOT NULL")
    assert sql("SELECT * FROM v") == [("4it's",)]
    shown = "CREATE FUNCTION shown(a INT, b VARCHAR, c FLOAT) RETURNS VARCHAR"
    sql(f"{shown} {PYTHON} 'def go(*given): return repr(given)'")
    rows = [('(2, "it\'s", 1.5)',), ("(None, None, None)",)]
    assert sql("SELECT shown(n, s, x) FROM t ORDER BY n") == rows
    sql("CREATE TABLE made AS SELECT shown(n, s, x) AS a FROM t")
    assert sorted(sql("SELECT a FROM made WHERE shown(1, a, 2) LIKE '(1, %'")) == sorted(rows)
    sql(f"CREATE FUNCTION document(a VARIANT) RETURNS VARIANT {PYTHON} 'def go(a): return [a, 1]'")
    assert sql("""SELECT document(PARSE_JSON('{"x": [1]}'))[0]:x[0]::INT""") == [(1,)]
    many = sql("SELECT COUNT(DISTINCT shown(seq4(), NULL, 0)) FROM TABLE(GENERATOR(ROWCOUNT => 10000))")
    assert many == [(10_000,)]


def test_what_a_handler_does_wrongly_is_told_and_what_is_not_emulated_refused(sql):
    sql(f"CREATE FUNCTION inverse(a INT) RETURNS FLOAT STRICT {PYTHON} 'def go(a): return 1 / a'")
    assert sql("SELECT inverse(NULL), inverse(4)") == [(None, 0.25)]
    said = sql.refused("SELECT inverse(0)")
    assert (said.errno, "ZeroDivisionError: division by zero" in said.msg) == (100357, True)
    sql(f"CREATE FUNCTION dies(a INT) RETURNS INT {PYTHON} 'import os\ndef go(a): os._exit(1)'")
    assert "the handler was killed" in sql.refused("SELECT dies(1)").msg
    assert sql("SELECT inverse(2)") == [(0.5,)]
    assert "in a view" in sql.refused("CREATE VIEW w AS SELECT inverse(1)").msg
    assert "Invalid argument types" in sql.refused("SELECT inverse(1, 2)").msg
    assert "returns no table" in sql.refused("SELECT * FROM TABLE(inverse(1))").msg
    sql("DROP FUNCTION inverse(INT)")
    assert sql.refused("SELECT inverse(1)").errno == 2140


WAITING = {
    "FUNCTION waits(a INT) RETURNS INT": ("def go(a): wait()", "SELECT waits(1)"),
    "FUNCTION begins(a INT) RETURNS INT": ("wait()\ndef go(a): pass", "SELECT begins(1)"),
    "AGGREGATE FUNCTION adds(a INT) RETURNS INT": (
        "class go:\n  def accumulate(self, a): wait()\n  def finish(self): pass",
        "SELECT adds(1)",
    ),
    "FUNCTION gives(a INT) RETURNS TABLE (x INT)": (
        "class go:\n  def process(self, a): wait()",
        "SELECT * FROM TABLE(gives(1))",
    ),
}
"""Function → its code, which never returns, and what calls it."""


def ended(connection, query):
    """Wait for the end of a query, for whose failure the client raises."""
    while connection.is_still_running(connection.get_query_status_throw_if_error(query)):
        time.sleep(0.05)


def test_a_function_that_does_not_return_is_cancelled_and_keeps_no_server_from_its_end(start, speak, tmp_path):
    from snowflake.connector.errors import ProgrammingError

    server = start(tmp_path / "account")
    own = speak(server.connect(database="D", schema="PUBLIC"))
    own("CREATE DATABASE d")
    for at, (made, (code, call)) in enumerate(WAITING.items()):
        mark = tmp_path / f"called{at}"
        wait = f"import time\ndef wait():\n  open({str(mark)!r}, 'w').close()\n  time.sleep(600)\n"
        own(f"CREATE {made} {PYTHON} $${wait}{code}$$")
        with own.connection.cursor() as cursor:
            cursor.execute_async(call)
            until = time.monotonic() + 60
            while not mark.exists():
                assert time.monotonic() < until
                time.sleep(0.05)
            if at == len(WAITING) - 1:
                break
            with server.connect() as other, other.cursor() as stopping:  # the first session is busy
                stopping.execute(f"SELECT SYSTEM$CANCEL_QUERY('{cursor.sfqid}')")
            with pytest.raises(ProgrammingError, match="SQL execution canceled"):
                ended(own.connection, cursor.sfqid)
    assert server.stop() == 0


def test_snowpark_registers_functions_of_rows_and_of_frames(snow, tmp_path):
    import pandas as pd
    from snowflake.snowpark import functions as f
    from snowflake.snowpark.types import FloatType, IntegerType, PandasSeriesType, StringType

    frame = snow.create_dataframe([[1, "a"], [2, "b"]], schema=["n", "s"])
    plus = f.udf(lambda n: n + 1, return_type=IntegerType(), input_types=[IntegerType()], session=snow)
    assert [row[0] for row in frame.select(plus("n")).sort("n").collect()] == [2, 3]
    snow.sql("CREATE STAGE code").collect()
    (tmp_path / "joined.py").write_text("def joined(n, s):\n    return f'{n}{s}'\n")
    registered = {"name": "joined", "is_permanent": True, "stage_location": "@code", "replace": True}
    types = {"return_type": StringType(), "input_types": [IntegerType(), StringType()]}
    snow.udf.register_from_file(str(tmp_path / "joined.py"), "joined", **registered, **types)
    assert [row[0] for row in frame.select(f.call_udf("joined", f.col("n"), f.col("s"))).collect()] == ["1a", "2b"]
    series = PandasSeriesType(FloatType())
    types = {"return_type": series, "input_types": [series]}
    half = f.pandas_udf(lambda xs: xs / 2, **types, packages=["pandas"], session=snow)
    assert [row[0] for row in frame.select(half(f.col("n").cast("float"))).collect()] == [0.5, 1.0]
    assert isinstance(frame.select(plus("n")).to_pandas(), pd.DataFrame)


RUNNING = """class go:
    def __init__(self):
        self.total = 0

    def process(self, x):
        self.total += x
        yield from [(x * 10, "row"), (self.total, "so far")]

    def end_partition(self):
        return [(self.total, "end")]
"""
GROUPED = """class go:
    def __init__(self):
        self.total = 0

    @property
    def aggregate_state(self):
        return self.total

    def accumulate(self, x, factor):
        self.total += (x or 0) * factor

    def merge(self, other):
        self.total += other

    def finish(self):
        return self.total
"""


def test_a_function_returns_rows_for_each_row_and_each_partition(sql):
    sql("CREATE TABLE t AS SELECT column1 AS k, column2 AS x FROM VALUES ('p', 1), ('q', 2), ('p', 3)")
    sql(f"CREATE FUNCTION run(x INT) RETURNS TABLE (n INT, what VARCHAR) {PYTHON} $${RUNNING}$$")
    assert sql("SELECT * FROM TABLE(run(?))", 3) == [(30, "row"), (3, "so far"), (3, "end")]
    over = "TABLE(run(t.x) OVER (PARTITION BY t.k ORDER BY t.x DESC))"
    assert [row for row in sql(f"SELECT * FROM t, {over}") if row[0] == "p"] == [
        *[("p", 3, 30, "row"), ("p", 3, 3, "so far"), ("p", 1, 10, "row"), ("p", 1, 4, "so far")],
        ("p", None, 4, "end"),  # what is of no row stands beside what its partition is made by
    ]
    joined = f"SELECT r.a, t.k FROM t JOIN {over} AS r(a, b) ON r.b = 'end' JOIN t u ON u.k = t.k WHERE u.x <> 3"
    assert sorted(sql(joined)) == [(2, "q"), (4, "p")]
    both = "SELECT SUM(n) FROM t AS a, t AS b, TABLE(run(a.x + b.x) OVER (PARTITION BY a.k)) WHERE what = 'end'"
    assert sql(both) == [(36,)]
    twice = "WITH c AS (SELECT n FROM TABLE(run(1)) WHERE what = 'row') SELECT c.n, r.n FROM c, TABLE(run(c.n)) AS r"
    assert sql(twice) == [(10, 100), (10, 10), (None, 10)]
    assert sql(f"SELECT COUNT(*) FROM t, {over} WHERE t.x > 99") == [(0,)]
    assert sql(f"SELECT COUNT(*) FROM (SELECT * FROM t WHERE x > 99) AS t, {over}") == [(0,)]
    sql("CREATE FUNCTION above(p INT) RETURNS TABLE (k VARCHAR, x INT) AS 'SELECT k, x FROM t WHERE x > p'")
    assert sorted(sql("SELECT t.x, a.x FROM t, TABLE(above(t.x)) AS a")) == [(1, 2), (1, 3), (2, 3)]
    assert "LEFT JOIN TABLE" in sql.refused("SELECT * FROM t LEFT JOIN TABLE(run(t.x)) ON TRUE").msg
    assert "it stands in FROM only, as TABLE(RUN(…))" in sql.refused("SELECT run(1)").msg
    assert "Unknown table function NOSUCH" in sql.refused("SELECT * FROM TABLE(nosuch(1))").msg
    sql(f"CREATE FUNCTION few() RETURNS TABLE (a INT, b INT) {PYTHON} $$class go:\n  def process(self): yield 1,$$")
    assert "but the function has 2 columns" in sql.refused("SELECT * FROM TABLE(few())").msg
    assert (
        "firnflow/emulator" not in sql.refused("SELECT * FROM TABLE(run(NULL))").msg
    )  # the traceback is the handler's
    (row,) = sql.maps("SHOW USER FUNCTIONS LIKE 'run'")
    assert (row["is_table_function"], row["arguments"]) == ("Y", "RUN(INT) RETURN TABLE (N INT, WHAT VARCHAR)")


def test_a_function_in_sql_returns_the_rows_of_its_body_as_it_stands(sql):
    sql("CREATE TABLE t AS SELECT column1 AS x, column2 AS y FROM VALUES (1, 'one'), (2, 'two'), (3, 'three')")
    sql("CREATE FUNCTION below(n INT) RETURNS TABLE (x INT, n VARCHAR) AS 'SELECT * FROM t WHERE x < n'")
    assert sorted(sql("SELECT * FROM TABLE(below(3))")) == [(1, "one"), (2, "two")]
    assert sorted(sql("SELECT t.x, b.n FROM t, TABLE(below(t.x)) AS b")) == [(2, "one"), (3, "one"), (3, "two")]
    sql("CREATE FUNCTION two(n INT) RETURNS TABLE (x INT) AS 'SELECT n AS x UNION ALL SELECT n + 1'")
    assert sorted(sql("SELECT * FROM TABLE(two(1))")) == [(1,), (2,)]
    body = "WITH w AS (SELECT x FROM t WHERE x > n) SELECT x FROM w"
    sql(f"CREATE FUNCTION above(n INT) RETURNS TABLE (x INT) AS '{body}'")
    assert sorted(sql("SELECT t.x, a.x FROM t, TABLE(above(t.x)) AS a")) == [(1, 2), (1, 3), (2, 3)]


def test_a_function_in_sql_is_a_query_or_an_expression_that_can_be_run_when_it_is_made(sql):
    sql("CREATE TABLE t AS SELECT column1 AS x FROM VALUES (1), (2), (3)")
    sql("CREATE FUNCTION most() RETURNS INT AS 'SELECT MAX(x) FROM t'")
    sql("CREATE FUNCTION below(n INT) RETURNS INT AS 'WITH w AS (SELECT x FROM t WHERE x < n) SELECT SUM(x) FROM w'")
    sql("CREATE FUNCTION part(v VARIANT, d DATE) RETURNS INT AS 'v:a[0]::INT + YEAR(d) -- and no more'")
    sql("CREATE FUNCTION small(n INT) RETURNS TABLE (x INT) AS 'SELECT x FROM t WHERE x < n'")
    sql("CREATE FUNCTION less(n INT) RETURNS TABLE (x INT) AS 'SELECT x - below(n) FROM TABLE(small(n + 0))'")
    sql("CREATE SCHEMA other")  # where names without a schema mean something else
    assert sql("SELECT public.most(), public.below(3), public.below(public.below(3))") == [(3, 3, 3)]
    assert sql("""SELECT public.part(PARSE_JSON('{"a": [4]}'), '2026-01-01')""") == [(2030,)]
    assert sorted(sql("SELECT * FROM TABLE(public.less(3))")) == [(-2,), (-1,)]
    sql("USE SCHEMA public")
    for made, said in {
        "FUNCTION f(n INT) RETURNS INT AS 'nowhere + n'": "invalid identifier 'NOWHERE'",
        "FUNCTION f(n INT) RETURNS INT AS 'n, n'": "neither an expression nor a query",
        "FUNCTION f(n INT) RETURNS INT AS 'n) + (n'": "neither an expression nor a query",
        "FUNCTION f(n INT) RETURNS INT AS 'f(n) + 1'": "Unknown function f",
        "OR REPLACE FUNCTION below(n INT) RETURNS INT AS 'below(n) + 1'": "calls itself",
        "OR REPLACE FUNCTION small(n INT) RETURNS TABLE (x INT) AS 'SELECT x FROM TABLE(less(n))'": "calls itself",
        "FUNCTION f(n INT) RETURNS TABLE (x INT) AS 'SELECT q FROM nowhere'": "NOWHERE' does not exist",
        "FUNCTION f(n INT) RETURNS TABLE (x INT) AS 'SELECT x, x FROM t'": "the query has 2 column(s)",
        "FUNCTION f(n INT) RETURNS TABLE (x INT, y INT) AS 'SELECT x FROM t'": "the query has 1 column(s)",
    }.items():
        assert said in sql.refused(f"CREATE {made}").msg, made
    assert sql("SELECT most(), below(3)") == [(3, 3)]


def test_a_function_returns_a_value_for_each_group(sql):
    sql("CREATE TABLE t AS SELECT column1 AS k, column2 AS x FROM VALUES ('p', 1), ('q', 2), ('p', 3), ('q', NULL)")
    sql(f"CREATE AGGREGATE FUNCTION total(x INT, factor INT) RETURNS INT {PYTHON} $${GROUPED}$$")
    assert sql("SELECT k, total(x, 2), COUNT(*) FROM t GROUP BY k ORDER BY k") == [("p", 8, 2), ("q", 4, 2)]
    assert sql("SELECT total(x, 1) FROM t WHERE x > 9") == [(0,)]
    assert sql("SELECT k FROM t GROUP BY k HAVING total(x, 1) = 2") == [("q",)]
    assert "OVER" in sql.refused("SELECT total(x, 1) OVER (PARTITION BY k) FROM t").msg


def test_a_function_imports_what_its_packages_bring(sql, tmp_path):
    code = """
import importlib
def go(name):
    try:
        importlib.import_module(name)
    except ImportError as error:
        return str(error)
    return "there"
"""
    sql("CREATE STAGE s")
    (tmp_path / "helper.py").write_text("")
    sql(f"PUT file://{tmp_path}/helper.py @s AUTO_COMPRESS = FALSE")
    for name, more in {"bare": "", "more": "PACKAGES = ('duckdb') IMPORTS = ('@s/helper.py')"}.items():
        sql(f"CREATE FUNCTION {name}(m VARCHAR) RETURNS VARCHAR {more} {PYTHON} $${code}$$")
    names = ("json", "duckdb", "sklearn", "helper", "snowflake.snowpark")
    found = {name: sql(f"SELECT bare('{name}'), more('{name}')")[0] for name in names}
    assert found == {
        "json": ("there", "there"),
        "duckdb": ("No module named 'duckdb'", "there"),
        "sklearn": ("No module named 'sklearn'", "No module named 'sklearn'"),
        "helper": ("No module named 'helper'", "there"),
        "snowflake.snowpark": ("No module named 'snowflake'", "No module named 'snowflake'"),
    }


def test_functions_of_one_name_are_told_apart_by_their_arguments(sql):
    sql("CREATE TABLE t AS SELECT 1 AS n, 'a' AS s, 1.5::FLOAT AS x")
    for kind in ("INT", "VARCHAR", "FLOAT"):
        sql(f"CREATE FUNCTION kind(a {kind}) RETURNS VARCHAR AS $$'{kind}'$$")
    sql("CREATE FUNCTION kind(a INT, b INT, c INT DEFAULT 5) RETURNS VARCHAR AS 'a || b || c'")
    told = sql("SELECT kind(n), kind(s), kind(x), kind(?), kind(n, 2) FROM t", "it")
    assert told == [("INT", "VARCHAR", "FLOAT", "VARCHAR", "125")]
    assert sql("SELECT kind(a => 1, c => 3, b => 2)") == [("123",)]
    assert "it takes (A FLOAT) or (A INT)" in sql.refused("SELECT kind(1, 2, 3, 4)").msg
    assert "ambiguous" in sql.refused("CREATE FUNCTION kind(a INT, b INT DEFAULT 1) RETURNS INT AS 'a'").msg
    role = f"R_{sql('SELECT CURRENT_DATABASE()')[0][0]}"
    sql(f"CREATE ROLE {role}")
    sql(f"GRANT USAGE ON FUNCTION kind(VARCHAR) TO ROLE {role}")
    assert [(row["privilege"], row["granted_on"]) for row in sql.maps(f"SHOW GRANTS TO ROLE {role}")] == [
        ("USAGE", "FUNCTION")
    ]
    sql("DROP FUNCTION kind(STRING)")
    assert sql("SELECT kind(n) FROM t") == [("INT",)]
    assert sql.refused("DROP FUNCTION kind(VARCHAR)").errno == 2003
    packages = "PACKAGES = ('snowflake-snowpark-python') HANDLER"
    made = f"RETURNS VARCHAR {PYTHON.replace('HANDLER', packages)}"
    sql(f"CREATE PROCEDURE p(a INT) {made} 'def go(s, a): return repr(a)'")
    sql(f"CREATE PROCEDURE p(a VARCHAR, b INT DEFAULT 4) {made} 'def go(s, a, b): return repr((a, b))'")
    assert [sql(f"CALL p({each})")[0][0] for each in ("1", "'x'", "'x', b => 3")] == ["1", "('x', 4)", "('x', 3)"]


def test_snowpark_registers_functions_of_tables(snow):
    import pandas as pd
    from snowflake.snowpark import functions as f
    from snowflake.snowpark.types import (
        FloatType,
        IntegerType,
        PandasDataFrameType,
        StringType,
        StructField,
        StructType,
    )

    class Twice:
        def process(self, n: int):
            yield (n,)
            yield (n * 2,)

    class Summary:
        def end_partition(self, df):
            return pd.DataFrame({"k": [df.iloc[0, 0]], "mean": [df.iloc[:, 1].mean()]})

    frame = snow.create_dataframe([["a", 1], ["a", 2], ["b", 5]], schema=["k", "n"])
    column = StructType([StructField("m", IntegerType())])
    twice = f.udtf(Twice, output_schema=column, input_types=[IntegerType()], session=snow)
    assert sorted(row[0] for row in snow.table_function(twice(f.lit(3))).collect()) == [3, 6]
    joined = frame.join_table_function(twice("n").over(partition_by="k", order_by="n")).sort("k", "n", "m").collect()
    assert [row[1:] for row in joined] == [(1, 1), (1, 2), (2, 2), (2, 4), (5, 5), (5, 10)]
    schema = PandasDataFrameType([StringType(), FloatType()], ["k2", "mean"])
    given = [PandasDataFrameType([StringType(), IntegerType()])]
    summary = f.pandas_udtf(Summary, output_schema=schema, input_types=given, session=snow, packages=["pandas"])
    found = frame.select("k", summary("k", "n").over(partition_by="k")).sort("k").collect()
    assert [row[:] for row in found] == [("a", "a", 1.5), ("b", "b", 5.0)]
    halves = StructType([StructField("k", StringType()), StructField("half", FloatType())])
    applied = frame.group_by("k").apply_in_pandas(
        lambda df: pd.DataFrame({"k": df.iloc[:, 0], "half": df.iloc[:, 1] / 2}), output_schema=halves
    )
    assert sorted(row[1] for row in applied.collect()) == [0.5, 1.0, 2.5]
