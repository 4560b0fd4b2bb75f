"""The model card: everything the registry knows, with text from outside as text."""

from __future__ import annotations

import dataclasses
import re
import time

import pytest

from firnflow.models import card
from firnflow.models.registry import ModelVersion, Promotion

HOSTILE = "<script>alert(1)</script> | `x` [a](javascript:b) **bold**\n# heading"


def a_version(**metadata):
    found = {
        "metrics": {"roc_auc": 0.79713, "rows_unseen": 12},
        "lineage": {
            "pipeline": "flow",
            "commit": "abc",
            "params": {"seed": 7, "training": {"depth": 3}},
            "data": {"orders": {"digest": "d" * 64, "rows": 1234}},
        },
        "features": ["income", "loan_amount"],
        "train_rows": 1000,
        "train_rows_available": 5000,
        **metadata,
    }
    return ModelVersion("credit", 3, "registered", "f" * 64, {}, "run-1", "register", 1.7e9, "ann@host", found)


def verdict():
    rule = {"name": "auc >= 0.7", "rule": "auc >= 0.7", "passed": False, "reason": "auc is 0.6 in " + HOSTILE}
    return {
        "decision": "reject",
        "mode": "auto",
        "model": "credit",
        "primary": "roc_auc",
        "metrics": {"roc_auc": 0.6},
        "champion_metrics": {"roc_auc": 0.7},
        "results": [rule, {**rule, "passed": True, "reason": "fine"}],
        "holdout": {
            "rows": 900,
            "given": 1000,
            "seen_by_challenger": 0,
            "seen_by_champion": 100,
            "unlabelled": 0,
            "digest": "0" * 64,
        },
        "notes": ["few rows"],
        "confidence": 0.95,
        "resamples": 1000,
        "seed": 1,
    }


def audit(**changes):
    row = {"name": "credit", "alias": "champion", "action": "reject", "from_version": 2, "to_version": 3, "by": "bob"}
    return [Promotion(**{**row, "reason": "not good", "verdict": verdict(), "at": time.time(), **changes})]


def test_it_says_all_that_the_registry_knows():
    text = card.markdown(a_version(describing={"intended_use": "rank", "limits": ["small"]}), {"champion": 3}, audit())
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == [
        *("Intended use", "Data", "Training", "Metrics", "Gates", "Limits", "Decisions", "Provenance"),
        "How to use it",
    ]
    for part in (
        *("# credit/3", "@champion", "| orders | 1,234 |", "a sample of 5,000", "| roc_auc | 0.7971 |", "commit abc"),
        *("✗ auc is 0.6", "✓ fine", "- small", "few rows", "bob", 'models.load("credit/3")', "parameter seed"),
    ):
        assert part in text, part


def test_a_metric_has_its_interval():
    sure = {"confidence": 0.95, "bounds": {"roc_auc": [0.78, 0.812345]}}
    text = card.markdown(a_version(intervals=sure), {}, [])
    assert "| metric | value | 95% interval |" in text
    assert "| roc_auc | 0.7971 | 0.78 to 0.8123 |" in text
    assert "| rows_unseen | 12 | - |" in text


def test_what_is_not_known_is_left_out():
    bare = ModelVersion("credit", 1, "registered", "f" * 64, {}, None, None, 1.7e9, "ann", {})
    for write in (card.markdown, card.html):
        text = write(bare, {}, [])
        assert "Nobody has written down what it is for" in text
        assert "Gates" not in text
        assert "Metrics" not in text


@pytest.mark.parametrize("broken", [{"lineage": None, "metrics": None, "features": None}, {"describing": {"x": 1}}])
def test_odd_metadata_breaks_no_card(broken):
    assert "credit/3" in card.html(a_version(**broken), {}, audit(verdict={"decision": 1}))


def test_text_from_outside_stays_text():
    version = a_version(describing={"intended_use": HOSTILE, "limits": [HOSTILE], "owner": HOSTILE})
    page = card.html(version, {}, audit(reason=HOSTILE, by=HOSTILE))
    assert "<script" not in page
    assert page.count("<h1>") == 1
    markdown = pytest.importorskip("markdown")
    shown = markdown.markdown(card.markdown(version, {}, audit(reason=HOSTILE)), extensions=["tables", "fenced_code"])
    assert "<script" not in shown
    assert "<a " not in shown
    assert "<strong>" not in shown
    assert shown.count("<h1>") == 1


def test_counts_have_no_bounds_and_a_document_is_used_as_data():
    counted = {**verdict(), "resamples": 0, "rows_are": "judged days"}
    version = dataclasses.replace(a_version(), ref={"kind": "model", "meta": {"library": "document"}})
    text = card.markdown(version, {}, audit(verdict=counted))
    assert "judged days." in text
    assert "each bound" not in text
    assert "print(model.estimator.data)" in text
    assert "models.predict" not in text
    assert "each bound at 95%" in card.markdown(a_version(), {}, audit())


def test_the_page_needs_nothing_from_elsewhere():
    page = card.html(a_version(), {}, audit())
    assert "default-src 'none'" in page
    assert not re.search(r'(src|href)="', page)
