"""What a pipeline is compiled to for Airflow, without Airflow: data, files, what is refused."""

from __future__ import annotations

import json

import ibis
import pytest
from pydantic import Field

import firnflow as ff
from firnflow.errors import ConfigError
from firnflow.graph.model import AllOf, AnyOf, OnUpdate
from firnflow.project import Project, load_settings
from firnflow.project.orchestrators import Airflow
from firnflow.targets.airflow.compile import compile_graph
from firnflow.targets.airflow.files import Folder, bundle, modules
from firnflow.targets.airflow.hiring import is_hired
from firnflow.targets.airflow.references import references
from firnflow.targets.airflow.schedule import compile_schedule, in_words, weak_points

CALL = {"python": "/opt/venv/bin/python", "project": "/opt/shop", "env": "prod"}


@ff.task(retries=3, retry_delay="10s", backoff=3, timeout="1h", resources=ff.Resources(pool="gpu"), concurrency=2)
def double(x: int) -> int:
    """Double it."""
    return 2 * x


@ff.task
def listed() -> list[int]:
    return [1, 2]


@ff.task
def is_good() -> bool:
    return True


@ff.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@ff.task
def perhaps(x: int | None) -> int:
    return x or 0


@ff.pipeline(schedule=ff.Cron("0 6 * * *", timezone="Europe/Zurich", overlap=True))
def everything():
    """Maps and branches."""
    good = is_good()
    with good.case(True):  # noqa: FBT003 - a case
        one = double.options(name="one")(1)
    double.options(name="written").map([3, 4])
    total(double.options(name="found").map(listed()))
    perhaps(one)


def compiled(pipeline=everything, **settings):
    return compile_graph(pipeline.build(), Airflow(**settings), {})


@ff.task
def rows() -> ibis.Table:
    raise AssertionError


@ff.task(resources=ff.Resources(pool="gpu", memory="1GiB"), priority=2)
def fitted(rows: ibis.Table) -> float:
    raise AssertionError


@ff.pipeline
def mixed():
    fitted(rows().publish("counted"))


def by_id(data):
    return {each["id"]: each for each in data["tasks"]}


def test_each_task_says_when_it_starts_and_how_often_it_is_tried():
    data = compiled(prefix="dev_", pool="ml")
    tasks = by_id(data)
    assert (data["dag_id"], data["overlap"], data["tags"]) == ("dev_everything", True, ["firnflow"])
    assert {name: (each["reads"], each["rule"]) for name, each in tasks.items()} == {
        "is_good": ([], "all_success"),
        "one": (["is_good"], "all_success"),
        "written": ([], "all_success"),
        "listed": ([], "all_success"),
        "found-elements": (["listed"], "all_success"),
        "found": (["found-elements"], "all_success"),
        "total": (["found"], "none_failed"),  # no elements are skipped for Airflow, and done for us
        "perhaps": (["one"], "none_failed"),
        "finalizer": (["written", "total", "perhaps"], "teardown"),
    }
    assert tasks["is_good"]["cases"] == {"one": [["result", True]]}
    one = tasks["one"]
    assert [one[name] for name in ("retries", "retry_delay", "backoff", "timeout")] == [3, 10.0, 3.0, 3600.0]
    assert (one["queue"], one["pool"], tasks["total"].get("queue")) == ("gpu", "ml", None)
    assert tasks["written"]["elements"] == [{"element": 0, "label": "x=3"}, {"element": 1, "label": "x=4"}]
    assert (tasks["found"]["elements"], tasks["found"]["at_once"]) == (None, 2)


@ff.task(priority=10, resources=ff.Resources(cpu=0.5, memory="2GiB", gpu=1))
def fit(orders: ibis.Table) -> ff.Html:
    return ff.Html("<!doctype html>")


@ff.task(timeout="5s")
def clean_up(summary: ff.RunSummary) -> None: ...


@ff.pipeline(finalizer=clean_up)
def fitting():
    orders = ff.table("orders")
    fit(orders)
    orders.publish("copies")


