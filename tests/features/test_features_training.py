"""What is joined under which name, and what is said where it cannot be."""

from __future__ import annotations

import datetime as dt

import ibis
import pandas as pd
import pyarrow as pa
import pytest

from firnflow.errors import FeatureError, UsageError
from firnflow.features import Entity, FeatureView, feature_view, training_set

CUSTOMER = Entity("customer", "customer_id")
DAYS = pa.array([dt.datetime.fromisoformat(f"2024-01-0{day}") for day in (1, 2, 3)], pa.timestamp("us"))


@pytest.fixture
def orders(make_table):
    return make_table(customer_id=[1, 1, 2], ordered_at=DAYS, amount=[5.0, 7.0, 9.0], items=[1, 2, 3])


@pytest.fixture
def spine(make_table):
    return make_table(customer_id=[1, 2, 3], at=DAYS, label=[True, False, True])


@feature_view(source="orders", entities=[CUSTOMER], timestamp="ordered_at", ttl="30d")
def spending(orders):
    """What the last order was worth."""
    return orders.mutate(each=orders.amount / orders["items"]).drop("items")


def found(result: ibis.Table, *names: str) -> list[tuple]:
    rows = result.order_by("customer_id").to_pyarrow().to_pylist()
    return [tuple(row[name] for name in names) for row in rows]


def test_the_columns_are_the_spines_and_then_each_views(spine, orders):
    result = training_set(spine, [spending], sources={"orders": orders})
    assert result.columns == ("customer_id", "at", "label", "spending__amount", "spending__each")
    assert found(result, "label", "spending__amount", "spending__each") == [
        (True, 5.0, 5.0),
        (False, None, None),
        (True, None, None),
    ]


def test_nothing_is_computed_until_it_is_asked_for(spine, connection):
    missing = ibis.table({"customer_id": "int64", "ordered_at": "timestamp", "amount": "float64"}, name="not_there")
    result = training_set(spine, FeatureView("v", missing, CUSTOMER, "ordered_at"))
    with pytest.raises(Exception, match="not_there"):
        connection.execute(result)


def test_sql_makes_the_same_rows(spine, orders):
    query = """
        -- the same
        SELECT * EXCLUDE (items), amount / items AS each FROM orders;
    """
    by_sql = FeatureView("spending", "orders", CUSTOMER, "ordered_at", ttl="30d", transform=query)
    both = [training_set(spine, view, sources={"orders": orders}).order_by("at") for view in (spending, by_sql)]
    assert both[0].to_pyarrow().equals(both[1].to_pyarrow())


def test_sql_of_two_views_may_call_different_tables_the_same(spine, orders, make_table):
    other = make_table(customer_id=[1], ordered_at=DAYS[:1], amount=[100.0])
    query = "SELECT customer_id, ordered_at, amount FROM source"
    views = [
        FeatureView(name, table, CUSTOMER, "ordered_at", transform=query)
        for name, table in [("a", orders), ("b", other)]
    ]
    result = training_set(spine, views)
    assert found(result, "a__amount", "b__amount") == [(5.0, 100.0), (None, None), (None, None)]


def test_a_view_is_used_twice_under_two_names(make_table):
    county = Entity("county", "name")
    wealth = FeatureView("wealth", make_table(name=["x", "y"], at=DAYS[:2], income=[1, 2], rank=[2, 1]), county, "at")
    spine = make_table(home=["x", "y"], work=["y", "x"], t=DAYS[1:], customer_id=[1, 2])
    views = [wealth.use("income", keys={"name": "home"}), wealth.use("income", name="there", keys={"name": "work"})]
    result = training_set(spine, views)
    assert result.columns == ("home", "work", "t", "customer_id", "wealth__income", "there__income")
    assert found(result, "wealth__income", "there__income") == [(1, 2), (2, 1)]


def test_listed_columns_are_the_features_in_their_order(spine, orders):
    view = FeatureView("v", orders, CUSTOMER, "ordered_at", columns={"items": "how many", "amount": ""})
    assert training_set(spine, view).columns[3:] == ("v__items", "v__amount")


def test_names_of_the_join_itself_are_free_for_all(make_table):
    names = ("seen", "happened", "known", "key0", "feature0", "moment", "latest", "next_seen")
    source = make_table(seen=[1], happened=DAYS[:1], known=DAYS[:1], key0=[2], feature0=[3], moment=[4], latest=[5])
    spine = make_table(**{name: [7] for name in names if name != "seen"}, seen=[1], when=DAYS[:1])
    result = training_set(spine, FeatureView("v", source, Entity("one", "seen"), "happened", "known"))
    assert set(result.columns) == {*names, "when", *(f"v__{name}" for name in ("key0", "feature0", "moment", "latest"))}
    assert [row["v__moment"] for row in result.to_pyarrow().to_pylist()] == [4]


def test_frames_in_memory_can_be_joined_with_tables(orders):
    spine = ibis.memtable(pd.DataFrame({"customer_id": [1], "at": pd.to_datetime(["2024-01-02"])}))
    assert found(training_set(spine, spending, sources={"orders": orders}), "spending__amount") == [(7.0,)]


