"""Usage that nobody had, in the layout of Snowflake's `ORGANIZATION_USAGE.USAGE_IN_CURRENCY_DAILY`, with its truth.

Two accounts; computing by warehouse, storage, data transfer. Each is a seeded series of its own with season, trend,
holidays and labelled anomalies. What makes real exports awkward is in it: days without any row, idle warehouses without
rows, adjustments at the month's end, and the same usage under another type once the contract's capacity is used up.
The view has no column for the warehouse: `WAREHOUSE_NAME` is what a join with `WAREHOUSE_METERING_HISTORY` adds.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, NamedTuple

from pydantic import Field

from firnflow import steps
from firnflow.monitoring.anomalies.synthetic import Usage, UsageSettings
from firnflow.monitoring.anomalies.synthetic import usage as made_up

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from firnflow.monitoring.anomalies import Window

ORGANIZATION, CONTRACT, CURRENCY = "FIRN", "C-2023-17", "USD"
ACCOUNTS = {"PROD": ("FI10001", "AWS_EU_CENTRAL_1"), "DEV": ("FI10002", "AWS_EU_CENTRAL_1")}
UNITS = {"compute": 3.6, "storage": 24.5, "data transfer": 140.0}
"""What a credit, or a terabyte, costs."""
IDLE = 10.0
"""A day that would cost less has no row: the warehouse was not used."""
OVERAGE_MONTH = 12
"""In this month the capacity is used up: usage goes on, under another type."""


class World(steps.Section):
    """The usage that is made up.

    Attributes:
        days: how many.
        until: the last one.
        seed: of everything.
        missing: the share of days whose export has failed: no row at all.
        anomalies: labelled ones a year, in each category.
        holidays: by what share usage falls on five days of the year.
    """

    days: int = Field(default=547, ge=120, le=4_000)
    until: dt.date = dt.date(2026, 1, 4)
    seed: int = Field(default=42, ge=0)
    missing: float = Field(default=0.01, ge=0, lt=0.5)
    anomalies: float = Field(default=3.0, ge=0)
    holidays: float = Field(default=0.5, ge=0, lt=1)


class Category(NamedTuple):
    """One series: whose usage it is, and what it is like."""

    account: str
    kind: str
    warehouse: str | None
    like: dict[str, float]


CATEGORIES = (
    Category("PROD", "compute", "LOADING", {"level": 420, "weekly": 0.15, "noise_size": 0.05}),
    Category("PROD", "compute", "TRANSFORMING", {"level": 610, "weekly": 0.35, "noise_size": 0.06}),
    Category("PROD", "compute", "REPORTING", {"level": 180, "weekly": 0.7, "noise_size": 0.08}),
    Category("PROD", "storage", None, {"level": 95, "weekly": 0.0, "noise_size": 0.01, "trend": 0.4}),
    Category("PROD", "data transfer", None, {"level": 40, "weekly": 0.2, "noise_size": 0.12}),
    Category("DEV", "compute", "DEVELOPING", {"level": 120, "weekly": 0.9, "noise_size": 0.15}),
    Category("DEV", "storage", None, {"level": 22, "weekly": 0.0, "noise_size": 0.01, "trend": 0.3}),
)


def name_of(category: Category) -> str:
    """Return what `features` calls a category."""
    parts = (category.account, category.kind, category.warehouse)
    return "/".join(part for part in parts if part)


def series(world: World) -> list[tuple[Category, Usage]]:
    """Return each category's series, with what happened in it. The same world gives the same series."""
    start = world.until - dt.timedelta(days=world.days - 1)
    common = {"days": world.days, "start": start, "anomalies": world.anomalies}
    found = []
    for number, category in enumerate(CATEGORIES):
        quiet = {"holidays": 0.0, "yearly": 0.0} if category.kind == "storage" else {"holidays": world.holidays}
        settings = UsageSettings.model_validate({**common, **category.like, **quiet})
        found.append((category, made_up(settings, world.seed * 1_000 + number)))
    return found


