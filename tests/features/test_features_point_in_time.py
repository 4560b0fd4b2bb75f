"""What was known at a moment, against a slow reference that reads row by row."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firnflow.features import Entity, FeatureView, training_set

if TYPE_CHECKING:
    import ibis

START = dt.datetime.fromisoformat("2024-03-01")
HOURS = 8  # few moments, so that most cases have ties
MOMENT = pa.timestamp("us")
ONE, TWO = Entity("one", "a"), Entity("two", "b")
SPINE = pa.schema({"row": pa.int64(), "a": pa.int64(), "b": pa.string(), "t": MOMENT})
VIEW = pa.schema({"a": pa.int64(), "b": pa.string(), "e": MOMENT, "k": MOMENT, "x": pa.int64(), "y": pa.string()})
FEATURES = {"x": "", "y": ""}
few = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

Rows = list[dict[str, Any]]


def reference(spine: Rows, rows: Rows, view: FeatureView, features: tuple[str, ...] = ("x", "y")) -> list[tuple]:
    """Return the features of each row of the spine, in its order."""
    return [_answer(one, rows, view, features) for one in spine]


def _answer(one: dict[str, Any], rows: Rows, view: FeatureView, features: tuple[str, ...]) -> tuple:
    in_sight = []
    for row in rows:
        happened, known = row[view.timestamp], row[view.known_at or view.timestamp]
        if None in (one["t"], happened, known) or any(one[key] is None or one[key] != row[key] for key in view.keys):
            continue
        if happened > one["t"] or known > one["t"]:
            continue
        if view.ttl is None or happened > one["t"] - view.ttl:
            values = tuple(row[feature] for feature in features)
            in_sight.append(((happened, known, *((value is not None, value) for value in values)), values))
    return max(in_sight)[1] if in_sight else (None,) * len(features)


def answers(connection: Any, spine: Rows, tables: list[Rows], views: list[FeatureView]) -> list[list[tuple]]:
    """Return the features of each view for each row of the spine, in its order, as `training_set` finds them."""
    sources = {view.source: _table(connection, rows, VIEW) for view, rows in zip(views, tables, strict=True)}
    found = training_set(_table(connection, spine, SPINE), views, sources=sources)
    result = found.order_by("row").to_pyarrow().to_pylist()
    assert [{name: row[name] for name in SPINE.names} for row in result] == spine
    return [[tuple(row[f"{view.name}__{name}"] for name in "xy") for row in result] for view in views]


def _table(connection: Any, rows: Rows, schema: pa.Schema) -> ibis.Table:
    table = pa.Table.from_pylist(rows, schema=schema)
    return connection.create_table(f"rows_{len(schema)}_{uuid.uuid4().hex}", table, temp=True)


moments = st.none() | st.integers(0, HOURS).map(lambda hour: START + dt.timedelta(hours=hour))
a, b = st.sampled_from([None, 1, 2]), st.sampled_from([None, "p", "q"])
spines = st.lists(st.fixed_dictionaries({"a": a, "b": b, "t": moments}), max_size=12).map(
    lambda rows: [{"row": number, **row} for number, row in enumerate(rows)]
)
sources = st.lists(
    st.fixed_dictionaries(
        {
            "a": a,
            "b": b,
            "e": moments,
            "k": moments,
            "x": st.sampled_from([None, 1, 2]),
            "y": st.sampled_from([None, "v"]),
        }
    ),
    max_size=20,
)
definitions = st.builds(
    lambda entities, known_at, ttl: {"entities": entities, "known_at": known_at, "ttl": ttl},
    st.sampled_from([(ONE,), (TWO,), (ONE, TWO), ()]),
    st.sampled_from([None, "k"]),
    st.sampled_from([None, 1, 2, 5]).map(lambda hours: hours and dt.timedelta(hours=hours)),
)


@pytest.mark.slow
@settings(few, max_examples=120)
@given(
    spine=spines,
    given=st.lists(st.tuples(sources, definitions), min_size=1, max_size=3),
    loops=st.sampled_from([0, 64]),
)
def test_every_row_gets_what_was_known_at_its_moment(connection, spine, given, loops):
    """DuckDB joins a spine of less than `loops` rows by loops, a larger one by sorting."""
    connection.con.execute(f"SET asof_loop_join_threshold = {loops}")
    views = [
        FeatureView(f"v{i}", f"s{i}", timestamp="e", columns=FEATURES, **definition)
        for i, (_, definition) in enumerate(given)
    ]
    tables = [rows for rows, _ in given]
    found = answers(connection, spine, tables, views)
    for view, rows, mine in zip(views, tables, found, strict=True):
        assert mine == reference(spine, rows, view)


@pytest.mark.parametrize("entities", [(ONE,), (ONE, TWO)], ids=len)
@pytest.mark.parametrize("ttl", [None, 3])
@pytest.mark.parametrize("known_at", [None, "k"])
def test_ten_thousand_small_histories(connection, known_at, ttl, entities):
    """Each value of `a` is a case of its own: its rows late, tied, duplicate or without time or key, in any order."""
    luck = random.Random(f"{known_at} {ttl}")

    def moment() -> dt.datetime | None:
        return START + dt.timedelta(hours=luck.randint(0, HOURS)) if luck.random() < 0.95 else None

    def keys(case: int) -> dict[str, Any]:
        return {"a": case if luck.random() < 0.98 else None, "b": luck.choice([None, "p", "p", "p"])}

    cases = range(1_250)
    rows = [
        {**keys(case), "e": moment(), "k": moment(), "x": luck.choice([None, 1, 2]), "y": luck.choice("pq")}
        for case in cases
        for _ in range(luck.randint(0, 8))
    ]
    rows += luck.choices(rows, k=500)
    luck.shuffle(rows)
    spine = [{**keys(case), "t": moment()} for case in cases for _ in range(luck.randint(1, 4))]
    spine = [{"row": number, **one} for number, one in enumerate(spine)]
    view = FeatureView("v", "s", entities, "e", known_at, ttl and dt.timedelta(hours=ttl), columns=FEATURES)
    (found,) = answers(connection, spine, [rows], [view])
    by_case: dict[Any, Rows] = {case: [] for case in (*cases, None)}
    for row in rows:
        by_case[row["a"]].append(row)
    expected = [answer for one in spine for answer in reference([one], by_case[one["a"]], view)]
    assert found == expected
    assert sum(answer != (None, None) for answer in found) > 500


def hours(*given: float | None) -> pa.Array:
    return pa.array([None if hour is None else START + dt.timedelta(hours=hour) for hour in given], MOMENT)


def one_view(make_table, *, known_at=None, ttl=None, **columns):
    return FeatureView("v", make_table(**columns), ONE, "e", known_at, ttl)


def values(result: ibis.Table, name: str = "v__x") -> list[Any]:
    return [row[name] for row in result.order_by("t").to_pyarrow().to_pylist()]


def test_a_correction_is_not_seen_before_it_was_known(make_table):
    view = one_view(
        make_table, known_at="k", a=[1, 1, 1], e=hours(1, 1, 3), k=hours(1, 4, 5), x=["first", "corrected", "late"]
    )
    spine = make_table(a=[1] * 5, t=hours(0.5, 1, 3.9, 4, 5))
    assert values(training_set(spine, view)) == [None, "first", "first", "corrected", "late"]


def test_a_late_correction_of_an_older_row_changes_nothing(make_table):
    view = one_view(
        make_table, known_at="k", a=[1, 1, 1], e=hours(1, 2, 1), k=hours(1, 2, 3), x=["old", "new", "fixed"]
    )
    spine = make_table(a=[1] * 3, t=hours(1, 2, 3))
    assert values(training_set(spine, view)) == ["old", "new", "new"]


def test_a_forecast_is_seen_when_its_time_comes(make_table):
    view = one_view(make_table, known_at="k", a=[1, 1], e=hours(5, 5), k=hours(1, 2), x=["draft", "final"])
    spine = make_table(a=[1] * 3, t=hours(3, 4.99, 5))
    assert values(training_set(spine, view)) == [None, None, "final"]


def test_a_correction_to_nothing_is_a_correction(make_table):
    view = one_view(make_table, known_at="k", a=[1, 1], e=hours(1, 1), k=hours(1, 2), x=pa.array([5, None], pa.int64()))
    assert values(training_set(make_table(a=[1, 1], t=hours(1, 2)), view)) == [5, None]


def test_the_end_of_a_life_is_exact_and_counts_from_when_it_happened(make_table):
    view = one_view(make_table, known_at="k", ttl="2h", a=[1], e=hours(1), k=hours(2), x=[7])
    just_before = 3 - 1e-6 / 3600
    spine = make_table(a=[1] * 4, t=hours(1.5, 2, just_before, 3))
    assert values(training_set(spine, view)) == [None, 7, 7, None]


def test_a_value_that_ended_hides_no_older_one_because_that_ended_before(make_table):
    view = one_view(make_table, ttl="1h", a=[1, 1], e=hours(1, 1.5), x=[1, 2])
    assert values(training_set(make_table(a=[1, 1], t=hours(2, 3)), view)) == [2, None]


def test_ties_are_decided_by_the_values_and_not_by_the_order_of_the_rows(make_table):
    spine = make_table(a=[1], t=hours(2))
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        columns = {"x": [1, 2, None], "y": ["z", "b", "zz"]}
        shuffled = {name: pa.array([column[i] for i in order]) for name, column in columns.items()}
        result = training_set(spine, one_view(make_table, a=[1] * 3, e=hours(1, 1, 1), **shuffled))
        assert (values(result), values(result, "v__y")) == ([2], ["b"])


def test_equal_rows_of_the_spine_stay_as_many(make_table):
    spine = make_table(a=[1, 1, 1], t=hours(1, 1, 1))
    view = one_view(make_table, a=[1, 1], e=hours(1, 1), x=[4, 4])
    assert values(training_set(spine, view)) == [4, 4, 4]


ZONED = dt.timezone(dt.timedelta(hours=2))


@pytest.mark.parametrize("theirs", ["s", "ms", "us", "ns", "zone", "date"])
@pytest.mark.parametrize("ours", ["s", "ms", "us", "ns", "zone"])
def test_moments_of_any_type_are_compared_as_instants(make_table, ours, theirs):
    """A zone changes how an instant is written, never which one it is; times without one are UTC."""

    def column(kind: str, *when: dt.datetime) -> pa.Array:
        if kind == "date":
            return pa.array([moment.date() for moment in when])
        if kind == "zone":
            there = [moment.replace(tzinfo=dt.UTC).astimezone(ZONED) for moment in when]
            return pa.array(there, pa.timestamp("us", "Europe/Zurich"))
        return pa.array(when, pa.timestamp(kind))

    day = dt.timedelta(days=1)
    change = dt.datetime.fromisoformat("2024-03-31")  # Zurich's clocks go forward in that night
    rows = column(theirs, change, change + day)
    second = dt.timedelta(seconds=1)
    spine = column(ours, change - second, change, change + day - second, change + day)
    view = one_view(make_table, a=[1, 1], e=rows, x=["first", "second"])
    result = training_set(make_table(a=[1] * 4, t=spine), [view], time="t")
    assert values(result) == [None, "first", "first", "second"]
    assert result.t.type() == make_table(t=spine).t.type()


@pytest.mark.parametrize("since", [0, -(10**9)])
def test_nanoseconds_are_never_seen_early(make_table, since):
    nano = pa.timestamp("ns")
    begin = since * 10**9
    view = one_view(make_table, a=[1], e=pa.array([begin + 1_500], nano), x=[1])
    spine = make_table(a=[1] * 3, t=pa.array([begin + 1_400, begin + 1_999, begin + 2_000], nano))
    assert values(training_set(spine, view)) == [None, None, 1]


def test_moments_far_away_are_moments(make_table):
    far = pa.array(
        [
            dt.datetime.fromisoformat("0001-01-01"),
            dt.datetime.fromisoformat("2000-01-01"),
            dt.datetime.fromisoformat("9999-12-31"),
        ],
        MOMENT,
    )
    view = one_view(make_table, known_at="k", ttl="100d", a=[1] * 3, e=far, k=far, x=[1, 2, 3])
    assert values(training_set(make_table(a=[1] * 3, t=far), view)) == [1, 2, 3]


@pytest.mark.parametrize("empty", ["spine", "view", "both"])
def test_empty_tables_are_tables(make_table, empty):
    none: dict[str, Any] = {"a": pa.array([], pa.int64()), "e": hours(), "x": pa.array([], pa.float64())}
    some: dict[str, Any] = {"a": [1], "e": hours(0), "x": [1.0]}
    view = one_view(make_table, **(some if empty == "spine" else none))
    spine = make_table(a=pa.array([1] if empty == "view" else [], pa.int64()), t=hours(*[1] * (empty == "view")))
    result = training_set(spine, view).to_pyarrow()
    assert result.to_pydict() == {
        "a": [1] * (empty == "view"),
        "t": spine.t.to_pyarrow().to_pylist(),
        "v__x": [None] * (empty == "view"),
    }
    assert result.schema.field("v__x").type == pa.float64()


def test_what_comes_later_changes_nothing(make_table):
    """The same spine, before and after more of the source has become known."""
    luck = random.Random(5)
    rows = [(luck.randint(1, 3), luck.randint(0, 40), luck.randint(0, 20), luck.randint(0, 9)) for _ in range(300)]

    def source(*, until: int) -> ibis.Table:
        there = [row for row in rows if row[1] + row[2] <= until]
        e, k = hours(*(row[1] for row in there)), hours(*(row[1] + row[2] for row in there))
        return make_table(a=[row[0] for row in there], e=e, k=k, x=[row[3] for row in there])

    spine = make_table(a=[luck.randint(1, 3) for _ in range(60)], t=hours(*(luck.uniform(0, 30) for _ in range(60))))
    then, now = (
        training_set(spine, FeatureView("v", source(until=until), ONE, "e", "k", "20h")).order_by("t", "a").to_pyarrow()
        for until in (30, 100)
    )
    assert then.equals(now)
