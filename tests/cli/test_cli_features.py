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
