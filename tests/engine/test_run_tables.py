"""Named tables in runs: versions are settled at the start, publishing is a task, nothing is done twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pyarrow as pa
import pytest

pytest.importorskip("pyiceberg")

from firnflow.engine.collect import Rule, collect, find
from firnflow.engine.neighbours import place_of
from firnflow.errors import NotFoundError
from firnflow.graph.check import read_graph
from firnflow.stores.tables.read import ref_of
from firnflow.stores.tables.versions import newest, versions
from firnflow.values import load

FLOW = """
    import ibis
    import pandas as pd

    class Wishes(ff.Params):
        rows: int = 3
        first: int = 0

    @ff.task
    def make(rows: int, first: int) -> ibis.Table:
        return ibis.range(first, first + rows).unnest().name("id").as_table()

    @ff.task
    def count(orders: ibis.Table) -> int:
        return orders.count().execute()

    @ff.task
    def largest(orders: pd.DataFrame) -> int:
        return int(orders["id"].max())

    @ff.pipeline(params=Wishes)
    def fill(p):
        count(make(p.rows, p.first).publish("orders", key="id"))

    @ff.task
    def fetch(rows: int, first: int) -> pd.DataFrame:
        return pd.DataFrame({"id": range(first, first + rows)})

    @ff.pipeline(params=Wishes)
    def add(p):
        count(fetch(p.rows, p.first).publish("orders", "append"))

    @ff.pipeline(params=Wishes)
    def split(p):
        make(p.rows, p.first).publish("orders", "partition", partition="id")

    @ff.pipeline
    def use():
        count(ff.table("orders"))
        largest(ff.table("orders", version=1))

    @ff.task
    def fold(orders: ibis.Table) -> ibis.Table:
        return orders.mutate(id=orders.id + 100)

    @ff.pipeline
    def again():
        fold(ff.table("orders")).publish("orders")
