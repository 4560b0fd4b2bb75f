"""Functions of users: in SQL and in Python, called in queries, and as Snowpark registers them."""

from __future__ import annotations

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
    assert sql.refused("CREATE FUNCTION f() RETURNS TABLE (a INT) AS 'SELECT 1'").errno == 1003
    sql("DROP FUNCTION inverse(INT)")
    assert sql.refused("SELECT inverse(1)").errno == 2140


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
