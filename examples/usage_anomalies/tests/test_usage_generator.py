"""The made-up usage: in the view's layout, the same every time, with what makes real exports awkward."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter

import pyarrow as pa
import pytest

from firnflow.monitoring.labels import SCHEMA, labels_of
from usage_anomalies import generator
from usage_anomalies.generator import World

WORLD = World(days=400, missing=0.03)


@pytest.fixture(scope="module")
def rows():
    return generator.usage(WORLD).to_pylist()


def test_the_layout_is_that_of_the_view_and_the_warehouse_besides(rows):
    assert list(rows[0]) == [
        *("ORGANIZATION_NAME", "CONTRACT_NUMBER", "ACCOUNT_NAME", "ACCOUNT_LOCATOR", "REGION", "SERVICE_LEVEL"),
        *("USAGE_DATE", "USAGE_TYPE", "CURRENCY", "USAGE", "USAGE_IN_CURRENCY", "BALANCE_SOURCE"),
        *("BILLING_TYPE", "RATING_TYPE", "SERVICE_TYPE", "IS_ADJUSTMENT", "WAREHOUSE_NAME"),
    ]
    assert {row["USAGE_TYPE"] for row in rows if row["WAREHOUSE_NAME"]} == {"compute", "overage-compute"}


def test_the_same_world_has_the_same_rows_and_another_seed_others(rows):
    assert generator.usage(WORLD).to_pylist() == rows
    assert generator.usage(World(days=400, seed=7)).to_pylist() != rows


def test_exports_fail_warehouses_rest_and_bills_are_mended(rows):
    every = {WORLD.until - dt.timedelta(days=number) for number in range(WORLD.days)}
    usual = [row for row in rows if not row["IS_ADJUSTMENT"]]
    assert 3 <= len(every - {row["USAGE_DATE"] for row in usual}) <= 25
    by_warehouse = Counter(row["WAREHOUSE_NAME"] for row in usual)
    assert by_warehouse["DEVELOPING"] < by_warehouse["LOADING"]
    assert all(row["USAGE_IN_CURRENCY"] <= 0 for row in rows if row["IS_ADJUSTMENT"])
    assert any(row["IS_ADJUSTMENT"] for row in rows)


def test_the_truth_is_labels_that_do_not_overlap():
    table = pa.Table.from_pylist(generator.truth(WORLD), SCHEMA)
    labels = labels_of(table)
    assert len(labels) == table.num_rows > 20
    assert {label.anomaly for label in labels} == {True, False}
    for one, other in itertools.pairwise(labels):
        assert not one.overlaps(other), (one, other)
    assert {label.category for label in labels} <= {generator.name_of(each) for each in generator.CATEGORIES}
