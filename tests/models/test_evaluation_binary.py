from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from firnflow.errors import UsageError
from firnflow.models.evaluation import binary, catalog, curves
from firnflow.models.evaluation.base import Scored
from firnflow.models.evaluation.calibration import bins_of, calibration_curve, wilson

OF_PROBABILITIES = {
    "roc_auc": lambda y, p, w: sk.roc_auc_score(y, p, sample_weight=w),
    "average_precision": lambda y, p, w: sk.average_precision_score(y, p, sample_weight=w),
    "log_loss": lambda y, p, w: sk.log_loss(y, np.clip(p, 1e-7, 1 - 1e-7), sample_weight=w, labels=[0, 1]),
    "d2_log_loss": lambda y, p, w: sk.d2_log_loss_score(y, np.clip(p, 1e-7, 1 - 1e-7), sample_weight=w, labels=[0, 1]),
    "brier": lambda y, p, w: sk.brier_score_loss(y, p, sample_weight=w),
}
OF_DECISIONS = {
    "accuracy": lambda y, d, w: sk.accuracy_score(y, d, sample_weight=w),
    "balanced_accuracy": lambda y, d, w: sk.balanced_accuracy_score(y, d, sample_weight=w),
    "precision": lambda y, d, w: sk.precision_score(y, d, sample_weight=w, zero_division=0),
    "recall": lambda y, d, w: sk.recall_score(y, d, sample_weight=w),
    "f1": lambda y, d, w: sk.f1_score(y, d, sample_weight=w, zero_division=0),
    "specificity": lambda y, d, w: sk.recall_score(y, d, pos_label=0, sample_weight=w),
    "false_positive_rate": lambda y, d, w: 1 - sk.recall_score(y, d, pos_label=0, sample_weight=w),
    "false_negative_rate": lambda y, d, w: 1 - sk.recall_score(y, d, sample_weight=w),
}


def reference(name, labels, scores, weights=None):
    if name in OF_DECISIONS:
        return OF_DECISIONS[name](labels, (scores >= 0.5).astype(int), weights)
    return OF_PROBABILITIES[name](labels, scores.astype("float64"), weights)


rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 8), st.integers(0, 3)), min_size=2, max_size=40
)  # few scores, so that many are tied


def arrays(found):
    labels, scores, weights = (np.array(column, dtype=np.float64) for column in zip(*found, strict=True))
    return Scored(labels, scores / 8, 0.5), weights


@pytest.fixture(params=[0, 1, 2])
def scored(request):
    rng = np.random.default_rng(request.param)
    labels = (rng.random(500) < 0.3).astype("float32")
    # Rounded, so that probabilities are tied.
    return Scored(labels, np.round(np.clip(labels * 0.2 + rng.random(500) * 0.8, 0, 1), 2).astype("float32"), 0.5)


@pytest.mark.parametrize("name", [*OF_PROBABILITIES, *OF_DECISIONS])
def test_metrics_agree_with_scikit_learn(scored, name):
    expected = reference(name, scored.labels, scored.scores)
    assert catalog.metric("binary", name).value(scored) == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(rows)
def test_weighted_metrics_agree_with_scikit_learn(found):
    scored, weights = arrays(found)
    drawn = weights > 0
    if len(np.unique(scored.labels[drawn])) < 2:
        return
    for name in (*OF_PROBABILITIES, *OF_DECISIONS):
        value = float(catalog.metric("binary", name).prepare(scored)(weights[None, :])[0])
        expected = reference(name, scored.labels[drawn], scored.scores[drawn], weights[drawn])
        assert value == pytest.approx(expected, abs=1e-9), name


@settings(max_examples=150, deadline=None)
@given(rows)
def test_a_weight_is_a_row_that_often(found):
    scored, weights = arrays(found)
    repeated = scored.take(np.repeat(np.arange(len(weights)), weights.astype(int)))
    for name, metric in catalog.METRICS["binary"].items():
        if name == "ece":
            continue  # its bins are made of the rows, not of the resample
        weighted = float(metric.prepare(scored)(weights[None, :])[0])
        if len(repeated.labels):
            assert weighted == pytest.approx(metric.value(repeated), abs=1e-9, nan_ok=True), name
        else:
            assert math.isnan(weighted), name


@settings(max_examples=100, deadline=None)
@given(rows)
def test_auc_is_the_share_of_pairs_in_the_right_order(found):
    scored, _ = arrays(found)
    positives, negatives = scored.scores[scored.labels == 1], scored.scores[scored.labels == 0]
    won = [float(p > n) + 0.5 * float(p == n) for p in positives for n in negatives]
    expected = sum(won) / len(won) if won else math.nan
    assert catalog.metric("binary", "auc").value(scored) == pytest.approx(expected, nan_ok=True)