def test_what_a_task_uses_reads_and_shows_is_in_its_data():
    tasks = by_id(compiled(fitting, prefix="p_", priority=5))
    orders, fitted, copies = tasks["orders"], tasks["fit"], tasks["publish_copies"]
    assert orders["reads_table"] == {"name": "p_orders", "uri": "firnflow://tables/p_orders"}
    assert copies["publishes"] == {"name": "p_copies", "uri": "firnflow://tables/p_copies"}
    assert (fitted["shows"], fitted["memory"], fitted["priority"]) == (True, 2**31, 15)
    assert (orders["priority"], "priority" in by_id(compiled(fitting))["orders"]) == (5, False)
    assert tasks["finalizer"]["timeout"] == 65.0  # telling of the run is not its time
    assert not any("pod" in each for each in tasks.values())
    pods = by_id(compiled(fitting, executor="kubernetes", image="shop:3"))
    assert pods["fit"]["pod"] == {
        "image": "shop:3",
        "resources": {"cpu": "0.5", "memory": str(2**31 + 512 * 2**20), "nvidia.com/gpu": "1"},
    }
    assert pods["finalizer"]["pod"] == {"image": "shop:3"}
    assert "pod" not in by_id(compiled(fitting, executor="kubernetes"))["orders"]


SECRETS = """
[project]
name = "shop"
[environments.base]
state = "airflow:conn/state"
[environments.prod]
inherits = "base"
[environments.prod.alerts.channels]
team = "airflow:var/slack"
[environments.other]
state = "airflow:conn/others"
[pipelines.sales.params]
login = "airflow:conn/crm.login"
note = "airflow: what we run on"
"""


def project_of(root, settings, catalog=""):
    (root / "firnflow.toml").write_text(settings)
    if catalog:
        (root / "catalog.toml").write_text(catalog)
    return Project(root, load_settings(root, "prod"), {}, {})


def test_the_connections_and_variables_that_an_environment_wants_are_known_without_what_they_hold(tmp_path):
    catalog = '[people]\nquery = "SELECT 1"\nconnection = "airflow:conn/state"\n'
    wanted = ["conn/crm.login", "conn/state", "var/slack"]
    assert references(project_of(tmp_path, SECRETS, catalog)) == wanted
    with pytest.raises(ConfigError, match="airflow:conn/state and airflow:conn/STATE: one variable stands for both"):
        references(project_of(tmp_path, SECRETS, catalog.replace("state", "STATE")))


class Tree(ff.Params):
    depth: int = 3


class Wishes(ff.Params):
    rows: int = Field(default=4, ge=1)
    tree: Tree = Tree()
    other: Tree | None = None


@ff.task
def grow(rows: int, tree: Tree, other: Tree | None) -> int:
    return rows


@ff.pipeline(params=Wishes)
def growing(p):
    grow(p.rows, p.tree, p.other)


def test_a_parameter_has_the_schema_of_its_form_and_a_section_is_an_object():
    params = compile_graph(growing.build(), Airflow(), {"rows": 7})["params"]
    assert (params["rows"]["schema"]["minimum"], params["rows"]["default"]) == (1, 7)
    assert (params["tree"]["schema"]["type"], params["tree"]["default"]) == ("object", {"depth": 3})
    assert "type" not in params["other"]["schema"]
    assert not any(word in json.dumps(params) for word in ("definitions", "$ref"))


@pytest.mark.parametrize(
    ("seconds", "expression"),
    [("1m", "* * * * *"), ("5m", "*/5 * * * *"), ("1h", "0 * * * *"), ("6h", "0 */6 * * *"), ("1d", "0 0 * * *")],
)
def test_an_interval_that_divides_the_day_is_a_cron_expression(seconds, expression):
    schedule = ff.Every(seconds)
    assert compile_schedule(schedule, "") == {"kind": "cron", "expression": expression, "timezone": "UTC"}
    assert weak_points("p", schedule, "") == []


@pytest.mark.parametrize("seconds", ["7m", "90s", "5h", "2d", "36h"])
def test_another_interval_is_counted_from_the_first_run_and_the_plan_says_so(seconds):
    assert compile_schedule(ff.Every(seconds), "")["kind"] == "every"
    assert "counts it from the first run" in weak_points("p", ff.Every(seconds), "")[0]


