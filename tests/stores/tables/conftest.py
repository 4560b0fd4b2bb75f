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

from firnflow.stores.tables.catalog import Tables
from firnflow.stores.tables.publish import Wish, publish
from firnflow.stores.tables.read import ref_of
from firnflow.stores.tables.versions import find, versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from firnflow.values import Ref


@dataclass
class Place:
    """A project's stores, and the shortest way to publish and read."""

    tables: Tables

    @property
    def stores(self) -> Stores:
        return self.tables.stores

    def save(self, sql: str) -> Ref:
        return values.save(self.stores.warehouse.connection.sql(sql), ibis.Table, self.stores)

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


def open_place(folder: Path, state: str, artifacts: str) -> Place:
    cache = folder / "cache" if "://" in artifacts else None
    store = ArtifactStore(artifacts, cache)
    return Place(Tables(State(state), Stores(store, DuckDBWarehouse(None, 2, folder / "tmp"))))


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """Open the same place again, as another process would; all are closed at the end."""
    made: list[Place] = []

    def open_again(
        state: str = f"sqlite:///{tmp_path}/state.db", artifacts: str = str(tmp_path / "artifacts")
    ) -> Place:
        made.append(open_place(tmp_path, state, artifacts))
        return made[-1]

    yield open_again
    for place in made:
        place.tables.close()
        place.stores.close()
        place.tables.state.close()


@pytest.fixture
def place(opened: Callable[..., Place]) -> Place:
    return opened()
