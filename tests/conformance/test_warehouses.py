"""An example gives the same over DuckDB and with its tables in an (emulated) Snowflake."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest
from calling import firnflow
from small_examples import NUMBERED, RUNS, copy_to, write_feeds

from firnflow import values
from firnflow.engine.history import finished
from firnflow.project import load_settings
from firnflow.stores import Stores
from firnflow.stores.state import State

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.values import Ref

pytestmark = [pytest.mark.slow, pytest.mark.server]
IN_SNOWFLAKE = """
[environments.snow]
inherits = "small"
warehouse = "snowflake"
state = "sqlite:///.firnflow/snow/state.db"
artifacts = ".firnflow/snow/artifacts"
snowflake = {{ connection = "emulated", database = "{database}", schema = "{schema}" }}
"""


MAPPED = NUMBERED.rstrip("[")
CHOSEN = tuple(RUNS) if "ALL_ON_SNOWFLAKE" in os.environ else ("usage_anomalies",)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", CHOSEN)
def test_an_example_gives_the_same_with_its_tables_in_snowflake(
    name: str, tmp_path: Path, snowflake_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables are equal by type and value, all else by digest: figures, models, reports."""
    monkeypatch.setenv(f"{name.upper()}_STATE", "sqlite:///unused.db")
    copy_to(tmp_path, name)
    folder = tmp_path / name
    if name == "cookies":
        write_feeds(folder)
    database, schema = snowflake_url.split("/")[-2:]
    text = (folder / "firnflow.toml").read_text()
    (folder / "firnflow.toml").write_text(text + IN_SNOWFLAKE.format(database=database, schema=schema))
    for environment in ("small", "snow"):
        for pipeline, day in RUNS[name]:
            given = ("--partition", day) if day else ()
            firnflow(folder, "run", pipeline, "--env", environment, "--id", f"same-{pipeline}", *given)
    for pipeline, _ in RUNS[name]:
        right, found = (ran(folder, environment, f"same-{pipeline}") for environment in ("small", "snow"))
        assert found["tasks"] == right["tasks"]
        assert found["metrics"] == right["metrics"]
        assert found["digests"] == right["digests"]
        assert right["tables"]
        assert found["tables"].keys() == right["tables"].keys()
        for output, table in right["tables"].items():
            assert differ(found["tables"][output], table) == [], output


def differ(found: pa.Table, right: pa.Table) -> list[str]:
    """Say in what two tables differ; where neither has an order, their rows may come in any."""
    if not found.schema.equals(right.schema):
        return [f"{one} is {other}" for one, other in zip(found.schema, right.schema, strict=True) if one != other]
    if found.equals(right):
        return []
    with duckdb.connect() as connection:
        connection.register("there", found)
        connection.register("here", right)
        rows = "FROM there EXCEPT ALL FROM here", "FROM here EXCEPT ALL FROM there"
        return [str(row) for each in rows for row in connection.sql(each).limit(3).fetchall()]


def ran(folder: Path, environment: str, run: str) -> dict[str, Any]:
    """What came of a run: how its tasks ended, its figures, its tables, and the digests of its other outputs."""
    settings = load_settings(folder, environment)
    state, stores = State(settings.state.reveal()), None
    try:
        result = finished(state, state.run(run))
        stores = Stores.open(settings, folder)
        tables: dict[str, Ref] = {name: ref for name, ref in result.outputs.items() if ref.kind == "table"}
        return {
            "tasks": {name: str(task.state) for name, task in result.tasks.items()},
            "metrics": result.metrics,
            "digests": {
                name: ref.digest
                for name, ref in result.outputs.items()
                if name not in tables and not (ref.is_container and name == MAPPED)
            },
            "tables": {name: values.load(ref, pa.Table, stores) for name, ref in tables.items()},
        }
    finally:
        state.close()
        if stores is not None:
            stores.close()
