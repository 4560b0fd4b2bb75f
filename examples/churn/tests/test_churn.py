"""The churn pipeline's tasks, called as the functions that they are."""

from __future__ import annotations

import ibis
import pytest

import firnflow as ff
from churn import decide, pipelines, preprocess
from firnflow import steps


@pytest.fixture(scope="module")
def prepared():
    p = pipelines.ChurnParams(customers=4_000)
    connection = ibis.duckdb.connect()
    raw = [
        connection.create_table(name, make(p.customers, p.churn_rate, p.seed, p.as_of).read_all())
        for name, make in (("t", pipelines.generate_transactions), ("d", pipelines.generate_demographics))
    ]
    customers = preprocess.preprocess(*raw, p.columns, p.joining, p.cleaning, p.as_of)
    parts = steps.split(customers, p.columns, p.splitting)
    found = steps.impute(parts.train, p.columns, p.imputing)
    found = steps.cap_outliers(parts.train, p.columns, p.capping, found)
    found = steps.derive(parts.train, p.columns, p.deriving, found)
    found = steps.encode(parts.train, p.columns, p.encoding, found)
    return p, customers, parts, found


def test_preprocessing_leaves_one_tidy_row_per_customer(prepared):
    table = prepared[1].execute()
    assert table.customer_id.is_unique
    assert set(table.region.dropna()) == {"north", "south", "east", "west", "central"}
    assert table.age.dropna().between(18, 100).all()
    assert table.account_age_days.between(0, 36_525).all()
    assert "account_created_date" not in table
    # Nothing is filled in before the split.
    assert table.monthly_spend.isna().any()


def test_there_are_more_than_forty_features_without_key_and_label(prepared):
    p, _, parts, found = prepared
    features = steps.transform(parts.train, found)
    names = features.columns[2:]
    assert features.columns[:2] == ("customer_id", "churned")
    assert len(names) >= 40
    assert not {p.columns.key, p.columns.label} & set(names)
    table = features.execute()
    for name in names:
        if name.endswith("_missing"):
            assert set(table[name]) == {0, 1}
    assert table["many_tickets"].sum() > 0


def test_the_graph_is_wired_as_drawn():
    graph = pipelines.churn.build()
    assert graph.finalizer is not None
    assert graph.tasks["tune.trial_0"].mapping.arguments == ("proposal",)
    assert set(graph.tasks) >= {"register", "gate", "promote"}
    assert type(graph).model_validate_json(graph.model_dump_json()) == graph


def test_the_bar_is_one_more_rule():
    gating = decide.bar(steps.Gating(name="churn", rules=("recall >= 0.1",)), 0.8)
    assert [str(rule) for rule in gating.rules] == ["recall >= 0.1", "roc_auc >= 0.8"]


def test_the_summary_says_what_happened(capsys):
    tasks = {"a": "succeeded", "b": "succeeded", "c": "failed"}
    decide.summarise(ff.RunSummary("r1", "churn", "failed", 1.25, tasks, "c: boom"))
    assert capsys.readouterr().out == "churn failed after 1.2 s: 1 failed, 2 succeeded\nfirst failure: c: boom\n"
