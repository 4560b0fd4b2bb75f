"""`firnflow models`: what is registered, and who decided what."""

from __future__ import annotations

import pytest

from firnflow.models.registry import CHAMPION, Promotion, Registry
from firnflow.stores import Stores
from firnflow.stores.artifacts import ArtifactStore
from firnflow.stores.warehouse import DuckDBWarehouse
from firnflow.values.model import Model


@pytest.fixture
def registry(shop):
    tree = pytest.importorskip("sklearn.tree")
    store = ArtifactStore(str(shop.root / ".firnflow" / "artifacts"), shop.root / ".firnflow" / "cache")
    found = Registry(shop.state, Stores(store, DuckDBWarehouse(None, 1, shop.root)))
    for depth in (1, 2, 3):
        estimator = tree.DecisionTreeClassifier(max_depth=depth).fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
        lineage = {"pipeline": "flow", "commit": f"c{depth}", "data": {"make": {"digest": f"{depth}" * 64, "rows": 4}}}
        metadata = {"metrics": {"auc": 0.7 + depth / 100}, "lineage": lineage}
        found.register("credit", Model(estimator, ("x",)), run=f"run-{depth}", task="register", metadata=metadata)
    return found


def test_without_models_that_is_said(shop):
    assert "No model is registered yet" in shop.call("models", "list").out
    assert shop.call("models", "list", "--json").json == []
    found = shop.call("models", "show", "credit")
    assert found.code == 2
    assert "No model is registered yet" in found.err


def test_the_help_lists_the_verbs_and_a_wrong_one_is_named(shop):
    assert "rollback" in shop.call("models").out
    found = shop.call("models", "promot")
    assert found.code == 2
    assert "firnflow models has no verb 'promot'. Did you mean 'promote'?" in found.err


def test_promote_rollback_and_history(shop, registry):
    assert shop.call("models", "promote", "credit/1", "--reason", "first").code == 0
    found = shop.call("models", "promote", "credit/2", "--reason", "better", "--by", "ann")
    assert "credit@champion is version 2 now (before: version 1)" in found.out
    listed = shop.call("models", "list", "credit", "--json").json
    assert [(each["version"], each["aliases"]) for each in listed] == [(3, []), (2, ["champion"]), (1, [])]
    assert "@champion" in shop.call("models", "list").out
    back = shop.call("models", "rollback", "credit", "-r", "bad in the east", "--json").json
    assert (back["action"], back["from_version"], back["to_version"]) == ("rollback", 2, 1)
    audit = shop.call("models", "history", "credit", "--json").json
    assert [(row["action"], row["to_version"], row["reason"]) for row in audit] == [
        ("rollback", 1, "bad in the east"),
        ("promote", 2, "better"),
        ("promote", 1, "first"),
    ]
    assert "2 → 1" in shop.call("models", "history", "credit").out
    assert registry.champion("credit").version == 1


@pytest.mark.parametrize("verb", ["promote", "approve", "reject", "archive", "delete"])
def test_a_decision_needs_a_reason_and_a_version(shop, registry, verb):
    found = shop.call("models", verb, "credit/1")
    assert found.code == 2
    assert "Say why, for the audit: --reason" in found.err
    found = shop.call("models", verb, "credit", "--reason", "x")
    assert found.code == 2
    assert f"Which version of 'credit'? E.g.: firnflow models {verb} credit/3" in found.err
    assert registry.history("credit") == []


def test_approve_and_reject_answer_a_request(shop, registry):
    registry.note(Promotion("credit", CHAMPION, "request", None, 2, "run", "gates passed"))
    assert "credit/2 waits for an approval: firnflow models approve credit/2" in shop.call("models", "list").out
    found = shop.call("models", "approve", "credit/3", "--reason", "x")
    assert found.code == 2
    assert "credit/3 does not wait for an approval. Waiting: credit/2." in found.err
    assert shop.call("models", "approve", "credit/2", "--reason", "fine", "--by", "boss").code == 0
    registry.note(Promotion("credit", CHAMPION, "request", 2, 3, "run", "gates passed"))
    assert "credit/3 is rejected" in shop.call("models", "reject", "credit/3", "--reason", "no").out
    assert registry.champion("credit").version == 2


def test_show_says_where_a_version_comes_from(shop, registry):
    shop.call("models", "promote", "credit/2", "--reason", "better")
    shown = shop.call("models", "show", "credit").out
    for text in ("credit/2 @champion", "commit c2", "make (222222222222, 4 rows)", "auc", "0.72", "better"):
        assert text in shown
    data = shop.call("models", "show", "credit@champion", "--json").json
    assert data["metadata"]["metrics"] == {"auc": 0.72}
    assert data["audit"][0]["action"] == "promote"


def test_compare_shows_figures_and_what_differs(shop, registry):
    shop.call("models", "promote", "credit/1", "--reason", "first")
    shown = shop.call("models", "compare", "credit/3").out
    assert "credit/3 beside credit/1" in shown
    assert "+0.02   credit/3" in shown
    assert "each on the rows of its own run" in shown
    assert "commit: c1 → c3" in shown
    data = shop.call("models", "compare", "credit/3", "credit/2", "--json").json
    assert data["metrics"] == [{"name": "auc", "model": 0.73, "other": 0.72, "better": "model"}]
    assert data["differences"]["commit"] == {"model": "c3", "other": "c2"}


def test_compare_draws(shop, registry):
    pytest.importorskip("matplotlib")
    arguments = ("models", "compare", "credit/3", "credit/2", "-o")
    assert shop.call(*arguments, "a.png").out.endswith("a.png\n")
    assert (shop.root / "a.png").read_bytes().startswith(b"\x89PNG")
    for name in ("a.svg", "b.svg"):
        shop.call(*arguments, name)
    assert "credit/3 beside credit/2" in (shop.root / "a.svg").read_text()
    assert (shop.root / "a.svg").read_bytes() == (shop.root / "b.svg").read_bytes()
    found = shop.call(*arguments, "a.gif")
    assert found.code == 2
    assert "a.gif: a picture is a file that ends in .png or .svg" in found.err


def test_a_version_is_not_compared_with_itself(shop, registry):
    shop.call("models", "promote", "credit/3", "--reason", "first")
    found = shop.call("models", "compare", "credit")
    assert found.code == 2
    assert "Both are credit/3. Which is the other?" in found.err


def test_archive_and_delete_keep_what_is_needed(shop, registry):
    shop.call("models", "promote", "credit/1", "--reason", "first")
    found = shop.call("models", "delete", "credit/1", "--reason", "x")
    assert found.code == 1
    assert "credit/1 is @champion, so it stays as it is" in found.err
    assert "credit/3 is archived" in shop.call("models", "archive", "credit/3", "--reason", "old").out
    assert "credit/3 is registered" in shop.call("models", "archive", "credit/3", "--undo", "--reason", "again").out
    assert "credit/3 is deleted" in shop.call("models", "delete", "credit/3", "--reason", "bad").out
    found = shop.call("models", "promote", "credit/3", "--reason", "x")
    assert found.code == 2
    assert "credit/3 was deleted" in found.err


@pytest.mark.parametrize("place", ["../x", "credit/../1", "a b", "credit/1;", "\N{RIGHT-TO-LEFT OVERRIDE}x", "credit@"])
def test_hostile_places_are_refused(shop, registry, place):
    for verb in ("show", "history", "promote", "rollback", "compare"):
        found = shop.call("models", verb, place, *(("--reason", "x") if verb in {"promote", "rollback"} else ()))
        assert found.code == 2, (verb, found)
        assert "Traceback" not in found.err
