"""Functions of VARIANTs and arrays, and what else Snowpark sends that DuckDB has otherwise."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


def test_functions_of_variants_answer_as_documented(sql):
    document = """PARSE_JSON('{"i": 1, "f": 1.5, "s": "it''s", "b": true, "n": null, "a": [1], "o": {}}')"""
    kinds = ", ".join(f"TYPEOF(d:{key})" for key in "ifsbnao")
    found = ("INTEGER", "DECIMAL", "VARCHAR", "BOOLEAN", "NULL_VALUE", "ARRAY", "OBJECT")
    assert sql(f"SELECT {kinds} FROM (SELECT {document} AS d)") == [found]
    taken = "AS_INTEGER(d:i), AS_INTEGER(d:s), AS_DOUBLE(d:f), AS_VARCHAR(d:s), AS_VARCHAR(d:i), AS_BOOLEAN(d:b)"
    assert sql(f"SELECT {taken} FROM (SELECT {document} AS d)") == [(1, None, 1.5, "it's", None, True)]
    assert sql("SELECT AS_ARRAY(PARSE_JSON('[1]')), AS_ARRAY(PARSE_JSON('{}'))") == [("[1]", None)]
    changed = "OBJECT_DELETE(OBJECT_INSERT(OBJECT_CONSTRUCT('a', 1, 'b', 2), 'c', 'x'), 'a', 'b')"
    assert sql(f"SELECT {changed}, TO_VARIANT('x')::VARCHAR, 'x'::VARIANT") == [('{"c":"x"}', "x", '"x"')]
    both = "ARRAY_INTERSECTION(a, ARRAY_CONSTRUCT('b', 2)), ARRAY_EXCEPT(a, ARRAY_CONSTRUCT(1))"
    sets = f"{both}, ARRAY_POSITION('b'::VARIANT, a)"
    assert sql(
        f"""SELECT {sets}, ARRAY_CONTAINS('c'::VARIANT, a) FROM (SELECT PARSE_JSON('[1, "b"]')::ARRAY AS a)"""
    ) == [('["b"]', '["b"]', 1, False)]
    longer = "ARRAY_APPEND(a, 'x'), ARRAY_PREPEND(a, 2), ARRAY_CAT(a, ARRAY_SLICE(a, 1, 2))"
    longer += ", ARRAY_SORT(ARRAY_DISTINCT(ARRAY_CONSTRUCT(2, 1, 2)))"
    query = f"""SELECT {longer} FROM (SELECT PARSE_JSON('[1, "b"]')::ARRAY AS a)"""
    assert sql(query) == [('[1,"b","x"]', '[2,1,"b"]', '[1,"b","b"]', "[1,2]")]
    assert sql("SELECT ARRAY_APPEND(NULL::ARRAY, 1), ARRAY_CAT(ARRAY_CONSTRUCT(1, 'a'), NULL)") == [(None, None)]
    assert sql("SELECT '6162'::BINARY, TO_BINARY('61'), TO_BINARY('YQ==', 'BASE64')") == [(b"ab", b"a", b"a")]


def test_an_object_gets_a_key_or_another_value_of_it(sql):
    insert = "OBJECT_INSERT({{'a': {{'x': 1}}, 'n': PARSE_JSON('null')}}, {})".format
    for given, expected in (
        ("'a', {'y': 2}, TRUE", '{"n":null,"a":{"y":2}}'),
        ("'b', PARSE_JSON('null')", '{"a":{"x":1},"n":null,"b":null}'),
        ("'b', NULL", '{"a":{"x":1},"n":null}'),
        ("'n', NULL, TRUE", '{"a":{"x":1}}'),
        ("NULL, 1, TRUE", '{"a":{"x":1},"n":null}'),
        ("""'it\'\'s "b"', [1, 'x'], FALSE""", '{"a":{"x":1},"n":null,"it\'s \\"b\\"":[1,"x"]}'),
    ):
        assert sql(f"SELECT {insert(given)}") == [(expected,)], given
    assert sql("SELECT OBJECT_INSERT(NULL::OBJECT, 'a', 1)") == [(None,)]
    assert "Duplicate field key 'a'" in sql.refused("SELECT " + insert("'a', 2")).msg


def test_what_depends_on_the_rows_is_found_in_them(sql):
    sql("CREATE TABLE t AS SELECT column1 AS k, column2 AS n FROM VALUES ('a', 1), ('b', 2), ('a', 4), (NULL, 8)")
    assert sql("SELECT * FROM t PIVOT(SUM(n) FOR k IN (ANY ORDER BY k))") == [(5, 2)]
    assert sql("WITH w AS (SELECT 'b' AS x) SELECT * FROM t PIVOT(SUM(n) FOR k IN (SELECT x FROM w))") == [(2,)]
    assert sql('SELECT "$2", $1 FROM (SELECT k, n FROM t) WHERE n = 2') == [(2, "b")]
    joined = "SELECT a.*, b.* FROM (SELECT k FROM t) a JOIN (SELECT n, k FROM t) b ON a.k = b.k"
    assert sql(f'SELECT "$2", "$3" FROM ({joined}) WHERE n = 2') == [(2, "b")]
    both = 'SELECT * FROM (SELECT k, n AS "$1" FROM t) UNION SELECT k, n + 1 FROM t'
    assert sql(f'SELECT "$1", "$2" FROM ({both}) WHERE k = \'b\' ORDER BY 1') == [(2, 2), (3, 3)]
    half = "APPROX_PERCENTILE_ESTIMATE(APPROX_PERCENTILE_COMBINE(s), 0.5)"
    states = "SELECT k, APPROX_PERCENTILE_ACCUMULATE(n) AS s FROM t GROUP BY k"
    assert sql(f"SELECT {half} FROM ({states})") == [(3.0,)]
    split = (
        "SELECT t.n, s.index, s.value FROM t, TABLE(SPLIT_TO_TABLE(t.k || '-x', '-')) AS s WHERE t.n < 3 ORDER BY 1, 2"
    )
    assert sql(split) == [(1, 1, "a"), (1, 2, "x"), (2, 1, "b"), (2, 2, "x")]
    drawn = sql("SELECT UNIFORM(1::INT, 3::INT, RANDOM(5)) AS a, UNIFORM(0.0, 1.0, RANDOM()) FROM t")
    assert all(a in (1, 2, 3) and 0 <= b < 1 for a, b in drawn)
    within = "SELECT RANDOM() AS a, RANDOM() AS b FROM TABLE(GENERATOR(ROWCOUNT => 50))"
    for wide in zip(*sql(f"SELECT a, b, RANDOM() FROM (SELECT a, b FROM ({within}))"), strict=True):
        assert min(wide) < -(2**62) < 2**62 < max(wide)
    assert sql("SELECT REGEXP_REPLACE('hello', 'l', 'L', 1, 0), CURRENT_DATE() <= CURRENT_TIMESTAMP()") == [
        ("heLLo", True)
    ]


def test_a_procedure_returns_a_table(sql):
    made = "LANGUAGE PYTHON RUNTIME_VERSION = '3.11' PACKAGES = ('snowflake-snowpark-python') HANDLER = 'go' AS"
    sql(f"CREATE PROCEDURE p(n INT) RETURNS TABLE (k VARCHAR, x FLOAT) {made} $$\ndef go(s, n):\n"
        "    return s.sql(f'SELECT column1, column2 FROM VALUES (1, {n}), (2, NULL)')$$")  # fmt: skip
    assert sql("CALL p(7)") == [("1", 7.0), ("2", None)]
    assert sql.columns == ["K", "X"]
    assert sql("SELECT SUM(x) FROM TABLE(RESULT_SCAN(LAST_QUERY_ID()))") == [(7.0,)]
    sql(f"CREATE PROCEDURE q() RETURNS TABLE () {made} 'def go(s): return 3'")
    assert "asks for a DataFrame of Snowpark" in sql.refused("CALL q()").msg