def test_integers_of_any_width_are_the_same_key(make_table, orders):
    spine = make_table(customer_id=pa.array([1], pa.uint8()), at=DAYS[1:2])
    assert found(training_set(spine, spending, sources={"orders": orders}), "spending__amount") == [(7.0,)]


def view_of(orders, **changes):
    return FeatureView(**{"name": "v", "source": orders, "entities": CUSTOMER, "timestamp": "ordered_at", **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"entities": Entity("c", "costumer_id")},
            "'v': key of entity 'c': there is no column 'costumer_id'. Did you mean 'customer_id'",
        ),
        ({"entities": Entity("c", "amount")}, "key 'amount' is float64, whose values are no names of anything"),
        ({"timestamp": "orderd_at"}, "'v': timestamp: there is no column 'orderd_at'. Did you mean 'ordered_at'"),
        ({"timestamp": "items"}, r"column 'items' is int64, neither .* by `table.items.as_timestamp\('s'\)`"),
        ({"known_at": "received"}, "known_at: there is no column 'received'. There are: amount, customer_id"),
        ({"columns": {"amonut": ""}}, "columns: there is no column 'amonut'. Did you mean 'amount'"),
        ({"source": "order"}, "reads 'order', which is not there. Mend: sources={'order': TABLE}"),
        ({"transform": lambda _: 5}, "its function returned int, not an ibis.Table"),
        ({"transform": lambda t: t["customer_id", "ordered_at"]}, "has no features: .*customer_id, ordered_at"),
    ],
)
def test_a_view_that_does_not_fit_its_source_is_named(spine, orders, changes, message):
    with pytest.raises(FeatureError, match=message):
        training_set(spine, view_of(orders, **changes))


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ("SELECT * FROM ordres", "feature view 'v': .*ordres"),
        ("SELECT * FROM source; DROP TABLE source", "not one SELECT"),
        ("CREATE TABLE x AS FROM source", "not one SELECT"),
    ],
)
def test_sql_that_cannot_be_run_is_a_wrong_call(spine, orders, transform, message):
    with pytest.raises(UsageError, match=message):
        training_set(spine, view_of(orders, transform=transform))


def test_a_spine_that_does_not_fit_is_named(spine, orders, make_table):
    view = view_of(orders)
    cases = {
        "no column 'customer_id'. Did you mean 'customer_ids'": spine.rename(customer_ids="customer_id"),
        "int64, and the spine's 'customer_id' is string: no value": spine.mutate(customer_id=ibis.literal("1")),
        "is float64, whose values are no names": spine.mutate(customer_id=ibis.literal(1.0)),
        r"It has 0 that could be: none\. Mend: time=COLUMN": spine.drop("at"),
        "It has 2 that could be: at, then": spine.mutate(then=spine.at),
        "two columns 'v__amount'": spine.mutate(V__amount=1),
        r"a DataFrame, not an ibis.Table. Mend: .* ibis.memtable": pd.DataFrame(),
    }
    for message, wrong in cases.items():
        with pytest.raises(FeatureError, match=message):
            training_set(wrong, view)
    with pytest.raises(FeatureError, match=r"time: there is no column 'att'\. Did you mean 'at'"):
        training_set(spine, view, time="att")
    with pytest.raises(FeatureError, match="time: column 'label' is boolean, neither"):
        training_set(spine, view, time="label")


def test_views_that_cannot_be_joined_are_named(spine, orders):
    with pytest.raises(FeatureError, match="there are no views"):
        training_set(spine, [])
    with pytest.raises(FeatureError, match="'orders' is no feature view"):
        training_set(spine, ["orders"])
    with pytest.raises(FeatureError, match="two different feature views are named 'v'"):
        training_set(spine, [view_of(orders).use(name="a"), view_of(orders, ttl="1d")])
    with pytest.raises(FeatureError, match=r"two columns 'v__amount'. Mend: .*view.use\(name="):
        training_set(spine, [view_of(orders), view_of(orders)])
    with pytest.raises(FeatureError, match=r"no feature 'amonut'. Did you mean 'amount'"):
        training_set(spine, view_of(orders).use("amonut"))
    with pytest.raises(FeatureError, match=r"it has no key 'costumer_id'. Did you mean 'customer_id'"):
        view_of(orders).use(keys={"costumer_id": "x"})
    with pytest.raises(FeatureError, match=r"sources: 'orders' is a list, not an ibis\.Table"):
        training_set(spine, spending, sources={"orders": []})
    with pytest.raises(FeatureError, match=r"no view reads 'ordres'. Did you mean 'orders'"):
        training_set(spine, spending, sources={"orders": orders, "ordres": orders})


def test_tables_of_two_connections_cannot_be_joined(spine):
    other = ibis.duckdb.connect()
    table = other.create_table("orders", pa.table({"customer_id": [1], "ordered_at": DAYS[:1], "amount": [1]}))
    with pytest.raises(FeatureError, match="different warehouses or connections"):
        training_set(spine, view_of(table))
    other.disconnect()
