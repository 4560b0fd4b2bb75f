"""The raw data: dirty where it should be, the same every time, of any size."""

from __future__ import annotations

import datetime as dt
import tracemalloc

import numpy as np
import pytest

from churn import generator

AS_OF = dt.date(2025, 1, 1)


def both(customers, rate=0.12, seed=42, as_of=AS_OF):
    return tuple(
        make(customers, rate, seed, as_of).read_all() for make in (generator.transactions, generator.demographics)
    )


@pytest.fixture(scope="module")
def raw():
    return both(100_000)


def test_the_tables_are_as_described(raw):
    transactions, demographics = raw
    assert transactions.column_names == [
        *("customer_id", "monthly_spend", "sessions_per_month", "support_tickets_last_month", "churned")
    ]
    assert demographics.column_names == ["customer_id", "age", "region", "account_created_date"]


@pytest.mark.parametrize("rate", [0.05, 0.12, 0.4])
def test_the_churn_rate_is_as_asked(rate):
    transactions, _ = both(60_000, rate)
    assert abs(transactions["churned"].to_numpy(zero_copy_only=False).mean() - rate) < 0.006


def test_there_is_work_for_preprocessing(raw):
    transactions, demographics = (table.to_pandas() for table in raw)
    for table in (transactions, demographics):
        share = table.customer_id.duplicated().mean()
        assert 0.003 < share < 0.02
    assert 0.02 < transactions.monthly_spend.isna().mean() < 0.04
    assert 0.03 < demographics.age.isna().mean() < 0.05
    assert transactions.monthly_spend.max() > 8 * transactions.monthly_spend.quantile(0.99)
    assert {0, 199} <= set(demographics.age.dropna())
    assert len(demographics.region.dropna().str.strip().str.lower().unique()) == 5
    assert len(demographics.region.dropna().unique()) == 15
    known, placed = set(transactions.customer_id), set(demographics.customer_id)
    assert 1_000 < len(known - placed) < 2_000
    assert 1_000 < len(placed - known) < 2_000


def test_there_is_something_to_learn(raw):
    transactions = raw[0].to_pandas()
    rates = transactions.groupby("support_tickets_last_month").churned.mean()
    assert rates[3] > 2 * rates[0]
    by_sessions = transactions.groupby(transactions.sessions_per_month // 5).churned.mean()
    assert by_sessions[0] > 2 * by_sessions[4]


def test_the_same_seed_the_same_bytes_another_seed_others():
    first, again, other = both(2_000), both(2_000), both(2_000, seed=43)
    assert all(a.equals(b) for a, b in zip(first, again, strict=True))
    assert not any(a.equals(b) for a, b in zip(first, other, strict=True))


def test_a_customer_is_the_same_in_any_number(raw):
    for small, large in zip(both(1_000), raw, strict=True):
        few, many = small.to_pandas(), large.to_pandas()
        chunk = many[many.customer_id.isin(few.customer_id)]
        order = list(few.columns)
        assert few.sort_values(order).reset_index(drop=True).equals(chunk.sort_values(order).reset_index(drop=True))


def test_chunks_meet_without_gap_or_overlap():
    transactions, demographics = both(generator.CHUNK + 10)
    ids = set(transactions["customer_id"].to_pylist()) | set(demographics["customer_id"].to_pylist())
    assert len(ids) == generator.CHUNK + 10
    assert max(ids) - min(ids) == generator.CHUNK + 9


def test_dates_come_from_the_parameter_only():
    early, late = (
        both(1_000, as_of=date)[1]["account_created_date"].to_numpy() for date in (AS_OF, dt.date(2026, 1, 1))
    )
    assert early.max() <= np.datetime64(AS_OF)
    assert set(late - early) == {np.timedelta64(365, "D")}


def test_any_size_takes_the_same_memory():
    peaks = []
    for customers in (2 * generator.CHUNK, 8 * generator.CHUNK):
        tracemalloc.start()
        for _ in generator.transactions(customers, 0.12, 42, AS_OF):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
