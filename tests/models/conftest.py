"""A registry of three versions, on SQLite and PostgreSQL; where ALL_ON_SNOWFLAKE is set on hybrid tables too."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from firnflow.models.registry import Registry
from firnflow.stores import Stores
from firnflow.stores.artifacts import ArtifactStore
from firnflow.stores.state import State
from firnflow.stores.warehouse import DuckDBWarehouse
from firnflow.values.model import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


ASKED = [pytest.param("snowflake", marks=pytest.mark.server)] if "ALL_ON_SNOWFLAKE" in os.environ else []


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.server), *ASKED])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a new state database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state.db"
    if request.param == "snowflake":
        return str(request.getfixturevalue("snowflake_url"))
    base, name = sa.make_url(request.getfixturevalue("postgres_url")), f"m{uuid.uuid4().hex[:12]}"
    engine = sa.create_engine(base.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return base.set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    """An empty artifact store."""
    found = Stores(
        ArtifactStore(str(tmp_path / "artifacts"), tmp_path / "cache"), DuckDBWarehouse(None, 1, tmp_path / "tmp")
    )
    yield found
    found.close()


@pytest.fixture
def state(url: str) -> Iterator[State]:
    """The state database."""
    found = State(url)
    yield found
    found.close()


@pytest.fixture
def registry(state: State, stores: Stores) -> Registry:
    """An empty registry."""
    return Registry(state, stores)


@pytest.fixture
def a_model() -> Callable[..., Model]:
    """Return a function that makes a small tree of some depth."""
    tree = pytest.importorskip("sklearn.tree")

    def make(depth: int = 1) -> Model:
        estimator = tree.DecisionTreeClassifier(max_depth=depth, random_state=0)
        return Model(estimator.fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1]), features=("x",))

    return make


@pytest.fixture
def three(registry: Registry, a_model: Callable[..., Model]) -> Registry:
    """Three versions of `credit`, each of a run of its own."""
    for depth in (1, 2, 3):
        registry.register("credit", a_model(depth), run=f"run-{depth}", task="register", metadata={"depth": depth})
    return registry
