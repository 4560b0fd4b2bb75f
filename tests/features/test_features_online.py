"""Online values: the same as offline at every moment, exact in their types, filled by what has changed."""

from __future__ import annotations

import datetime as dt
import decimal
import os
import random
import subprocess
import sys
import threading
import uuid
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firnflow.errors import ConfigError, FeatureError, StoreError
from firnflow.features import Entity, FeatureView, online_features, training_set
from firnflow.features.materializing import fill, materialize
from firnflow.features.place import Online
from firnflow.stores.online import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

START = dt.datetime.fromisoformat("2024-03-01")
MOMENT = pa.timestamp("us")
ONE, TWO = Entity("one", "a"), Entity("two", "b")
SPINE = pa.schema({"row": pa.int64(), "a": pa.int64(), "b": pa.string(), "t": MOMENT})
VIEW = pa.schema({"a": pa.int64(), "b": pa.string(), "e": MOMENT, "k": MOMENT, "x": pa.float64(), "y": pa.string()})
Rows = list[dict[str, Any]]


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.server)])
def url(request: pytest.FixtureRequest, tmp_path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/deep/online.db"
    return request.getfixturevalue("redis_url")


@pytest.fixture
def online(url) -> Iterator[Online]:
    store = connect(url)
    yield Online(store, uuid.uuid4().hex)
    store.close()


def hour(number: float) -> dt.datetime:
    return START + dt.timedelta(hours=number)


class Place:
    """A source that grows, a view of it, and what is there at a moment: online and offline."""

    def __init__(self, connection: Any, online: Online, view: FeatureView, entities: Rows) -> None:
        self.connection, self.view, self.entities = connection, view, entities
        self.online = Online(online.store, uuid.uuid4().hex)  # of its own, in the same store

    def fill(self, rows: Rows, at: dt.datetime, digest: str | None = None) -> Any:
        self.table = self._table(rows, VIEW)
        digests = {} if digest is None else {"s": digest}
        return fill(self.online, self.view, {"s": self.table}, at, digests=digests)

    def online_at(self, at: dt.datetime) -> list[tuple]:
        found = online_features(self.view, self.entities, at=at, online=self.online)
        return list(zip(found["v__x"], found["v__y"], strict=True))

    def offline_at(self, at: dt.datetime) -> list[tuple]:
        spine = self._table([{"row": i, "t": at, **each} for i, each in enumerate(self.entities)], SPINE)
        found = training_set(spine, self.view, sources={"s": self.table}).order_by("row").to_pyarrow()
        return list(zip(found["v__x"].to_pylist(), found["v__y"].to_pylist(), strict=True))

    def _table(self, rows: Rows, schema: pa.Schema) -> Any:
        table = pa.Table.from_pylist(rows, schema=schema)
        return self.connection.create_table(f"t_{uuid.uuid4().hex}", table, temp=True)


def moment(hours: int) -> Any:
    return st.none() | st.integers(0, hours).map(hour)


rows_of_a_source = st.lists(
    st.fixed_dictionaries(
        {
            "a": st.sampled_from([None, 1, 2]),
            "b": st.sampled_from([None, "p", "ü"]),
            "e": moment(8),
            "k": moment(8),
            "x": st.sampled_from([None, 1.5, -0.0, 2.0]),
            "y": st.sampled_from([None, "v", ""]),
            "comes": st.integers(0, 2),  # the step from which it is in the source, whatever its times say
            "goes": st.integers(1, 4),
        }
    ),
    max_size=20,
)
definitions = st.builds(
    lambda entities, known_at, ttl: FeatureView(
        "v", "s", entities, "e", known_at, ttl and dt.timedelta(hours=ttl), columns={"x": "", "y": ""}
    ),
    st.sampled_from([(ONE,), (TWO,), (ONE, TWO), ()]),
    st.sampled_from([None, "k"]),
    st.sampled_from([None, 1, 2, 5]),
)
ENTITIES = [{"a": a, "b": b} for a in (None, 1, 2, 3) for b in (None, "p", "ü")]


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows_of_a_source, view=definitions, steps=st.lists(st.floats(0, 9), min_size=3, max_size=3).map(sorted))
def test_online_is_offline_after_every_materialisation(connection, online, rows, view, steps):
    place = Place(connection, online, view, ENTITIES)
    for number, at in enumerate(map(hour, steps)):
        there = [row for row in rows if row["comes"] <= number < row["goes"]]
        for digest in ("x" + repr(there), None):
            place.fill([{name: row[name] for name in VIEW.names} for row in there], at, digest)
            assert place.online_at(at) == place.offline_at(at)
        later = at + dt.timedelta(hours=1)  # of the same source, of which only what has come into sight is looked at
        place.fill([{name: row[name] for name in VIEW.names} for row in there], at, "same")
        done = place.fill([{name: row[name] for name in VIEW.names} for row in there], later, "same")
        assert not done.whole
        assert place.online_at(later) == place.offline_at(later)
        if number < 2 and hour(steps[number + 1]) < later:
            break


