from __future__ import annotations

from typing import NamedTuple

import ibis
import pandas as pd
import pytest

from firnflow.errors import GraphError
from firnflow.graph.check import read_graph
from firnflow.graph.draw.picture import picture
from firnflow.graph.model import FromConstant, FromTask
from firnflow.graph.params import Params
from firnflow.graph.pipeline import pipeline
from firnflow.graph.source import source
from firnflow.graph.table import PUBLISH_KEY, TABLE_KEY, parse_moment, table
from firnflow.graph.task import task


class Two(NamedTuple):
    train: ibis.Table
    test: pd.DataFrame


@task
def engineer(orders: ibis.Table) -> ibis.Table: ...


@task
def halve(orders: ibis.Table) -> Two: ...


@task
def count(orders: pd.DataFrame) -> int: ...


@task
def several(orders: ibis.Table) -> list[ibis.Table]: ...


@task
def judge(orders: ibis.Table) -> bool: ...


def constants(node):
    return {name: wanted.value for name, wanted in node.inputs.items() if isinstance(wanted, FromConstant)}


def test_tables_are_nodes_and_the_graph_is_data():
    @pipeline
    def flow():
        published = engineer(table("orders")).publish("features", mode="partition", key=["id"], partition="day")
        count(published)

    graph = flow.build()
    assert list(graph.tasks) == ["orders", "engineer", "publish_features", "count"]
    orders, published = graph.tasks["orders"], graph.tasks["publish_features"]
    assert (orders.key, constants(orders)) == (TABLE_KEY, {"name": "orders"})
    assert published.key == PUBLISH_KEY
    assert constants(published) == {"name": "features", "mode": "partition", "key": ["id"], "partition": ["day"]}
    assert published.inputs["data"] == FromTask(task="engineer")
    assert graph.tasks["count"].inputs["orders"] == FromTask(task="publish_features")
    assert read_graph(graph.model_dump_json()) == graph
    assert [box.kind for box in picture(graph).boxes.values()] == ["source", "task", "task", "task"]


def test_a_table_at_several_versions():
    @pipeline
    def flow():
        count(table("orders"))
        count.options(name="again")(table("orders"))
        count.options(name="third")(table("orders", version=3))
        count.options(name="then")(table("orders", as_of="2026-01-31"))

    tables = {path: constants(node) for path, node in flow.build().tasks.items() if node.key == TABLE_KEY}
    assert tables == {
        "orders": {"name": "orders"},
        "orders_version_3": {"name": "orders", "version": 3},
        "orders_as_of_2026_01_31": {"name": "orders", "as_of": "2026-01-31"},
    }


def test_one_output_of_several_and_a_source_are_published():
    @pipeline
    def flow():
        halve(source("raw")).test.publish("test_set")
        source("raw").publish("raw_table", "append")

    nodes = flow.build().tasks
    assert nodes["publish_test_set"].inputs["data"] == FromTask(task="halve", output="test")
    assert constants(nodes["publish_raw_table"])["mode"] == "append"


def test_publishing_in_a_branch_and_in_a_sub_pipeline():
    @pipeline
    def inner(orders):
        return engineer(orders).publish("features")

    @pipeline
    def flow():
        orders = table("orders")
        with judge(orders).case(True):  # noqa: FBT003 - a case
            inner(orders)

    node = flow.build().tasks["inner.publish_features"]
    assert [condition.case for condition in node.when] == [True]


class WithRows(Params):
    rows: int = 1


def build(work):
    @pipeline
    def flow():
        work()

    return flow.build()


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (lambda: table("no name"), r"table 'no name': a name is letters"),  # here
        (lambda: table("a", version=0), r"version=0 is no version"),  # here
        (lambda: table("a", version=True), r"version=True is no version"),  # here
        (lambda: table("a", version=1, as_of="2026-01-31"), r"takes a version or a moment, not both"),  # here
        (lambda: table("a", as_of="yesterday"), r"as_of='yesterday' is no moment"),  # here
        (lambda: table("a", as_of=3), r"as_of=3 is no moment"),  # here
        (lambda: count(table("a")).publish("b"), r"a table can be published, but the result of task 'count'"),  # here
        (lambda: several(table("a")).publish("b"), r"Let a task join a list of tables into one"),  # here
        (lambda: halve(table("a")).publish("b"), r"task 'halve' has no output 'publish'"),  # here
        (lambda: engineer(table("a")).publish("b c"), r"table 'b c': a name is letters"),  # here
        (lambda: engineer(table("a")).publish("b", mode="apend"), r"Did you mean 'append'"),  # here
        (lambda: engineer(table("a")).publish("b", mode="partition"), r"Name it: `partition='day'`"),  # here
        (lambda: engineer(table("a")).publish("b", key=[1]), r"key=\[1\] is no name of a column"),  # here
        (lambda: engineer(table("a")).publish("b", key=["x", "x"]), r"key=\['x', 'x'\] is no name of a column"),  # here
    ],
)
def test_what_is_wrong_is_said_when_the_graph_is_built(work, said, check_place):
    with pytest.raises(GraphError, match=said) as caught:
        build(work)
    check_place(caught)


def test_publishing_twice_and_outside():
    @pipeline
    def flow():
        rows = engineer(table("orders"))
        rows.publish("features")
        rows.publish("features", "append")

    with pytest.raises(GraphError, match=r"table 'features': is published already in pipeline 'flow'"):
        flow.build()
    with pytest.raises(GraphError, match=r"table 'orders': belongs in a pipeline"):
        table("orders")


def test_a_day_stands_for_its_end_and_no_offset_for_utc():
    assert parse_moment("2026-01-31") == parse_moment("2026-02-01T00:00+00:00") - 0.001
    assert parse_moment("2026-01-31T12:00") == parse_moment("2026-01-31T13:00+01:00")
    with pytest.raises(ValueError, match="Invalid isoformat"):
        parse_moment("31.1.2026")
