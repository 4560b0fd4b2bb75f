"""`cookies_etl`, `cookies_train`, `cookies_predict`: from the feeds of a day to what new customers will order."""

from __future__ import annotations

from typing import Any

import firnflow as ff
from cookies import learning
from cookies.families import ALL, FAMILIES, PLAIN, Learning, roles
from cookies.joining import join
from cookies.names import DAY, KEY, NEWCOMERS, ORDERS, PREDICTIONS, SCORES, TARGETS, TOTAL, model_name
from cookies.predicting import of_day, predict, together
from cookies.report import report
from firnflow import steps

DAYS = ff.Daily(start="2026-01-01")
ORDERED = ff.Checks(
    columns={KEY: ff.Column(type="string", null=False, unique=True), TOTAL: ff.Column(warn={"min": 1, "drift": 0.25})},
    warn={"row_change": {"min": 0.5, "max": 2}},
)
"""What must hold before a day's orders are published, and what is only said."""


class TrainParams(ff.Params):
    """How models are made, and what they must show."""

    splitting: steps.Splitting = steps.Splitting(test_share=0.2, stratify=False, on_failure="warn")
    imputing: steps.Imputing = steps.Imputing(numeric="median", text="missing")
    encoding: steps.Encoding = steps.Encoding()
    learning: Learning = Learning()
    gating: steps.Gating = steps.Gating(
        name="cookies", primary="r2", min_rows=100, rules=("r2 >= 0.15", "r2 >= baseline - 0.03")
    )
    describing: steps.Describing = steps.Describing(
        intended_use="Say how many boxes to have ready for those who are trying cookies this week.",
        out_of_scope="Prices, credit, or who may order.",
        limits=("Made-up customers: what they order is the generator's.",),
    )


@ff.pipeline(partition=DAYS, schedule=ff.OnUpdate(source="orders") & ff.OnUpdate(source="trial_customers"))
def cookies_etl(partition: Any) -> None:
    """Load the feeds of a day, join them, publish what was ordered and who is new."""
    found = join(ff.source("orders"), ff.source("trial_customers"), partition.day)
    found.orders.publish(ORDERS, mode="partition", partition=DAY, key=KEY, checks=ORDERED)
    found.newcomers.publish(NEWCOMERS, mode="partition", partition=DAY, key=(DAY, KEY))


@ff.pipeline(params=TrainParams, schedule=ff.OnUpdate(ORDERS))
def cookies_train(p: Any) -> None:
    """Learn each target with the family that cross-validation prefers; what passes its gate becomes champion."""
    train_set, test_set, quality = steps.split(ff.table(ORDERS), ALL, p.splitting)
    imputed = steps.impute(train_set, roles(TOTAL), p.imputing)
    fitted = steps.encode(train_set, roles(TOTAL), p.encoding, imputed)
    trials = learning.try_out.cross_map(train_set, fitted, list(TARGETS), list(FAMILIES), p.learning)
    choices = learning.choose(trials)
    plain_ones = [learning.Choice(target=target, family=PLAIN) for target in TARGETS]
    fit = learning.fit
    fitted_models = fit.map(train_set, fitted, choices, quality, p.learning)
    plain = fit.options(name="fit_plain").map(train_set, fitted, plain_ones, quality, p.learning)
    figures = learning.measure.map(fitted_models, plain, test_set)
    names = [model_name(target) for target in TARGETS]
    registered = steps.register.map(fitted_models, names, figures=figures, describing=p.describing)
    gated = steps.gate.map(fitted_models, test_set, learning.rules_of(p.gating), registered, plain)
    promoted = steps.promote.map(registered, gated.verdict)
    report(choices, gated.verdict, promoted)
    learning.score(choices, figures, promoted).publish(SCORES)


@ff.pipeline(partition=DAYS, schedule=ff.OnUpdate(NEWCOMERS) & ff.OnUpdate(SCORES))
def cookies_predict(partition: Any) -> None:
    """Predict what those will order who began their trial on a day."""
    customers = of_day(ff.table(NEWCOMERS), partition.day)
    predictions = predict.map(customers, list(TARGETS))
    together(predictions).publish(PREDICTIONS, mode="partition", partition=DAY, key=(DAY, KEY, "target"))
