"""Which tasks are executed in the warehouse, and what keeps others out of it."""

from __future__ import annotations

import sys
from typing import Any, Literal

import ibis
import pandas as pd
import pytest

import firnflow as ff
from firnflow.errors import ConfigError
from firnflow.project import Project, load_project, load_settings
from firnflow.project.catalog import load_catalog
from firnflow.targets.snowflake.compile.sides import Side, Sides
from firnflow.targets.snowflake.target import SnowflakeTarget

TOML = """
[project]
name = "shop"

[environments.prod]
orchestrator = "snowflake"

[environments.prod.snowflake]
database = "ml"
schema = "prod"
warehouse = "wh"
files = ["data/*.csv"]
"""
HERE = Side(is_here=True)


@ff.task
def rows() -> pd.DataFrame:
    return pd.DataFrame({"x": [1]})


@ff.task
def kept(orders: ibis.Table, least: float = 0.0) -> ibis.Table:
    return orders.filter(orders.amount > least)


@ff.task
def count(orders: ibis.Table) -> int:
    return int(orders.count().execute())


@ff.task
def joined(parts: list[ibis.Table], names: dict[str, Any], more: ibis.Table | None) -> ibis.Table:
    return parts[0]


@ff.task
def framed(orders: ibis.Table) -> pd.DataFrame:
    return orders.to_pandas()


@ff.task
def fitted(orders: ibis.Table) -> float:
    from sklearn.linear_model import LinearRegression

    return float(LinearRegression().n_jobs or 0)


@ff.task
def scored(orders: ibis.Table, model: ff.Model) -> float:
    return 0.0


@ff.task
def model() -> ff.Model:
    raise NotImplementedError


@ff.task
def plain(x: int) -> Literal["a", "b"]:
    return "a" if x else "b"


@ff.task
def end(summary: ff.RunSummary) -> int:
    return 1


@pytest.fixture
def sides(tmp_path):
    """Return what says where the tasks of a pipeline are executed, in an environment with more TOML."""

    def of(pipeline, section="", catalog="", environment=""):
        line = 'orchestrator = "snowflake"\n'
        (tmp_path / "firnflow.toml").write_text(TOML.replace(line, line + environment) + section)
        (tmp_path / "catalog.toml").write_text(catalog)
        settings = load_settings(tmp_path, "prod")
        project = Project(tmp_path, settings, {pipeline.name: pipeline}, load_catalog(tmp_path))
        graph, found = pipeline.build(), Sides(project)
        return {path: found.of(graph, path) for path in (*graph.tasks, "finalizer")}

    return of


def named():
    """A pipeline that reads a named table, and each kind of task behind it."""
    orders = ff.table("orders")
    few = kept(orders)
    kept.options(name="more", resources=ff.Resources(memory="1Gi"))(few)
    plain(count(few))
    framed(few).publish("frames")
    fitted(few)
    joined([few, orders], {"a": 1}, None)
    kept.options(name="after_python")(rows())
    kept.options(name="dealt", concurrency=2).map(few, least=[1.0, 2.0])
    kept.options(name="mapped").map(few, least=[1.0, 2.0])
    scored(few, model())
    few.publish("few")


def test_tasks_of_tables_are_executed_in_the_warehouse(sides):
    found = sides(ff.pipeline(named))
    here = {path for path, side in found.items() if side == HERE}
    assert here == {"orders", "kept", "count", "joined", "mapped", "publish_few", "finalizer"}
    assert found["more"].why == "it asks for resources"
    assert found["fitted"].why == "it imports sklearn"
    assert found["dealt"].why == "it is dealt among containers"
    outside = "it reads a table that comes from outside, as a file"
    assert {found[path].why for path in ("publish_frames", "after_python")} == {outside}
    assert {found[path] for path in ("rows", "framed", "plain", "scored", "model")} == {
        Side(is_here=False)
    }  # Python, like any other


@pytest.mark.parametrize(
    "told",
    [
        {"section": "procedures = false\n"},
        {"section": 'variables = { FIRNFLOW_STATE = "postgresql://db/state" }\n'},
        {"environment": 'warehouse = "duckdb"\n'},
        {"environment": 'state = "postgresql://db/state"\n'},
        {"environment": 'artifacts = "s3://models/shop"\n'},
    ],
    ids=["switched off", "a state of the jobs", "warehouse", "state", "artifacts"],
)
def test_what_a_procedure_cannot_reach_keeps_all_tasks_out(sides, told):
    assert set(sides(ff.pipeline(named), **told).values()) == {Side(is_here=False)}


def test_a_run_is_ended_in_a_container_where_that_is_python_or_tells_somebody(sides, monkeypatch):
    def sums():
        kept(ff.table("orders"))

    assert sides(ff.pipeline(sums))["finalizer"] == HERE
    assert sides(ff.pipeline(finalizer=end)(sums))["finalizer"].why == "it is Python"
    monkeypatch.setenv("FIRNFLOW_TRACKING", "snowflake")
    assert sides(ff.pipeline(sums))["finalizer"].why == "it tells others of the run"


