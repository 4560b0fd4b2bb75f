from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from firnflow.models.evaluation import binary as metrics


@pytest.fixture(params=[0, 1, 2])
def scored(request):
    rng = np.random.default_rng(request.param)
    labels = (rng.random(500) < 0.3).astype("float32")
    # Rounded, so that probabilities are tied.
    return labels, np.round(np.clip(labels * 0.2 + rng.random(500) * 0.8, 0, 1), 2).astype("float32")


def test_curves_agree_with_scikit_learn(scored):
    steps = metrics.ladder(*scored)
    assert metrics.roc_auc(steps) == pytest.approx(sk.roc_auc_score(*scored), abs=1e-12)
    assert metrics.average_precision(steps) == pytest.approx(sk.average_precision_score(*scored), abs=1e-12)


def test_rates_agree_with_scikit_learn(scored):
    labels, probabilities = scored
    decided = (probabilities >= np.float32(0.5)).astype(int)
    counts = metrics.confusion(labels, probabilities, 0.5)
    found = metrics.rates(counts)
    assert list(counts) == sk.confusion_matrix(labels, decided).ravel().tolist()
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(labels, decided))
    assert found["precision"] == pytest.approx(sk.precision_score(labels, decided))
    assert found["recall"] == pytest.approx(sk.recall_score(labels, decided))
    assert found["f1"] == pytest.approx(sk.f1_score(labels, decided))
    assert found["specificity"] == pytest.approx(sk.recall_score(labels, decided, pos_label=0))
    assert found["false_positive_rate"] == pytest.approx(1 - found["specificity"])
    assert found["false_negative_rate"] == pytest.approx(1 - found["recall"])


def test_losses_agree_with_scikit_learn(scored):
    labels, probabilities = scored
    clipped = np.clip(probabilities, 0.01, 0.99)
    assert metrics.log_loss(labels, clipped) == pytest.approx(sk.log_loss(labels, clipped), rel=1e-6)
    assert metrics.brier(labels, probabilities) == pytest.approx(sk.brier_score_loss(labels, probabilities), rel=1e-6)


def test_no_threshold_has_a_larger_f1_or_youden_index(scored):
    steps = metrics.ladder(*scored)
    for rule, gain in (
        ("f1", lambda f: f["f1"]),
        ("youden", lambda f: f["recall"] - f["false_positive_rate"]),
    ):
        best = gain(metrics.rates(metrics.confusion(*scored, metrics.best_threshold(steps, rule))))
        for threshold in np.linspace(0, 1, 101):
            assert gain(metrics.rates(metrics.confusion(*scored, threshold))) <= best + 1e-9


def test_rates_without_rows_of_a_kind_are_zero():
    assert metrics.rates(metrics.Counts(5, 0, 0, 0)) == {
        "accuracy": 1.0,
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "specificity": 1.0,
        "false_positive_rate": 0.0,
        "false_negative_rate": 0.0,
    }


def test_equal_probabilities_are_chance():
    steps = metrics.ladder(np.array([0.0, 1.0, 0.0, 1.0]), np.full(4, 0.3))
    assert metrics.roc_auc(steps) == 0.5
    assert metrics.average_precision(steps) == 0.5


def test_calibration_has_equally_many_rows_a_bin():
    labels = np.array([0.0] * 50 + [1.0] * 50)
    bins = metrics.calibration(labels, np.linspace(0, 1, 100), bins=4)
    assert [rows for _, _, rows in bins] == [25, 25, 25, 25]
    assert [observed for _, observed, _ in bins] == [0, 0, 1, 1]
    assert len(metrics.calibration(labels[:3], np.linspace(0, 1, 3), bins=10)) == 3
