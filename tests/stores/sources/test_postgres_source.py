from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from firnflow.errors import BadRowsError, ConfigError, DataError, StoreError
from firnflow.project.catalog import Source
from firnflow.project.secrets import Secret
from firnflow.stores.sources import fingerprint, read_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from firnflow.stores import Stores

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
pytestmark = pytest.mark.server


@pytest.fixture
def session(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A connection to a fresh schema, which CRM_URL names too."""
    url = f"{postgres_url}&options=-csearch_path%3Dsource_test"
    monkeypatch.setenv("CRM_URL", url)
    with psycopg.connect(postgres_url, autocommit=True) as opened:
        opened.execute("DROP SCHEMA IF EXISTS source_test CASCADE; CREATE SCHEMA source_test")
        opened.execute("SET search_path = source_test")
        yield opened


@pytest.fixture
def query(rows: Callable[..., Any], session: Any) -> Callable[..., Any]:
    def read(sql: str, **spec: Any) -> Any:
        return rows({}, query=sql, connection="env:CRM_URL", **spec)

    return read


def test_types(table: Callable[..., Any], session: Any) -> None:
    columns = {
        "b": ("true", "boolean", True),
        "i2": ("7::int2", "int16", 7),
        "i4": ("7::int4", "int32", 7),
        "i8": ("7::int8", "int64", 7),
        "f4": ("0.5::float4", "float32", 0.5),
        "f8": ("0.1::float8", "float64", 0.1),
        "inf": ("'-Infinity'::float8", "float64", float("-inf")),
        "n": ("123.45::numeric(10, 2)", "decimal(10, 2)", Decimal("123.45")),
        "free": ("avg(3)", "float64", 3.0),
        "d": ("date '2024-02-29'", "date", dt.date(2024, 2, 29)),
        "t": ("time '12:30'", "time", dt.time(12, 30)),
        "ts": ("timestamp '2024-02-29 12:30:00.123456'", "timestamp(6)", dt.datetime(2024, 2, 29, 12, 30, 0, 123456)),  # noqa: DTZ001
        "tz": ("timestamptz '2024-02-29 12:30+02'", "timestamp('UTC', 6)", dt.datetime(2024, 2, 29, 10, 30, tzinfo=dt.UTC)),  # noqa: E501
        "s": ("E'a, \"b\"\\n''c'' \\\\. ü'", "string", "a, \"b\"\n'c' \\. ü"),
        "e": ("''", "string", ""),
        "u": ("'6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid", "string", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        "a": ("array[1, null, 3]", "array<int32>", [1, None, 3]),
        "ta": ("array['x', 'a,\"b']", "array<string>", ["x", 'a,"b']),
        "nul": ("null::int4", "int32", None),
    }  # fmt: skip
    select = ", ".join(f"{sql} AS {name}" for name, (sql, *_) in columns.items())
    found = table({}, query=f"SELECT {select}", connection="env:CRM_URL")
    assert {name: str(kind) for name, kind in found.schema().items()} == {
        n: kind for n, (_, kind, _) in columns.items()
    }
    (row,) = found.to_pyarrow().to_pylist()
    row["tz"] = row["tz"].astimezone(dt.UTC)
    assert row == {name: value for name, (_, _, value) in columns.items()}


def test_no_rows_keep_their_types(table: Callable[..., Any], session: Any) -> None:
    found = table({}, query="SELECT 1 AS a, 'x' AS b LIMIT 0", connection="env:CRM_URL", checks={"min_rows": 0})
    assert {name: str(kind) for name, kind in found.schema().items()} == {"a": "int32", "b": "string"}
    assert found.count().execute() == 0


def test_nulls_empty_texts_and_order(query: Callable[..., Any]) -> None:
    assert query("SELECT * FROM (VALUES (2, null), (1, ''), (null, null), (3, E'\\n')) AS v (a, b)") == [
        (2, None),
        (1, ""),
        (None, None),
        (3, "\n"),
    ]
    assert query("SELECT nullif(i, 2) AS a FROM generate_series(3, 1, -1) i; \n") == [(3,), (None,), (1,)]
    assert query("SELECT ';--' AS a -- one\n; -- two; three\n/* four; */") == [(";--",)]


def test_json_and_declared_types(query: Callable[..., Any], table: Callable[..., Any]) -> None:
    found = table({}, query="SELECT '{\"a\": [1]}'::jsonb AS j, 1e20::numeric AS n", connection="env:CRM_URL",
                  columns={"n": "decimal(38, 0)"})  # fmt: skip
    assert found.j["a"][0].cast("int64").execute()[0] == 1
    assert found.n.execute()[0] == Decimal(10) ** 20


def test_wrong_rows(query: Callable[..., Any]) -> None:
    with pytest.raises(BadRowsError, match=r"2 of 3 rows(?s:.)*the answer of data, row 2: a = '2' should be at most 1"):
        query("SELECT generate_series(1, 3) AS a", columns={"a": {"max": 1}})
    with pytest.raises(BadRowsError, match=r"row 1: d = 'infinity' is no DATE"):
        query("SELECT 'infinity'::date AS d")
    with pytest.raises(DataError, match="has 0 rows, at least 1 are expected"):
        query("SELECT 1 AS a WHERE false")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT * FROM custmers", 'the query fails: .*relation "custmers" does not exist'),
        ("SELEC 1", "the query fails: .*syntax error"),
        ("SELECT 1 AS a; DROP TABLE t", "cannot insert multiple commands into a prepared statement"),
        ("SELECT 1) TO STDOUT; DROP TABLE t; --", "the query fails: .*syntax error"),
        ("SELECT 1) TO PROGRAM 'touch /tmp/owned'; --", "the query fails: .*syntax error"),
        ("SELECT 1 AS a, 2 AS \"A\"", "two columns of the query are named 'A'. Mend: rename one with AS"),
        ("SELECT", "gives no columns"),
        ("DELETE FROM t", "gives no columns"),
        ("DELETE FROM t RETURNING a", "the query fails: "),
        ("WITH d AS (DELETE FROM t RETURNING a) SELECT * FROM d", "the query fails: "),
        ("SELECT lower(set_config('transaction_read_only', 'off', true)) AS a, f() AS b", "the query fails: "),
        ("SELECT 1 / (a - 1) AS a FROM t", "the query fails: division by zero"),
        ("COMMIT", "gives no columns"),
        ("SELECT $1 AS a", "the query fails: "),
    ],
)  # fmt: skip
def test_a_query_that_fails_or_would_write(query: Callable[..., Any], session: Any, sql: str, message: str) -> None:
    session.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
    session.execute("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'DELETE FROM source_test.t RETURNING a'")
    with pytest.raises(DataError, match=message):
        query(sql)
    assert session.execute("SELECT a FROM t").fetchall() == [(1,)]


def test_a_database_that_cannot_be_reached(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, session: Any
) -> None:
    source = Source(name="s", query="SELECT 1 AS a", connection=Secret("env:CRM_URL"))
    for url in (f"postgresql://me:canary-pw@/x?host={tmp_path}", "postgresql://me:canary-pw@127.0.0.1:1/x"):
        monkeypatch.setenv("CRM_URL", url)
        with pytest.raises(StoreError, match="s: the database cannot be reached: ") as caught:
            read_source(source, stores, tmp_path)
        assert "canary-pw" not in str(caught.value)
        assert caught.value.__cause__ is None
    monkeypatch.setenv("CRM_URL", "mysql://me:canary-pw@host/x")
    with pytest.raises(ConfigError, match="the connection is no URL of a PostgreSQL: postgresql://user@host/database"):
        read_source(source, stores, tmp_path)
    monkeypatch.delenv("CRM_URL")
    with pytest.raises(ConfigError, match="variable CRM_URL is not set"):
        read_source(source, stores, tmp_path)


def test_a_fingerprint_follows_the_version_that_is_told(session: Any, tmp_path: Path) -> None:
    session.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
    told = {"name": "s", "query": "SELECT * FROM t", "connection": "env:CRM_URL"}
    source = Source.model_validate(told)
    assert fingerprint(source, tmp_path) != fingerprint(source, tmp_path)
    source = Source.model_validate({**told, "version": "SELECT max(a), count(*) FROM t"})
    first = fingerprint(source, tmp_path)
    assert fingerprint(source, tmp_path) == first
    session.execute("INSERT INTO t VALUES (2)")
    assert fingerprint(source, tmp_path) != first
    assert "canary-pw" not in first


def test_a_fingerprint_tells_databases_apart_but_not_passwords(
    session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source.model_validate(
        {"name": "s", "query": "SELECT 1 AS a", "version": "SELECT 1", "connection": "env:CRM_URL"}
    )
    first = fingerprint(source, tmp_path)
    url = os.environ["CRM_URL"]
    monkeypatch.setenv("CRM_URL", url.replace("canary-pw", "canary-pw-2"))
    assert fingerprint(source, tmp_path) == first
    monkeypatch.setenv("CRM_URL", url.replace("/postgres?", "/template1?"))
    assert fingerprint(source, tmp_path) != first


READ = """
import resource, sys
from pathlib import Path
from firnflow.project.catalog import Source
from firnflow.stores import Stores
from firnflow.stores.artifacts import ArtifactStore
from firnflow.stores.sources import read_source
from firnflow.stores.warehouse import DuckDBWarehouse
root = Path(sys.argv[1])
stores = Stores(ArtifactStore(str(root)), DuckDBWarehouse(100_000_000, 1, root / "spill"))
query = f"SELECT i, md5(i::text) AS a, md5((i + 1)::text) AS b FROM generate_series(1, {sys.argv[2]}) i"
spec = Source.model_validate({"name": "s", "query": query, "connection": "env:CRM_URL"})
assert read_source(spec, stores, root).count().execute() == int(sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_answer(session: Any, tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        call = [sys.executable, "-c", READ, str(tmp_path), str(rows)]
        done = subprocess.run(call, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    assert peak(2_000_000) - peak(1000) < 250_000  # kilobytes; the answer has 150 MB
