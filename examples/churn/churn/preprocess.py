"""From two raw tables to one row per customer: row by row, so that nothing is learnt before the split."""

from __future__ import annotations

import datetime as dt

import ibis

import firnflow as ff
from firnflow import steps


@ff.task
def preprocess(
    transactions: ibis.Table,
    demographics: ibis.Table,
    columns: steps.Columns,
    joining: steps.Joining,
    cleaning: steps.Cleaning,
    as_of: dt.date,
) -> ibis.Table:
    """Join, tidy and deduplicate; the date of the account becomes its age in days at `as_of`."""
    customers = steps.join(transactions, demographics, columns.key, joining)
    age = ibis.date(as_of).delta(customers.account_created_date, unit="day")
    customers = customers.mutate(account_age_days=age.cast("int32")).drop("account_created_date")
    return steps.clean(customers, columns.key, cleaning)