"""


@pytest.fixture
def flow(tables_lab):
    return tables_lab(FLOW)


def value(flow, result, output):
    return load(result.outputs[output], int, flow.stores)


def ids(flow):
    table = flow.tables.get("orders")
    return sorted(load(ref_of(table, newest(table)), pa.Table, flow.stores)["id"].to_pylist())


@pytest.mark.slow
def test_a_table_is_published_and_read_by_another_pipeline(flow):
    published = flow.run("fill")
    assert value(flow, published, "count") == 3
    result = flow.run("use")
    assert (value(flow, result, "count"), value(flow, result, "largest")) == (3, 2)
    used = flow.state.run(result.run)
    digest = newest(flow.tables.get("orders")).digest
    assert used.request["tables"]["orders"] == {"table": "orders", "version": 1, "digest": digest}
    graph = read_graph(flow.state.graph_json(used.graph))
    assert graph.tasks["orders"].inputs["version"].value == 1
    version = newest(flow.tables.get("orders"))
    assert (version.run, version.task, version.pipeline, version.rows) == (published.run, "publish_orders", "fill", 3)


@pytest.mark.slow
def test_what_depends_on_a_table_runs_again_when_it_has_a_new_version(flow):
    flow.run("fill")
    flow.run("use")
    assert set(flow.states(flow.run("use")).values()) == {"cached"}
    flow.run("fill", "rows=5")
    result = flow.run("use")
    assert flow.states(result) == {
        "orders": "succeeded",
        "count": "cached",  # by `fill`, of the same rows
        "orders_version_1": "cached",
        "largest": "cached",
    }
    assert value(flow, result, "count") == 5


@pytest.mark.slow
def test_the_same_again_publishes_nothing(flow):
    for pipeline in ("fill", "add"):
        flow.run(pipeline, "first=10" if pipeline == "add" else "first=0")
        again = flow.run(pipeline, "first=10" if pipeline == "add" else "first=0")
        assert set(flow.states(again).values()) == {"cached"}
    again = flow.run("add", "first=10", cache=False)
    assert again.tasks["publish_orders"].state == "succeeded"
    assert [version.number for version in versions(flow.tables.get("orders"))] == [1, 2]
    assert ids(flow) == [0, 1, 2, 10, 11, 12]


def test_a_table_that_is_not_there_stops_the_run_before_it_begins(flow):
    with pytest.raises(NotFoundError, match=r"There is no table 'orders'\. There is no named table yet"):
        flow.run("use")
    assert flow.state.runs() == []


@pytest.mark.slow
def test_a_run_reads_the_version_that_was_the_newest_when_it_began(flow):
    flow.run("fill")
    broken = flow.run("use", only=("orders",))
    flow.run("fill", "rows=7")
    resumed = flow.resume(broken.run)
    assert resumed.outputs["orders"].meta["version"] == 1


@pytest.mark.slow
def test_a_table_made_of_itself_loses_no_version_of_somebody_else(flow):
    flow.run("fill")
    flow.run("again")
    assert ids(flow) == [100, 101, 102]

    def meanwhile(event):
        if event.kind == "task_finished" and event.task == "fold":
            other = flow.again()
            other.run("add", "first=50", "rows=1", workers=1)

    result = flow.run("again", listeners=[meanwhile], workers=1)
    assert result.tasks["publish_orders"].error["type"] == "TableConflictError"
    assert ids(flow) == [50, 100, 101, 102]


@pytest.mark.slow
def test_broken_rows_leave_the_table_as_it_was(flow):
    flow.run("fill")
    result = flow.run("add", "rows=1")
    assert result.tasks["publish_orders"].error["type"] == "BadRowsError"
    assert flow.states(result)["count"] == "upstream_failed"
    assert ids(flow) == [0, 1, 2]


CRASHES = [
    ("fill", "table.staged:kill"),
    ("fill", "table.committed:kill"),
    ("fill", "commit.inside:kill@2"),
    ("add", "table.written:kill"),
    ("add", "table.staged:kill"),
    ("add", "commit.before:kill@2"),
]
"""A replacement writes no file."""


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "point"), CRASHES)
def test_killed_and_resumed_there_is_one_version(flow, mode, point):
    flow.run("fill", "rows=1", "first=90")
    environment = {**os.environ, "FIRNFLOW_CRASH": point, "FIRNFLOW_WORKERS": "1"}
    command = [sys.executable, "-m", "firnflow", "run", mode, "--inline", "--json"]
    killed = subprocess.run(command, cwd=flow.root, env=environment, capture_output=True, text=True, timeout=120)
    assert killed.returncode == -9, killed.stderr
    environment.pop("FIRNFLOW_CRASH")
    command = [sys.executable, "-m", "firnflow", "resume", "--json"]
    resumed = subprocess.run(command, cwd=flow.root, env=environment, capture_output=True, text=True, timeout=120)
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["status"] == "succeeded"
    assert [version.number for version in versions(flow.tables.get("orders"))] == [1, 2]
    assert ids(flow) == ([0, 1, 2] if mode == "fill" else [0, 1, 2, 90])


@pytest.mark.slow
@pytest.mark.parametrize("point", ["table.written:kill@2", "table.committed:kill"])
def test_killed_between_partitions_all_or_none_are_there(flow, point):
    environment = {**os.environ, "FIRNFLOW_CRASH": point, "FIRNFLOW_WORKERS": "1"}
    command = [sys.executable, "-m", "firnflow", "run", "split", "--inline", "--json"]
    killed = subprocess.run(command, cwd=flow.root, env=environment, capture_output=True, text=True, timeout=120)
    assert killed.returncode == -9, killed.stderr
    assert flow.tables.names() == ([] if "committed" not in point else ["orders"])
    environment.pop("FIRNFLOW_CRASH")
    command = [sys.executable, "-m", "firnflow", "resume", "--json"]
    resumed = subprocess.run(command, cwd=flow.root, env=environment, capture_output=True, text=True, timeout=120)
    assert resumed.returncode == 0, resumed.stderr
    assert [version.number for version in versions(flow.tables.get("orders"))] == [1]
    assert ids(flow) == [0, 1, 2]


@pytest.mark.slow
class TestClean:
    @pytest.fixture
    def place(self, flow):
        with place_of(flow.root, flow.project.settings, flow.state, flow.stores.artifacts) as found:
            yield found

    def age(self, flow):
        for path in flow.stores.artifacts.folder.rglob("*"):
            if path.is_file():
                os.utime(path, (time.time() - 7200,) * 2)

    def test_files_of_a_version_that_is_kept_stay_when_its_run_goes(self, flow, place):
        flow.run("fill")
        flow.run("add", "first=10")
        flow.run("fill", "first=20")
        flow.state.delete_runs([run.id for run in flow.state.runs()])
        self.age(flow)
        collect(place, find(place, Rule(older_than=1e9, keep=0)))
        table = flow.tables.get("orders")
        assert [version.number for version in versions(table)] == [1, 2, 3]
        parts = [part for version in versions(table) for part in ref_of(table, version).items]
        assert all(flow.stores.artifacts.exists(part.where) for part in parts)

    def test_old_versions_expire_and_numbers_stay(self, flow, place):
        for first in range(4):
            flow.run("fill", f"first={first}")
        flow.run("use")
        self.age(flow)
        garbage = find(place, Rule(older_than=0.0, keep=1))
        assert [version.number for version in garbage.versions] == [2, 3]
        assert [version.number for version in versions(flow.tables.get("orders"))] == [1, 2, 3, 4]
        collect(place, garbage)
        assert [version.number for version in versions(flow.tables.get("orders"))] == [1, 4]
        flow.run("fill", "first=9")
        assert newest(flow.tables.get("orders")).number == 5
        assert ids(flow) == [9, 10, 11]


@pytest.mark.slow
def test_a_run_of_another_scheduler_keeps_the_version_of_its_first_task(flow):
    flow.run("fill")

    def firnflow(*arguments):
        command = [sys.executable, "-m", "firnflow", *arguments]
        environment = {**os.environ, "FIRNFLOW_WORKERS": "1"}
        done = subprocess.run(command, cwd=flow.root, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    (flow.root / "use.json").write_text(json.dumps(firnflow("show", "use", "--format", "json")))
    firnflow("exec", "--graph", "use.json", "--run", "r1", "--task", "orders_version_1")
    flow.run("fill", "rows=7")
    found = firnflow("exec", "--graph", "use.json", "--run", "r1", "--task", "orders")
    assert found["outputs"]["result"]["meta"]["version"] == 1
    found = firnflow("exec", "--graph", "use.json", "--run", "r2", "--task", "orders")
    assert found["outputs"]["result"]["meta"]["version"] == 2
    assert flow.state.run("r1").request["tables"]["orders"]["version"] == 1
