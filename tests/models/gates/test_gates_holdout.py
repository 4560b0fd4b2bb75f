"""Two models, each with its own preprocessing, on rows that neither has seen."""

from __future__ import annotations

import ibis
import numpy as np
import pyarrow as pa
import pytest

from firnflow import steps
from firnflow.errors import DataError, SignatureError, UsageError
from firnflow.models.gates.evaluate import evaluate_gates
from firnflow.models.gates.evidence import Champion
from firnflow.models.gates.holdout import gather
from firnflow.models.gates.settings import Gating
from firnflow.models.prediction import Predictor
from firnflow.values.model import Model

pytest.importorskip("xgboost")

COLUMNS = steps.Columns(key="id", label="left", positive="yes")
QUICK = steps.Training(rounds=12, folds=2, early_stopping=5, learning_rate=0.3, max_depth=2)


@pytest.fixture(scope="module")
def connection():
    found = ibis.duckdb.connect()
    yield found
    found.disconnect()


@pytest.fixture(scope="module")
def people(connection):
    rng = np.random.default_rng(0)
    count = 4000
    spend, calls = rng.gamma(2.0, 30.0, count), rng.poisson(2.0, count)
    plan = rng.choice(["basic", "plus", "pro"], count)
    risk = 0.03 * (spend - 60) + 0.8 * (calls - 2) + 1.0 * (plan == "basic") - 0.5
    left = np.where(rng.random(count) < 1 / (1 + np.exp(-risk)), "yes", "no")
    return connection.create_table(
        "people",
        pa.table(
            {
                "id": [f"c-{i}" for i in range(count)],
                "spend": pa.array(spend, mask=rng.random(count) < 0.05),
                "calls": calls,
                "plan": plan,
                "left": left,
            }
        ),
    )


def fitted(people, connection, seed=42, fill="median", drop=()):
    """Return a model, and the raw test part."""
    parts = steps.split(people.drop(*drop), COLUMNS, steps.Splitting(seed=seed))
    train = connection.create_table(ibis.util.gen_name("train"), parts.train)
    found = steps.impute(train, COLUMNS, steps.Imputing(numeric=fill, indicators=fill == "zero"))
    found = steps.encode(train, COLUMNS, steps.Encoding(), found)
    features = connection.create_table(ibis.util.gen_name("features"), found.apply(train))
    model = steps.train(features, found, [steps.cross_validate(features, COLUMNS, QUICK)], parts.quality)
    return model, connection.create_table(ibis.util.gen_name("test"), parts.test)


@pytest.fixture(scope="module")
def first(people, connection):
    return fitted(people, connection)


@pytest.fixture(scope="module")
def second(people, connection):
    """Of another division, with other features."""
    return fitted(people, connection, seed=7, fill="zero", drop=("calls",))


def gating(**changes):
    return Gating(**{"name": "leavers", "resamples": 100, **changes})


def keys(table):
    return set(table.to_pyarrow()["id"].to_pylist())


def test_each_model_is_asked_with_its_own_preprocessing(first, second):
    model, test = first
    champion = second[0]
    assert champion.features != model.features
    evidence = gather(gating(), model, Champion(1, champion), test)
    raw = evidence.rows
    assert raw["id"].to_pylist() == sorted(raw["id"].to_pylist())
    assert set(raw.column_names) == {"id", "left", "spend", "calls", "plan"}
    for scored, asked in ((evidence.challenger, model), (evidence.champion, champion)):
        assert (scored.scores == Predictor(asked)(raw)["probability"].to_numpy()).all()
        assert scored.threshold == asked.metadata["threshold"]
    assert (evidence.labels == raw["left"].to_numpy()).all()
    verdict = evaluate_gates(gating(), model, Champion(1, champion), test)
    assert verdict.champion == 1
    assert verdict.metrics["roc_auc"] > verdict.champion_metrics["roc_auc"]


def test_rows_that_the_champion_may_have_seen_do_not_count(first, second):
    model, test = first
    champion, other = second
    evidence = gather(gating(), model, Champion(1, champion), test)
    expected = keys(test) & keys(other)
    assert set(evidence.rows["id"].to_pylist()) == expected
    use = evidence.use
    assert (use.given, use.rows, use.seen_by_champion) == (800, len(expected), 800 - len(expected))
    assert evidence.notes == ()
    verdict = evaluate_gates(gating(min_rows=200), model, Champion(1, champion), test)
    assert verdict.decision == "reject"
    assert [r.name for r in verdict.results] == ["holdout"]
    assert f"{len(expected)} rows of 800 can be judged on" in verdict.results[0].reason
    assert f"(without {800 - len(expected)} that the champion could have learnt from)" in verdict.results[0].reason


