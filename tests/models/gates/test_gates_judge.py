from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn import metrics as sk

from firnflow.models.evaluation.catalog import metric
from firnflow.models.gates.evaluate import JUDGES, judged
from firnflow.models.gates.judge_data import judge_constant
from firnflow.models.gates.judge_metrics import judge_metric
from firnflow.models.gates.rules import rule


def judge(given, evidence):
    found = rule(given)
    return JUDGES[type(found)](found, evidence)


@pytest.fixture
def seen(helpers):
    """4,000 rows, a good model, and a champion that is the same but for some noise."""
    labels, chance = helpers.world(4000)
    noise = np.random.default_rng(5).normal(0, 0.15, 4000)
    return labels, chance, np.clip(chance + noise, 0.001, 0.999)


def test_a_number_is_compared_with_the_metric_itself(helpers, seen):
    evidence = helpers.evidence(seen[0], seen[1])
    auc = sk.roc_auc_score(seen[0], seen[1])
    for text, passed in ((f"auc >= {auc - 1e-6}", True), (f"auc >= {auc + 1e-6}", False), ("log_loss <= 0.7", True)):
        result = judge(text, evidence)
        assert result.passed is passed, result.reason
        assert result.interval[0] < result.value < result.interval[1]
    assert result.reason.endswith("asked for: at most 0.7.")


def test_a_confident_rule_looks_at_the_end_of_the_range(helpers, seen):
    evidence = helpers.evidence(seen[0], seen[1])
    low = judge("auc >= 0", evidence).interval[0]
    between = (low + sk.roc_auc_score(seen[0], seen[1])) / 2
    assert judge(f"auc >= {between}", evidence).passed
    assert not judge({"rule": f"auc >= {between}", "confident": True}, evidence).passed
    assert judge({"rule": f"auc >= {low - 1e-4}", "confident": True}, evidence).passed


def test_a_metric_that_is_not_defined_fails(helpers):
    result = judge("recall >= 0", helpers.evidence(np.zeros(300), np.linspace(0, 1, 300)))
    assert (result.passed, result.value) == (False, None)
    assert "recall is not defined on these rows" in result.reason


def test_the_champion_itself_does_not_beat_the_champion(helpers, seen):
    evidence = helpers.evidence(seen[0], seen[1], seen[1])
    result = judge("auc > champion", evidence)
    assert (result.passed, result.difference, result.difference_interval) == (False, 0.0, (0.0, 0.0))
    assert "the difference of 0 (0 to 0) is none" in result.reason
    assert judge("auc >= champion", evidence).passed
    assert judge("auc >= champion - 0.002", evidence).passed


def test_a_clear_gain_passes_and_a_clear_loss_does_not(helpers, seen):
    better = judge("auc > champion", helpers.evidence(seen[0], seen[1], seen[2]))
    worse = judge("auc > champion", helpers.evidence(seen[0], seen[2], seen[1]))
    assert (better.passed, worse.passed) == (True, False)
    assert "is more than noise" in better.reason
    assert "is a loss" in worse.reason
    assert better.difference == pytest.approx(-worse.difference)
    assert better.bound == better.reference_value == worse.value
    lower = judge("log_loss < champion", helpers.evidence(seen[0], seen[1], seen[2]))
    assert lower.passed
    assert lower.difference < 0


def test_a_gain_within_noise_does_not_pass(helpers, seen):
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(0, 0.05, (2, 4000))
        result = judge("auc > champion", helpers.evidence(seen[0], seen[1] + noise[0], seen[1] + noise[1]))
        if 0 < result.difference < result.difference_interval[1] / 3:
            assert not result.passed
            assert "may be noise" in result.reason
            break
    else:
        pytest.fail("no seed gave a small gain")


def test_a_tolerance_must_be_kept_for_sure(helpers, seen):
    evidence = helpers.evidence(seen[0], seen[2], seen[1])
    gap = judge("auc > champion", evidence).difference_interval
    assert judge(f"auc >= champion - {-gap[0] + 1e-4:.6f}", evidence).passed
    result = judge(f"auc >= champion - {-(gap[0] + gap[1]) / 2 + 1e-4:.6f}", evidence)
    assert not result.passed
    assert "may not be at least" in result.reason
    assert "is not at least" in judge(f"auc >= champion - {-gap[1] / 2:.6f}", evidence).reason


def test_without_a_champion_nothing_is_compared(helpers, seen):
    result = judge("auc > champion", helpers.evidence(seen[0], seen[1]))
    assert result.passed
    assert "there is no champion yet" in result.reason
    result = judge("auc > champion", helpers.evidence(seen[0], seen[1], trouble="Its column `x` is gone."))
    assert not result.passed
    assert "the champion could not be asked. Its column `x` is gone." in result.reason


