"""`firnflow sql`."""

from __future__ import annotations

import pytest


@pytest.fixture
def ran(shop):
    shop.call("run", "flow", "--inline")
    shop.call("run", "broken", "--inline")  # the newest run has no table
    return shop


def test_a_query(ran):
    called = ran.call("sql", "SELECT count(*) AS n, max(y) AS last FROM make")
    assert called.code == 0
    assert [line.split() for line in called.out.splitlines()] == [["n", "last"], ["4", "v3"]]


def test_named_outputs_have_two_names(ran):
    both = 'SELECT (SELECT count(*) FROM "split.train") AS a, (SELECT count(*) FROM split_test) AS b'
    assert ran.call("sql", both, "--json").json == [{"a": 1, "b": 3}]


def test_formats(ran):
    query = "SELECT x, y, NULL AS z, DATE '2024-05-01' AS d, 0.1::DOUBLE AS f FROM make ORDER BY x"
    assert ran.call("sql", query, "--format", "csv", "--limit", "1").out == "x,y,z,d,f\n0,v0,,2024-05-01,0.1\n"
    assert ran.call("sql", query, "--format", "json").json[3] == {
        "x": 3,
        "y": "v3",
        "z": None,
        "d": "2024-05-01",
        "f": 0.1,
    }
    assert "NULL" in ran.call("sql", query).out


def test_a_long_answer_is_cut_and_says_so(ran):
    called = ran.call("sql", "SELECT * FROM range(100)")
    assert len(called.out.splitlines()) == 51
    assert "--limit" in called.err
    assert len(ran.call("sql", "SELECT * FROM range(100)", "-n", "70").out.splitlines()) == 71
    assert len(ran.call("sql", "SELECT * FROM range(100)", "--json").json) == 100


def test_without_a_query_it_lists_the_tables(ran):
    called = ran.call("sql")
    assert called.out.startswith("tables of run flow-")
    assert [line.split() for line in called.out.splitlines()[2:]] == [
        ["table", "rows", "columns"],
        ["make", "4", "x,", "y"],
        ["split.train", "1", "x,", "y"],
        ["split.test", "3", "x,", "y"],
    ]
    assert [table["table"] for table in ran.call("sql", "--json").json["tables"]] == [
        "make",
        "split.train",
        "split.test",
    ]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM mak", "There is no table 'mak'. Did you mean 'make'?"),
        ("SELEC 1", "The query cannot be run"),
        ("DROP TABLE make", "The query cannot be run"),
        ("SELECT 1; SELECT 2", "The query cannot be run"),
        ("SELECT nope FROM make", "nope"),
    ],
)
def test_a_wrong_query(ran, query, said):
    called = ran.call("sql", query)
    assert called.code == 2
    assert said in called.err
    assert called.err.endswith(": make, split.test, split.train\n")


def test_without_runs(shop):
    assert shop.call("sql", "SELECT 1").code == 2
    shop.call("run", "broken", "--inline")
    assert "No run has made a table yet" in shop.call("sql").err