@pytest.mark.parametrize(
    ("tracking", "is_told"),
    [('url = "env:MLFLOW_URL"', True), ('backend = "none"\nurl = "env:MLFLOW_URL"', False), ("", False)],
    ids=["a server", "switched off", "nothing said"],
)
def test_a_run_is_ended_in_a_container_where_a_tracker_has_a_server_whose_kind_is_not_said(
    sides, monkeypatch, tracking, is_told
):
    monkeypatch.delenv("FIRNFLOW_TRACKING", raising=False)

    def sums():
        kept(ff.table("orders"))

    found = sides(ff.pipeline(sums), section=f"[environments.prod.tracking]\n{tracking}\n")["finalizer"]
    assert found.why == ("it tells others of the run" if is_told else "")
    assert found.is_here is not is_told


def test_a_source_is_read_in_the_warehouse_where_it_is_shipped_with_the_code(sides):
    def sums():
        kept(ff.source("orders"))

    shipped = '[orders]\npath = "data/orders.csv"\n'
    assert sides(ff.pipeline(sums), catalog=shipped)["kept"] == HERE
    found = sides(ff.pipeline(sums), catalog='[orders]\nurl = "s3://data/orders.csv"\n')
    assert found["orders"].why == "its source is outside of Snowflake"
    assert found["kept"].why == "it reads a table that comes from outside, as a file"


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """Return what loads a project of some modules, by name, and says where its task `kept` is executed."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def load(**modules):
        for name, text in modules.items():
            path = tmp_path / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        (tmp_path / "firnflow.toml").write_text(TOML.replace('"shop"', '"shop"\npipelines = ["flows"]'))
        project = load_project(tmp_path, "prod")
        return Sides(project).of(project.pipelines["sums"].build(), "kept")

    yield load
    for name in [name for name, module in sys.modules.items() if str(tmp_path) in str(getattr(module, "__file__", ""))]:
        del sys.modules[name]


FLOWS = """
import ibis
import firnflow as ff
{more}

@ff.task
def kept(orders: ibis.Table) -> ibis.Table:
    return orders

@ff.pipeline
def sums():
    kept(ff.table("orders"))
"""


def test_what_a_project_imports_when_it_loads_has_to_be_there(loaded):
    assert loaded(flows=FLOWS.format(more="")) == HERE


def test_what_another_module_of_a_project_imports_counts_too(loaded):
    found = loaded(
        flows=FLOWS.format(more="from parts import helper"), parts__helper="import sklearn.tree\n", parts____init__=""
    )
    assert found.why == "the project's modules, as they load, import sklearn"


def test_what_only_type_checkers_and_other_functions_import_does_not_count(loaded):
    more = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import sklearn\ndef f():\n    import sklearn\n"
    assert loaded(flows=FLOWS.format(more=more)) == HERE


def test_functions_in_python_for_the_warehouse_keep_tasks_out(loaded):
    more = "@ibis.udf.scalar.python\ndef twice(x: int) -> int:\n    return 2 * x\n"
    assert (
        loaded(flows=FLOWS.format(more=more)).why == "its module makes functions in Python for the warehouse (ibis.udf)"
    )


def test_a_pipeline_of_tables_needs_neither_pool_nor_service(told, tmp_path):
    @ff.pipeline
    def sums():
        kept(ff.table("orders"))

    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "orders.csv").write_text("amount\n1\n")
    (tmp_path / "firnflow.toml").write_text(TOML)
    project = Project(tmp_path, load_settings(tmp_path, "prod"), {"sums": sums}, {})
    target = SnowflakeTarget(project)
    assert not [line for line in target.grants() if "SERVICE" in line or "POOL" in line]
    told.grants = [
        row for row in told.grants if row["privilege"] != "CREATE SERVICE" and "POOL" not in row["privilege"]
    ]
    told.grants += [{"privilege": "CREATE SCHEMA", "granted_on": "DATABASE", "name": "ML"}]
    told.grants += [
        {"privilege": f"CREATE {kind}", "granted_on": "SCHEMA", "name": "ML.PROD"} for kind in ("TABLE", "VIEW")
    ]
    found = target.wanted()
    assert [each.address.kind for each in found] == [
        "tag",
        "tag",
        "stage",
        "code",
        "procedure",
        "procedure",
        "task graph",
    ]
    assert found[-1].facts["task kept"].endswith("; in the warehouse")
    assert "cost: warehouse wh runs while tasks run in it" in target.warnings


def test_who_has_no_pool_is_told_what_keeps_a_task_out_of_the_warehouse(told, tmp_path):
    @ff.pipeline
    def sums():
        fitted(ff.table("orders"))

    (tmp_path / "firnflow.toml").write_text(TOML.replace('files = ["data/*.csv"]\n', ""))
    project = Project(tmp_path, load_settings(tmp_path, "prod"), {"sums": sums}, {})
    why = (
        "task 'fitted' cannot run in the warehouse, as it imports sklearn, and wants pool 'default', which is not there"
    )
    with pytest.raises(ConfigError, match=why):
        SnowflakeTarget(project).wanted()
