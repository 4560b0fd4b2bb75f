"""Two versions side by side."""

from __future__ import annotations

from firnflow.models.comparison import compare
from firnflow.models.registry import ModelVersion, Promotion


def version(number, name="credit", **metrics):
    lineage = {"commit": f"c{number}", "graph": str(number), "data": {"make": {"digest": f"{number}" * 64, "rows": 4}}}
    metadata = {"metrics": metrics, "lineage": lineage}
    return ModelVersion(name, number, "registered", "d", {}, "run", "task", 0.0, "ann", metadata)


def verdict(challenger, champion, new, old):
    return Promotion(
        "credit",
        "champion",
        "reject",
        champion,
        challenger,
        "run",
        "why",
        {
            "version": challenger,
            "champion": champion,
            "metrics": {"roc_auc": new},
            "champion_metrics": {"roc_auc": old},
            "holdout": {"rows": 1000},
        },
    )


def test_which_is_better_depends_on_the_metric():
    one = version(2, roc_auc=0.8, log_loss=0.4, bias=-0.1, auc=0.7, profit=3.0, f1=0.5)
    two = version(1, roc_auc=0.7, log_loss=0.3, bias=0.2, auc=0.7, profit=2.0, brier=0.1)
    found = compare(one, two, [])
    assert {each.name: each.better for each in found.metrics} == {
        "roc_auc": "model",
        "log_loss": "other",
        "bias": "model",
        "auc": None,  # equal
        "profit": None,  # nobody knows
        "f1": None,  # one has none
        "brier": None,
    }
    assert found.rows is None


def test_figures_of_the_gates_on_the_same_rows_are_preferred():
    audit = [verdict(3, 2, 0.9, 0.1), verdict(2, 1, 0.75, 0.7), verdict(2, 1, 0.1, 0.9)]
    one, two = version(1, roc_auc=0.99), version(2, roc_auc=0.98)
    found = compare(one, two, audit)
    assert found.rows == 1000
    assert [(each.model, each.other, each.better) for each in found.metrics] == [(0.7, 0.75, "other")]
    back = compare(two, one, audit)
    assert [(each.model, each.other, each.better) for each in back.metrics] == [(0.75, 0.7, "model")]
    assert compare(one, version(2, name="other", roc_auc=0.98), audit).rows is None


def test_what_differs_is_said_and_what_is_damaged_does_not_matter():
    found = compare(version(2), version(1), [])
    assert set(found.differences) == {"commit", "data.make.digest"}
    assert (found.differences["commit"].model, found.differences["commit"].other) == ("c2", "c1")
    broken = ModelVersion("credit", 3, "registered", "d", {}, None, None, 0.0, "ann", {"metrics": [1], "lineage": None})
    assert compare(broken, version(1, roc_auc=0.5), []).metrics[0].model is None
