"""The same artifacts, beside DuckDB and beside an emulated Snowflake."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import ibis
import pytest

from firnflow import values
from firnflow.stores import Stores
from firnflow.stores.artifacts import ArtifactStore
from firnflow.stores.snowflake.warehouse import SnowflakeWarehouse
from firnflow.stores.warehouse import DuckDBWarehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from firnflow.values import Ref

OWNER = "0123456789abcdef0123456789abcdef"


class Both:
    """The same artifacts, beside DuckDB and beside Snowflake."""

    def __init__(self, folder: Path, url: str) -> None:
        _, connection, self.database, self.schema = url.removeprefix("snowflake:").replace("//", "/").split("/")
        self._name = connection
        artifacts = ArtifactStore(str(folder / "artifacts"))
        self.local = Stores(artifacts, DuckDBWarehouse(None, 2, folder / "tmp"))
        self.snow = self.other(artifacts, folder / "tmp", OWNER)

    def other(self, artifacts: ArtifactStore, folder: Path, owner: str) -> Stores:
        return Stores(artifacts, SnowflakeWarehouse(DuckDBWarehouse(None, 2, folder), self.connect, lambda: owner))

    def connect(self) -> Any:
        import snowflake.connector

        return snowflake.connector.connect(connection_name=self._name, database=self.database, schema=self.schema)

    def file(self, sql: str) -> Ref:
        return values.save(self.local.warehouse.connection.sql(sql), ibis.Table, self.local)

    def load(self, ref: Ref, annotation: Any = ibis.Table, *, here: bool = False) -> Any:
        return values.load(ref, annotation, self.local if here else self.snow)

    def save(self, table: Any, *, here: bool = False) -> Ref:
        return values.save(table, ibis.Table, self.local if here else self.snow)

    def names(self) -> list[str]:
        return [each.where for each in self.snow.objects() if each.where.startswith("snowflake:")]


@pytest.fixture
def both(tmp_path: Path, snowflake_url: str) -> Iterator[Both]:
    made = Both(tmp_path, snowflake_url)
    with contextlib.closing(made.local), contextlib.closing(made.snow):
        yield made
