"""`telco`: the same steps on a file of customers in the public Telco layout. Run it with `--input customers=PATH`."""

from __future__ import annotations

from typing import Any

import firnflow as ff
from firnflow import steps


class TelcoParams(ff.Params):
    """Everything that is particular to this file; the steps are the package's."""

    columns: steps.Columns = steps.Columns(key="customerID", label="Churn", positive="Yes")
    cleaning: steps.Cleaning = steps.Cleaning(numeric=("TotalCharges",))
    splitting: steps.Splitting = steps.Splitting()
    imputing: steps.Imputing = steps.Imputing()
    deriving: steps.Deriving = steps.Deriving(
        ratios=(("TotalCharges", "tenure"),),
        flags=(steps.Flag(column="tenure", name="first_half_year", below=6),),
        groups={"InternetService": ("MonthlyCharges",)},
    )
    encoding: steps.Encoding = steps.Encoding()
    training: steps.Training = steps.Training(learning_rate=0.05)
    tuning: steps.Tuning = steps.Tuning()
    evaluating: steps.Evaluating = steps.Evaluating()
    reporting: steps.Reporting = steps.Reporting(title="Telco churn", positive="leaves", row="customers")


@ff.pipeline(params=TelcoParams)
def telco(p: Any) -> None:
    """Who of a telephone company's customers is about to leave, and why."""
    customers = steps.clean(ff.source("customers"), p.columns.key, p.cleaning)
    train_set, test_set, quality = steps.split(customers, p.columns, p.splitting)
    imputed = steps.impute(train_set, p.columns, p.imputing)
    derived = steps.derive(train_set, p.columns, p.deriving, imputed)
    fitted = steps.encode(train_set, p.columns, p.encoding, derived)
    train_features = steps.transform.options(name="train_features")(train_set, fitted)
    test_features = steps.transform.options(name="test_features")(test_set, fitted)
    trials, _ = steps.tune(train_features, p.columns, p.training, p.tuning, generations=1)
    model = steps.train(train_features, fitted, trials, quality)
    evaluation, _ = steps.evaluate(model, test_features, p.evaluating)
    steps.report(evaluation, p.reporting, trials)