@pytest.mark.parametrize("ttl", [None, 3])
@pytest.mark.parametrize("known_at", [None, "k"])
def test_a_thousand_small_histories(connection, online, known_at, ttl):
    """Each value of `a` is a case of its own: its rows late, tied, duplicate, withdrawn or without time."""
    luck = random.Random(f"{known_at} {ttl}")

    def time() -> dt.datetime | None:
        return hour(luck.randint(0, 8)) if luck.random() < 0.95 else None

    cases = range(1_000)
    rows: Rows = [
        {"a": case, "b": None, "e": time(), "k": time(), "x": luck.choice([None, 1.0, 2.0]), "y": luck.choice("pq")}
        for case in cases
        for _ in range(luck.randint(0, 6))
    ]
    view = FeatureView("v", "s", ONE, "e", known_at, ttl and dt.timedelta(hours=ttl), columns={"x": "", "y": ""})
    place = Place(connection, online, view, [{"a": case, "b": None} for case in (*cases, None)])
    changed = []
    for step, at in enumerate((hour(2.5), hour(4), hour(6.5), hour(9))):
        there = [row for row in rows if luck.random() < 0.9] if step < 3 else rows
        done = place.fill(there + luck.choices(there, k=200), at, None)
        assert place.online_at(at) == place.offline_at(at)
        assert place.fill(there, at).written == 0
        changed.append((done.written, done.dropped))
    assert done.keys == len({row["a"] for row in rows if row["e"] and (row["k"] or not known_at)})
    assert all(0 < written < 1_000 for written, _ in changed)
    assert any(dropped for _, dropped in changed)


NAMES = {
    "small": pa.array([-128, None], pa.int8()),
    "large": pa.array([2**63 - 1, 0], pa.int64()),
    "unsigned": pa.array([2**64 - 1, 0], pa.uint64()),
    "single": pa.array([0.1, None], pa.float32()),
    "double": pa.array([0.1 + 0.2, 5e-324]),
    "odd": pa.array([float("inf"), -0.0]),
    "flag": pa.array([True, False]),
    "text": pa.array(["Zürich 'x' \" \\ \0 😀\u2028", ""]),
    "day": pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
    "second": pa.array([dt.datetime.fromisoformat("1969-12-31T23:59:59"), None], pa.timestamp("s")),
    "micro": pa.array([dt.datetime.fromisoformat("0001-01-01T00:00:00.000001"), START], MOMENT),
    "nano": pa.array([1_700_000_000_123_456_789, None], pa.timestamp("ns")),
    "zoned": pa.array([START.replace(tzinfo=dt.UTC), None], pa.timestamp("us", "UTC")),
    "clock": pa.array([dt.time(23, 59, 59, 999999), None], pa.time64("us")),
    "money": pa.array([decimal.Decimal("1.20"), decimal.Decimal("-0.01")], pa.decimal128(38, 2)),
    "blob": pa.array([b"\x00\xff", b""]),
    "vector": pa.array([[0.1, None], []], pa.list_(pa.float64())),
}


