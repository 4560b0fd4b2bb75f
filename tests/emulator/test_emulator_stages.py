"""Stages, driven by the connector, which moves the files itself."""

from __future__ import annotations

import gzip
import re

import pandas as pd
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def table_of_three(tmp_path):
    path = tmp_path / "three rows.csv"
    path.write_text('1,one\n2,"two, and a half"\n3,\n')
    return path


def test_a_file_goes_there_and_back(sql, tmp_path, table_of_three):
    sql('CREATE STAGE "We Ird"')
    put = sql.maps(f"PUT 'file://{table_of_three}' '@\"We Ird\"/a/b'")
    assert [(row["target"], row["status"]) for row in put] == [("three rows.csv.gz", "UPLOADED")]
    assert [row["name"] for row in sql.maps('LIST @"We Ird"')] == ["we ird/a/b/three rows.csv.gz"]
    back = tmp_path / "back"
    back.mkdir()
    sql(f"GET '@\"We Ird\"/a' 'file://{back}'")
    assert gzip.decompress((back / "three rows.csv.gz").read_bytes()) == table_of_three.read_bytes()
    assert sql("COPY FILES INTO '@\"We Ird\"/c' FROM '@\"We Ird\"/a/b'") == [("we ird/c/three rows.csv.gz",)]
    assert sql('REMOVE @"We Ird"/a') == [("we ird/a/b/three rows.csv.gz", "removed")]
    assert [row["name"] for row in sql.maps('LIST @"We Ird"')] == ["we ird/c/three rows.csv.gz"]
    sql('DROP STAGE "We Ird"')
    assert "does not exist or not authorized" in str(sql.refused('LIST @"We Ird"'))


def test_no_path_leads_out_of_a_stage(sql, table_of_three):
    sql("CREATE STAGE s")
    for place in ("@s/../../x", "@s/a/../../../x"):
        assert "leads out of the stage" in str(sql.refused(f"PUT 'file://{table_of_three}' '{place}'"))
        assert "leads out of the stage" in str(sql.refused(f"LIST '{place}'"))


def test_files_are_read_and_loaded_once(sql, table_of_three):
    sql("CREATE STAGE s FILE_FORMAT = (TYPE = CSV FIELD_OPTIONALLY_ENCLOSED_BY = '\"')")
    sql(f"PUT 'file://{table_of_three}' @s")
    expected = [(1, "one"), (2, "two, and a half"), (3, None)]
    assert sql("SELECT t.$1::INT AS id, t.$2 AS name FROM @s t ORDER BY 1") == expected
    sql("CREATE TABLE t (id INT, name VARCHAR)")
    assert sql("COPY INTO t FROM @s")[0][1:4] == ("LOADED", 3, 3)
    assert sql("COPY INTO t FROM @s") == [("Copy executed with 0 files processed.",)]
    assert sql("SELECT * FROM t ORDER BY id") == expected
    sql("COPY INTO t FROM (SELECT $1::INT * 10, UPPER($2) FROM @s) FORCE = TRUE")
    assert sql("SELECT * FROM t WHERE id = 10") == [(10, "ONE")]
    sql("CREATE TABLE narrow (id INT)")
    assert "Number of columns in file (2)" in str(sql.refused("COPY INTO narrow FROM @s"))
    assert sql("SELECT COUNT(*) AS n FROM narrow") == [(0,)]


def test_rows_are_unloaded_and_loaded_again(sql):
    sql("CREATE STAGE s")
    sql("CREATE TABLE t AS SELECT 1 AS id, 'a,\"b' AS name, 0.1::FLOAT AS f UNION ALL SELECT 2, NULL, 1e-17")
    for form in ("TYPE = PARQUET", "TYPE = CSV FIELD_OPTIONALLY_ENCLOSED_BY = '\"'"):
        assert sql(f"COPY INTO @s/out/ FROM t FILE_FORMAT = ({form})")[0][0] == 2
        assert "already existing" in str(sql.refused(f"COPY INTO @s/out/ FROM t FILE_FORMAT = ({form})"))
        sql("CREATE OR REPLACE TABLE u (id INT, name VARCHAR, f FLOAT)")
        how = "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE" if "PARQUET" in form else ""
        sql(f"COPY INTO u FROM @s/out/ FILE_FORMAT = ({form}) {how}")
        assert sql("SELECT * FROM u ORDER BY id") == sql("SELECT * FROM t ORDER BY id")
        sql("REMOVE @s/out")


def test_a_frame_is_written_with_its_types(sql):
    from snowflake.connector.pandas_tools import write_pandas

    frame = pd.DataFrame(
        {
            "id": [1, 2, 3],
            "Na me": ["x", None, 'q"uote'],
            "at": [pd.Timestamp(2020, 1, 1), None, pd.Timestamp(1969, 12, 31, 23, 59, 59, 500_000)],
            "f": [0.1, None, 1e-300],
            "ok": [True, False, True],
        }
    )
    database = sql("SELECT CURRENT_DATABASE()")[0][0]
    for more in ({"auto_create_table": True}, {}, {"overwrite": True}):
        assert write_pandas(
            sql.connection, frame, "Fra me", database=database, schema="PUBLIC", use_logical_type=True, **more
        )[:3] == (True, 1, 3)
    with sql.connection.cursor() as cursor:
        back = cursor.execute('SELECT * FROM "Fra me" ORDER BY "id"').fetch_pandas_all()
    pd.testing.assert_frame_equal(back, frame, check_dtype=False)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("CREATE STAGE x URL = 's3://bucket'", "Unsupported feature 'URL of stage X'"),
        ("CREATE STAGE x FROBNICATE = 1", "syntax error"),
        ("CREATE FILE FORMAT f TYPE = XML", "Unsupported feature 'FILE FORMAT TYPE = XML'"),
        ("CREATE FILE FORMAT f TYPE = JSON SKIP_HEADER = 1", "invalid property 'SKIP_HEADER'"),
        ("SELECT $1 FROM @nosuch", "Stage .* does not exist or not authorized"),
        ("COPY INTO nosuch FROM @~", "Object .* does not exist or not authorized"),
        ("COPY INTO t FROM (SELECT $1 FROM @~) ON_ERROR = CONTINUE", "Unsupported feature .ON_ERROR = CONTINUE"),
        ("COPY INTO t FROM @~ FROBNICATE = 1", "invalid property 'FROBNICATE'"),
    ],
)
def test_what_is_not_emulated_is_refused(sql, statement, said):
    sql("CREATE TABLE t (a INT)")
    assert re.search(said, str(sql.refused(statement)))
