from __future__ import annotations

import duckdb
import pytest

from firnflow import _sql

TEXTS = ["plain", "it's", 'a "b"', "''", "\\", "a;b", "--", "/*", "$$", "ü\n\t", "%s {x} :y"]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_and_names_come_back_as_they_are(text: str) -> None:
    found = duckdb.execute(f"SELECT {_sql.literal(text)} AS {_sql.identifier(text)}")
    assert (found.description[0][0], found.fetchall()) == (text, [(text,)])


@pytest.mark.parametrize("name", ["a.csv", "it's.csv", "[ab].csv", "a?.csv", "*.csv", "a [1].csv"])
def test_a_path_is_no_pattern(tmp_path, name: str) -> None:
    for each, content in ((name, "mine"), ("a.csv", "other"), ("aa.csv", "other"), ("b.csv", "other")):
        if each != name or content == "mine":
            (tmp_path / each).write_text(f"x\n{content}\n")
    assert duckdb.sql(f"FROM read_csv({_sql.path_literal(tmp_path / name)})").fetchall() == [("mine",)]


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT 1;", "SELECT 1"),
        ("SELECT 1 ; ;\n", "SELECT 1 "),
        ("SELECT 1; -- done; or not\n", "SELECT 1"),
        ("SELECT 1; /* a /* b */ ; c */ -- d", "SELECT 1"),
        ("SELECT 1 -- a; b", "SELECT 1 -- a; b"),
        ("SELECT 1 -- a;\n;", "SELECT 1 -- a;\n"),
        ("SELECT ';--'", "SELECT ';--'"),
        ("SELECT 'it''s; --';", "SELECT 'it''s; --'"),
        (r"SELECT E'\'; --';", r"SELECT E'\'; --'"),
        (r"SELECT '\'; -- a", r"SELECT '\'"),
        (r"SELECT note'\'; -- a", r"SELECT note'\'"),
        ('SELECT 1 AS ";--";', 'SELECT 1 AS ";--"'),
        ("SELECT $$;--$$;", "SELECT $$;--$$"),
        ("SELECT $a$ $$;-- $a$; --", "SELECT $a$ $$;-- $a$"),
        ("SELECT 1; DROP TABLE t", "SELECT 1; DROP TABLE t"),
        ("SELECT 1; DROP TABLE t; --", "SELECT 1; DROP TABLE t"),
        ("SELECT 1; /* never closed", "SELECT 1"),
        ("", ""),
        (";", ""),
    ],
)
def test_the_end_of_a_query(query: str, left: str) -> None:
    assert _sql.without_end(query) == left


def test_a_name_and_value_in_a_path_are_no_column(tmp_path):
    path = tmp_path / "region=north" / "a.parquet"
    path.parent.mkdir()
    duckdb.sql(f"COPY (SELECT 'south' AS region) TO {_sql.path_literal(path)} (FORMAT parquet)")
    assert duckdb.sql(f"FROM {_sql.parquet_rows(path)}").fetchall() == [("south",)]