def test_baselines_are_constant_predictors(helpers, seen):
    evidence = helpers.evidence(seen[0], seen[1])
    rate = seen[0].mean()
    expected = {
        "accuracy": rate,
        "balanced_accuracy": 0.5,
        "roc_auc": 0.5,
        "brier": rate * (1 - rate),
        "d2_log_loss": 0,
    }
    for name, value in expected.items():
        op = "<" if name == "brier" else ">"
        assert judge(f"{name} {op} majority", evidence).reference_value == pytest.approx(value, abs=1e-9)
    numbers = helpers.evidence(np.arange(300.0), np.arange(300.0) + 1, kind="regression")
    assert judge("rmse < mean", numbers).reference_value == pytest.approx(np.arange(300.0).std())
    assert judge("r2 > mean", numbers).reference_value == pytest.approx(0)


@pytest.mark.parametrize("series", [None, "shop"])
def test_the_last_value_is_the_one_before_in_time(helpers, series):
    rng = np.random.default_rng(0)
    time = rng.permutation(600)
    shop = time % 2
    labels = np.sin(time / 40) * 10 + shop * 100 + rng.normal(0, 0.1, 600)
    labels[time < 10] += 0.5
    evidence = helpers.evidence(
        labels,
        np.sin(time / 40) * 10 + shop * 100,
        kind="regression",
        rows={"time": time.tolist(), "shop": shop},
        time="time",
        series=series,
    )
    result = judge("mae < last", evidence)
    order = np.argsort(time)
    steps = [
        abs(labels[here] - labels[before])
        for part in ([order[shop[order] == 0], order[shop[order] == 1]] if series else [order])
        for before, here in itertools.pairwise(part)
    ]
    assert result.reference_value == pytest.approx(np.mean(steps))
    assert result.passed


def test_rows_without_a_time_or_a_row_before_are_left_out_of_both(helpers):
    time = [3, None, 1, 2, *range(10, 310)]
    labels = np.arange(304.0)
    evidence = helpers.evidence(labels, labels, kind="regression", rows={"time": time}, time="time")
    ours, theirs = evidence.pair("mae", "last")
    assert ours.value == 0
    assert theirs.value == pytest.approx((1 + 3 + 4 + 299) / 302)  # 2 → 3 → 0 → 4 → 5 …


@pytest.mark.parametrize(
    ("scores", "threshold", "passed", "word"),
    [
        (np.full(400, 0.78), 0.5, False, "0.78 for all 400 rows"),
        (np.linspace(0.6, 0.9, 400), 0.5, False, "the model decides 1 for all 400 rows"),
        (np.linspace(0.6, 0.9, 400), 0.95, False, "the model decides 0 for all 400 rows"),
        (np.linspace(0.6, 0.9, 400), 0.7, True, "does not say the same"),
    ],
)
def test_a_constant_predictor_is_found_out(helpers, scores, threshold, passed, word):
    result = judge_constant(helpers.evidence(np.arange(400) % 5 > 0, scores, threshold=threshold))
    assert (result.passed, result.default) == (passed, True)
    assert word in result.reason


def test_approving_everyone_fails_where_accuracy_is_high(helpers):
    labels, chance = helpers.world(5000)
    evidence = helpers.evidence(labels, chance, threshold=0.0, rules=["accuracy >= 0.7"])
    failed = [result.name for result in judged(evidence) if not result.passed]
    assert failed == ["constant", "balanced_accuracy > majority"]


def test_default_rules_are_switched_off_by_name(helpers, seen):
    evidence = helpers.evidence(seen[0], seen[1], seen[2])
    names = [r.name for r in judged(evidence)]
    assert names == [
        *("holdout", "constant", "roc_auc > majority", "balanced_accuracy > majority"),
        *("d2_log_loss >= majority + 0.01", "roc_auc > champion"),
    ]
    assert all(r.default for r in judged(evidence))
    off = helpers.evidence(seen[0], seen[1], seen[2], off=["constant", "majority", "information", "champion"])
    assert [r.name for r in judged(off)] == ["holdout"]
    other = helpers.evidence(seen[0], seen[1], seen[2], primary="log_loss")
    assert judged(other)[-1].name == "log_loss < champion"
    numbers = helpers.evidence(seen[0], seen[1], seen[2], kind="regression")
    assert [r.name for r in judged(numbers)] == ["holdout", "constant", "r2 >= mean + 0.01", "rmse < champion"]


def test_too_few_rows_or_one_class_are_judged_by_nothing_else(helpers, seen):
    few = judged(helpers.evidence(seen[0][:150], seen[1][:150], rules=["auc >= 0.1"]))
    assert [(r.name, r.passed) for r in few] == [("holdout", False)]
    assert few[0].reason == "150 rows of 150 can be judged on; asked for: at least 200."
    same = judged(helpers.evidence(np.ones(300), np.linspace(0, 1, 300)))
    assert [r.passed for r in same] == [False]
    assert "all of them have the label 1" in same[0].reason


