"""`mortgage`: from applications to a model that is promoted by rules, or not; `mortgage_file`: the same on a file."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
from pydantic import Field

import firnflow as ff
from firnflow import steps
from mortgage import generator
from mortgage.features import engineer

NAME = "mortgage"


class Training(ff.Params):
    """What both pipelines have in common: how a model is made, and what it must show."""

    columns: steps.Columns = steps.Columns(key="LOAN_ID", label="MORTGAGERESPONSE", positive=1, ignore=("time",))
    splitting: steps.Splitting = steps.Splitting(test_share=0.2, max_mean_difference=0.15)
    imputing: steps.Imputing = steps.Imputing(numeric="median", text="missing")
    deriving: steps.Deriving = steps.Deriving(logs=("loan_amount", "income"))
    encoding: steps.Encoding = steps.Encoding(max_values=62)
    training: steps.Training = steps.Training(learning_rate=0.2, rounds=400, early_stopping=15, folds=3)
    tuning: steps.Tuning = steps.Tuning()
    evaluating: steps.Evaluating = steps.Evaluating(
        reason_rows=2_000,
        segments=("county", "purpose"),
        # A promise that is taken back, against a clerk's look at an application that would have been approved.
        costs=steps.Costs(false_positive=90, false_negative=30),
    )
    gating: steps.Gating = steps.Gating(name=NAME)
    metric: str = "recall"
    threshold: float = Field(default=0.7, ge=0, le=1)
    describing: steps.Describing = steps.Describing(
        intended_use="Rank applications by how likely they are approved: a clerk looks at the doubtful ones first.",
        out_of_scope="Deciding an application without a person.",
        limits=("Made-up applications of one year; a county's averages need some weeks of history.",),
    )
    reporting: steps.Reporting = steps.Reporting(
        title="Mortgage approvals", positive="is approved", row="applications", unit="dollars"
    )


class MortgageParams(Training):
    """The applications that are made up. Two seeds are two samples of one world."""

    applications: int = Field(default=370_000, ge=1_000)
    approval_rate: float = Field(default=0.78, gt=0, lt=1)
    missing_income: float = Field(default=0.15, ge=0, lt=1)
    days: int = Field(default=365, ge=31)
    seed: int = Field(default=42, ge=0)
    as_of: dt.date = dt.date(2025, 1, 1)


@ff.task
def generate(
    applications: int, approval_rate: float, missing_income: float, days: int, seed: int, as_of: dt.date
) -> pa.RecordBatchReader:
    """Make applications, as a stream."""
    return generator.applications(applications, approval_rate, missing_income, days, seed, as_of)


@ff.task
def bar(gating: steps.Gating, metric: str, threshold: float) -> steps.Gating:
    """Add `metric >= threshold` to the rules: the one that is set from the command line."""
    return steps.Gating.model_validate({**gating.model_dump(), "rules": (*gating.rules, f"{metric} >= {threshold}")})


@ff.task
def tidy_up(run: ff.RunSummary) -> None:
    """Say how the run went, and give up old versions, runs and data that nobody needs; runs last, whatever happened."""
    print(f"{run.pipeline} {run.status} after {run.seconds:.0f} s")  # noqa: T201 - what it is for
    if run.error:
        print(f"first failure: {run.error}")  # noqa: T201
    cleaned = steps.cleanup(NAME, steps.Cleanup(older_than_days=7, keep=3, data=True, dry_run=False))
    print(f"versions given up: {', '.join(cleaned.deleted) or 'none'}")  # noqa: T201


@ff.pipeline
def learn(p: Training, applications: Any) -> None:
    """Prepare, tune and train, evaluate, hold against the rules, promote or not."""
    rows = engineer(applications, p.columns)
    train_set, test_set, quality = steps.split(rows, p.columns, p.splitting)
    imputed = steps.impute(train_set, p.columns, p.imputing)
    derived = steps.derive(train_set, p.columns, p.deriving, imputed)
    fitted = steps.encode(train_set, p.columns, p.encoding, derived)
    train_features = steps.transform.options(name="train_features")(train_set, fitted)
    test_features = steps.transform.options(name="test_features")(test_set, fitted)
    trials, _ = steps.tune(train_features, p.columns, p.training, p.tuning, generations=2)
    model = steps.train(train_features, fitted, trials, quality)
    evaluation, _ = steps.evaluate(model, test_features, p.evaluating, rows=test_set)
    steps.report(evaluation, p.reporting, trials)
    registered = steps.register(model, NAME, evaluation, describing=p.describing)
    gated = steps.gate(model, test_set, bar(p.gating, p.metric, p.threshold), registered)
    steps.promote(registered, gated.verdict)


@ff.pipeline(params=MortgageParams, finalizer=tidy_up)
def mortgage(p: Any) -> None:
    """Will an application be approved? Made-up applications, any number of them."""
    applications = generate(p.applications, p.approval_rate, p.missing_income, p.days, p.seed, p.as_of)
    learn(p, applications)


@ff.pipeline(params=Training, finalizer=tidy_up)
def mortgage_file(p: Any) -> None:
    """The same for a file in the layout of the public data: `--input applications=PATH`."""
    learn(p, ff.source("applications"))
