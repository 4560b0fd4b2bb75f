"""How often noise is promoted: no oftener than the confidence says."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter

import numpy as np
import pytest

from firnflow.models.gates.judge_metrics import judge_metric
from firnflow.models.gates.rules import rule

RULES = ("auc > champion", "log_loss < champion", "balanced_accuracy > champion")


def models(helpers, rows, seed):
    """Return labels, and two models that are equally good: the truth, each with noise of its own."""
    labels, chance = helpers.world(rows, seed=seed)
    noise = np.random.default_rng(10_000 + seed).normal(0, 0.3, (2, rows))
    return labels, *(1 / (1 + (1 - chance) / chance * np.exp(noise)))


@pytest.mark.slow
def test_of_two_equal_models_neither_is_promoted_oftener_than_the_confidence_says(helpers):
    trials, promoted = 800, Counter()
    for seed in range(trials):
        labels, first, second = models(helpers, 1000, seed)
        evidence = helpers.evidence(labels, first, second, resamples=300)
        for confidence, text in itertools.product((0.9, 0.95), RULES):
            gating = evidence.gating.model_copy(update={"confidence": confidence})
            judged = judge_metric(rule(text), dataclasses.replace(evidence, gating=gating))  # on the same resamples
            promoted[confidence, text] += judged.passed
    assert len(promoted) == 2 * len(RULES)
    for (confidence, text), count in promoted.items():
        nominal = 1 - confidence
        by_chance = 2.33 * np.sqrt(nominal * (1 - nominal) / trials)  # one simulation in a hundred lies beyond
        assert count / trials <= nominal + by_chance, (confidence, text)
        assert count / trials >= nominal / 2, (confidence, text)  # a gate that never opens would be no gate


@pytest.mark.slow
def test_a_model_that_is_better_is_promoted_once_the_rows_show_it(helpers):
    """The other side: 0.01 of AUC is a matter of chance on 500 rows, and certain on 20,000."""
    found = {}
    for rows in (500, 20_000):
        promoted = 0
        for seed in range(30):
            labels, chance = helpers.world(rows, seed=seed)
            noise = np.random.default_rng(10_000 + seed).normal(0, 0.45, rows)
            worse = 1 / (1 + (1 - chance) / chance * np.exp(noise))
            promoted += judge_metric(rule("auc > champion"), helpers.evidence(labels, chance, worse)).passed
        found[rows] = promoted / 30
    assert found[500] < 0.7
    assert found[20_000] > 0.9
