"""Tables for the tests of features: DuckDB in memory, spoken to through Ibis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def connection() -> Iterator[Any]:
    backend = ibis.duckdb.connect()
    backend.con.execute("SET threads = 2")
    yield backend
    backend.disconnect()


@pytest.fixture
def make_table(connection: Any) -> Iterator[Callable[..., ibis.Table]]:
    made: list[str] = []

    def make(**columns: Any) -> ibis.Table:
        made.append(ibis.util.gen_name("t"))
        return connection.create_table(made[-1], pa.table(columns))

    yield make
    for name in made:
        connection.drop_table(name)
