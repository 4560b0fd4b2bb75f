"""The state on SQLite, on a real PostgreSQL and on an emulated Snowflake, each test in a place of its own."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from firnflow.stores.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


ON_SNOWFLAKE = {
    "test_a_lock_is_of_one_until_it_is_let_go",
    "test_what_is_written_is_read",
}
"""The tests that run on the emulated Snowflake too; all do where the variable ALL_ON_SNOWFLAKE is set: ten minutes."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what would take too long."""
    if "ALL_ON_SNOWFLAKE" in os.environ:
        return
    left_out = [item for item in items if _on_snowflake(item) and getattr(item, "originalname", "") not in ON_SNOWFLAKE]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _on_snowflake(item: pytest.Item) -> bool:
    return getattr(item, "callspec", None) is not None and item.callspec.params.get("url") == "snowflake"


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.server),
        pytest.param("snowflake", marks=[pytest.mark.server, pytest.mark.slow]),
    ]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/deep/state.db"
    if request.param == "snowflake":
        return str(request.getfixturevalue("snowflake_url"))
    base = sa.make_url(request.getfixturevalue("postgres_url"))
    name = f"state_{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(base.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    admin.dispose()
    return base.set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def state(url: str) -> Iterator[State]:
    opened = State(url)
    yield opened
    opened.close()