def test_values_of_all_types_come_back_as_they_were(make_table, online):
    rows = {"a": [1, 2], "e": pa.array([START] * 2, MOMENT), **NAMES}
    view = FeatureView("v", make_table(**rows), ONE, "e")
    fill(online, view, {}, hour(1), digests={})
    found = online_features(view, {"a": [2, 1]}, at=hour(1), online=online)
    spine = make_table(a=[2, 1], t=pa.array([hour(1)] * 2, MOMENT))
    expected = training_set(spine, view).order_by(lambda t: t.a.desc()).to_pyarrow()
    for name in NAMES:
        theirs = expected[f"v__{name}"].to_pylist()
        assert found[f"v__{name}"] == theirs, name
        assert list(map(repr, found[f"v__{name}"])) == list(map(repr, theirs)), name
    (lost,) = online_features(view.use("odd"), {"a": [3]}, at=hour(1), online=online)["v__odd"]
    assert lost is None


@pytest.mark.parametrize(
    ("key", "values", "others"),
    [
        ("text", ["Zürich", "a,b\0"], [7, True, b"x"]),
        ("whole", [2**63 - 1, -1], ["1", True, 1.0]),
        ("sure", [True, False], [1, "true"]),
        ("day", [dt.date(2024, 2, 29), dt.date(1970, 1, 1)], ["2024-02-29", START]),
        ("moment", [START, hour(0.5)], [START.date(), "2024-03-01"]),
        ("money", [decimal.Decimal("1.50"), decimal.Decimal(20)], ["1.5", 1.5]),
    ],
)
def test_keys_of_all_types_find_their_rows_and_others_are_refused(make_table, online, key, values, others):
    table = make_table(**{key: values}, e=pa.array([START] * 2, MOMENT), x=[1, 2])
    view = FeatureView("v", table, Entity("thing", key), "e")
    fill(online, view, {}, hour(1), digests={})
    asked = [*values[::-1], None, values[0]]
    assert online_features(view, {key: asked}, at=hour(1), online=online)["v__x"] == [2, 1, None, 1]
    for other in others:
        with pytest.raises(FeatureError, match="no value would be found"):
            online_features(view, [{key: other}], at=hour(1), online=online)


def test_numbers_of_other_libraries_are_keys(make_table, online):
    import numpy as np

    view = FeatureView("v", make_table(a=[1], e=pa.array([START], MOMENT), x=[5]), ONE, "e")
    fill(online, view, {}, hour(1), digests={})
    assert online_features(view, {"a": np.array([1, 2])}, at=hour(1), online=online)["v__x"] == [5, None]


def test_a_hundred_entities_of_five_views_are_one_question(make_table, online):
    table = make_table(a=list(range(100)), e=pa.array([START] * 100, MOMENT), x=list(range(100)))
    views = [FeatureView(f"v{i}", table, ONE, "e", ttl="2h") for i in range(5)]
    for view in views:
        fill(online, view, {}, hour(1), digests={})
    asked = []

    class Counting:
        def read(self, wanted):
            asked.append(wanted)
            return online.store.read(wanted)

    found = online_features(views, {"a": list(range(99, -1, -1))}, at=hour(1), online=Online(Counting(), online.scope))
    assert all(found[f"v{i}__x"] == list(range(99, -1, -1)) for i in range(5))
    assert len(asked) == 1
    later = online_features([views[0], views[1].use("x", name="w")], [{"a": 3}], at=hour(2), online=online)
    assert later == {"a": [3], "v0__x": [None], "w__x": [None]}