def test_a_baseline_is_compared_on_the_rows_that_nobody_has_seen(first, second):
    model, test = first
    plain, other = second
    rules = gating(rules=("roc_auc >= baseline - 0.5", "roc_auc > baseline + 0.3"), min_rows=100)
    verdict = evaluate_gates(rules, model, None, test, baseline=plain)
    use = verdict.holdout
    assert (use.rows, use.seen_by_baseline) == (len(keys(test) & keys(other)), 800 - use.rows)
    kept, broken = verdict.results[-2:]
    assert (kept.passed, broken.passed, verdict.decision) == (True, False, "reject")
    assert kept.reference == "baseline"
    assert kept.reference_value == pytest.approx(verdict.baseline_metrics["roc_auc"])
    assert kept.difference == pytest.approx(verdict.metrics["roc_auc"] - verdict.baseline_metrics["roc_auc"])
    assert "the baseline model has" in broken.reason
    same = evaluate_gates(gating(rules=("roc_auc >= baseline",)), model, None, test, baseline=model)
    assert (same.results[-1].passed, same.results[-1].difference) == (True, 0)


def test_a_rule_about_a_baseline_wants_one(first):
    model, test = first
    with pytest.raises(
        UsageError, match=r"`roc_auc >= baseline` needs another model.*Mend: steps\.gate\(…, baseline=model"
    ):
        evaluate_gates(gating(rules=("roc_auc >= baseline",)), model, None, test)


def test_of_the_same_division_all_rows_count(first):
    model, test = first
    evidence = gather(gating(), model, Champion(1, model), test)
    assert (evidence.use.rows, evidence.use.seen_by_champion, evidence.use.seen_by_challenger) == (800, 0, 0)


def test_training_rows_given_by_mistake_do_not_count(first, people):
    model, test = first
    evidence = gather(gating(), model, None, people)
    assert set(evidence.rows["id"].to_pylist()) == keys(test)
    assert evidence.use.seen_by_challenger == 3200


def test_a_model_that_says_nothing_of_its_division_is_noted(first):
    model, test = first
    silent = Model(model.estimator, model.features, model.preprocessing, {"threshold": 0.5}, model.signature)
    evidence = gather(gating(), silent, Champion(1, silent), test)
    assert evidence.use.rows == 800
    assert [note.split(" learnt")[0] for note in evidence.notes] == [
        "Which rows the model",
        "Which rows the champion",
    ]
    other = Model(
        model.estimator,
        model.features,
        model.preprocessing,
        {"holdout": {**model.metadata["holdout"], "key": "customer"}},
        model.signature,
    )
    assert len(gather(gating(), model, Champion(1, other), test).notes) == 1


def test_the_label_is_read_raw_or_as_split_leaves_it(first, people, connection):
    model, test = first
    ids = connection.create_table(ibis.util.gen_name("ids"), test.select("id"))
    raw = gather(gating(), model, None, people.semi_join(ids, "id"))
    split = gather(gating(), model, None, test)
    assert raw.use.digest == split.use.digest
    assert (raw.labels == split.labels).all()
    flags = people.mutate(left=people.left == "yes").semi_join(ids, "id")
    assert gather(gating(), model, None, flags).use.digest == split.use.digest
    with pytest.raises(DataError, match="it must be 0 and 1, or two values of which 'yes' is one"):
        gather(gating(), model, None, people.mutate(left=people.left.upper()))


def test_rows_without_a_label_do_not_count(first):
    model, test = first
    holes = test.mutate(left=ibis.ifelse(test.calls == 0, None, test.left))
    without = int((test.calls == 0).sum().execute())
    use = gather(gating(), model, None, holes).use
    assert (use.given, use.rows, use.unlabelled) == (800, 800 - without, without)


def test_the_digest_is_of_keys_and_labels(first):
    model, test = first
    digest = gather(gating(), model, None, test).use.digest
    assert gather(gating(), model, None, test.order_by(ibis.desc("spend"))).use.digest == digest
    assert gather(gating(), model, None, test.limit(700)).use.digest != digest
    assert gather(gating(), model, None, test.mutate(left=1 - test.left)).use.digest != digest


def test_of_very_many_rows_a_sample_is_judged_and_said(first, connection):
    model, test = first
    many = test.cross_join(ibis.range(5).unnest().name("copy").as_table())
    many = many.mutate(id=many.id + "/" + many.copy.cast("string")).drop("copy")
    silent = Model(model.estimator, model.features, model.preprocessing, {"threshold": 0.5}, model.signature)
    evidence = gather(gating(max_rows=1000), silent, None, many)
    assert 850 < evidence.use.rows < 1150
    assert evidence.use.given == 4000
    assert evidence.notes[-1] == "A sample of about 1,000 of 4,000 rows was judged: gating.max_rows."
    again = gather(gating(max_rows=1000), silent, None, many.order_by("spend"))
    assert again.use.digest == evidence.use.digest


