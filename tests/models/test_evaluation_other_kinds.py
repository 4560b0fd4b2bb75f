from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from firnflow.models.evaluation import catalog
from firnflow.models.evaluation.base import Scored
from firnflow.models.evaluation.regression import residuals

numbers = st.integers(-20, 20).map(float)
REGRESSION = {
    "rmse": lambda y, p, w: math.sqrt(sk.mean_squared_error(y, p, sample_weight=w)),
    "mae": lambda y, p, w: sk.mean_absolute_error(y, p, sample_weight=w),
    "r2": lambda y, p, w: sk.r2_score(y, p, sample_weight=w),
    "pinball_10": lambda y, p, w: sk.mean_pinball_loss(y, p, sample_weight=w, alpha=0.1),
    "pinball_50": lambda y, p, w: sk.mean_pinball_loss(y, p, sample_weight=w, alpha=0.5),
    "pinball_90": lambda y, p, w: sk.mean_pinball_loss(y, p, sample_weight=w, alpha=0.9),
    "bias": lambda y, p, w: np.average(p - y, weights=w),
}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(numbers, numbers, st.integers(0, 3)), min_size=2, max_size=30))
def test_regression_agrees_with_scikit_learn(found):
    labels, scores, weights = (np.array(column, dtype=np.float64) for column in zip(*found, strict=True))
    drawn = weights > 0
    if len(np.unique(labels[drawn])) < 2:
        return
    for name, reference in REGRESSION.items():
        value = float(catalog.metric("regression", name).prepare(Scored(labels, scores))(weights[None, :])[0])
        assert value == pytest.approx(reference(labels[drawn], scores[drawn], weights[drawn]), abs=1e-9), name


def test_relative_errors_are_safe_at_zero():
    labels, scores = np.array([0.0, 0.0, 10.0, -4.0]), np.array([0.0, 3.0, 5.0, -6.0])
    found = catalog.values("regression", Scored(labels, scores))
    assert found["mape"] == pytest.approx((0.5 + 0.5) / 2)  # of the two rows whose label is not 0
    assert found["smape"] == pytest.approx((0 + 2 + 2 * 5 / 15 + 2 * 2 / 10) / 4)
    nothing = catalog.values("regression", Scored(np.zeros(3), np.ones(3)), ["mape", "smape", "r2"])
    assert (math.isnan(nothing["mape"]), nothing["smape"], math.isnan(nothing["r2"])) == (True, 2.0, True)


def test_mape_agrees_with_scikit_learn_away_from_zero():
    rng = np.random.default_rng(0)
    labels = rng.gamma(2, 10, 300) + 1
    scores = labels * rng.normal(1, 0.1, 300)
    expected = sk.mean_absolute_percentage_error(labels, scores)
    assert catalog.metric("regression", "mape").value(Scored(labels, scores)) == pytest.approx(expected)


def test_r2_of_large_numbers_keeps_its_digits():
    rng = np.random.default_rng(0)
    labels = 1e9 + rng.normal(0, 1, 500)
    scores = labels + rng.normal(0, 0.1, 500)
    assert catalog.metric("regression", "r2").value(Scored(labels, scores)) == pytest.approx(
        sk.r2_score(labels, scores), abs=1e-6
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(0, 2)), min_size=4, max_size=40))
def test_multiclass_agrees_with_scikit_learn(found):
    labels, seeds, weights = (np.array(column) for column in zip(*found, strict=True))
    scores = np.random.default_rng(seeds.sum()).dirichlet(np.ones(3), len(labels))
    drawn = weights > 0
    if not drawn.any():
        return
    decided = scores.argmax(axis=1)
    y, d, w = labels[drawn], decided[drawn], weights[drawn]
    expected = {
        "accuracy": sk.accuracy_score(y, d, sample_weight=w),
        "balanced_accuracy": np.mean([np.average((d == c)[y == c], weights=w[y == c]) for c in np.unique(y)]),
        "macro_f1": sk.f1_score(y, d, average="macro", sample_weight=w, zero_division=0),
        "log_loss": sk.log_loss(y, scores[drawn], sample_weight=w, labels=[0, 1, 2]),
    }
    for name, value in expected.items():
        metric = catalog.metric("multiclass", name)
        assert float(metric.prepare(Scored(labels, scores))(weights[None, :].astype(float))[0]) == pytest.approx(
            value
        ), name


def test_residuals_are_label_less_prediction():
    labels, scores = np.arange(100.0), np.arange(100.0) - 2
    found = residuals(labels, scores, bins=4)
    assert set(found.quantiles.values()) == {2.0}
    assert [b.rows for b in found.bins] == [25] * 4
    assert all(b.observed - b.predicted == 2 == b.middle for b in found.bins)
    assert sum(found.counts) == 100