@pytest.mark.parametrize(
    ("entities", "message"),
    [
        ([{"a": 1}], r"no online values .* Mend: firnflow features materialize v"),
        ([{"b": 1}], "the entities have no 'a'"),
        ("a", "entities are a list of rows"),
        ({"a": [1], "b": []}, "not of one length: a 1, b 0"),
        ([{"a": 1}, {"b": 1}], "one row has a, another b"),
    ],
)
def test_what_cannot_be_asked_is_said(make_table, online, entities, message):
    view = FeatureView("v", make_table(a=[1], e=pa.array([START], MOMENT), x=[1]), ONE, "e")
    with pytest.raises(FeatureError, match=message):
        online_features(view, entities, online=online)


def test_moments_that_are_none_or_to_come_are_refused(make_table):
    view = FeatureView("v", make_table(a=[1], e=pa.array([START], MOMENT), x=[1]), ONE, "e")
    for at, message in {"2999-01-01": "in the future", "soon": "is no moment"}.items():
        with pytest.raises(FeatureError, match=message):
            materialize(view, at=at)
    with pytest.raises(FeatureError, match="there are no views"):
        online_features([], [{"a": 1}])


def test_a_moment_before_that_of_the_store_is_refused_and_a_feature_of_no_kind(connection, make_table, online):
    view = FeatureView("v", make_table(a=[1], e=pa.array([START], MOMENT), x=[1]), ONE, "e")
    fill(online, view, {}, hour(2), digests={})
    with pytest.raises(FeatureError, match=r"is before that. Mend: ask for a later moment"):
        fill(online, view, {}, hour(1), digests={}, exact=True)
    assert fill(online, view, {}, hour(1), digests={}).at == hour(2)  # somebody else was faster
    with pytest.raises(FeatureError, match="what was known before that is in training_set"):
        online_features(view, [{"a": 1}], at=hour(1), online=online)
    nested = make_table(a=[1], e=pa.array([START], MOMENT), x=[{"deep": 1}])
    with pytest.raises(FeatureError, match=r"'x' is struct<.*>, which the online store does not keep. Mend: take it"):
        fill(online, FeatureView("w", nested, ONE, "e"), {}, hour(2), digests={})


