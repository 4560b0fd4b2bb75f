from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from firnflow.models.evaluation import bootstrap, intervals
from firnflow.models.evaluation.base import Scored
from firnflow.models.evaluation.catalog import metric
from firnflow.models.evaluation.thresholds import Costs

BINARY = ("roc_auc", "average_precision", "precision", "recall", "f1", "log_loss", "d2_log_loss", "brier")
REGRESSION = ("r2", "rmse", "mae", "mape", "smape", "bias")


def binary(count: int, seed: int = 0) -> Scored:
    rng = np.random.default_rng(seed)
    scores = rng.beta(1.2, 4, count)
    return Scored((rng.random(count) < scores).astype(np.float32), scores.astype(np.float32), 0.3)


def regression(count: int, seed: int = 0) -> Scored:
    rng = np.random.default_rng(seed)
    labels = rng.gamma(3, 20, count) + 5
    return Scored(labels, labels + rng.standard_t(8, count) * 9 + 1)


@pytest.mark.parametrize(
    ("kind", "made", "names"), [("binary", binary, BINARY), ("regression", regression, REGRESSION)]
)
def test_they_are_those_of_the_plain_bootstrap(kind, made, names):
    scored = made(6000)
    found = intervals.intervals(kind, [metric(kind, name) for name in names], scored, resamples=2000, seed=1)
    assert list(found) == list(names)
    for name in names:
        plain = bootstrap.interval(metric(kind, name), scored, resamples=2000, seed=2)
        assert found[name].value == plain.value
        width = plain.high - plain.low
        assert (found[name].low, found[name].high) == pytest.approx((plain.low, plain.high), abs=0.08 * width), name


def test_many_rows_are_few_cells_that_say_the_same():
    scored = binary(300_000)
    cells, counts, share = intervals._cells(scored)
    assert len(cells.labels) == len(counts) <= 4 * intervals.CELLS
    assert (counts.sum(), share) == (300_000, 1.0)
    for name in ("precision", "recall", "accuracy"):  # no cell holds rows of two decisions
        assert metric("binary", name).prepare(cells)(counts[None, :])[0] == metric("binary", name).value(scored)
    exact, close = (
        metric("binary", "roc_auc").value(scored),
        metric("binary", "roc_auc").prepare(cells)(counts[None, :])[0],
    )
    assert close == pytest.approx(exact, abs=3e-4)


@pytest.mark.parametrize("threshold", [0.35, 0.7, 1.5, 0.0])
def test_a_probability_at_the_threshold_stays_on_its_side(threshold):
    rng = np.random.default_rng(0)
    scores = np.where(rng.random(500) < 0.5, np.float32(threshold), rng.random(500).astype(np.float32))
    scored = Scored((rng.random(500) < 0.4).astype(float), scores, threshold)
    cells, counts, _ = intervals._cells(scored)
    found = metric("binary", "accuracy").prepare(cells)(counts[None, :])[0]
    assert found == pytest.approx(metric("binary", "accuracy").value(scored), abs=1e-12)


def test_of_a_sample_the_interval_is_that_of_all_rows():
    scored = regression(100_000)
    found = intervals.intervals("regression", [metric("regression", "bias")], scored)["bias"]
    errors = scored.scores - scored.labels
    half = stats.norm.ppf(0.975) * errors.std() / math.sqrt(len(errors))
    assert found.value == pytest.approx(errors.mean())
    assert (found.high - found.low) / (2 * half) == pytest.approx(1, abs=0.08)
    assert found.low < found.value < found.high


def test_the_same_seed_gives_the_same_and_another_one_another():
    for kind, scored in (("binary", binary(20_000)), ("regression", regression(20_000))):
        name = {"binary": "roc_auc", "regression": "rmse"}[kind]
        first, again, other = (
            intervals.intervals(kind, [metric(kind, name)], scored, resamples=200, seed=seed)[name]
            for seed in (1, 1, 2)
        )
        assert first == again != other


def test_what_a_row_costs_has_one():
    scored, costs = binary(5000), Costs(false_positive=2, false_negative=7, true_positive=-1)
    found = intervals.intervals("binary", [costs.metric], scored)["cost"]
    decided = scored.scores >= 0.3
    each = np.where(scored.labels == 1, np.where(decided, -1, 7), np.where(decided, 2, 0))
    assert found.value == pytest.approx(each.mean())
    half = stats.norm.ppf(0.975) * each.std() / math.sqrt(5000)
    assert (found.high - found.low) / (2 * half) == pytest.approx(1, abs=0.1)


def test_there_is_none_where_resamples_lose_a_class():
    scored = Scored(np.array([1.0, *[0.0] * 50]), np.linspace(0, 1, 51))
    found = intervals.intervals("binary", [metric("binary", "auc")], scored)["roc_auc"]
    assert found.value == 0.0
    assert math.isnan(found.low)


@pytest.mark.slow
def test_they_hold_the_truth_as_often_as_they_say():
    auc = metric("binary", "roc_auc")
    truth = auc.value(binary(2_000_000, seed=99))
    found = [intervals.intervals("binary", [auc], binary(3000, seed), resamples=300)["roc_auc"] for seed in range(400)]
    assert 0.92 * 400 <= sum(low <= truth <= high for _, low, high in found) <= 0.98 * 400
