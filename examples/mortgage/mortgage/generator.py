"""Applications for mortgages that nobody made, in the layout of the public lending data.

The world stays the same whatever the seed: what a county earns and how strict its banks are is written here, so that a
model of one seed can be compared with a model of another. Income decides, by its ratio to the loan; county, purpose and
kind of loan shift it; a sixth of the incomes are missing, more often where the loan is insured. Rows are made in chunks
of `CHUNK`, each from its own seed, so that any number fits in constant memory.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    import numpy as np
    import pyarrow as pa

    Columns = dict[str, np.ndarray[Any, Any]]

CHUNK = 50_000
PURPOSES = ("Home purchase", "Refinancing", "Home improvement")
KINDS = ("Conventional", "FHA-insured", "VA-guaranteed", "FSA/RHS-guaranteed")
COUNTIES = (
    *("Albany", "Broome", "Chautauqua", "Chemung", "Clinton", "Columbia", "Dutchess", "Erie", "Essex", "Fulton"),
    *("Greene", "Jefferson", "Monroe", "Nassau", "Niagara", "Oneida", "Onondaga", "Ontario", "Orange", "Oswego"),
    *(
        "Otsego",
        "Putnam",
        "Rensselaer",
        "Rockland",
        "Saratoga",
        "Steuben",
        "Suffolk",
        "Tompkins",
        "Ulster",
        "Westchester",
    ),
)
_PURPOSE_SHARES, _PURPOSE_EFFECTS = (0.48, 0.40, 0.12), (0.25, 0.0, -0.75)
_KIND_SHARES, _KIND_EFFECTS = (0.76, 0.16, 0.06, 0.02), (0.2, -0.35, 0.1, -0.1)
_WORLD = 2015  # the seed of what a county is like
_FIRST_ID = 1
_CALIBRATION = 2**32 - 1  # the seed's second part; a chunk's number never gets here


def applications(
    count: int, approval_rate: float, missing_income: float, days: int, seed: int, as_of: dt.date
) -> pa.RecordBatchReader:
    """Return `count` applications of the `days` days before `as_of`, as a stream, in no order.

    Columns: LOAN_ID, TS (UTC, without a zone), LOAN_AMOUNT_000s and APPLICANT_INCOME_000s (thousands of dollars; the
    income may be missing), LOAN_PURPOSE_NAME, LOAN_TYPE_NAME, COUNTY_NAME, MORTGAGERESPONSE (1: approved).
    """
    import pyarrow as pa

    schema = pa.schema(
        {
            "LOAN_ID": pa.int64(),
            "TS": pa.timestamp("us"),
            "LOAN_AMOUNT_000s": pa.int32(),
            "APPLICANT_INCOME_000s": pa.int32(),
            "LOAN_PURPOSE_NAME": pa.string(),
            "LOAN_TYPE_NAME": pa.string(),
            "COUNTY_NAME": pa.string(),
            "MORTGAGERESPONSE": pa.int8(),
        }
    )

    def batches() -> Iterator[pa.RecordBatch]:
        import numpy as np

        for chunk in range((count + CHUNK - 1) // CHUNK):
            rng = np.random.default_rng([seed, chunk])
            rows = _truth(rng, CHUNK)
            rows["approved"] = rng.random(CHUNK) < _chance(rows["leaning"] + _intercept(seed, approval_rate))
            rows["lost"] = rng.random(CHUNK) < missing_income * _loss(rows["kind"])
            rows["ts"] = _times(rng, days, as_of)
            rows["id"] = _FIRST_ID + chunk * CHUNK + np.arange(CHUNK)
            arrays = _columns({name: column[: count - chunk * CHUNK] for name, column in rows.items()})
            yield pa.record_batch([a.cast(f.type) for a, f in zip(arrays, schema, strict=True)], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


@functools.cache
def _world() -> Columns:
    """Return what each county is like: its share of the applications, its incomes, how strict its banks are."""
    import numpy as np

    rng = np.random.default_rng(_WORLD)
    shares = rng.gamma(1.2, 1.0, len(COUNTIES)) + 0.2
    return {
        "share": shares / shares.sum(),
        "income": rng.normal(4.4, 0.18, len(COUNTIES)),  # the mean of the logarithm
        "effect": rng.normal(0.0, 0.45, len(COUNTIES)),
    }


def _truth(rng: np.random.Generator, count: int) -> Columns:
    """Return the columns and, from them, the log-odds of an approval up to a constant."""
    import numpy as np

    world = _world()
    county = rng.choice(len(COUNTIES), count, p=world["share"])
    purpose = rng.choice(len(PURPOSES), count, p=_PURPOSE_SHARES)
    kind = rng.choice(len(KINDS), count, p=_KIND_SHARES)
    income = np.clip(rng.lognormal(world["income"][county], 0.5), 12, 2_000).round()
    ratio = rng.lognormal(0.75, 0.55, count) * np.where(purpose == 2, 0.3, 1.0)
    amount = np.clip(income * ratio, 5, 5_000).round()
    burden = amount / income
    leaning = (
        -1.05 * np.maximum(burden - 2.0, 0)
        + 0.35 * np.minimum(burden, 1.0)
        + 0.75 * (np.log(income) - world["income"][county])
        + world["effect"][county]
        + np.asarray(_PURPOSE_EFFECTS)[purpose]
        + np.asarray(_KIND_EFFECTS)[kind]
        - 0.6 * ((purpose == 1) & (burden > 3.0))
    )
    return {"county": county, "purpose": purpose, "kind": kind, "income": income, "amount": amount, "leaning": leaning}


def _chance(log_odds: Any) -> Any:
    import numpy as np

    return 1.0 / (1.0 + np.exp(-log_odds))


def _loss(kind: np.ndarray[Any, Any]) -> Any:
    """Return how often an income is missing, by kind of loan, relative to the mean over all."""
    import numpy as np

    weight = np.array([0.9, 1.2, 1.4, 1.8])
    return (weight / np.dot(weight, _KIND_SHARES))[kind]


def _times(rng: np.random.Generator, days: int, as_of: dt.date) -> Any:
    """Return moments before `as_of`: fewer at week-ends, in office hours."""
    import numpy as np

    calendar = np.datetime64(as_of, "D") - 1 - np.arange(days)
    weights = np.where(np.is_busday(calendar), 1.0, 0.25)
    day = rng.choice(calendar, CHUNK, p=weights / weights.sum())
    return day.astype("datetime64[us]") + (rng.uniform(8, 19, CHUNK) * 3_600_000_000).astype("timedelta64[us]")


@functools.cache
def _intercept(seed: int, approval_rate: float) -> float:
    """Return the constant of the log-odds that makes the expected share of approvals, by bisection."""
    import numpy as np

    leaning = _truth(np.random.default_rng([seed, _CALIBRATION]), 200_000)["leaning"]
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if np.mean(_chance(leaning + middle)) < approval_rate else (low, middle)
    return (low + high) / 2


def _columns(rows: Columns) -> list[pa.Array]:
    import pyarrow as pa

    def names(of: tuple[str, ...], index: Any) -> pa.Array:
        return pa.array(of).take(pa.array(index))

    return [
        pa.array(rows["id"]),
        pa.array(rows["ts"]),
        pa.array(rows["amount"]),
        pa.array(rows["income"], mask=rows["lost"]),
        names(PURPOSES, rows["purpose"]),
        names(KINDS, rows["kind"]),
        names(COUNTIES, rows["county"]),
        pa.array(rows["approved"]),
    ]