def test_many_that_fill_one_view_at_once_leave_the_latest_moment(url):
    scope = uuid.uuid4().hex
    rows = {"a": list(range(50)) * 2, "e": pa.array([hour(n % 7) for n in range(100)], MOMENT), "x": list(range(100))}
    errors, done = [], []

    def work(number: int) -> None:
        import ibis

        backend = ibis.duckdb.connect()
        view = FeatureView("v", backend.create_table("t", pa.table(rows)), ONE, "e")
        store = connect(url)
        try:
            done.append(fill(Online(store, scope), view, {}, hour(number), digests={}))
        except Exception as error:  # noqa: BLE001 - whatever it is, the test tells
            errors.append(error)
        finally:
            store.close()
            backend.disconnect()

    threads = [threading.Thread(target=work, args=(number,)) for number in (3, 7, 5, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    import ibis

    view = FeatureView("v", ibis.duckdb.connect().create_table("t", pa.table(rows)), ONE, "e")
    store = connect(url)
    found = online_features(view, {"a": list(range(50))}, at=hour(7), online=Online(store, scope))
    assert fill(Online(store, scope), view, {}, hour(7), digests={}).written == 0
    assert found["v__x"] == [max((rows["e"][i].as_py(), i) for i in (a, a + 50))[1] for a in range(50)]
    store.close()


KILLED = """
import datetime as dt
import sys

import ibis
import pyarrow as pa

from firnflow.features import Entity, FeatureView
from firnflow.features.materializing import fill
from firnflow.features.place import Online
from firnflow.stores.online import connect

url, scope, at, factor = sys.argv[1:]
start = dt.datetime.fromisoformat("2024-03-01")
rows = pa.table({
    "a": list(range(12_000)) * 2,
    "e": pa.array([start] * 12_000 + [start + dt.timedelta(hours=1)] * 12_000, pa.timestamp("us")),
    "x": [int(factor)] * 12_000 + [2 * int(factor)] * 12_000,
})
view = FeatureView("v", "s", Entity("one", "a"), "e")
table = ibis.duckdb.connect().create_table("t", rows)
done = fill(Online(connect(url), scope), view, {"s": table}, dt.datetime.fromisoformat(at), digests={"s": factor})
print(done.written, done.whole)
"""


@pytest.mark.slow
def test_who_is_killed_while_filling_leaves_nothing_that_a_later_one_does_not_mend(url):
    scope = uuid.uuid4().hex

    def process(at: float, factor: int, crash: str = "") -> tuple[int, str]:
        short = "from firnflow.stores.online import redis; redis._LEASE = 1.0\n" if url.startswith("unix") else ""
        environment = {**os.environ, **({"FIRNFLOW_CRASH": crash} if crash else {})}
        command = [sys.executable, "-c", short + KILLED, url, scope, hour(at).isoformat(), str(factor)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        return done.returncode, done.stdout.strip()

    assert process(0.5, 1) == (0, "12000 True")
    assert process(2, 1, "online.written:kill@2")[0] == -9
    store = connect(url)
    view = FeatureView("v", "s", ONE, "e")
    found = online_features(view, {"a": list(range(12_000))}, at=hour(2), online=Online(store, scope))["v__x"]
    assert found.count(2) == (0 if url.startswith("sqlite") else 10_000)
    code, said = process(1, 1)  # the same source, at an earlier moment than the one that was killed wanted
    assert (code, said) == ((0, "12000 False") if url.startswith("sqlite") else (0, "2000 True"))
    assert process(3, 1) == (0, "0 False")
    found = online_features(view, {"a": list(range(12_000))}, at=hour(3), online=Online(store, scope))["v__x"]
    assert set(found) == {2}
    store.close()


@pytest.mark.parametrize(
    "mark", ["x", "[]", '{"at": 1}', '{"at":1,"source":null,"keys":{"a":"os.system"},"features":{}}']
)
def test_a_mark_that_is_none_is_refused(make_table, online, mark):
    view = FeatureView("v", make_table(a=[1], e=pa.array([START], MOMENT), x=[1]), ONE, "e")
    with online.store.writing(online.place(view)) as writer:
        writer.end(mark)
    for call in (
        lambda: online_features(view, [{"a": 1}], online=online),
        lambda: fill(online, view, {}, hour(1), digests={}),
    ):
        with pytest.raises(StoreError, match="where a view's mark should be"):
            call()


@pytest.mark.parametrize("text", ["x", "[1", "[]", '["a"]', "{}", '[1709251200000000, "no date"]'])
def test_a_value_that_is_none_is_said(make_table, online, text):
    rows = make_table(a=[1], e=pa.array([START], MOMENT), x=[dt.date(2024, 1, 1)])
    view = FeatureView("v", rows, ONE, "e", ttl="9d")
    fill(online, view, {}, hour(1), digests={})
    with online.store.writing(online.place(view)) as writer:
        writer.put({"[1]": text}, str(writer.mark))
    with pytest.raises(StoreError, match=r"is not what was written: .* Mend: delete it"):
        online_features(view, [{"a": 1}], at=hour(1), online=online)


def test_a_store_that_is_away_or_damaged_is_said(tmp_path):
    with pytest.raises(ConfigError, match=r"'mysql' is no online store\. Mend: write sqlite:///PATH"):
        connect("mysql://x")
    (tmp_path / "bad.db").write_bytes(b"no database at all, whatever its name says" * 100)
    with pytest.raises(StoreError, match=r"cannot be used: .* Mend: delete the file"):
        connect(f"sqlite:///{tmp_path}/bad.db").read([("p", ["k"])])
    pytest.importorskip("redis")
    with pytest.raises(StoreError, match="The online store in Redis cannot be used"):
        connect(f"unix://{tmp_path}/nobody").read([("p", ["k"])])
