"""370,000 applications, 78 % approved, a fifth held out: what must not be promoted is not, and for the reason."""

from __future__ import annotations

import functools

import ibis
import numpy as np
import pyarrow as pa
import pytest

from firnflow import steps
from firnflow.models.gates.evaluate import evaluate_gates
from firnflow.models.gates.evidence import Champion
from firnflow.models.gates.settings import Gating
from firnflow.values.model import Model

pytest.importorskip("xgboost")
pytestmark = pytest.mark.slow

ROWS = 370_000
COLUMNS = steps.Columns(key="loan", label="approved")
GATING = Gating(name="mortgage", rules=["accuracy >= 0.7", "recall >= 0.6"])


@pytest.fixture(scope="module")
def connection():
    found = ibis.duckdb.connect()
    yield found
    found.disconnect()


@pytest.fixture(scope="module")
def parts(connection):
    rng = np.random.default_rng(0)
    county, purpose = rng.integers(0, 30, ROWS), rng.choice(3, ROWS, p=[0.48, 0.4, 0.12])
    income, amount = rng.lognormal(4.4, 0.6, ROWS), rng.lognormal(5.2, 0.6, ROWS)
    odds = 1.7 + 1.1 * np.log(income / amount * 2.2) + rng.normal(0, 0.4, 30)[county] - 0.7 * (purpose == 2)
    table = pa.table(
        {
            "loan": np.arange(ROWS),
            "amount": amount,
            "income": pa.array(income, mask=rng.random(ROWS) < 0.15),
            "county": np.array([f"county {i}" for i in range(30)])[county],
            "purpose": np.array(["purchase", "refinancing", "improvement"])[purpose],
            "approved": (rng.random(ROWS) < 1 / (1 + np.exp(-odds))).astype("int8"),
        }
    )
    rate = np.mean(table["approved"])
    assert 0.75 < rate < 0.81
    found = steps.split(connection.create_table("applications", table), COLUMNS, steps.Splitting())
    return found._replace(
        train=connection.create_table("train", found.train), test=connection.create_table("test", found.test)
    )


@pytest.fixture(scope="module")
def fit(parts, connection):
    """Return a function that trains a model, on labels shuffled by this seed if wished."""

    @functools.cache
    def prepared(shuffled):
        table = parts.train
        if shuffled is not None:
            rows = table.to_pyarrow()
            labels = rows["approved"].take(pa.array(np.random.default_rng(shuffled).permutation(rows.num_rows)))
            rows = rows.set_column(rows.column_names.index("approved"), "approved", labels)
            table = connection.create_table(ibis.util.gen_name("shuffled"), rows)
        found = steps.impute(table, COLUMNS, steps.Imputing())
        found = steps.encode(table, COLUMNS, steps.Encoding(max_values=40), found)
        return found, connection.create_table(ibis.util.gen_name("features"), found.apply(table))

    def fit(*, seed=1, shuffled=None, **training):
        found, features = prepared(shuffled)
        settings = {
            "rounds": 40,
            "folds": 2,
            "early_stopping": 5,
            "learning_rate": 0.3,
            "cv_rows": 60_000,
            "threads": 2,
        }
        trial = steps.cross_validate(features, COLUMNS, steps.Training(**{**settings, "seed": seed, **training}))
        return steps.train(features, found, [trial], parts.quality)

    return fit


@pytest.fixture(scope="module")
def champion(fit):
    return Champion(1, fit())


def failed(verdict):
    return {result.name: result.reason for result in verdict.results if not result.passed}


def with_threshold(model, threshold):
    signature = {**model.signature, "output": {**model.signature["output"], "threshold": threshold}}
    return Model(
        model.estimator, model.features, model.preprocessing, {**model.metadata, "threshold": threshold}, signature
    )


def test_a_good_model_is_promoted_when_there_is_no_champion(champion, parts):
    verdict = evaluate_gates(GATING, champion.model, None, parts.test)
    assert verdict.decision == "promote", verdict.markdown()
    assert verdict.holdout.rows == 74_000


@pytest.mark.parametrize("there_is_a_champion", [False, True])
def test_who_approves_everyone_is_rejected_where_accuracy_is_high(champion, parts, there_is_a_champion):
    everyone = with_threshold(champion.model, 0.0)
    verdict = evaluate_gates(GATING, everyone, champion if there_is_a_champion else None, parts.test)
    assert verdict.decision == "reject"
    assert verdict.metrics["accuracy"] > 0.75
    assert next(r for r in verdict.results if r.name == "accuracy >= 0.7").passed
    reasons = failed(verdict)
    assert "the model decides 1 for all 74,000 rows" in reasons["constant"]
    assert (
        "always deciding for the more frequent class gives 0.5: the difference of 0"
        in (reasons["balanced_accuracy > majority"])
    )


def test_a_model_without_trees_to_speak_of_is_rejected(fit, parts):
    constant = fit(rounds=1, min_child_weight=1e9)
    reasons = failed(evaluate_gates(GATING, constant, None, parts.test))
    assert "for all 74,000 rows: the model tells nothing apart" in reasons["constant"]
    assert {"roc_auc > majority", "d2_log_loss >= majority + 0.01"} <= set(reasons)


@pytest.mark.parametrize(("threshold", "seed"), [("f1", 1), ("youden", 2)])
def test_a_model_of_shuffled_labels_is_rejected(fit, parts, champion, threshold, seed):
    """Also where it orders the rows better than chance: it does so by luck, and its probabilities hardly differ."""
    model = fit(seed=seed, shuffled=seed, threshold=threshold)
    alone = failed(evaluate_gates(GATING, model, None, parts.test))
    assert "is not at least +0.01" in alone["d2_log_loss >= majority + 0.01"]
    assert "is a loss" in failed(evaluate_gates(GATING, model, champion, parts.test))["roc_auc > champion"]


def test_the_luckiest_of_equal_models_is_rejected(fit, parts, champion):
    """Another seed is no better model: the best of four is ahead of the champion, and that is noise."""
    verdicts = [
        evaluate_gates(GATING, fit(seed=seed, subsample=0.7), champion, parts.test) for seed in (11, 12, 13, 14)
    ]
    luckiest = max(verdicts, key=lambda verdict: verdict.metrics["roc_auc"])
    gap = luckiest.metrics["roc_auc"] - luckiest.champion_metrics["roc_auc"]
    assert abs(gap) < 0.001
    assert luckiest.decision == "reject"
    assert list(failed(luckiest)) == ["roc_auc > champion"]


def test_a_model_that_is_better_is_promoted(fit, parts, champion):
    weak = Champion(7, fit(rounds=3, max_depth=2, learning_rate=0.1))
    verdict = evaluate_gates(GATING, champion.model, weak, parts.test)
    assert verdict.decision == "promote", verdict.markdown()
    assert verdict.champion == 7
