"""The tasks of the three pipelines, called as the functions that they are."""

from __future__ import annotations

import datetime as dt

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute
import pytest

import firnflow as ff
from cookies import families, learning, pipelines
from cookies.generator import feeds
from cookies.joining import join
from cookies.names import COOKIES, DAY, KEY, NEWCOMERS, ORDERS, SCORES, TARGETS, TOTAL, TRAITS
from cookies.predicting import of_day
from cookies.report import report
from firnflow import models, steps
from firnflow.models.gates.evaluate import evaluate_gates

TODAY = dt.date(2026, 1, 5)
P = pipelines.TrainParams(learning=families.Learning(trees=40, folds=3))


@pytest.fixture(scope="module")
def connection():
    return ibis.duckdb.connect()


@pytest.fixture(scope="module")
def joined(connection):
    made = feeds(TODAY, 700)
    return join(*(connection.create_table(n, getattr(made, n)) for n in ("orders", "trial_customers")), TODAY)


@pytest.fixture(scope="module")
def learnt(joined):
    """Return the parts, and a model and the plain one of Mandelbärli."""
    parts = steps.split(joined.orders, families.ALL, P.splitting)
    fitted = steps.encode(
        parts.train, families.roles(TOTAL), P.encoding, steps.impute(parts.train, families.roles(TOTAL), P.imputing)
    )
    made = [
        learning.fit(parts.train, fitted, learning.Choice(target="Mandelbärli", family=f), parts.quality, P.learning)
        for f in ("boosting", "lasso")
    ]
    return parts, fitted, *made


def test_who_has_ordered_is_learnt_from_and_who_has_not_is_new(joined):
    orders, new = joined.orders.to_pandas(), joined.newcomers.to_pandas()
    assert list(orders.columns) == [DAY, KEY, *TRAITS, *COOKIES, TOTAL]
    assert list(new.columns) == [DAY, KEY, *TRAITS]
    assert (len(orders), len(new)) == (700, 700)
    assert not set(orders[KEY]) & set(new[KEY])
    assert (orders[TOTAL] == orders["Läckerli"] + orders.Willisauer + orders["Mandelbärli"] + orders.Brownies).all()
    assert (new[DAY] == np.datetime64(TODAY)).all()


def test_orders_of_nobody_are_left_out_and_said(connection, caplog):
    made = feeds(TODAY, 10)
    people = made.trial_customers.filter(pa.compute.is_in(made.trial_customers[KEY], made.orders[KEY][2:]))
    tables = (connection.create_table(n, t) for n, t in (("some_orders", made.orders), ("fewer_people", people)))
    found = join(*tables, TODAY)
    assert (found.orders.count().execute(), found.newcomers.count().execute()) == (8, 0)
    assert "2 of 10 orders are left out" in caplog.text


def test_a_day_on_which_nobody_is_new_has_no_rows(joined):
    assert of_day(joined.newcomers, TODAY).count().execute() == 700
    assert of_day(joined.newcomers, dt.date(2026, 1, 6)).to_pyarrow().num_rows == 0


def test_cross_validation_chooses_and_of_equals_the_simplest_wins():
    said = {"ridge": [0.5, 0.5], "lasso": [0.5, 0.5], "boosting": [0.4, 0.5]}
    trials = [learning.Trial(target=t, family=f, folds=said[f]) for t in TARGETS for f in said]
    trials[-1] = trials[-1].model_copy(update={"folds": [0.9, 0.2]})
    choices = learning.choose(trials)
    assert [choice.target for choice in choices] == list(TARGETS)
    assert [choice.family for choice in choices] == ["ridge"] * 4 + ["boosting"]
    assert choices[0].r2 == {"ridge": 0.5, "lasso": 0.5, "boosting": 0.45}


def test_a_model_predicts_a_customer_alone_as_among_others(learnt, tmp_path):
    parts, _, model, _ = learnt
    models.save(model, tmp_path / "model.zip")
    stored = models.load(tmp_path / "model.zip")
    rows = parts.test.to_pyarrow().sort_by(KEY)
    together = models.predict(stored, rows)
    assert together[KEY].to_pylist() == rows[KEY].to_pylist()
    for place in (0, rows.num_rows - 1):
        alone = models.predict(stored, rows.slice(place, 1))
        assert alone["prediction"][0] == together["prediction"][place]
    strange = rows.slice(0, 1).set_column(
        rows.column_names.index("favorite_color"), "favorite_color", pa.array(["türkis"])
    )
    assert np.isfinite(models.predict(stored, strange)["prediction"][0].as_py())


def test_the_same_customers_in_another_order_give_the_same_model(learnt, connection, tmp_path):
    parts, fitted, *made = learnt
    shuffled = connection.create_table("shuffled", parts.train.to_pandas().sample(frac=1, random_state=1))
    for model in made:
        choice = learning.Choice(target="Mandelbärli", family=model.metadata["family"])
        again = learning.fit(shuffled, fitted, choice, parts.quality, P.learning)
        assert models.save(again, tmp_path / "a.zip") == models.save(model, tmp_path / "b.zip")


def test_boosting_finds_what_a_line_does_not_and_the_gate_sees_it(learnt):
    parts, _, model, lasso = learnt
    figures = learning.measure(model, lasso, parts.test)
    assert figures["r2"] > figures["plain_r2"] + 0.05 > 0.4
    (gating,) = [each for each in learning.rules_of(P.gating) if each.name == "cookies_mandelbaerli"]
    verdict = evaluate_gates(gating, model, None, parts.test, baseline=lasso)
    assert verdict.decision == "promote"
    assert verdict.notes == ()
    assert verdict.metrics["r2"] == pytest.approx(figures["r2"])
    assert verdict.baseline_metrics["r2"] == pytest.approx(figures["plain_r2"])
    choice = learning.Choice(target="Mandelbärli <b>", family="boosting", r2={"boosting": 0.61234})
    done = steps.Promoted(name=gating.name, version=1, action="promote", champion=1, reason="all <rules> passed")
    page = report([choice], [verdict], [done])
    assert "Mandelbärli &lt;b&gt;" in page
    assert "all &lt;rules&gt; passed" in page
    assert f"{figures['plain_r2']:.3f}" in page
    assert "0.612" in page


def test_each_pipeline_starts_the_next_one():
    etl, train, predict = (
        each.build() for each in (pipelines.cookies_etl, pipelines.cookies_train, pipelines.cookies_predict)
    )
    assert etl.schedule == ff.OnUpdate(source="orders") & ff.OnUpdate(source="trial_customers")
    assert train.schedule == ff.OnUpdate(ORDERS)
    assert predict.schedule == ff.OnUpdate(NEWCOMERS) & ff.OnUpdate(SCORES)
    assert etl.partition == predict.partition == pipelines.DAYS
    # Who ends a trial without an order that counts is new once more: by the key of both, on another day.
    assert etl.tasks["publish_new_customers"].inputs["key"].value == [DAY, KEY]
    assert train.tasks["try_out"].mapping.how == "cross"
    assert train.tasks["gate"].mapping.arguments == ("model", "gating", "registered", "baseline")
