"""The telco pipeline's tasks on made-up customers."""

from __future__ import annotations

import ibis
import pyarrow as pa
import pytest

from churn.telco import TelcoParams, telco
from firnflow import steps

QUICK = steps.Training(rounds=80, early_stopping=10, learning_rate=0.2, max_depth=2)


@pytest.mark.slow
def test_the_steps_find_the_reasons_in_the_telco_layout(telco_table):
    p = TelcoParams(training=QUICK)
    table = ibis.duckdb.connect().create_table("customers", pa.Table.from_pandas(telco_table, preserve_index=False))
    customers = steps.clean(table, p.columns.key, p.cleaning)
    new = (telco_table.tenure == 0).sum()
    assert customers.TotalCharges.isnull().sum().execute() == new > 0
    parts = steps.split(customers, p.columns, p.splitting)
    found = steps.impute(parts.train, p.columns, p.imputing)
    found = steps.derive(parts.train, p.columns, p.deriving, found)
    found = steps.encode(parts.train, p.columns, p.encoding, found)
    train, test = steps.transform(parts.train, found), steps.transform(parts.test, found)
    trial = steps.cross_validate(train, p.columns, p.training)
    model = steps.train(train, found, [trial])
    evaluation, predictions = steps.evaluate(model, test, p.evaluating)
    assert evaluation.roc_auc > 0.78
    strongest = [weight.feature for weight in evaluation.importance[:3]]
    assert "Contract_month_to_month" in strongest
    assert "tenure" in strongest
    assert predictions.num_rows == evaluation.rows
    assert steps.report(evaluation, p.reporting, [trial]).startswith("<!doctype html>")


def test_the_pipeline_reads_the_catalog():
    assert telco.build().tasks["customers"].key == "firnflow:source"
