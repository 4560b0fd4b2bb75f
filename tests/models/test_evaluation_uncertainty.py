from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from firnflow.models.evaluation import bootstrap
from firnflow.models.evaluation.base import Scored
from firnflow.models.evaluation.catalog import metric
from firnflow.models.evaluation.fairness import fairness
from firnflow.models.evaluation.segments import groups_of, segments
from firnflow.models.evaluation.thresholds import Costs, cost_curve


def rows(count: int, seed: int = 0, signal: float = 0.1) -> Scored:
    rng = np.random.default_rng(seed)
    labels = (rng.random(count) < 0.3).astype(float)
    return Scored(labels, np.clip(0.3 + signal * (labels - 0.3) + rng.normal(0, 0.1, count), 0, 1), 0.35)


def test_each_resample_draws_every_row_equally_often_on_average():
    blocks = list(bootstrap.weights(2000, 300, seed=1))
    drawn = np.concatenate(blocks)
    assert drawn.shape == (300, 2000)
    assert (drawn.sum(axis=1) == 2000).all()
    assert abs(drawn.mean() - 1) < 1e-12
    assert drawn.var() == pytest.approx(1, abs=0.02)
    assert max(map(len, blocks)) * 2000 <= 500_000
    again = np.concatenate(list(bootstrap.weights(2000, 300, seed=1)))
    assert (again == drawn).all()
    assert (np.concatenate(list(bootstrap.weights(2000, 300, seed=2))) != drawn).any()
    assert (bootstrap.keep(2000, 300, seed=1) == drawn).all()


def test_weights_that_are_kept_say_the_same(monkeypatch):
    statistic = {"auc": metric("binary", "auc").prepare(rows(3000))}
    plain = bootstrap.draw(statistic, 3000, resamples=300, seed=4)["auc"]
    kept = bootstrap.draw(statistic, 3000, resamples=300, seed=4, kept=bootstrap.keep(3000, 300, 4))["auc"]
    assert kept.value == plain.value
    assert (kept.resampled == plain.resampled).all()
    monkeypatch.setattr(bootstrap, "_KEPT", 1000)
    assert bootstrap.keep(3000, 300, 4) is None


def test_the_interval_of_a_share_is_the_binomial_one():
    found = bootstrap.interval(metric("binary", "accuracy"), rows(5000), resamples=2000)
    low, high = (stats.binom.ppf(level, 5000, found.value) / 5000 for level in (0.025, 0.975))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.001)


def test_the_interval_of_auc_has_delongs_width():
    """E. R. DeLong et al., "Comparing the areas under two or more correlated ROC curves", Biometrics 44 (1988)."""
    scored = rows(3000)
    positives, negatives = scored.scores[scored.labels == 1], scored.scores[scored.labels == 0]
    won = (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)
    error = math.sqrt(won.mean(axis=1).var(ddof=1) / len(positives) + won.mean(axis=0).var(ddof=1) / len(negatives))
    found = bootstrap.interval(metric("binary", "auc"), scored, resamples=2000)
    assert (found.high - found.low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.06)


def test_a_model_does_not_differ_from_itself():
    assert bootstrap.difference(metric("binary", "auc"), rows(400), rows(400)) == (0, 0, 0)


def test_the_paired_interval_is_narrower_than_that_of_two_strangers():
    first = rows(3000)
    second = first._replace(scores=np.clip(first.scores + np.random.default_rng(9).normal(0, 0.02, 3000), 0, 1))
    paired = bootstrap.difference(metric("binary", "auc"), first, second)
    alone = bootstrap.interval(metric("binary", "auc"), first)
    assert paired.low < paired.value < paired.high
    assert paired.high - paired.low < 0.5 * (alone.high - alone.low)
    swapped = bootstrap.difference(metric("binary", "auc"), second, first)
    assert swapped == pytest.approx((-paired.value, -paired.high, -paired.low))


def test_there_is_no_interval_where_resamples_lose_a_class():
    scored = Scored(np.array([1.0, *[0.0] * 50]), np.linspace(0, 1, 51))
    found = bootstrap.interval(metric("binary", "auc"), scored)
    assert found.value == 0.0
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_memory_does_not_grow_with_the_number_of_resamples():
    def peak(resamples: int) -> int:
        scored = rows(50_000)
        tracemalloc.start()
        try:
            bootstrap.interval(metric("binary", "auc"), scored, resamples=resamples)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = peak(20), peak(100)
    assert many < few * 1.05 + 100_000
    assert many < 60e6


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say():
    truth = metric("binary", "auc").value(rows(2_000_000, seed=99))
    found = [bootstrap.interval(metric("binary", "auc"), rows(500, seed), resamples=400) for seed in range(400)]
    held = sum(low <= truth <= high for _, low, high in found)
    assert 0.92 * 400 <= held <= 0.98 * 400