@settings(max_examples=100, deadline=None)
@given(rows, st.integers(0, 8))
def test_rates_follow_from_counting_one_by_one(found, eighths):
    scored, _ = arrays(found)
    threshold = eighths / 8
    counts = binary.confusion(scored.labels, scored.scores, threshold)
    pairs = [(bool(y), bool(p >= threshold)) for y, p in zip(scored.labels, scored.scores, strict=True)]
    assert counts == tuple(pairs.count(cell) for cell in ((False, False), (False, True), (True, False), (True, True)))


def test_no_threshold_has_a_larger_f1_or_youden_index(scored):
    steps = binary.ladder(scored.labels, scored.scores)
    for rule, gain in (
        ("f1", lambda f: f["f1"]),
        ("youden", lambda f: f["recall"] - f["false_positive_rate"]),
    ):
        chosen = binary.best_threshold(steps, rule)
        best = gain(binary.rates(binary.confusion(scored.labels, scored.scores, chosen)))
        for threshold in np.linspace(0, 1, 101):
            assert gain(binary.rates(binary.confusion(scored.labels, scored.scores, threshold))) <= best + 1e-9


def test_rates_without_rows_of_a_kind_are_not_defined():
    found = binary.rates(binary.Counts(5, 0, 0, 0))
    assert {name for name, value in found.items() if np.isnan(value)} == {
        *("balanced_accuracy", "precision", "recall", "f1", "false_negative_rate"),
    }
    assert binary.rates(binary.Counts(5, 0, 3, 0))["precision"] == 0.0  # who finds nobody is not precise


def test_equal_probabilities_are_chance():
    found = catalog.values("binary", Scored(np.array([0.0, 1.0, 0.0, 1.0]), np.full(4, 0.3)))
    assert (found["roc_auc"], found["average_precision"], found["balanced_accuracy"]) == (0.5, 0.5, 0.5)
    assert found["ece"] == pytest.approx(0.2)


def test_calibration_has_equally_many_rows_a_bin():
    labels = np.array([0.0] * 50 + [1.0] * 50)
    bins = calibration_curve(labels, np.linspace(0, 1, 100), bins=4)
    assert [point.rows for point in bins] == [25, 25, 25, 25]
    assert [point.observed for point in bins] == [0, 0, 1, 1]
    assert len(calibration_curve(labels[:3], np.linspace(0, 1, 3), bins=10)) == 3


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), st.integers(1, 12))
def test_equal_probabilities_share_a_bin_whatever_the_order(values, bins):
    scores = np.array(values) / 20
    numbers = bins_of(scores, bins)
    assert numbers.max() < bins
    assert set(numbers) == set(range(numbers.max() + 1))
    assert len({(s, n) for s, n in zip(scores, numbers, strict=True)}) == len(set(values))
    assert (np.diff(numbers[np.argsort(scores, kind="stable")]) >= 0).all()


def test_calibration_error_agrees_with_the_curve(scored):
    points = calibration_curve(scored.labels, scored.scores)
    expected = sum(p.rows * abs(p.predicted - p.observed) for p in points) / len(scored.labels)
    assert catalog.metric("binary", "ece").value(scored) == pytest.approx(expected, rel=1e-6)
    assert all(p.low <= p.observed <= p.high for p in points)


def test_wilson_as_in_a_published_example():
    # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_curves_pass_through_scikit_learns_points(scored):
    steps = binary.ladder(scored.labels, scored.scores)
    fall_out, recall, _ = sk.roc_curve(scored.labels, scored.scores, drop_intermediate=False)
    found = curves.roc(steps, points=10_000)
    assert found.x.tolist() == pytest.approx(fall_out.tolist())
    assert found.y.tolist() == pytest.approx(recall.tolist())
    precision, recall, _ = sk.precision_recall_curve(scored.labels, scored.scores)
    found = curves.precision_recall(steps, points=10_000)
    assert found.y.tolist() == pytest.approx(precision[:-1][::-1].tolist())
    assert len(curves.roc(steps, points=20).x) <= 21


def test_an_unknown_metric_names_the_nearest():
    with pytest.raises(UsageError, match=r"'acuracy' is no metric of binary models\. Did you mean 'accuracy'\?"):
        catalog.metric("binary", "acuracy")
    with pytest.raises(UsageError, match="'recall' is no metric of regression models"):
        catalog.metric("regression", "recall")