def test_no_segment_may_fall_below_its_floor(helpers, seen):
    labels, chance = seen[0], seen[1].copy()
    county = np.array(["Adams", "Brown", "Clark", "Dane"])[np.arange(4000) % 4]
    chance[county == "Clark"] = np.random.default_rng(0).random(1000)
    county[:150] = "Erie"
    evidence = helpers.evidence(labels, chance, rows={"county": county})
    result = judge({"segment": "county", "metric": "auc", "floor": 0.6}, evidence)
    assert (result.passed, result.segment) == (False, "Clark")
    assert {s.segment: s.passed for s in result.segments} == {
        "Clark": False,
        "Adams": True,
        "Brown": True,
        "Dane": True,
    }
    clark = county == "Clark"
    assert result.value == pytest.approx(sk.roc_auc_score(labels[clark], chance[clark]))
    assert result.reason.startswith(
        f"auc fails in 1 of 4 segments of county: Clark ({result.value:.4g}, {clark.sum()} rows)"
    )
    assert result.reason.endswith("Not judged: 1 segment with fewer than 200 rows.")
    assert judge({"segment": "county", "metric": "auc", "floor": 0.3}, evidence).passed
    loss = judge({"segment": "county", "metric": "log_loss", "ceiling": 0.6, "min_rows": 100}, evidence)
    assert (loss.passed, loss.segment, len(loss.segments)) == (False, "Clark", 5)


def test_segments_that_cannot_be_judged_are_said_and_none_at_all_fails(helpers, seen):
    labels = seen[0].copy()
    county = np.array(["Adams", "Brown"])[np.arange(4000) % 2]
    labels[county == "Brown"] = 1
    evidence = helpers.evidence(labels, seen[1], rows={"county": county})
    result = judge({"segment": "county", "metric": "auc", "floor": 0.5}, evidence)
    assert result.passed
    assert "Not judged: 1 in which auc is not defined." in result.reason
    nothing = judge({"segment": "county", "metric": "auc", "floor": 0.5, "min_rows": 3000}, evidence)
    assert (nothing.passed, nothing.value) == (False, None)
    assert nothing.reason.startswith("No segment of county could be judged.")


def test_calibration_is_the_mean_distance(helpers, seen):
    good, bad = (judge({"calibration": 0.05}, helpers.evidence(seen[0], s)) for s in (seen[1], seen[1] ** 3))
    assert (good.passed, bad.passed) == (True, False)
    assert bad.value == metric("binary", "ece").value(helpers.evidence(seen[0], seen[1] ** 3).challenger)


def test_groups_must_be_treated_alike(helpers, seen):
    group = np.array(["a", "b"])[np.arange(4000) % 2]
    scores = np.where(group == "a", seen[1], seen[1] - 0.2)
    evidence = helpers.evidence(seen[0], scores, rows={"group": group})
    result = judge({"fairness": "demographic_parity", "by": "group", "max": 0.1}, evidence)
    rates = [(scores[group == g] >= 0.5).mean() for g in "ab"]
    assert result.value == pytest.approx(rates[0] - rates[1])
    assert not result.passed
    assert [(s.segment, s.value) for s in result.segments] == [("b", rates[1]), ("a", rates[0])]
    chance = judge({"fairness": "equal_opportunity", "by": "group", "max": 0.5}, evidence)
    assert chance.passed
    one = judge({"fairness": "demographic_parity", "by": "group", "max": 0.1, "min_rows": 2500}, evidence)
    assert not one.passed
    assert "fewer than two groups" in one.reason


@pytest.mark.parametrize(
    ("table", "passed", "value"),
    [
        ({"data": "rows", "at_least": 1000}, True, 1000),
        ({"data": "rows", "at_least": 1001}, False, 1000),
        ({"data": "null_share", "column": "income", "at_most": 0.5}, True, 0.5),
        ({"data": "null_share", "column": "income", "at_most": 0.49}, False, 0.5),
        ({"data": "null_share", "column": "name", "at_most": 0.2}, False, 0.25),
        ({"data": "positive_rate", "at_least": 0.7, "at_most": 0.9}, True, 0.8),
        ({"data": "positive_rate", "at_least": 0.7, "at_most": 0.75}, False, 0.8),
    ],
)
def test_the_holdout_itself_must_be_fit(helpers, table, passed, value):
    rows = {
        "income": [None, float("nan"), 1.0, 2.0] * 250,
        "name": [None, "a", "b", ""] * 250,
    }
    evidence = helpers.evidence(np.arange(1000) % 5 > 0, np.linspace(0, 1, 1000), rows=rows)
    result = judge(table, evidence)
    assert (result.passed, result.value) == (passed, pytest.approx(value))
    assert result.bound in {table.get("at_least"), table.get("at_most")}


def test_the_same_evidence_gives_the_same_verdict(helpers, seen):
    first, second = (judged(helpers.evidence(seen[0], seen[1], seen[2], rules=["recall >= 0.6"])) for _ in range(2))
    assert first == second
    other = judge_metric(rule("auc > champion"), helpers.evidence(seen[0], seen[1], seen[2], seed=7))
    assert other.difference_interval != first[-2].difference_interval
