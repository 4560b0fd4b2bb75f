"""`churn`: generated customers, from raw tables to a model that is promoted, or is not."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
from pydantic import Field

import firnflow as ff
from churn import generator
from churn.decide import bar, summarise
from churn.preprocess import preprocess
from firnflow import steps

SPEND, SESSIONS, TICKETS = "monthly_spend", "sessions_per_month", "support_tickets_last_month"
ACCOUNT_AGE = "account_age_days"


NAME = "churn"


class ChurnParams(ff.Params):
    """What can be set. `seed` is the generator's; split, training and search have seeds of their own."""

    customers: int = Field(default=100_000, ge=1_000)
    churn_rate: float = Field(default=0.12, gt=0, lt=1)
    seed: int = Field(default=42, ge=0)
    as_of: dt.date = dt.date(2025, 1, 1)
    min_auc: float = 0.75
    columns: steps.Columns = steps.Columns(key="customer_id", label="churned", positive=True)
    joining: steps.Joining = steps.Joining(min_rate=0.95)
    cleaning: steps.Cleaning = steps.Cleaning(
        case="lower", clamp={"age": (18, 100), SPEND: (0, 1e6), ACCOUNT_AGE: (0, 36_525)}
    )
    splitting: steps.Splitting = steps.Splitting(test_share=0.2)
    imputing: steps.Imputing = steps.Imputing(numeric="median", text="mode")
    capping: steps.Capping = steps.Capping(columns=(SPEND, SESSIONS), factor=1.5, flags=True)
    deriving: steps.Deriving = steps.Deriving(
        logs=(SPEND, ACCOUNT_AGE),
        ratios=(
            (SPEND, SESSIONS),
            (TICKETS, SESSIONS),
            (SPEND, "age"),
            (SPEND, ACCOUNT_AGE),
            (SESSIONS, ACCOUNT_AGE),
            (TICKETS, ACCOUNT_AGE),
            (TICKETS, SPEND),
        ),
        products=(
            (TICKETS, SPEND),
            (TICKETS, SESSIONS),
            (SPEND, SESSIONS),
            (SPEND, ACCOUNT_AGE),
            ("age", ACCOUNT_AGE),
            ("age", SPEND),
        ),
        flags=(
            steps.Flag(column=SPEND, name="high_value", above_quantile=0.75),
            steps.Flag(column=SPEND, name="low_value", below_quantile=0.25),
            steps.Flag(column=SESSIONS, name="low_engagement", below_quantile=0.25),
            steps.Flag(column=TICKETS, name="many_tickets", above=2),
            steps.Flag(column=ACCOUNT_AGE, name="new_account", below=180),
            steps.Flag(column=ACCOUNT_AGE, name="old_account", above=1_825),
            steps.Flag(column="age", name="senior", above=64),
        ),
        bands={SPEND: 10, SESSIONS: 10, ACCOUNT_AGE: 10, "age": 5},
        groups={"region": (SPEND, SESSIONS, TICKETS, ACCOUNT_AGE)},
    )
    encoding: steps.Encoding = steps.Encoding()
    training: steps.Training = steps.Training(learning_rate=0.15, early_stopping=20)
    tuning: steps.Tuning = steps.Tuning()
    evaluating: steps.Evaluating = steps.Evaluating()
    gating: steps.Gating = steps.Gating(name=NAME)
    describing: steps.Describing = steps.Describing(
        intended_use="Rank customers by how likely they leave, so that somebody calls them in time.",
        out_of_scope="Prices, credit, or anything that a customer would have to accept.",
        limits=("Made-up customers: the reasons to leave are those of the generator.",),
    )
    reporting: steps.Reporting = steps.Reporting(title="Customer churn", positive="leaves", row="customers")


@ff.task
def generate_transactions(customers: int, churn_rate: float, seed: int, as_of: dt.date) -> pa.RecordBatchReader:
    """Make usage and label per customer, as a stream."""
    return generator.transactions(customers, churn_rate, seed, as_of)


@ff.task
def generate_demographics(customers: int, churn_rate: float, seed: int, as_of: dt.date) -> pa.RecordBatchReader:
    """Make age, region and account per customer, as a stream."""
    return generator.demographics(customers, churn_rate, seed, as_of)


@ff.pipeline(params=ChurnParams, finalizer=summarise)
def churn(p: Any) -> None:
    """Who is about to leave, and why: six steps from raw tables to a decision."""
    transactions = generate_transactions(p.customers, p.churn_rate, p.seed, p.as_of)
    demographics = generate_demographics(p.customers, p.churn_rate, p.seed, p.as_of)
    customers = preprocess(transactions, demographics, p.columns, p.joining, p.cleaning, p.as_of)
    train_set, test_set, quality = steps.split(customers, p.columns, p.splitting)

    imputed = steps.impute(train_set, p.columns, p.imputing)
    capped = steps.cap_outliers(train_set, p.columns, p.capping, imputed)
    derived = steps.derive(train_set, p.columns, p.deriving, capped)
    fitted = steps.encode(train_set, p.columns, p.encoding, derived)
    train_features = steps.transform.options(name="train_features")(train_set, fitted)
    test_features = steps.transform.options(name="test_features")(test_set, fitted)

    trials, _ = steps.tune(train_features, p.columns, p.training, p.tuning, generations=1)
    model = steps.train(train_features, fitted, trials, quality)

    evaluation, _ = steps.evaluate(model, test_features, p.evaluating)
    steps.report(evaluation, p.reporting, trials)

    registered = steps.register(model, NAME, evaluation, describing=p.describing)
    gated = steps.gate(model, test_set, bar(p.gating, p.min_auc), registered)
    steps.promote(registered, gated.verdict)
