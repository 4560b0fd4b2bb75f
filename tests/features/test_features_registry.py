"""The registry: which views a project defines, and what applying them would write down."""

from __future__ import annotations

import datetime as dt
import types
from typing import Any

import pytest

from firnflow.errors import FeatureError, NotFoundError
from firnflow.features import Entity, FeatureView
from firnflow.features.registry import apply, chosen, find, plan, trained_on
from firnflow.stores.state import State
from firnflow.stores.state.models import Models, ModelVersion
from firnflow.stores.state.views import Views

CUSTOMER = Entity("customer", "customer_id", "who buys")


def view(name: str = "spending", **changes: Any) -> FeatureView:
    return FeatureView(name, **{"source": "orders", "entities": [CUSTOMER], "timestamp": "at", **changes})


def project(**values: Any) -> Any:
    return types.SimpleNamespace(modules=(types.SimpleNamespace(**values), types.SimpleNamespace(**values)))


@pytest.fixture
def state(tmp_path):
    opened = State(f"sqlite:///{tmp_path}/state.db")
    yield opened
    opened.close()


def test_views_are_found_where_they_stand_or_are_imported():
    first, second = view("b"), view("a")
    assert list(find(project(x=first, y=second, z=[view("c")], w=3))) == ["a", "b"]
    with pytest.raises(FeatureError, match="Two feature views are named 'a'"):
        find(project(x=second, y=view("a")))
    with pytest.raises(FeatureError, match="Entity 'customer' has the keys customer_id in view 'a' and id in 'b'"):
        find(project(x=second, y=view("b", entities=[Entity("customer", "id")])))
    with pytest.raises(NotFoundError, match=r"no feature view 'spendin'\. Did you mean 'spending'"):
        chosen({"spending": view()}, ["spendin"])
    with pytest.raises(NotFoundError, match="Mend: define one in a module"):
        chosen({}, [])


def test_a_plan_says_what_is_new_and_what_is_other(state):
    def step(*views: FeatureView) -> list[tuple]:
        changes = plan(views, Views(state).current(), {})
        apply(state, changes, "me@here")
        return [(each.view.name, each.action, each.parts) for each in changes]

    first = view(ttl="30d", columns={"amount": "dollars"})
    assert step(first, view("plans")) == [("spending", "new", ()), ("plans", "new", ())]
    assert step(first) == [("spending", "unchanged", ())]
    assert step(view(ttl="30d", columns={"amount": "francs"}, owner="Zoë")) == [
        ("spending", "described anew", ("owner", "features"))
    ]
    ((_, action, parts),) = step(view(source="sales", columns={"x": "", "amount": ""}, transform="SELECT 1"))
    assert action == "changed"
    assert set(parts) == {"source orders → sales", "ttl 30d → for ever", "features +x", "transform"}
    assert step(first) == [("spending", "changed", tuple(step_back(parts)))]
    assert Views(state).versions("spending")[0].version == first.version
    assert set(Views(state).current()) == {"spending", "plans"}


def step_back(parts: tuple[str, ...]) -> list[str]:
    other = {"source orders → sales": "source sales → orders", "ttl 30d → for ever": "ttl for ever → 30d"}
    return [other.get(part, part.replace("+", "-")) for part in parts]


def test_a_source_that_is_there_is_checked_and_tells_the_types(state, make_table):
    table = make_table(customer_id=[1], at=[dt.datetime.fromisoformat("2024-01-01")], amount=[1.5])
    (change,) = plan([view(columns={"amount": "dollars"})], {}, {"orders": table})
    assert change.about["features"] == {"amount": {"type": "float64", "description": "dollars"}}
    assert change.about["entities"] == {"customer": "who buys"}
    with pytest.raises(FeatureError, match=r"there is no column 'amonut'\. Did you mean 'amount'"):
        plan([view(columns={"amonut": ""})], {}, {"orders": table})


def test_models_name_the_versions_that_they_were_trained_on(state):
    def add(name: str, features: dict[str, dict[str, str]]) -> None:
        lineage = {"lineage": {"features": features}}
        Models(state).add(ModelVersion(name, 0, "registered", "d" * 64, {}, None, None, 1.0, "me", lineage))

    add("churn", {"joined": {"spending": "aaa"}, "again": {"spending": "aaa", "plans": "x"}})
    add("fraud", {"joined": {"spending": "bbb"}})
    add("other", {})
    assert trained_on(state, "spending") == {"aaa": ["churn/1"], "bbb": ["fraud/1"]}
