"""Runs for a partition: the value that tasks get, the file that a source reads, what is cached."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from firnflow.engine import partitions
from firnflow.engine.request import RunRequest
from firnflow.errors import UsageError
from firnflow.stores.state.partitions import Partitions

FLOW = """
    import datetime as dt
    import pyarrow as pa

    @ff.task
    def count(orders: pa.Table) -> int:
        return orders.num_rows

    @ff.task
    def note(key: str, day: dt.date, span: list[dt.datetime], rows: int) -> list[str]:
        if rows > 8:
            raise ValueError("too many")
        return [key, f"{day:%d.%m.%Y}", f"{(span[1] - span[0]).total_seconds():g}", str(rows)]

    @ff.pipeline(partition=ff.Daily("2026-01-01", timezone="Europe/Zurich"))
    def flow(partition):
        note(partition.key, partition.day, [partition.start, partition.end], count(ff.source("orders")))

    @ff.pipeline(partition=ff.ByKey("north", "south"))
    def by_key(partition):
        count(ff.source("orders"))

    @ff.pipeline
    def plain():
        count(ff.source("orders"))

    @ff.pipeline(partition=ff.Daily("2026-01-01"))
    def queried(partition):
        count(ff.source("rows"))

    @ff.pipeline(partition=ff.Daily("2026-01-01"))
    def idle(partition):
        count(ff.source("fixed"))
"""


@pytest.fixture
def shop(lab):
    project = lab(FLOW)
    for key, rows in {"2026-03-28": 2, "2026-03-29": 3, "north": 4, "2026-03-30": 9}.items():
        (project.root / f"orders_{key}.csv").write_text("x\n" + "1\n" * rows)
    (project.root / "fixed.csv").write_text("x\n1\n")
    catalog = '[orders]\npath = "orders_{partition}.csv"\n[fixed]\npath = "fixed.csv"\n'
    query = "[rows]\nquery = \"SELECT '{partition}'\"\nconnection = 'env:NOWHERE'\n"
    (project.root / "catalog.toml").write_text(catalog + query)
    return project.again()


def noted(project, result):
    (attempt,) = [each for each in project.state.attempts(result.run) if each.task == "note"]
    return json.loads(attempt.outputs["result"]["inline"])


def test_a_run_is_for_a_partition(shop):
    result = shop.run(partition="2026-03-29", inline=True)
    assert (result.status, result.partition) == ("succeeded", "2026-03-29")
    assert noted(shop, result) == ["2026-03-29", "29.03.2026", f"{23 * 3600}", "3"]
    run = shop.state.run(result.run)
    assert (run.partition, run.request["partition"], run.request["settles"]) == ("2026-03-29", "2026-03-29", True)
    assert Partitions(shop.state, "local").find("flow", "2026-03-29").status == "succeeded"
    again = shop.run(partition="2026-03-29", inline=True)
    assert shop.states(again) == dict.fromkeys(again.tasks, "cached")
    other = shop.run(partition="2026-03-28", inline=True)
    assert set(shop.states(other).values()) == {"succeeded"}
    (shop.root / "orders_2026-03-29.csv").write_text("x\n1\n")
    third = shop.run(partition="2026-03-29", inline=True)
    assert set(shop.states(third).values()) == {"succeeded"}


def test_a_run_that_failed_goes_on_for_its_partition(shop):
    failed = shop.run(partition="2026-03-30", inline=True)
    assert failed.status == "failed"
    (shop.root / "orders_2026-03-30.csv").write_text("x\n1\n")
    done = shop.resume(failed.run, inline=True)
    assert (done.status, done.partition) == ("succeeded", "2026-03-30")
    assert Partitions(shop.state, "local").find("flow", "2026-03-30").run == failed.run


def test_a_part_of_a_run_settles_nothing_and_reads_the_same_partition(shop):
    shop.run(partition="2026-03-28", inline=True)
    with pytest.raises(UsageError, match="no earlier run of flow has the outputs of count"):
        shop.run(partition="2026-03-29", only=("note",), inline=True)
    first = shop.run(partition="2026-03-29", stop=("count",), inline=True)
    assert Partitions(shop.state, "local").find("flow", "2026-03-29") is None
    shop.run(partition="2026-03-28", inline=True)
    second = shop.run(partition="2026-03-29", only=("note",), inline=True)
    assert shop.state.run(second.run).request["given_by"] == first.run
    assert any("does not settle" in event.data.get("message", "") for event in shop.events)


def test_without_a_key_it_is_the_newest_that_is_complete(shop):
    graph = shop.project.pipeline("flow").build()
    noon = dt.datetime(2026, 3, 30, 10, tzinfo=dt.UTC).timestamp()
    request = partitions.settled(graph, RunRequest("flow"), noon)
    assert request.partition == "2026-03-29"
    assert partitions.counts(graph, request, noon)
    early = partitions.settled(graph, RunRequest("flow", partition="2026-03-30"), noon)
    assert not partitions.counts(graph, early, noon)  # it is not over
    with pytest.raises(UsageError, match="no complete partition yet: the first one is 2026-01-01"):
        partitions.settled(graph, RunRequest("flow"), noon - 100 * 86_400)


@pytest.mark.parametrize(
    ("pipeline", "key", "said"),
    [
        ("flow", "29.3.2026", r"--partition: '29.3.2026' is no day: write it like 2026-01-05\.$"),
        ("flow", "2026-03-29/../x", "is no day"),
        ("flow", "2025-12-31", "2025-12-31 is before the first partition, 2026-01-01"),
        ("flow", "2999-01-01", r"2999-01-01 begins at 2999-01-01 00:00\+01:00: there is nothing of it yet"),
        ("by_key", "nort", r"'nort' is no key of it\. Did you mean 'north'"),
        ("by_key", None, r"Which key\? One of north, south\. E\.g\.: firnflow run by_key --partition north"),
        ("plain", "2026-03-29", "--partition 2026-03-29: pipeline plain has no partition. Mend: @ff.pipeline"),
        ("plain", None, "source 'orders' has {partition} in its place in catalog.toml, but pipeline plain has no part"),
        ("queried", "2026-03-29", "source 'rows' has {partition} in its query, where it stands for nothing"),
        ("idle", "2026-03-29", "nothing in pipeline idle is for its partition"),
    ],
)
def test_wrong_calls(shop, pipeline, key, said):
    with pytest.raises(UsageError, match=said):
        shop.run(pipeline, partition=key, inline=True)
    assert shop.state.runs() == []


def test_a_key_of_ones_own(shop):
    assert shop.run("by_key", partition="north", inline=True).status == "succeeded"
    assert "no file" in shop.run("by_key", partition="south", inline=True).error