def test_columns_that_rules_read_are_taken_along_and_missed_by_name(first):
    model, test = first
    test = test.mutate(region=test.plan.upper(), day=test.calls)
    rules = [{"segment": "region", "metric": "auc", "floor": 0.1}, "auc >= last"]
    evidence = gather(gating(rules=rules, time="day"), model, None, test)
    assert {"region", "day"} <= set(evidence.rows.column_names)
    with pytest.raises(DataError, match=r"the table has no column 'regoin'\. Did you mean 'region'\?"):
        gather(gating(rules=[{"segment": "regoin", "metric": "auc", "floor": 0.1}]), model, None, test)
    with pytest.raises(DataError, match="the table has no column 'left'"):
        gather(gating(), model, None, test.drop("left"))
    with pytest.raises(SignatureError, match="'spend'"):
        gather(gating(), model, None, test.drop("spend"))


def test_a_champion_that_cannot_be_asked_is_not_beaten(first, second):
    model, test = second  # does not read `calls`
    champion = Champion(4, first[0])
    verdict = evaluate_gates(gating(min_rows=20), model, champion, test)
    assert verdict.decision == "reject"
    failed = [result for result in verdict.results if not result.passed]
    assert [result.name for result in failed] == ["roc_auc > champion"]
    assert "the champion could not be asked" in failed[0].reason
    assert "'calls'" in failed[0].reason
    assert verdict.champion_metrics == {}
    assert evaluate_gates(gating(min_rows=20, off=["champion"]), model, champion, test).decision == "promote"


@pytest.mark.parametrize(("mode", "decision"), [("auto", "promote"), ("manual", "wait"), ("shadow", "shadow")])
def test_the_mode_makes_the_decision_of_a_model_that_passes(first, mode, decision):
    model, test = first
    assert evaluate_gates(gating(mode=mode), model, None, test).decision == decision
    assert evaluate_gates(gating(mode=mode, rules=["auc >= 0.999"]), model, None, test).decision == "reject"


@pytest.mark.slow
def test_how_fast_and_how_large_a_model_is(first):
    model, test = first
    rules = [{"latency_ms": 5000}, {"latency_ms": 0.001}, {"size_mb": 5}, {"size_mb": 0.0001}]
    results = evaluate_gates(gating(rules=rules), model, None, test).results[-4:]
    assert [result.passed for result in results] == [True, False, True, False]
    assert {result.unit for result in results} == {"ms", "MB"}
    assert 0 < results[0].value < 1000
    assert 0.001 < results[2].value < 1


def test_models_without_columns_need_them_in_the_settings(first):
    sklearn = pytest.importorskip("sklearn.linear_model")
    model, test = first
    rows = test.filter(test.spend.notnull())
    frame = rows.to_pandas()
    estimator = sklearn.LogisticRegression().fit(frame[["spend", "calls"]], frame["left"])
    bare = Model(estimator, ("spend", "calls"))
    with pytest.raises(UsageError, match=r"gating\.columns = "):
        evaluate_gates(gating(), bare, None, rows)
    verdict = evaluate_gates(gating(columns=COLUMNS), bare, Champion(1, model), rows)
    assert verdict.results[0].passed
    assert "Which rows the model learnt from is not known" in verdict.notes[0]


def test_numbers_are_judged_too(connection):
    sklearn = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 2))
    rows = connection.create_table(
        "numbers", pa.table({"id": range(600), "a": x[:, 0], "b": x[:, 1], "y": 3 * x[:, 0] + rng.normal(size=600)})
    )
    frame = rows.to_pandas()
    good, bad = (Model(sklearn.LinearRegression().fit(frame[f], frame["y"]), tuple(f)) for f in (["a", "b"], ["b"]))
    settings = gating(columns=steps.Columns(key="id", label="y"), rules=["mae <= 1", "r2 >= 0.5"])
    verdict = evaluate_gates(settings, good, Champion(1, bad), rows)
    assert verdict.decision == "promote"
    assert verdict.primary == "rmse"
    verdict = evaluate_gates(settings, bad, Champion(1, good), rows)
    assert {r.name for r in verdict.results if not r.passed} == {
        *("r2 >= mean + 0.01", "rmse < champion", "mae <= 1", "r2 >= 0.5"),
    }
    with pytest.raises(DataError, match="not a number"):
        evaluate_gates(settings, good, None, rows.mutate(y=rows.y.cast("string")))
