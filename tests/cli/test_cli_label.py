"""`firnflow label`: answers from the command line, and a pipeline that reads them."""

from __future__ import annotations

import pytest

pytest.importorskip("pyiceberg")

SERIES = """
import datetime as dt

from firnflow.monitoring.labels import labels_of, no_labels


@ff.task
def daily() -> pa.Table:
    days = [dt.date(2026, 1, 1) + dt.timedelta(days=n) for n in range(31)]
    return pa.table({"day": days * 2, "category": ["load"] * 31 + ["[bold]x"] * 31, "usage": [1.0] * 62})


@ff.task
def said(labels: pa.Table) -> list[str]:
    return [str(label.first) for label in labels_of(labels)]


@ff.pipeline
def watch():
    daily().publish("usage")
    said(no_labels().publish("usage_labels", mode="append"))
"""


@pytest.fixture
def watched(shop, add):
    add(SERIES)
    found = shop.call("run", "watch", "--inline")
    assert found.code == 0, found.err
    return shop


def test_an_answer_reaches_the_next_run_and_is_listed_and_removed(watched):
    found = watched.call(
        "label", "add", "usage", "2026-01-05", "--yes", "-c", "[bold]x", "--by", "ann", "-n", "50 % off"
    )
    assert (found.code, found.out.startswith("Labelled. ")) == (0, True), found.err
    again = watched.call("label", "add", "usage", "2026-01-05", "2026-01-05", "--yes", "-c", "[bold]x")
    assert again.out.startswith("Labelled already. ")
    assert watched.call("run", "watch", "--inline").code == 0
    assert watched.call("output", "said", "--json").json["outputs"]["said"]["value"] == ["2026-01-05"]
    (row,) = watched.call("label", "list", "usage", "--json").json
    assert (row["category"], row["anomaly"], row["by"], row["note"]) == ("[bold]x", True, "ann", "50 % off")
    assert "[bold]x" in watched.call("label", "list", "usage").out
    assert watched.call("label", "remove", "usage", row["id"], "--note", "a mistake").out.startswith("Removed. ")
    assert watched.call("label", "list", "usage").out == "usage has no label\n"
    assert "removed" in watched.call("label", "list", "usage", "--all").out
    assert watched.call("run", "watch", "--inline").code == 0
    assert watched.call("output", "said", "--json").json["outputs"]["said"]["value"] == []


WRONG = [
    (["usage", "2026-01-05", "-c", "load"], "Had something happened?"),
    (["usage", "5.1.2026", "--yes", "-c", "load"], "is no day. Write 2026-01-31"),
    (["usage", "2026-02-05", "--no", "-c", "load"], "only what was seen can be labelled"),
    (["usage", "2026-01-05", "--no"], "Which category of usage?"),
    (["usage", "2026-01-05", "--no", "-c", "laod"], "Did you mean 'load'?"),
    (["usgae", "2026-01-05", "--no"], "Did you mean 'usage'?"),
]


def test_a_wrong_answer_says_how_to_mend_it(watched):
    for arguments, message in WRONG:
        found = watched.call("label", "add", *arguments)
        assert (found.code, message in found.err) == (2, True), found.err
    assert watched.call("label", "list", "usage", "--json").json == []


def test_before_anything_was_published_that_is_said(shop):
    found = shop.call("label", "list", "usage")
    assert (found.code, "There is no named table yet" in found.err) == (2, True)