def test_segments_are_the_metric_on_their_rows():
    scored = rows(1000)
    county = np.array(["Adams", "Brown", None, "Clark"], dtype=object)[np.random.default_rng(3).integers(0, 4, 1000)]
    found = segments(metric("binary", "auc"), scored, county, resamples=200)
    assert [segment.name for segment in found] == ["(missing)", "Adams", "Brown", "Clark"]
    assert sum(segment.rows for segment in found) == 1000
    for segment in found:
        mask = np.array([c is None for c in county]) if segment.name == "(missing)" else county == segment.name
        assert segment.rows == mask.sum()
        assert segment.figure.value == metric("binary", "auc").value(scored.take(mask))
        assert segment.figure.low < segment.figure.value < segment.figure.high
    assert segments(metric("binary", "auc"), scored, county, min_rows=10_000) == []


def test_a_segment_of_one_class_has_no_auc():
    scored = Scored(np.array([1.0, 1, 0, 1]), np.array([0.1, 0.9, 0.4, 0.3]))
    found = segments(metric("binary", "auc"), scored, [1, 1, 2, 2], resamples=50)
    assert math.isnan(found[0].figure.value)
    assert found[1].figure.value == 0.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text("ab", max_size=2), st.booleans(), st.integers(0, 3)), max_size=30))
def test_groups_are_the_values_as_text(values):
    names, codes = groups_of(np.array(values, dtype=object))
    assert names == sorted(names)
    for value, code in zip(values, codes, strict=True):
        # True and 1 are equal, and so in one group.
        assert names[code] == "(missing)" if value is None else names[code] in {str(v) for v in values if v == value}


def test_fairness_is_the_largest_difference_of_two_groups():
    labels = np.array([1, 1, 0, 0, 1, 1, 0, 0, 1, 0])
    decided = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 0])
    group = ["a"] * 4 + ["b"] * 4 + ["c"] * 2
    scored = Scored(labels, decided.astype(float), 0.5)
    parity = fairness("demographic_parity", scored, group, resamples=100)
    assert {g.name: (g.rows, g.rate) for g in parity.groups} == {"a": (4, 0.75), "b": (4, 0.25), "c": (2, 0.0)}
    assert parity.difference.value == 0.75
    chance = fairness("equal_opportunity", scored, group, min_rows=2, resamples=100)
    assert {g.name: (g.rows, g.rate) for g in chance.groups} == {"a": (2, 1.0), "b": (2, 0.5)}
    assert chance.difference.value == 0.5
    assert math.isnan(fairness("demographic_parity", scored, ["a"] * 10, resamples=50).difference.value)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=1, max_size=40),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(-5, 0),
)
def test_no_threshold_is_cheaper_than_the_cheapest(found, false_positive, false_negative, true_positive):
    labels, scores = (np.array(column, dtype=float) for column in zip(*found, strict=True))
    scores /= 20
    costs = Costs(false_positive=false_positive, false_negative=false_negative, true_positive=true_positive)

    def cost(threshold: float) -> float:
        decided = scores >= threshold
        total = false_positive * (decided & (labels == 0)).sum() + true_positive * (decided & (labels == 1)).sum()
        return float(total + false_negative * (~decided & (labels == 1)).sum()) / len(labels)

    curve = cost_curve(labels, scores, costs)
    threshold, cheapest = curve.cheapest()
    assert cost(threshold) == pytest.approx(cheapest)
    assert cheapest <= min(cost(t) for t in np.linspace(0, 1.05, 43)) + 1e-9
    for at, value in zip(curve.thresholds, curve.costs, strict=True):
        assert cost(at) == pytest.approx(value)


def test_true_probabilities_are_cheapest_at_elkans_threshold():
    rng = np.random.default_rng(0)
    probabilities = rng.random(200_000)
    labels = (rng.random(200_000) < probabilities).astype(float)
    costs = Costs(false_positive=1, false_negative=4)
    assert costs.threshold == 0.2
    assert cost_curve(labels, probabilities, costs).cheapest()[0] == pytest.approx(0.2, abs=0.02)


def test_a_mistake_must_cost_more_than_being_right():
    with pytest.raises(ValidationError, match="a mistake must cost more"):
        Costs(false_positive=0, false_negative=1)
