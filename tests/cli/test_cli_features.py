"""`firnflow features`: the registry and the online store from the command line."""

from __future__ import annotations

import pytest

pytest.importorskip("pyiceberg")

VIEWS = '''
import datetime as dt
import ibis
from firnflow.features import Entity, FeatureView, feature_view, training_set

customer = Entity("customer", "customer_id")


@feature_view(source="orders", entities=[customer], timestamp="at", known_at="loaded", ttl="{ttl}", owner="shop@x.ch")
def spending(orders):
    """What a customer bought last."""
    return orders


class Wishes(ff.Params):
    amount: int = 1


@ff.task
def new_orders(amount: int) -> ibis.Table:
    day = dt.datetime(2024, 1, 1)
    names = ["Zürich", None]
    columns = {{"customer_id": [1, 2], "at": [day] * 2, "loaded": [day] * 2, "amount": [amount] * 2, "town": names}}
    return ibis.memtable(columns)


@ff.pipeline(params=Wishes)
def fill(p):
    new_orders(p.amount).publish("orders")
'''


@pytest.mark.slow
def test_views_are_applied_once_and_shown(shop, add):
    add(VIEWS.format(ttl="30d"))
    assert "firnflow features apply" in shop.call("features", "list").out
    missing = shop.call("features", "show", "spending")
    assert (missing.code, "Mend" in missing.err or "features apply" in missing.err) == (2, True)
    planned = shop.call("features", "apply", "--dry-run", "--json")
    assert [(each["name"], each["action"]) for each in planned.json["views"]] == [("spending", "new")]
    assert shop.call("features", "list", "--json").json == []
    first = shop.process("features", "apply")
    assert (first.code, "Not checked" in first.out, "Wrote down 1 view." in first.out) == (0, True, True)
    assert shop.process("run", "fill").code == 0
    told = shop.process("features", "apply", "--json").json["views"]
    assert [(each["action"], each["changes"]) for each in told] == [("described anew", ["features"])]
    assert "Nothing to do" in shop.process("features", "apply").out
    shown = shop.call("features", "show", "spending").out
    assert all(word in shown for word in ("What a customer bought last.", "30d", "shop@x.ch", "amount", "int64"))
    add(VIEWS.format(ttl="90d"))
    assert "ttl 30d → 90d" in shop.process("features", "apply").out
    assert len(shop.call("features", "show", "spending", "--json").json["versions"]) == 2
    wrong = shop.call("features", "show", "spendin")
    assert "Did you mean 'spending'" in wrong.err


@pytest.mark.slow
def test_views_are_materialized_and_looked_up(shop, add):
    add(VIEWS.format(ttl="36500d"))
    early = shop.call("features", "materialize")
    assert (early.code, "Mend: firnflow features apply" in early.err) == (2, True)
    assert shop.process("features", "apply").code == 0
    assert "reads 'orders', which is not there" in shop.call("features", "materialize").err
    assert (
        "Mend: firnflow features materialize spending"
        in shop.call("features", "get", "spending", "-i", "customer_id=1").err
    )
    assert shop.process("run", "fill", "--set", "amount=7").code == 0
    (done,) = shop.call("features", "materialize", "--json").json
    assert (done["view"], done["keys"], done["written"], done["whole"]) == ("spending", 2, 2, True)
    assert "what came since" in shop.call("features", "materialize", "spending").out
    wanted = ("--entity", "customer_id=1", "--entity", '{"customer_id": 3}')
    found = shop.call("features", "get", "spending", *wanted, "--json").json
    assert found == [
        {"customer_id": 1, "spending__amount": 7, "spending__town": "Zürich"},
        {"customer_id": 3, "spending__amount": None, "spending__town": None},
    ]
    assert "Zürich" in shop.call("features", "get", "spending", *wanted).out
    for wrong, said in {
        "customer_id": "write KEY=VALUE",
        "customer_id=x": "'x' is no int",
        "custmer_id=1": "Did you mean 'custmer_id'",
        "{": "is no JSON",
    }.items():
        called = shop.call("features", "get", "spending", "--entity", wrong)
        assert (called.code, said in called.err) == (2, True), called.err
    back = shop.call("features", "materialize", "--at", "2024-01-01")
    assert (back.code, "is before that" in back.err) == (2, True)


@pytest.mark.slow
def test_views_are_made_in_snowflakes_feature_store(shop, add, snowflake_url, monkeypatch):
    pytest.importorskip("snowflake.ml")
    import snowflake.connector

    _, _, name, database, schema = snowflake_url.split("/")
    add(VIEWS.format(ttl="36500d"))
    place = f'connection = "{name}"\ndatabase = "{database}"\nschema = "{schema}"'
    toml = shop.root / "firnflow.toml"
    there = 'inherits = "local"\nwarehouse = "snowflake"\nfeatures = "snowflake"'
    toml.write_text(f"{toml.read_text()}\n[environments.there]\n{there}\n[environments.there.snowflake]\n{place}\n")
    monkeypatch.setenv("FIRNFLOW_ENV", "there")
    assert shop.call("run", "fill", "--inline").code == 0
    made = shop.call("features", "apply", "--json").json["snowflake"]
    assert [(each["view"], each["action"], each["lag"]) for each in made] == [("spending", "new", None)]
    shown = shop.call("features", "apply").out
    assert ("unchanged" in shown, "computed when read" in shown) == (True, True)
    view = made[0]["place"].replace("/", "$")
    with snowflake.connector.connect(connection_name=name, database=database, schema=schema) as connection:
        query = f'SELECT customer_id, amount, town FROM "{view}" ORDER BY seen, 1'
        rows = connection.cursor().execute(query).fetchall()
    assert rows == [(1, 1, "Zürich"), (2, 1, None), (1, None, None), (2, None, None)]  # the last two end their lives
