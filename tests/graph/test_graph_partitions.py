from __future__ import annotations

import datetime as dt
import itertools
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

import firnflow as ff
from firnflow.errors import GraphError
from firnflow.graph.check import read_graph
from firnflow.graph.partitions import ByKey, Daily, Hourly, Partition, Weekly

PARTITION: TypeAdapter[Partition] = TypeAdapter(Partition)
ZURICH = "Europe/Zurich"
ZONES = [
    *(ZURICH, "UTC", "America/New_York", "Africa/Cairo", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu"),
    *("Pacific/Apia", "America/St_Johns", "Asia/Beirut"),
]


def hours(partition, key):
    span = partition.span(key)
    return (span.end - span.start) / 3600


@pytest.mark.parametrize("partition", [Daily("2026-01-01", timezone=ZURICH), Hourly("2026-01-01"), Weekly("2026-W07")])
def test_a_partition_is_data(partition):
    assert PARTITION.validate_json(partition.model_dump_json()) == partition


def test_days_have_as_many_hours_as_the_clock_shows():
    day = Daily("2026-01-01", timezone=ZURICH)
    assert [hours(day, key) for key in ("2026-03-28", "2026-03-29", "2026-10-25")] == [24, 23, 25]
    assert day.values("2026-03-29") == {
        "key": "2026-03-29",
        "day": "2026-03-29",
        "start": "2026-03-29T00:00:00+01:00",
        "end": "2026-03-30T00:00:00+02:00",
    }
    assert hours(Weekly("2026-W01", timezone=ZURICH), "2026-W13") == 7 * 24 - 1


def test_an_hour_that_comes_twice_is_two_partitions_and_a_skipped_one_none():
    hour = Hourly("2026-01-01", timezone=ZURICH)
    assert [*hour.between("2026-10-25T01", "2026-10-25T03")] == [f"2026-10-25T{h}" for h in ("01", "02", "02b", "03")]
    assert [*hour.between("2026-03-29T01", "2026-03-29T03")] == ["2026-03-29T01", "2026-03-29T03"]
    assert hour.values("2026-10-25T02b")["start"] == "2026-10-25T02:00:00+01:00"
    with pytest.raises(ValueError, match="2026-03-29T02: the clock of Europe/Zurich skips it"):
        hour.check("2026-03-29T02") and hour.span("2026-03-29T02")
    with pytest.raises(ValueError, match="this hour comes once"):
        hour.check("2026-05-01T02b")


def test_an_hour_in_whose_middle_the_clock_is_changed_is_one_partition():
    hour = Hourly("2008-01-01", timezone="America/St_Johns")
    assert [*hour.between("2008-11-01T23", "2008-11-02T01")] == [
        "2008-11-01T23",
        "2008-11-02T00",
        "2008-11-02T00b",
        "2008-11-02T01",
    ]
    assert hours(hour, "2008-11-02T00") == hours(hour, "2008-11-02T00b") == 1
    assert [*hour.between("2008-03-08T23", "2008-03-09T02")] == ["2008-03-08T23", "2008-03-09T00", "2008-03-09T02"]
    lord_howe = Hourly("2026-01-01", timezone="Australia/Lord_Howe")
    assert [hours(lord_howe, f"2026-04-05T{each}") for each in ("00", "01", "02")] == [1, 1.5, 1]


def test_a_day_that_a_country_left_out_is_no_partition():
    day = Daily("2011-12-28", timezone="Pacific/Apia")
    assert [*day.between("2011-12-29", "2011-12-31")] == ["2011-12-29", "2011-12-31"]


@given(
    st.sampled_from(ZONES),
    st.sampled_from([Daily, Weekly, Hourly]),
    st.floats(6e8, 2e9),  # 1989 to 2033
)
def test_partitions_follow_one_another_and_each_moment_is_in_one(zone, kind, moment):
    partition = kind(start="1980-01-01", timezone=zone)
    days = 2 if kind is Hourly else 21
    keys = [partition.newest(moment), *partition.ended_between(moment, moment + days * 86_400)]
    spans = [partition.span(key) for key in keys]
    assert spans[0].end <= moment < spans[1].end
    assert all(a.end == b.start < b.end for a, b in itertools.pairwise(spans))
    assert [*partition.between(keys[0], keys[-1])] == keys
    assert len(set(keys)) == len(keys)


def test_the_newest_partition_is_the_last_one_that_has_ended():
    day = Daily("2026-01-01", timezone=ZURICH)
    midnight = dt.datetime(2026, 1, 3, tzinfo=zoneinfo.ZoneInfo(ZURICH)).timestamp()
    assert day.newest(midnight) == "2026-01-02"
    assert day.newest(midnight - 1) == "2026-01-01"
    assert day.newest(midnight - 86_401) is None
    assert day.ended_between(0, midnight) == ["2026-01-01", "2026-01-02"]
    assert day.ended_between(midnight, midnight + 3600) == []


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Daily, r"Daily: start: '' is no day: write it like 2026-01-05 \(\S+:\d+\)\.$"),
        (lambda: Daily("5.1.2026"), "'5.1.2026' is no day"),
        (lambda: Daily("2026-02-30"), "'2026-02-30' is no day"),
        (lambda: Daily("2026-01-01", timezone="Europe/Zürich"), "Did you mean 'Europe/Zurich'"),
        (lambda: Daily("2026-01-01", tz="UTC"), "Daily: has no argument 'tz'"),
        (lambda: Weekly("2026-W60"), "'2026-W60' is no week: write it like 2026-W05"),
        (lambda: Hourly("2026-01-01T24"), "'2026-01-01T24' is no hour: write it like 2026-01-05T13"),
        (lambda: ByKey("a", "../b"), "'../b' is no key: letters, digits"),
        (lambda: ByKey("a", "a"), "keys: one is there twice"),
        (lambda: ByKey(["a", "b"]), "keys.0: it should be a valid string"),
    ],
)
def test_wrong_partitions(make, said):
    with pytest.raises(GraphError, match=said):
        make()


