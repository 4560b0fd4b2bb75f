from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from firnflow.errors import ConfigError, NotFoundError
from firnflow.graph.rules import duckdb_type
from firnflow.project.catalog import Source, format_of, load_catalog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_whole_catalog(make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_URL", "postgresql://me:hunter2@db/crm")
    root = make(
        files={
            "catalog.toml": """
            [customers]
            path = "data/*.csv"
            delimiter = ";"
            encoding = "cp1252"
            null_values = ["", "NA"]
            [customers.columns]
            id = { type = "string", null = false, unique = true, pattern = "[A-Z]{3}" }
            age = { type = "int8", min = 0, max = 120 }
            since = { type = "date", format = "%d.%m.%Y", min = 2000-01-01 }
            plan = { values = ["a", "b"] }
            paid = "decimal(18, 2)"
            [customers.checks]
            min_rows = 10
            unique = ["id", "since"]
            [orders]
            query = "select * from orders"
            connection = "env:CRM_URL"
            version = "select max(updated) from orders"
            [events]
            url = "s3://bucket/events/*.parquet"
            """
        }
    )
    catalog = load_catalog(root)
    assert list(catalog) == ["customers", "orders", "events"]
    customers = catalog["customers"]
    assert customers.name == "customers"
    assert customers.columns["age"].max == 120
    assert customers.columns["paid"].type == "decimal(18, 2)"
    assert catalog["orders"].connection is not None
    assert catalog["orders"].connection.reveal() == "postgresql://me:hunter2@db/crm"
    assert "hunter2" not in repr(catalog) + catalog["orders"].model_dump_json()


def test_no_catalog_is_an_empty_one(make: Callable[..., Path]) -> None:
    assert load_catalog(make()) == {}


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[a]\n", r"catalog.toml:1: a: needs one of `path`, `url`, `query`, `table` and `view`"),
        ("[a]\npath = 'x.csv'\nurl = 's3://x'\n", "needs one of"),
        ("[a]\ntable = 't'\nview = 'v'\n", "needs one of"),
        ("[a]\npath = 'x.csv'\nwhere = 'a > 1'\n", "`where` belongs to a `table` or a `view`"),
        (
            "[a]\ntable = 't'\nconnection = 'snowflake'\n",
            "leave `connection` out",
        ),
        ("[a]\nquery = 'select 1'\n", "a `query` needs a `connection`: the database"),
        ("[a]\npath = 'x'\nconnection = 'env:X'\n", "`connection` belongs to a `query`"),
        ("[a]\npath = 'x'\nversion = 'select 1'\n", "`version` belongs to a `query`"),
        ("[a]\npath = 'x'\ndelimitr = ';'\n", r"toml:3: \[a\] delimitr is not known. Did you mean 'delimiter'"),
        ("[a]\npath = 'x'\nname = 'b'\n", r"`name` is not known"),
        ("[a]\npath = 'x'\ndelimiter = ';;'\n", "delimiter: String should have at most 1 character"),
        ("[a]\npath = 'x'\nencoding = 'hex'\n", "'hex' is no text encoding"),
        ("[a]\npath = 'x'\nencoding = 'utf8000'\n", "'utf8000' is no text encoding"),
        ("[a]\npath = 'x'\nformat = 'xlsx'\n", "format: it should be 'csv', 'parquet' or 'jsonl'"),
        ('[a]\npath = "x\\u0000"\n', r"\[a\] path is not written rightly"),
        ("[a]\npath = 'x'\nheader = false\n", "header = false needs the names of all columns"),
        (
            "[a]\npath = 'x'\n[a.columns]\nx = 'itn'\n",
            r"toml:4: \[a.columns\.x\] type: 'itn' is no type. Did you mean 'int'|'itn' is no type",
        ),
        ("[a]\npath = 'x'\n[a.columns]\nx = { type = 'int', mn = 1 }\n", "mn is not known. Did you mean 'min'"),
        ("[a]\npath = 'x'\n[a.columns]\nx = 'decimal(50, 2)'\n", "is no type"),
        ("[a]\npath = 'x'\n[a.columns]\nx = 'decimal(3, 5)'\n", "is no type"),
        ("[a]\npath = 'x'\n[a.columns]\nx = 'VARCHAR); DROP TABLE x; --'\n", "is no type"),
        ("[a]\npath = 'x'\n[a.columns]\nx = { pattern = '(' }\n", "is no regular expression"),
        ("[a]\npath = 'x'\n[a.columns]\nx = { values = [] }\n", "values: Tuple should have at least 1 item"),
        ("[a]\npath = 'x'\n[a.columns]\nx = { type = 'int', min = 2024-01-01 }\n", "the bound 2024-01-01 does not fit"),
        ("[a]\npath = 'x'\n[a.columns]\nx = { type = 'date', max = 3 }\n", "the bound 3 does not fit"),
        ("[a]\npath = 'x'\n[a.columns]\nx = { type = 'int', pattern = 'x' }\n", "`pattern` needs type = 'string'"),
        ("[a]\npath = 'x'\n[a.columns]\nx = { type = 'int', format = '%d' }\n", "`format` needs type"),
        ("[a]\npath = 'x'\n[a.checks]\nmin_rows = -1\n", "min_rows: it should be greater than or equal to 0"),
        ("['a b']\npath = 'x'\n", "a b is no name"),
        ("['../../x']\npath = 'x'\n", "is no name"),
        ("a = 1\n", "a must be a table"),
        ('[a]\npath = "x"\non_failure = "stop"\n', "`on_failure` is a rule: it belongs under `checks`"),
        ('[a]\npath = "x"\nchecks.columns.b = "int"\n', "the rules of columns stand under `columns`"),
        ('[a]\npath = "x"\nchecks.fresh = "1d"\n', "fresh must be a table: fresh = { … }"),
        ("[a]\nurl = 'https://me:hunter2@host/x'\n", "url: holds a password"),
    ],
)
def test_a_wrong_catalog_says_where_and_what_is_right(make: Callable[..., Path], toml: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_catalog(make(files={"catalog.toml": toml}))
    assert "hunter2" not in str(caught.value)


def test_an_input_of_the_user_s_takes_the_place_of_the_source() -> None:
    source = Source(name="orders", query="select 1", connection="env:X", checks={"min_rows": 3})
    other = source.at("orders.csv")
    assert (other.path, other.query, other.connection, other.checks.min_rows) == ("orders.csv", None, None, 3)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.csv", "csv"),
        ("A.CSV", "csv"),
        ("a.tsv.gz", "csv"),
        ("d/a.parquet", "parquet"),
        ("x.ndjson", "jsonl"),
        ("s3://b/*.jsonl", "jsonl"),
    ],
)
def test_the_suffix_says_the_format(path: str, expected: str) -> None:
    assert format_of(path) == expected


def test_a_name_that_says_no_format() -> None:
    assert format_of("part-0001", "parquet") == "parquet"
    with pytest.raises(NotFoundError, match=r"part-0001: the format cannot be told from the name. Mend: format ="):
        format_of("part-0001")


def test_types_of_the_warehouse() -> None:
    assert duckdb_type("int") == "BIGINT"
    assert duckdb_type("decimal(18, 2)") == "DECIMAL(18, 2)"
    with pytest.raises(ValueError, match=r"'integer' is no type. Did you mean"):
        duckdb_type("integer")
