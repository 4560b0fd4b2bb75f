"""What queries mean: FLATTEN, numbers of 38 digits, nanoseconds."""

from __future__ import annotations

import datetime as dt
import json

import pandas as pd
import pytest

pytestmark = pytest.mark.slow

VALUE = """'{"a": 1, "b": [77, 88], "c": {"d": "X", "e f": null}}'"""
LARGE = 12345678901234567890123456789012345678
MOMENT = "2024-01-01 00:00:00.123456789"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", {"a": "1", "b": "[77,88]", "c": '{"d":"X","e f":null}'}),
        (", PATH => 'b'", {"b[0]": "77", "b[1]": "88"}),
        (", PATH => 'c.d'", {}),
        (", PATH => 'c.d', OUTER => TRUE", {"c.d": None}),
        (", PATH => 'c', MODE => 'ARRAY'", {}),
        (", PATH => 'c', MODE => 'object'", {"c.d": '"X"', "c['e f']": "null"}),
        (
            ", RECURSIVE => TRUE",
            {
                "a": "1",
                "b": "[77,88]",
                "b[0]": "77",
                "b[1]": "88",
                "c": '{"d":"X","e f":null}',
                "c.d": '"X"',
                "c.e f": "null",
            },
        ),
        (
            ", RECURSIVE => TRUE, MODE => 'OBJECT'",
            {"a": "1", "b": "[77,88]", "c": '{"d":"X","e f":null}', "c.d": '"X"', "c.e f": "null"},
        ),
    ],
)
def test_flatten_gives_the_rows_that_its_options_ask_for(sql, options, expected):
    found = sql.maps(f"SELECT * FROM TABLE(FLATTEN(INPUT => PARSE_JSON({VALUE}){options}))")
    texts = {row["PATH"]: row["VALUE"] and json.dumps(json.loads(row["VALUE"]), separators=(",", ":")) for row in found}
    assert texts == expected
    assert sql.columns == ["SEQ", "KEY", "PATH", "INDEX", "VALUE", "THIS"]
    assert {row["PATH"] for row in found if row["INDEX"] is not None} == {
        path for path in expected if path[-1] == "]"
    } - {"c['e f']"}


def test_flatten_of_what_flatten_gives_sees_each_level(sql):
    sql("CREATE TABLE t (id INT, v VARIANT)")
    sql("""INSERT INTO t SELECT 1, PARSE_JSON('[{"x": 1, "y": ["a", "b"]}, {"x": 2, "y": []}]')""")
    sql("INSERT INTO t SELECT 2, NULL")
    query = """
        SELECT id, f.value:x::INT, g.index, g.value::VARCHAR, g.this FROM t, LATERAL FLATTEN(INPUT => t.v) f,
        LATERAL FLATTEN(INPUT => f.value:y, OUTER => {}) g ORDER BY 2, 3
    """
    inner = [(1, 1, 0, "a", '["a","b"]'), (1, 1, 1, "b", '["a","b"]')]
    assert sql(query.format("FALSE")) == inner
    assert sql(query.format("TRUE")) == [*inner, (1, 2, None, None, "[]")]
    sql("CREATE VIEW v AS SELECT f.value:x::INT AS x FROM t, LATERAL FLATTEN(t.v) f")
    assert sql("SELECT SUM(x) FROM v") == [(3,)]
    assert sql("SELECT t.id, f.value FROM t LEFT JOIN LATERAL FLATTEN(t.v) f ON TRUE WHERE t.id = 2") == [(2, None)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("RECURS => TRUE", "It knows INPUT, PATH, OUTER, RECURSIVE, MODE"),
        ("MODE => 'ROWS'", "OBJECT, ARRAY or BOTH"),
        ("OUTER => 1", "needs to be TRUE or FALSE"),
        ("PATH => 'a..b'", "Invalid extraction path"),
    ],
)
def test_flatten_refuses_what_it_does_not_know(sql, options, said):
    assert said in str(sql.refused(f"SELECT * FROM TABLE(FLATTEN(INPUT => PARSE_JSON('[]'), {options}))"))


