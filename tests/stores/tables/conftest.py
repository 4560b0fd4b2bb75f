from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from firnflow import values
from firnflow.stores import Stores
from firnflow.stores.artifacts import ArtifactStore
from firnflow.stores.state import State
from firnflow.stores.warehouse import DuckDBWarehouse

pytest.importorskip("pyiceberg")

import ibis

from firnflow.stores.snowflake.warehouse import SnowflakeWarehouse
from firnflow.stores.tables.publish import Wish, publish
from firnflow.stores.tables.read import ref_of
from firnflow.stores.tables.versions import find, versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from firnflow.stores.tables.base import TablesLike
    from firnflow.values import Ref


@dataclass
class Place:
    """A project's stores, and the shortest way to publish and read."""

    tables: TablesLike

    @property
    def stores(self) -> Stores:
        return self.tables.stores

    def save(self, sql: str) -> Ref:
        return values.save(self.stores.warehouse.embedded.connection.sql(sql), ibis.Table, self.stores)

    def publish(self, sql: str, table: str = "orders", mode: str = "replace", **wish: Any) -> Ref:
        wish = {"run": uuid.uuid4().hex, "task": "load", "pipeline": "p", **wish}
        return publish(self.tables, self.save(sql), Wish(table, mode, **wish))

    def rows(self, ref: Ref) -> list[tuple[Any, ...]]:
        table = values.load(ref, ibis.Table, self.stores)
        found = table.order_by(list(table.columns)).to_pyarrow().to_pylist()
        return [tuple(row.values()) for row in found]

    def read(self, table: str = "orders", **which: Any) -> list[tuple[Any, ...]]:
        found = self.tables.get(table)
        return self.rows(ref_of(found, find(found, **which)))

    def numbers(self, table: str = "orders") -> list[int]:
        return [each.number for each in versions(self.tables.get(table))]


def open_place(folder: Path, state: str, artifacts: str, schema: str | None = None) -> Place:
    """Open a place; `schema` is the URL of one in Snowflake, where the named tables are then."""
    cache = folder / "cache" if "://" in artifacts else None
    store = ArtifactStore(artifacts, cache)
    opened, duckdb = State(state), DuckDBWarehouse(None, 2, folder / "tmp")
    if schema is None:
        return Place(Stores(store, duckdb).tables(opened))

    def connect() -> Any:
        import snowflake.connector

        name, database, place = schema.removeprefix("snowflake://").split("/")
        return snowflake.connector.connect(connection_name=name, database=database, schema=place)

    return Place(Stores(store, SnowflakeWarehouse(duckdb, connect, opened.identity)).tables(opened))


EVERYWHERE = {
    "test_versions_are_numbered_and_stay_readable",
    "test_a_load_that_runs_twice_leaves_each_row_once",
    "test_a_resumed_run_with_other_rows_takes_its_first_rows_back",
    "test_exactly_those_in_the_rows_are_replaced",
    "test_what_does_not_fit_shows_both",
    "test_in_another_partition",
    "test_appends_follow_each_other",
    "test_a_replacement_loses_and_says_to_whom",
    "test_partitions",
    "test_rows_made_from_an_older_version",
    "test_as_of",
    "test_only_what_is_old_and_not_needed_expires",
    "test_restoring_beside_a_writer",
}
"""What named tables do wherever they are: these tests run on Snowflake too."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "schema" in metafunc.fixturenames and metafunc.function.__name__ in EVERYWHERE:
        metafunc.parametrize("kind", ["iceberg", pytest.param("snowflake", marks=pytest.mark.slow)])


@pytest.fixture
def kind() -> str:
    """Where the named tables are."""
    return "iceberg"


@pytest.fixture
def schema(kind: str, request: pytest.FixtureRequest) -> str | None:
    """URL of the schema in Snowflake that has the named tables, if any has."""
    return request.getfixturevalue("snowflake_url") if kind == "snowflake" else None


@pytest.fixture
def opened(tmp_path: Path, schema: str | None) -> Iterator[Callable[..., Place]]:
    """Open the same place again, as another process would; all are closed at the end."""
    made: list[Place] = []

    def open_again(
        state: str = f"sqlite:///{tmp_path}/state.db", artifacts: str = str(tmp_path / "artifacts")
    ) -> Place:
        made.append(open_place(tmp_path, state, artifacts, schema))
        return made[-1]

    yield open_again
    for place in made:
        place.tables.close()
        place.stores.close()
        place.tables.state.close()


@pytest.fixture
def place(opened: Callable[..., Place]) -> Place:
    return opened()