@pytest.mark.parametrize("key", ["", ".", "..", "a/b", "a b", "-a", "a\n", "ä", "*", "a" * 101, "{x}", "a\0"])
def test_no_key_escapes_a_path(key):
    with pytest.raises(ValueError, match="is no key"):
        ByKey().check(key)
    with pytest.raises(ValueError, match="is no day"):
        Daily("2026-01-01").check(f"2026-01-05{key}x")


def test_keys():
    assert ByKey().check("orders-2026.csv") == "orders-2026.csv"
    with pytest.raises(ValueError, match=r"'order' is no key of it\. Did you mean 'orders'"):
        ByKey("orders", "trial").check("order")
    with pytest.raises(ValueError, match="2025-12-31 is before the first partition, 2026-01-01"):
        Daily("2026-01-01").check("2025-12-31")


class P(ff.Params):
    rate: float = 1.0


@ff.task
def load(key: str, day: dt.date, since: dt.datetime) -> int:
    return 1


@ff.task
def note(day: dt.date | None = None, rate: float = 0.0) -> None: ...


@ff.pipeline(params=P, partition=Daily("2026-01-01"), schedule=ff.Cron("0 6 * * *"))
def etl(p, partition):
    load(partition.key, partition.day, partition.start)
    note(partition.day, p.rate)


def test_a_partition_is_passed_to_tasks_and_stands_in_the_graph():
    graph = etl.build()
    assert graph.partition == Daily("2026-01-01")
    assert graph.tasks["load"].inputs["since"].model_dump() == {"source": "partition", "field": "start"}
    assert read_graph(graph.model_dump_json()) == graph
    assert not etl.is_part
    with pytest.raises(GraphError, match="argument 'key': reads the partition, but the pipeline has none"):
        read_graph(graph.model_copy(update={"partition": None}).model_dump_json())
    with pytest.raises(GraphError, match="reads 'day' of the partition, which has key"):
        read_graph(graph.model_copy(update={"partition": ByKey()}).model_dump_json())


def test_a_sub_pipeline_takes_the_partition_as_an_argument():
    @ff.pipeline
    def inner(partition):
        load(partition.key, partition.day, partition.end)

    @ff.pipeline(partition=Daily("2026-01-01"))
    def outer(partition):
        inner(partition)

    assert inner.is_part
    assert outer.build().tasks["inner.load"].inputs["since"].field == "end"
    with pytest.raises(GraphError, match=r"takes 'partition', but nothing passes it at the top .* With `partition=`"):
        inner.build()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (lambda x: note(x.start), r"wants datetime.date \| None, but partition.start is .* The day is `partition.day`"),
        (note, "got the partition itself .* Pass a part of it: `partition.key`"),
        (lambda x: note(x.kez), "a partition of Daily has no 'kez' .* Did you mean 'key'"),
        (lambda x: note(rate=x.key), "wants float, but partition.key is str"),
        (lambda x: note(f"{x.key}.csv"), "partition.key is not there while the pipeline is built"),
        (lambda _: note(), "pipeline 'wrong': no task uses its partition"),
    ],
)
def test_wrong_uses(body, said):
    @ff.pipeline(partition=Daily("2026-01-01"))
    def wrong(partition):
        body(partition)

    with pytest.raises(GraphError, match=said):
        wrong.build()


def test_a_source_may_use_it_instead():
    @ff.pipeline(partition=ByKey())
    def by_key():
        note.map(day=[None])
        ff.source("orders")

    assert by_key.build().partition == ByKey()


def inner_of_none(partition):
    load(partition.key)


def test_wrong_declarations():
    with pytest.raises(GraphError, match="partition='daily' is no partition"):
        ff.pipeline(partition="daily", name="x")(inner_of_none)
    with pytest.raises(
        GraphError, match=r"takes its partition before its parameters .* Write `def inner_of_none\(p, part"
    ):
        ff.pipeline(partition=Daily("2026-01-01"), params=P, name="x")(inner_of_none)
    with pytest.raises(GraphError, match="Every cannot run ByKey: which key"):
        ff.pipeline(partition=ByKey("a"), schedule=ff.Every("1h"), name="x")(inner_of_none)