def usage(world: World) -> pa.Table:
    """Return the usage, a row per day, account, type and warehouse, in no order that means anything."""
    import pyarrow as pa

    text, amount = pa.string(), pa.float64()
    types = {
        "ORGANIZATION_NAME": text,
        "CONTRACT_NUMBER": text,
        "ACCOUNT_NAME": text,
        "ACCOUNT_LOCATOR": text,
        "REGION": text,
        "SERVICE_LEVEL": text,
        "USAGE_DATE": pa.date32(),
        "USAGE_TYPE": text,
        "CURRENCY": text,
        "USAGE": amount,
        "USAGE_IN_CURRENCY": amount,
        "BALANCE_SOURCE": text,
        "BILLING_TYPE": text,
        "RATING_TYPE": text,
        "SERVICE_TYPE": text,
        "IS_ADJUSTMENT": pa.bool_(),
        "WAREHOUSE_NAME": text,
    }
    return pa.Table.from_pylist(list(_rows(world)), pa.schema(types))


def _rows(world: World) -> Iterator[dict[str, object]]:
    import numpy as np

    lost = set(np.flatnonzero(np.random.default_rng([world.seed, 1]).random(world.days) < world.missing).tolist())
    for category, made in series(world):
        for number, value in enumerate(made.values):
            day = made.times[number].astype("datetime64[D]").item()
            if number not in lost and value >= IDLE:
                yield _row(category, day, float(value))
            if (day + dt.timedelta(days=1)).day == 1 and category.kind == "compute":
                yield {**_row(category, day, -0.02 * float(value)), "IS_ADJUSTMENT": True, "BILLING_TYPE": "adjustment"}


def _row(category: Category, day: dt.date, value: float) -> dict[str, object]:
    locator, region = ACCOUNTS[category.account]
    over = day.month == OVERAGE_MONTH
    return {
        "ORGANIZATION_NAME": ORGANIZATION,
        "CONTRACT_NUMBER": CONTRACT,
        "ACCOUNT_NAME": category.account,
        "ACCOUNT_LOCATOR": locator,
        "REGION": region,
        "SERVICE_LEVEL": "Enterprise",
        "USAGE_DATE": day,
        "USAGE_TYPE": f"overage-{category.kind}" if over else category.kind,
        "CURRENCY": CURRENCY,
        "USAGE": round(value / UNITS[category.kind], 3),
        "USAGE_IN_CURRENCY": round(value, 2),
        "BALANCE_SOURCE": "overage" if over else "capacity",
        "BILLING_TYPE": "consumption",
        "RATING_TYPE": category.kind,
        "SERVICE_TYPE": "WAREHOUSE_METERING" if category.kind == "compute" else category.kind.upper().replace(" ", "_"),
        "IS_ADJUSTMENT": False,
        "WAREHOUSE_NAME": category.warehouse,
    }


def truth(world: World) -> list[dict[str, object]]:
    """Return what happened as labels: rows of `firnflow.monitoring.labels.SCHEMA`. Holidays are no anomaly."""
    found = []
    for category, made in series(world):
        name = name_of(category)
        taken = {window.first + dt.timedelta(days=n) for window in made.windows for n in range(_length(window))}
        spans = [(window.first, window.last, True, window.kind) for window in made.windows]
        spans += [(day, day, False, "holiday") for day in made.holidays if day not in taken]
        found += [_label(name, *span, world.until) for span in spans]
    return found


def _length(window: Window) -> int:
    return (window.last - window.first).days + 1


def _label(category: str, first: dt.date, last: dt.date, anomaly: bool, note: str, until: dt.date) -> dict[str, object]:
    name = f"{category} {first} {last} {anomaly}"
    return {
        "id": hashlib.sha256(name.encode()).hexdigest()[:8],
        "category": category,
        "first": first,
        "last": last,
        "anomaly": anomaly,
        "note": note,
        "by": "generator",
        "at": dt.datetime.combine(until, dt.time()),
        "removed": False,
    }
