"""One row per application with what was known when it came in: nothing here looks ahead.

A county's averages are of *earlier* applications only: the row itself, others of the same moment and all later ones are
left out. Where there was none, the average is null.
"""

from __future__ import annotations

from typing import Any

import ibis

import firnflow as ff
from firnflow import steps
from firnflow.features import window

WINDOW_DAYS = 30


@ff.task
def engineer(applications: ibis.Table, columns: steps.Columns) -> ibis.Table:
    """Return key, label, time and features of each application.

    Features: month, day_of_year, day_of_week (0 = Monday), purpose, kind, county, loan_amount and income (dollars),
    income_loan_ratio, mean_county_income (of all earlier applications of the county), high_income_flag (income above
    that mean), mean_county_loan_30d (of the county's applications of the 30 days before).
    """
    a = steps.clean(applications, columns.key, steps.Cleaning())
    a = a.mutate(loan_amount=a.LOAN_AMOUNT_000s * 1000.0, income=a.APPLICANT_INCOME_000s * 1000.0)
    county: dict[str, Any] = {"time": "TS", "by": "COUNTY_NAME"}
    a = a.mutate(
        mean_county_income=window(a.income.mean(), **county),
        mean_county_loan_30d=window(a.loan_amount.mean(), **county, over=f"{WINDOW_DAYS}d"),
    )
    return a.select(
        columns.key,
        columns.label,
        time=a.TS,
        month=a.TS.month(),
        day_of_year=a.TS.day_of_year(),
        day_of_week=a.TS.day_of_week.index(),
        purpose=a.LOAN_PURPOSE_NAME,
        kind=a.LOAN_TYPE_NAME,
        county=a.COUNTY_NAME,
        loan_amount=a.loan_amount,
        income=a.income,
        income_loan_ratio=a.income / a.loan_amount,
        mean_county_income=a.mean_county_income,
        high_income_flag=(a.income > a.mean_county_income).cast("int8"),
        mean_county_loan_30d=a.mean_county_loan_30d,
    )
