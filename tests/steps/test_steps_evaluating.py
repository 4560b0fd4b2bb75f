from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn import metrics as sk

from firnflow import context, steps
from firnflow.errors import DataError, UsageError
from firnflow.models.explanation.contributions import xgboost_cost
from firnflow.steps import _page
from firnflow.values.model import Model

QUICK = steps.Training(rounds=60, early_stopping=10, learning_rate=0.3, max_depth=2)


@pytest.fixture(scope="module")
def case(customers, columns, helpers):
    parts = steps.split(customers, columns, steps.Splitting())
    found = helpers.fitted(parts.train, columns)
    trial = steps.cross_validate(found.apply(parts.train), columns, QUICK)
    return steps.train(found.apply(parts.train), found, [trial]), found.apply(parts.test), trial


def test_figures_agree_with_the_predictions(case):
    model, test, trial = case
    token = context.enter(context.TaskContext("run", "evaluate", 1))
    try:
        evaluation, predictions = steps.evaluate(model, test, steps.Evaluating())
        metrics = context.current().metrics
    finally:
        context.leave(token)
    labels, probabilities, predicted = (predictions[n].to_numpy() for n in ("left", "probability", "predicted"))
    assert evaluation.roc_auc == pytest.approx(sk.roc_auc_score(labels, probabilities), rel=1e-5)
    assert evaluation.f1 == pytest.approx(sk.f1_score(labels, predicted), rel=1e-5)
    assert evaluation.rows == len(labels) == 400
    assert evaluation.positives == labels.sum()
    assert evaluation.threshold == trial.threshold
    assert (predicted == (probabilities >= trial.threshold)).all()
    counts = evaluation.confusion
    assert counts.true_positives + counts.false_negatives == evaluation.positives
    assert sum(evaluation.histogram.negatives) + sum(evaluation.histogram.positives) == 400
    assert metrics["roc_auc"] == evaluation.roc_auc
    assert evaluation.notes == ()


def test_predictions_have_one_row_per_key_with_reasons(case):
    model, test, _ = case
    _, predictions = steps.evaluate(model, test, steps.Evaluating())
    keys = predictions["id"].to_pylist()
    assert keys == sorted(test.id.execute().tolist())
    assert predictions.column_names == [
        *("id", "left", "probability", "predicted"),
        *("reason_1", "effect_1", "reason_2", "effect_2", "reason_3", "effect_3"),
    ]
    assert set(predictions["reason_1"].to_pylist()) <= set(model.features)
    effects = [np.abs(predictions[f"effect_{i}"].to_numpy()) for i in (1, 2, 3)]
    assert (effects[0] >= effects[1]).all()
    assert (effects[1] >= effects[2]).all()


def test_only_the_highest_get_reasons_where_there_are_many(case):
    model, test, _ = case
    evaluation, predictions = steps.evaluate(model, test, steps.Evaluating(reason_rows=25, summary_rows=50))
    explained = [r is not None for r in predictions["reason_1"].to_pylist()]
    probabilities = predictions["probability"].to_numpy()
    assert sum(explained) == evaluation.explained == 25
    assert probabilities[explained].min() >= probabilities[np.logical_not(explained)].max()
    assert evaluation.notes == (
        "Reasons are given for the 25 of 400 test rows with the highest probabilities.",
        "The summary of contributions is made from a sample of 50 of 400 test rows.",
    )


def test_a_budget_in_seconds_bounds_how_many_rows_are_explained(case):
    model, test, _ = case
    budget = 40 * xgboost_cost(model.estimator)
    evaluation, _ = steps.evaluate(model, test, steps.Evaluating(explain_seconds=budget))
    assert evaluation.explained in {39, 40}
    assert evaluation.notes[0].startswith(f"Reasons are given for the {evaluation.explained} of 400 test rows")
    assert evaluation == steps.evaluate(model, test, steps.Evaluating(explain_seconds=budget)).evaluation


def test_no_reasons_where_none_are_wanted(case):
    model, test, _ = case
    evaluation, predictions = steps.evaluate(model, test, steps.Evaluating(reason_rows=0))
    assert predictions.column_names == ["id", "left", "probability", "predicted"]
    assert evaluation.examples == ()


def test_the_same_whatever_the_order_of_rows(case):
    model, test, _ = case
    first = steps.evaluate(model, test, steps.Evaluating())
    second = steps.evaluate(model, test.order_by(test.id.desc()), steps.Evaluating())
    assert first.evaluation == second.evaluation
    assert first.predictions.equals(second.predictions)


