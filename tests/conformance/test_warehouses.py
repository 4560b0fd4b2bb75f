"""An example gives the same over DuckDB and with its tables in an (emulated) Snowflake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from calling import firnflow
from small_examples import copy_to

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


@pytest.mark.timeout(240)
def test_an_example_gives_the_same_with_its_tables_in_snowflake(
    tmp_path: Path, snowflake_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables are equal by type, value and order; all else by digest: figures, detectors, the report."""
    monkeypatch.setenv("USAGE_ANOMALIES_STATE", "sqlite:///unused.db")
    copy_to(tmp_path, "usage_anomalies")
    folder = tmp_path / "usage_anomalies"
    database, schema = snowflake_url.split("/")[-2:]
    text = (folder / "firnflow.toml").read_text()
    (folder / "firnflow.toml").write_text(text + IN_SNOWFLAKE.format(database=database, schema=schema))
    for environment in ("small", "snow"):
        firnflow(folder, "run", "usage_anomalies", "--env", environment, "--id", "same")
    right, found = ran(folder, "small"), ran(folder, "snow")
    assert found["tasks"] == right["tasks"]
    assert found["metrics"] == right["metrics"]
    assert found["digests"] == right["digests"]
    assert {"features", "publish_usage_daily"} <= set(right["tables"])
    assert found["tables"].keys() == right["tables"].keys()
    for name, table in right["tables"].items():
        assert found["tables"][name].equals(table), name


def ran(folder: Path, environment: str) -> dict[str, Any]:
    """What came of the run: how its tasks ended, its figures, its tables, and the digests of its other outputs."""
    settings = load_settings(folder, environment)
    state, stores = State(settings.state.reveal()), None
    try:
        result = finished(state, state.run("same"))
        stores = Stores.open(settings, folder)
        tables: dict[str, Ref] = {name: ref for name, ref in result.outputs.items() if ref.kind == "table"}
        return {
            "tasks": {name: str(task.state) for name, task in result.tasks.items()},
            "metrics": result.metrics,
            "digests": {name: ref.digest for name, ref in result.outputs.items() if name not in tables},
            "tables": {name: values.load(ref, pa.Table, stores) for name, ref in tables.items()},
        }
    finally:
        state.close()
        if stores is not None:
            stores.close()