def test_updates_of_tables_are_asset_conditions():
    wanted = OnUpdate("orders") & (OnUpdate("plans") | OnUpdate("users"))
    assert isinstance(wanted, AllOf)
    assert isinstance(wanted.of[1], AnyOf)
    orders, either = compile_schedule(wanted, "dev_")["of"]
    assert orders == {"kind": "asset", "name": "dev_orders", "uri": "firnflow://tables/dev_orders"}
    assert (either["kind"], [each["name"] for each in either["of"]]) == ("any", ["dev_plans", "dev_users"])
    assert in_words(wanted) == "when orders & (plans | users) has a new version"


def test_a_source_is_an_asset_of_which_somebody_must_tell_and_the_plan_says_so():
    wanted = OnUpdate(source="orders") & OnUpdate("orders")
    source, table = compile_schedule(wanted, "dev_")["of"]
    assert source == {"kind": "asset", "name": "dev_source-orders", "uri": "firnflow://sources/dev_orders"}
    assert source["name"] != table["name"]
    (told,) = weak_points("etl", wanted, "dev_")
    assert told.startswith("etl: Airflow does not look at source orders:")
    assert told.endswith("asset dev_source-orders")


def test_the_files_of_a_dag_are_the_same_each_time_and_complete_before_it_is_seen(tmp_path):
    data, graph = compiled(), everything.build().model_dump_json(indent=1)
    first, again = (bundle(data, graph, CALL, "mark") for _ in range(2))
    assert first == again
    folder = Folder(tmp_path / "ours")
    folder.write(first)
    assert folder.read("everything.py") == first.text
    names = {path.name for path in (tmp_path / "ours" / "parts").iterdir()}
    assert names == {part.name for part in first.parts}
    spec = json.loads(first.parts[-1].text)
    assert json.loads((tmp_path / "ours" / "parts" / spec["graph"]).read_text())["pipeline"] == "everything"
    other = bundle({**data, "doc": "another"}, graph, CALL, "mark")
    folder.write(other)
    assert len(list((tmp_path / "ours" / "parts").iterdir())) == len(first.parts)  # what nothing names any more is gone
    (tmp_path / "ours" / "parts" / other.parts[-1].name).write_text("{}")
    assert "dag.json is missing, or was changed" in folder.read("everything.py")
    (tmp_path / "ours" / "by_hand.py").write_text("# mine")
    folder.remove("everything.py")
    assert [path.name for path in (tmp_path / "ours").iterdir()] == ["by_hand.py"]


def test_what_airflow_loads_needs_nothing_but_airflow_and_the_standard_library():
    import ast
    import sys

    nodes = [node for part in modules() for node in ast.walk(ast.parse(part.text))]
    names = [each.name for node in nodes if isinstance(node, ast.Import) for each in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    # the last two are imported in functions that are not called where they are not installed
    assert {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) == {
        "airflow",
        "kubernetes",
        "openlineage",
    }


@pytest.mark.parametrize(
    ("jobs", "warehouse", "hired"),
    [
        (None, "snowflake", set()),
        ("snowflake", "duckdb", {"rows", "fitted"}),
        ("snowflake", "snowflake", {"fitted"}),
    ],
)
def test_python_tasks_run_in_jobs_where_the_environment_says_so(jobs, warehouse, hired, tmp_path):
    (tmp_path / "firnflow.toml").write_text(
        f'[project]\nname = "shop"\n[environments.prod]\norchestrator = "airflow"\nwarehouse = "{warehouse}"\n'
        "snowflake = { database = 'ml', schema = 'prod', warehouse = 'wh' }\n"
        + (f'airflow.jobs = "{jobs}"\n' if jobs else "")
    )
    settings = load_settings(tmp_path, "prod")
    graph = mixed.build()
    tasks = by_id(compile_graph(graph, settings.airflow, {}, lambda node: is_hired(node, settings)))
    assert {name for name, each in tasks.items() if each.get("job")} == hired
    assert {name for name, each in tasks.items() if "queue" in each or "memory" in each} == {"fitted"} - hired
    assert tasks["fitted"]["priority"] == 3