def test_what_matters_is_on_top_and_has_the_right_direction(case):
    evaluation, _ = steps.evaluate(case[0], case[1], steps.Evaluating(top=3))
    names = [weight.feature for weight in evaluation.importance]
    assert any("calls" in name or "spend" in name for name in names[:2])
    assert [bool(weight.effects) for weight in evaluation.importance[:4]] == [True, True, True, False]
    contributions = [weight.contribution for weight in evaluation.importance]
    assert contributions == sorted(contributions, reverse=True)
    assert len(names) == evaluation.features
    assert sum(weight.gain for weight in evaluation.importance) == pytest.approx(1, abs=1e-3)


def test_each_figure_has_an_interval_around_it(case):
    evaluation, _ = steps.evaluate(case[0], case[1], steps.Evaluating())
    assert set(evaluation.intervals) == set(evaluation.figures) - {"threshold", "ece"}
    for name, ends in evaluation.intervals.items():
        assert ends.low < evaluation.figures[name] < ends.high, name
    auc = evaluation.intervals["roc_auc"]
    assert 0.04 < auc.high - auc.low < 0.14  # of 400 rows
    narrower, _ = steps.evaluate(case[0], case[1], steps.Evaluating(confidence=0.6))
    assert narrower.intervals["roc_auc"].low > auc.low
    other, _ = steps.evaluate(case[0], case[1], steps.Evaluating(seed=7))
    assert other.intervals != evaluation.intervals


def test_calibration_says_what_chance_leaves_open(case):
    evaluation, _ = steps.evaluate(case[0], case[1], steps.Evaluating())
    assert len(evaluation.calibration) == 10
    assert all(each.low < each.observed < each.high or each.observed in (0, 1) for each in evaluation.calibration)


class TestCosts:
    COSTS = steps.Costs(false_positive=1, false_negative=6)

    def priced(self, case, **settings):
        found, predictions = steps.evaluate(case[0], case[1], steps.Evaluating(costs=self.COSTS, **settings))
        labels, said = predictions["left"].to_numpy(), predictions["probability"].to_numpy()

        def cost(threshold: float) -> float:
            decided = said >= threshold
            return (decided & (labels == 0)).mean() + 6 * (~decided & (labels == 1)).mean()

        return found, cost

    def test_each_way_to_decide_has_its_cost(self, case):
        evaluation, cost = self.priced(case)
        pricing = evaluation.pricing
        assert pricing.own.threshold == evaluation.threshold == case[2].threshold
        assert pricing.own.cost == pytest.approx(cost(evaluation.threshold), rel=1e-5)
        assert pricing.by_costs.threshold == pytest.approx(1 / 7, rel=1e-5)
        assert pricing.by_costs.cost == pytest.approx(cost(1 / 7), rel=1e-5)
        assert pricing.nobody == pytest.approx(cost(2), rel=1e-5)
        assert pricing.everybody == pytest.approx(cost(0), rel=1e-5)
        assert pricing.lowest.cost == pytest.approx(min(cost(t) for t in np.linspace(0, 1, 3001)), abs=0.003)
        assert list(pricing.curve.x) == sorted(pricing.curve.x)
        assert len(pricing.curve.x) <= 200
        assert evaluation.figures["cost"] == pricing.own.cost
        ends = evaluation.intervals["cost"]
        assert ends.low < pricing.own.cost < ends.high

    def test_the_test_part_chooses_no_threshold(self, case):
        """The decisions are the same with and without costs."""
        plain, _ = steps.evaluate(case[0], case[1], steps.Evaluating())
        priced, _ = self.priced(case)
        assert plain.pricing is None
        assert plain.confusion == priced.confusion
        assert priced.pricing.lowest.threshold != priced.threshold
        assert "cost" not in plain.figures

    def test_held_out_folds_choose_the_cheapest(self, customers, columns, helpers):
        parts = steps.split(customers, columns, steps.Splitting())
        found = helpers.fitted(parts.train, columns)
        features = found.apply(parts.train)
        trials = [
            steps.cross_validate(
                features, columns, steps.Training.model_validate({**QUICK.model_dump(), "threshold": rule})
            )
            for rule in ("f1", self.COSTS.model_dump())
        ]
        assert trials[1].threshold < trials[0].threshold
        cost = []
        for trial in trials:
            model = steps.train(features, found, [trial])
            assert model.metadata["threshold"] == trial.threshold
            cost.append(self.priced((model, found.apply(parts.test), trial))[0].pricing.own.cost)
        assert cost[1] < cost[0]


def test_a_training_sample_is_in_the_notes(case):
    model, test, _ = case
    model = Model(model.estimator, model.features, model.preprocessing, {**model.metadata, "train_rows": 99})
    evaluation, _ = steps.evaluate(model, test, steps.Evaluating())
    assert evaluation.notes == ("The model learnt from a sample of 99 of 1,600 training rows.",)


