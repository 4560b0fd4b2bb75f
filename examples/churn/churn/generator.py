"""Customers who do not exist, with a reason to leave: the raw data of the example.

Two tables, as an operational system would hand them over: `transactions` (usage and the label) and `demographics`.
They are dirty on purpose: missing values, outliers, repeated rows, regions in mixed spelling, and customers that only
one of the tables knows. Rows are made in chunks of `CHUNK` customers, each from its own seed, so that any size fits in
constant memory and customer 7 is the same person whether 1,000 or 10,000,000 are made.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    import numpy as np
    import pyarrow as pa

CHUNK = 50_000
REGIONS = ("north", "south", "east", "west", "central")
_REGION_SHARES = (0.25, 0.22, 0.2, 0.18, 0.15)
_REGION_EFFECTS = (0.0, 0.25, -0.2, 0.1, -0.1)
_FIRST_ID = 100_001
_CALIBRATION = 2**32 - 1  # the seed's second part; a chunk's number never gets here


def transactions(customers: int, churn_rate: float, seed: int, as_of: dt.date) -> pa.RecordBatchReader:
    """Return usage per customer, about 98.5 % of them and some twice, as a stream.

    Columns: customer_id, monthly_spend, sessions_per_month, support_tickets_last_month, churned.
    """
    import pyarrow as pa

    schema = pa.schema(
        {
            "customer_id": pa.int64(),
            "monthly_spend": pa.float64(),
            "sessions_per_month": pa.int32(),
            "support_tickets_last_month": pa.int32(),
            "churned": pa.bool_(),
        }
    )
    return _stream(schema, _transactions_of, customers=customers, churn_rate=churn_rate, seed=seed, as_of=as_of)


def demographics(customers: int, churn_rate: float, seed: int, as_of: dt.date) -> pa.RecordBatchReader:
    """Return who the customers are, about 98.5 % of them and some twice, as a stream.

    Columns: customer_id, age, region, account_created_date.
    """
    import pyarrow as pa

    schema = pa.schema(
        {
            "customer_id": pa.int64(),
            "age": pa.int32(),
            "region": pa.string(),
            "account_created_date": pa.date32(),
        }
    )
    return _stream(schema, _demographics_of, customers=customers, churn_rate=churn_rate, seed=seed, as_of=as_of)


def _stream(
    schema: pa.Schema, columns_of: Any, *, customers: int, churn_rate: float, seed: int, as_of: dt.date
) -> pa.RecordBatchReader:
    import pyarrow as pa

    def batches() -> Iterator[pa.RecordBatch]:
        for chunk in range((customers + CHUNK - 1) // CHUNK):
            people = _people(seed, chunk, _intercept(seed, churn_rate))
            count = min(CHUNK, customers - chunk * CHUNK)
            arrays = columns_of(people, count, as_of)
            yield pa.record_batch([a.cast(f.type) for a, f in zip(arrays, schema, strict=True)], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _people(seed: int, chunk: int, intercept: float) -> dict[str, np.ndarray[Any, Any]]:
    """Return `CHUNK` customers as they truly are, and the random numbers that their records are spoilt with."""
    import numpy as np

    rng = np.random.default_rng([seed, chunk])
    people = _truth(rng, CHUNK)
    probability = 1.0 / (1.0 + np.exp(-(people["risk"] + intercept)))
    people["churned"] = rng.random(CHUNK) < probability
    people["id"] = _FIRST_ID + chunk * CHUNK + np.arange(CHUNK)
    for name in ("only", "twice", "no_spend", "no_sessions", "no_tickets", "no_age", "no_region", "wild", "spelling"):
        people[name] = rng.random(CHUNK)
    return people


def _truth(rng: np.random.Generator, count: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return the columns and, from them, the log-odds to leave up to a constant."""
    import numpy as np

    region = rng.choice(len(REGIONS), count, p=_REGION_SHARES)
    age = np.clip(rng.normal(44, 15, count), 18, 95).astype(np.int64)
    account_days = np.minimum(rng.gamma(1.6, 620, count), 5_400).astype(np.int64)
    spend = np.round(rng.lognormal(3.9, 0.5, count) * (1 + 0.004 * (age - 44)), 2)
    sessions = rng.poisson(rng.gamma(3.0, 4.5, count))
    tickets = rng.poisson(rng.gamma(0.9, 0.9, count))
    risk = (
        0.75 * np.minimum(tickets, 5)
        - 0.11 * np.minimum(sessions, 30)
        + 0.55 * np.log1p(spend / (1 + sessions))
        - 0.9 * np.log1p(account_days / 365)
        + 0.9 * ((sessions < 5) & (spend > 60))
        - 0.012 * np.abs(age - 50)
        + np.asarray(_REGION_EFFECTS)[region]
    )
    return {
        "region": region,
        "age": age,
        "account_days": account_days,
        "spend": spend,
        "sessions": sessions,
        "tickets": tickets,
        "risk": risk,
    }


@functools.cache
def _intercept(seed: int, churn_rate: float) -> float:
    """Return the constant of the log-odds that makes the expected share of leavers `churn_rate`, by bisection."""
    import numpy as np

    risk = _truth(np.random.default_rng([seed, _CALIBRATION]), 200_000)["risk"]
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        if np.mean(1.0 / (1.0 + np.exp(-(risk + middle)))) < churn_rate:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _transactions_of(people: dict[str, np.ndarray[Any, Any]], count: int, as_of: dt.date) -> list[pa.Array]:
    import numpy as np
    import pyarrow as pa

    del as_of
    once = np.flatnonzero(people["only"][:count] >= 0.015)
    again = once[people["twice"][once] < 0.012]
    rows = np.concatenate([once, again])
    spend = np.where(people["wild"] < 0.005, people["spend"] * 12, people["spend"])[rows]
    # One repeated row in six carries another amount: a correction, which only a rule can tell from the first.
    corrected = (np.arange(len(rows)) >= len(once)) & (people["twice"][rows] < 0.002)
    spend = np.where(corrected, np.round(spend * 1.1, 2), spend)
    often = (people["wild"] > 0.994) & (people["wild"] < 0.997)
    sessions = np.where(often, people["sessions"] * 15, people["sessions"])
    return [
        pa.array(people["id"][rows]),
        pa.array(spend, mask=people["no_spend"][rows] < 0.03),
        pa.array(sessions[rows], mask=people["no_sessions"][rows] < 0.02),
        pa.array(people["tickets"][rows], mask=people["no_tickets"][rows] < 0.01),
        pa.array(people["churned"][rows]),
    ]


def _demographics_of(people: dict[str, np.ndarray[Any, Any]], count: int, as_of: dt.date) -> list[pa.Array]:
    import numpy as np
    import pyarrow as pa

    once = np.flatnonzero(people["only"][:count] < 0.985)
    rows = np.concatenate([once, once[people["twice"][once] > 0.994]])
    age = np.where(people["wild"] > 0.998, np.where(people["age"] % 2 == 0, 0, 199), people["age"])
    spellings = np.array([[r, r.upper(), f" {r.title()} "] for r in REGIONS], dtype=object)
    spelling = np.digitize(people["spelling"], [0.98, 0.99])
    created = np.datetime64(as_of, "D") - people["account_days"].astype("timedelta64[D]")
    return [
        pa.array(people["id"][rows]),
        pa.array(age[rows], mask=people["no_age"][rows] < 0.04),
        pa.array(spellings[people["region"], spelling][rows], type=pa.string(), mask=people["no_region"][rows] < 0.02),
        pa.array(created[rows]),
    ]
