"""Tables that are as they should be are judged in Snowflake, with the result that DuckDB comes to, and stay there."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING, Any

import ibis
import pytest

from firnflow import values
from firnflow.errors import ConfigError
from firnflow.graph.rules import Checks
from firnflow.stores import Stores
from firnflow.stores.artifacts import ArtifactStore
from firnflow.stores.checks.judge import Circumstances, Past, judge
from firnflow.stores.checks.subject import of_table
from firnflow.stores.snowflake import loading
from firnflow.stores.snowflake.warehouse import SnowflakeWarehouse
from firnflow.stores.warehouse import DuckDBWarehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow
ROWS = """SELECT i::BIGINT AS id, (i * 1.5)::DOUBLE AS x, (i / 4)::DECIMAL(10, 2) AS d, i % 3 = 0 AS flag,
    CASE i % 2 WHEN 0 THEN 'a''b' END AS kind, DATE '2026-01-01' + i::INT AS day,
    TIMESTAMP '2026-01-01' + INTERVAL (i) HOUR AS at FROM range(1, 41) t(i)"""
NOW = 1790000000.0


class Sides:
    """The same rows beside DuckDB and in Snowflake, and how many of Snowflake's were fetched."""

    def __init__(self, folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        import snowflake.connector

        name, database, schema = url.removeprefix("snowflake://").split("/")
        artifacts = ArtifactStore(str(folder / "artifacts"))

        def connect() -> Any:
            return snowflake.connector.connect(connection_name=name, database=database, schema=schema)

        self.local = Stores(artifacts, DuckDBWarehouse(None, 2, folder / "tmp"))
        self.snow = Stores(
            artifacts, SnowflakeWarehouse(DuckDBWarehouse(None, 2, folder / "tmp"), connect, lambda: "0" * 32)
        )
        self.rows = self.both(ROWS)
        self.known = self.both("SELECT i::BIGINT AS k FROM range(0, 100) t(i) UNION ALL SELECT NULL")
        self.fetched: list[int] = []
        fetch = loading.fetch

        def counting(warehouse: Any, source: str, kinds: Any, path: Path, *options: str) -> None:
            fetch(warehouse, source, kinds, path, *options)
            self.fetched.append(warehouse.embedded.read_parquet(path).count().execute())

        monkeypatch.setattr(loading, "fetch", counting)

    def both(self, sql: str) -> list[ibis.Table]:
        file = values.save(self.local.warehouse.connection.sql(sql), ibis.Table, self.local)
        there = values.save(values.load(file, ibis.Table, self.snow).limit(1000), ibis.Table, self.snow)
        return [values.load(file, ibis.Table, self.local), values.load(there, ibis.Table, self.snow)]

    def judged(self, checks: Checks) -> list[Any]:
        """Return what DuckDB and Snowflake find."""
        found = []
        for rows, known in zip(self.rows, self.known, strict=True):
            about = Circumstances(at=NOW, tables={"known": known}, past=Past((1,), (20,), rows.limit(0)), run="r")
            if rows is self.rows[1]:
                found.append(self.snow.warehouse.judge(rows, "orders", "nothing went on", checks, about))
            else:
                connection = self.local.warehouse.connection
                found.append(judge(connection, of_table(rows, connection, "orders"), checks, about))
        return found

    def close(self) -> None:
        self.snow.warehouse.close()
        self.local.warehouse.close()


@pytest.fixture
def sides(tmp_path: Path, snowflake_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sides]:
    with contextlib.closing(Sides(tmp_path, snowflake_url, monkeypatch)) as made:
        yield made


KEPT = {
    "columns": {
        "id": {"type": "int", "null": False, "min": 1, "max": 40, "unique": True, "references": "known.k"},
        "x": {"null": False, "min": 1.5, "warn": {"max": 60}},
        "d": {"min": 0, "max": 10},
        "kind": {"values": ["a'b", "other"]},
        "day": {"min": dt.date(2026, 1, 2), "max": dt.date(2026, 2, 10)},
        "at": {"min": dt.datetime(2026, 1, 1), "max": dt.datetime(2026, 1, 3)},  # noqa: DTZ001 - the column has no zone
    },
    "unique": [["id", "kind"]],
    "min_rows": 40,
    "max_rows": 40,
    "row_change": {"min": 0.5, "max": 3.0},
    "fresh": {"column": "at", "within": "365d"},
}
WHOLE = {"min_rows": 41, "row_change": {"max": 1.5}, "fresh": {"column": "day", "within": "1h"}, "columns": {"no": {}}}
BROKEN = [
    {"columns": {"kind": {"null": False}}},
    {"columns": {"id": {"min": 2}}},
    {"columns": {"x": {"max": 59.9}}},
    {"columns": {"kind": {"values": ["other"]}}},
    {"columns": {"kind": {"unique": True}}},
    {"columns": {"id": {"warn": {"max": 39}}}},
    {"columns": {"day": {"max": dt.date(2026, 2, 9)}}},
    {"unique": [["kind", "flag"]]},
]
ELSEWHERE = [
    {"columns": {"kind": {"pattern": "a.b"}}},
    {"columns": {"d": {"min": 0.1}}},
    {"columns": {"id": {"drift": 9.0}}},
]


@pytest.mark.parametrize("rules", [KEPT, WHOLE], ids=["rows", "the whole"])
def test_a_table_that_breaks_no_rule_of_rows_stays_there_and_the_result_is_the_same(sides: Sides, rules: Any) -> None:
    here, there = sides.judged(Checks.model_validate(rules))
    assert there is not None
    assert there.result == here.result
    assert {each.status for each in here.result.findings} == ({"passed"} if rules is KEPT else {"failed"})
    assert sides.fetched == [1]  # what was counted


def test_what_breaks_a_rule_and_what_cannot_be_asked_there_is_left_to_duckdb(sides: Sides) -> None:
    for rules in BROKEN:
        here, there = sides.judged(Checks.model_validate(rules))
        assert there is None, rules
        assert here.result.broken, rules
    for rules in ELSEWHERE:
        here, there = sides.judged(Checks.model_validate(rules))
        assert there is None, rules
        assert not [each for each in here.result.broken if each.rule != "drift"], rules
    assert set(sides.fetched) == {1}
    with pytest.raises(ConfigError, match="has a min or max, but holds texts"):
        sides.snow.warehouse.judge(
            sides.rows[1], "orders", "", Checks.model_validate({"columns": {"kind": {"min": 1}}}), Circumstances(at=NOW)
        )