def test_text_keys(make_table, columns, helpers):
    data = helpers.people(600)
    data["id"] = [f"key {i:05}" for i in data["id"].to_pylist()]
    table = make_table(**data)
    found = helpers.fitted(table, columns)
    features = found.apply(table)
    model = steps.train(features, found, [steps.cross_validate(features, columns, QUICK)])
    evaluation, predictions = steps.evaluate(model, features, steps.Evaluating(reason_rows=5))
    assert predictions["id"].to_pylist() == sorted(data["id"])
    assert evaluation.examples[0].key.startswith("key ")


def test_refusals(case):
    model, test, _ = case
    with pytest.raises(DataError, match="The test part lacks the model's features spend"):
        steps.evaluate(model, test.drop("spend"), steps.Evaluating())
    with pytest.raises(DataError, match="must be 0 and 1, both of them"):
        steps.evaluate(model, test.filter(test.left == 1), steps.Evaluating())
    with pytest.raises(DataError, match="has no rows"):
        steps.evaluate(model, test.filter(test.left == 5), steps.Evaluating())
    with pytest.raises(UsageError, match=r"reads models that `steps\.train` returned.* holds a dict"):
        steps.evaluate(Model({}), test, steps.Evaluating())


class TestReport:
    def page(self, case, **settings):
        model, test, trial = case
        evaluation, _ = steps.evaluate(model, test, steps.Evaluating())
        return _page.page(evaluation, steps.Reporting(**settings), [trial])

    def test_it_needs_nothing_from_elsewhere(self, case):
        page = self.page(case)
        assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
        assert not re.search(r"url\((?!#|[\"']?data:)", page)
        assert "@import" not in page
        assert "<script" not in page

    def test_it_has_every_figure_with_a_sentence(self, case):
        page = self.page(case)
        titles = ("ROC curve", "Precision and recall", "Calibration", "Spread of", "Importance", "In which direction")
        for title in titles:
            assert f"<h3>{title}" in page
        assert page.count("<svg") == page.count("<figcaption>") == len(titles)
        for heading in ("Decisions", "The surest predictions", "Search", "All figures"):
            assert f"<h2>{heading}" in page

    def test_it_is_the_same_bytes_again(self, case):
        assert self.page(case) == self.page(case)

    def test_colours_follow_the_page(self, case):
        page = self.page(case)
        assert "prefers-color-scheme: dark" in page
        assert "var(--ink)" in page
        assert "#01020" not in page

    def test_texts_are_escaped(self, case):
        model, test, trial = case
        evaluation, _ = steps.evaluate(model, test, steps.Evaluating())
        hostile = "<script>alert(1)</script>&\"'"
        weights = tuple(w.model_copy(update={"feature": hostile}) for w in evaluation.importance)
        examples = tuple(
            e.model_copy(
                update={"key": hostile, "reasons": tuple(r.model_copy(update={"feature": hostile}) for r in e.reasons)}
            )
            for e in evaluation.examples
        )
        evaluation = evaluation.model_copy(update={"importance": weights, "examples": examples, "notes": (hostile,)})
        page = _page.page(evaluation, steps.Reporting(title=hostile, positive=hostile, row=hostile), [trial])
        assert "<script" not in page
        assert "&lt;script&gt;" in page

    def test_costs_and_segments(self, case, customers):
        model, test, trial = case
        looking = steps.Evaluating(costs=steps.Costs(false_positive=10, false_negative=50), segments=("plan",))
        evaluation, _ = steps.evaluate(model, test, looking, rows=customers)
        assert "<h2>Costs" not in self.page(case)
        assert "<h2>Segments" not in self.page(case)
        page = _page.page(evaluation, steps.Reporting(unit="€"), [trial])
        assert "<h3>Cost by threshold" in page
        assert f'flagging nobody</td><td class="n">{50 * evaluation.positives / 400:.4g} €' in page
        assert "It is shown, not used" in page
        assert "<h3>Plan" in page
        assert "Left out: 2 with fewer than 100 rows" in page

    def test_names_of_segments_are_texts(self, case, make_table):
        model, test, trial = case
        keys = test.id.execute().tolist()
        hostile = ["<script>$x^2$</script>", "日本 $ & \u202e" * 9]
        rows = make_table(id=keys, **{"<b>": [hostile[i % 2] for i in range(len(keys))]})
        evaluation, _ = steps.evaluate(model, test, steps.Evaluating(segments=("<b>",)), rows=rows)
        page = _page.page(evaluation, steps.Reporting(), [trial])
        assert "<script" not in page
        assert "<b>" not in page.replace("<b>", "", page.count("</b>"))
        assert "&lt;script&gt;$x^2$" in page

    def test_without_trials_there_is_no_search(self, case):
        model, test, _ = case
        evaluation, _ = steps.evaluate(model, test, steps.Evaluating())
        assert "<h2>Search" not in _page.page(evaluation, steps.Reporting(), [])
