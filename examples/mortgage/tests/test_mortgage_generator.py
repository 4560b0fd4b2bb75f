"""The raw data: in the layout of the public file, the same every time, of any size, with something to learn."""

from __future__ import annotations

import datetime as dt
import tracemalloc

import numpy as np
import pytest

from mortgage import generator

AS_OF = dt.date(2025, 1, 1)


def made(count, seed=42, rate=0.78, missing=0.15, days=365):
    return generator.applications(count, rate, missing, days, seed, AS_OF).read_all()


@pytest.fixture(scope="module")
def raw():
    return made(100_000).to_pandas()


def test_the_layout_is_that_of_the_public_file(raw):
    assert list(raw.columns) == [
        *("LOAN_ID", "TS", "LOAN_AMOUNT_000s", "APPLICANT_INCOME_000s"),
        *("LOAN_PURPOSE_NAME", "LOAN_TYPE_NAME", "COUNTY_NAME", "MORTGAGERESPONSE"),
    ]
    assert raw.LOAN_ID.is_unique
    assert raw.COUNTY_NAME.nunique() == 30
    assert raw.drop(columns="APPLICANT_INCOME_000s").notna().all().all()


@pytest.mark.parametrize(("rate", "missing"), [(0.78, 0.15), (0.5, 0.0), (0.9, 0.3)])
def test_rates_are_as_asked(rate, missing):
    table = made(60_000, rate=rate, missing=missing).to_pandas()
    assert abs(table.MORTGAGERESPONSE.mean() - rate) < 0.01
    assert abs(table.APPLICANT_INCOME_000s.isna().mean() - missing) < 0.01


def test_ratio_county_and_purpose_decide(raw):
    ratio = raw.LOAN_AMOUNT_000s / raw.APPLICANT_INCOME_000s
    approved = raw.MORTGAGERESPONSE
    assert approved[ratio.between(1, 2)].mean() > approved[ratio > 4].mean() + 0.4
    assert np.ptp(approved.groupby(raw.COUNTY_NAME).mean()) > 0.15
    assert np.ptp(approved.groupby(raw.LOAN_PURPOSE_NAME).mean()) > 0.03


def test_the_world_is_the_same_for_every_seed(raw):
    other = made(100_000, seed=7).to_pandas()
    assert not raw.equals(other)
    rates = [t.groupby("COUNTY_NAME").MORTGAGERESPONSE.mean() for t in (raw, other)]
    assert np.corrcoef(*rates)[0, 1] > 0.8


def test_the_same_seed_the_same_bytes_in_any_number():
    assert made(2_000).equals(made(2_000))
    assert made(2_000).equals(made(60_000).slice(0, 2_000))


def test_moments_lie_in_the_days_before(raw):
    assert raw.TS.max() < np.datetime64(AS_OF)
    assert raw.TS.min() >= np.datetime64(AS_OF) - np.timedelta64(365, "D")
    assert (raw.TS.dt.dayofweek >= 5).mean() < 0.12


def test_any_size_takes_the_same_memory():
    peaks = []
    for count in (2 * generator.CHUNK, 6 * generator.CHUNK):
        tracemalloc.start()
        for _ in generator.applications(count, 0.78, 0.15, 365, 42, AS_OF):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
