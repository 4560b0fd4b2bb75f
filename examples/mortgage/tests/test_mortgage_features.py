"""Windows that do not look ahead, against a slow reference that reads row by row."""

from __future__ import annotations

import datetime as dt

import ibis
import numpy as np
import pandas as pd
import pytest

from firnflow import steps
from mortgage import features, generator

COLUMNS = steps.Columns(key="LOAN_ID", label="MORTGAGERESPONSE", positive=1)


@pytest.fixture(scope="module")
def raw():
    table = generator.applications(1_500, 0.78, 0.15, 120, 3, dt.date(2025, 1, 1)).read_all().to_pandas()
    table.loc[100:160, ["TS", "COUNTY_NAME"]] = [table.TS[100], table.COUNTY_NAME[100]]  # many at one moment
    return table


def engineered(raw):
    table = ibis.duckdb.connect().create_table("applications", raw)
    return features.engineer(table, COLUMNS).to_pandas().set_index("LOAN_ID").sort_index()


def reference(raw):
    rows = {}
    for row in raw.itertuples():
        same = raw[(raw.COUNTY_NAME == row.COUNTY_NAME) & (row.TS > raw.TS)]
        recent = same[row.TS - pd.Timedelta(days=features.WINDOW_DAYS) <= same.TS]
        rows[row.LOAN_ID] = (same.APPLICANT_INCOME_000s.mean() * 1000, recent.LOAN_AMOUNT_000s.mean() * 1000)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["income", "loan"]).sort_index()


def test_windows_equal_the_slow_reference(raw):
    table, expected = engineered(raw), reference(raw)
    np.testing.assert_allclose(table.mean_county_income, expected.income, rtol=1e-9)
    np.testing.assert_allclose(table.mean_county_loan_30d, expected.loan, rtol=1e-9)
    assert expected.loan.isna().sum() > 0


def test_the_future_changes_nothing(raw):
    cut = raw.TS.sort_values().iloc[1_000]
    past = engineered(raw[cut >= raw.TS])
    pd.testing.assert_frame_equal(past, engineered(raw).loc[past.index])


def test_a_missing_income_stays_missing(raw):
    table = engineered(raw)
    missing = raw.set_index("LOAN_ID").sort_index().APPLICANT_INCOME_000s.isna()
    assert table.income.isna().equals(missing)
    assert table.income_loan_ratio.isna().equals(missing)
    assert table.high_income_flag[missing].isna().all()


def test_numbers_are_what_their_names_say(raw):
    table = engineered(raw)
    first = raw.set_index("LOAN_ID").sort_index()
    assert (table.loan_amount == first.LOAN_AMOUNT_000s * 1000).all()
    assert (table.day_of_week == first.TS.dt.dayofweek).all()
    assert (table.month == first.TS.dt.month).all()