def test_numbers_of_38_digits_and_nanoseconds_come_back_as_they_went_in(sql, tmp_path):
    sql("CREATE TABLE t (a NUMBER(38, 0), b TIMESTAMP_NTZ(9), c NUMBER)")
    sql(f"INSERT INTO t VALUES ({LARGE}, '{MOMENT}', 2), (-1, NULL, -3)")
    (tmp_path / "t.csv").write_text(f"{LARGE},{MOMENT},5\n")
    sql("CREATE STAGE st")
    sql(f"PUT 'file://{tmp_path}/t.csv' @st AUTO_COMPRESS = FALSE")
    sql("COPY INTO t FROM @st FILE_FORMAT = (TYPE = CSV)")
    assert sql("SELECT a, c FROM t ORDER BY c") == [(-1, -3), (LARGE, 2), (LARGE, 5)]
    assert sql("SELECT a + 1, a - c, -a, a::VARCHAR, OBJECT_CONSTRUCT('k', a) FROM t WHERE c = 2") == [
        (LARGE + 1, LARGE - 2, -LARGE, str(LARGE), f'{{"k":{LARGE}}}')
    ]
    assert sql("SELECT b::VARCHAR, DATE_PART(EPOCH_NANOSECOND, b) % 1000 FROM t WHERE c = 2") == [(MOMENT[:-6], 789)]
    assert sql("SELECT TO_TIMESTAMP_NTZ(DATE_PART(EPOCH_NANOSECOND, b), 9) = b FROM t WHERE c = 2") == [(True,)]
    assert sql.maps("DESCRIBE TABLE t")[0]["type"] == "NUMBER(38,0)"
    with sql.connection.cursor() as cursor:
        frame = cursor.execute("SELECT a, b, c FROM t ORDER BY c").fetch_pandas_all()
    assert int(frame.A[1]) == LARGE
    assert frame.B[1] == pd.Timestamp(MOMENT)
    assert frame.C.tolist() == [-3, 2, 5]
    assert frame.C.dtype == "int64"


def test_numbers_count_and_move_days_where_duckdb_wants_fewer_bits(sql):
    sql("CREATE TABLE t (n NUMBER(38, 0), d DATE, s VARCHAR)")
    sql("INSERT INTO t VALUES (2, '2024-02-28', 'abcdef')")
    day = dt.date(2024, 3, 1)
    assert sql("SELECT d + n, DATEADD(DAY, n, d), d - (0 - n) FROM t") == [(day,) * 3]
    texts = "SUBSTR(s, n, n), LEFT(s, n), RIGHT(s, n), LPAD(s, n), REPEAT(s, n), SPLIT_PART('a-b', '-', n)"
    assert sql(f"SELECT {texts} FROM t") == [("bc", "ab", "ef", "ab", "abcdefabcdef", "b")]
    assert sql(
        "SELECT ROUND(2.345::FLOAT, n), ARRAY_CONSTRUCT(7, 8, 9)[n]::INT, ROW_NUMBER() OVER (ORDER BY n) + n FROM t"
    ) == [(2.35, 9, 3)]


def test_what_is_computed_of_a_value_has_it_once(sql):
    sql("CREATE SEQUENCE q")
    assert sql("SELECT 10 / q.NEXTVAL, TYPEOF(q.NEXTVAL), 7 % q.NEXTVAL") == [(10.0, "INTEGER", 1)]
    assert sql("SELECT AS_INTEGER(TO_VARIANT(q.NEXTVAL)), ARRAY_APPEND(ARRAY_CONSTRUCT(q.NEXTVAL), 0)") == [
        (4, "[5,0]")
    ]
    assert sql("SELECT q.NEXTVAL") == [(6,)]
    defaults = "d INT DEFAULT (1.5 * 3)::INT % (8 - 1), e VARCHAR DEFAULT (1 + 1)::VARCHAR"
    sql(f"CREATE TABLE t (a INT, bound FLOAT, {defaults})")
    sql("INSERT INTO t (a, bound) VALUES (2, 4)")
    depth = 24
    for around, expected in (
        ("({} + a)", 2 + 2 * depth),
        ("(a - {})", 2),
        ("(bound + {} / a)::INT", 8),
        ("(1 || {})::VARCHAR", "1" * depth + "2"),
        ("TYPEOF({})", "VARCHAR"),
    ):
        expression = "a"
        for _ in range(depth):
            expression = around.format(expression)
        assert sql(f"SELECT {expression} FROM t") == [(expected,)], around
    assert sql("SELECT d, e, s FROM t, LATERAL (SELECT (t.a + t.bound) / t.a AS s)") == [(5, "2", 3.0)]
    assert sql("SELECT (SELECT MAX((u.bound + t.a)::INT) FROM t u WHERE u.a + t.a = 4) FROM t") == [(6,)]


def test_pandas_frames_keep_their_large_numbers_and_nanoseconds(snow):
    frame = pd.DataFrame({"A": [10**18 + 1, 2], "B": pd.to_datetime([MOMENT, None])})
    snow.write_pandas(frame, "FRAMES", auto_create_table=True, use_logical_type=True)
    found = snow.table("FRAMES").order_by("A").to_pandas()
    assert found.A.tolist() == [2, 10**18 + 1]
    assert found.B[1] == pd.Timestamp(MOMENT)
