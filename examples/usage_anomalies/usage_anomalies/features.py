"""From rows of usage to series: a row per category and day (or hour), and none is missing.

All of it is computed in the warehouse. Two layouts are understood: Snowflake's `USAGE_IN_CURRENCY_DAILY`, and any table
with a column of dates or times and a column of numbers.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Literal

import ibis
from pydantic import Field

import firnflow as ff
from firnflow import steps
from firnflow.errors import DataError, UsageError

TOTAL = "total"
LAYOUT = ("USAGE_DATE", "USAGE_IN_CURRENCY")
PARTS = ("ACCOUNT_NAME", "USAGE_TYPE", "WAREHOUSE_NAME")
OVERAGE = "overage-"
LONGEST = 20_000
"""Days: more are a wrong date."""


class Reading(steps.Section):
    """How rows become series.

    Attributes:
        categories: columns that together name a category; none: those of Snowflake's layout, or one series.
        currency: of several, the one that counts.
        most: categories with a series of their own: the largest. Others are part of the total only.
    """

    categories: tuple[str, ...] = ()
    currency: str | None = None
    most: int = Field(default=30, ge=1, le=500)


@ff.task
def features(
    rows: ibis.Table,
    reading: Reading,
    time: str | None = None,
    value: str | None = None,
    combine: Literal["sum", "mean"] = "sum",
) -> ibis.Table:
    """Return category, day, hour (0 where the rows are daily), usage, and filled: whether there was no row.

    A category begins with its first row. After that, a day (or hour) without a row is 0 if another category has one:
    nothing was used. Where nobody has a row it is unknown: null. Of several categories `total` is the sum. Where means
    are taken nothing is added: what has no row is unknown, and `total` is the mean.

    Args:
        rows: usage.
        reading: how it becomes series.
        time: the column of dates or local times; None: Snowflake's, or the only one.
        value: the column of numbers, likewise.
        combine: rows of one day or hour, and categories, are added up, or their mean is taken.

    Raises:
        DataError: a column cannot be told or is of a wrong type, or the values are of several currencies.
        UsageError: a column that is named is not there.
    """
    plain = _plain(rows, reading, time, value)
    several = _check(plain)
    slots = plain.group_by("category", "day", "hour").agg(usage=getattr(plain.usage, combine)())
    slots = _largest(slots, reading.most, combine) if several else slots
    grid = _grid(slots)
    joined = grid.left_join(slots, ["category", "day", "hour"]).drop("category_right", "day_right", "hour_right")
    known = slots.group_by("day", "hour").agg(known=slots.usage.count()).filter(ibis._.known > 0)
    there = joined.left_join(known, ["day", "hour"]).drop("day_right", "hour_right")
    nothing = ibis.literal(0.0) if several and combine == "sum" else ibis.null("float64")
    missing = there.usage.isnull()
    used = ibis.ifelse(missing & there.known.notnull(), nothing, there.usage)
    filled = there.mutate(usage=used, filled=missing).drop("known")
    found = filled.filter(filled.category != _REST).select(*COLUMNS)
    found = found.union(_total(filled, combine)) if several else found
    return found.mutate(usage=_steady(found.usage)).order_by("category", "day", "hour")


COLUMNS = ("category", "day", "hour", "usage", "filled")
_REST = "\x1fother"
"""What is in the total only."""


def _steady(value: ibis.expr.types.FloatingValue) -> ibis.expr.types.FloatingValue:
    """Return a sum to ten significant digits: the last ones depend on the order in which threads have added."""
    known = ibis.ifelse(value.isnan(), ibis.null("float64"), value.abs()).nullif(0.0)
    return ibis.coalesce(value.round((9 - known.log10().floor()).cast("int32")), value)


def _total(filled: ibis.Table, combine: str) -> ibis.Table:
    """Return the sum, or the mean, of all categories."""
    by = filled.group_by("day", "hour")
    return by.agg(usage=getattr(filled.usage, combine)(), filled=filled.filled.all()).mutate(
        category=ibis.literal(TOTAL)
    )[list(COLUMNS)]


def _largest(slots: ibis.Table, most: int, combine: str) -> ibis.Table:
    """Return the series of the largest categories; all others are one."""
    size = slots.group_by("category").agg(size=slots.usage.abs().sum())
    ranked = size.mutate(rank=ibis.row_number().over(order_by=[size["size"].desc(), size.category]))
    joined = slots.left_join(ranked, "category")
    named = joined.mutate(category=ibis.ifelse(joined["rank"] < most, joined.category, ibis.literal(_REST)))
    return named.group_by("category", "day", "hour").agg(usage=getattr(named.usage, combine)())


def _grid(slots: ibis.Table) -> ibis.Table:
    """Return every slot of every category, from its first day to the last day of all."""
    last = slots.aggregate(last=slots.day.max(), hours=(slots.hour.max() > 0).ifelse(24, 1))
    spans = slots.group_by("category").agg(first=slots.day.min()).cross_join(last)
    days = spans.mutate(step=ibis.range(0, spans["last"].delta(spans["first"], unit="day") + 1).unnest())
    hours = days.mutate(hour=ibis.range(0, days.hours).unnest().cast("int64"))
    day = hours["first"] + hours.step * ibis.interval(days=1)
    # What DuckDB makes of a date and an interval is a timestamp, which Ibis takes for a date.
    return hours.select("category", "hour", day=day.cast("timestamp").cast("date"))


def _check(plain: ibis.Table) -> bool:
    """Return whether there are several categories. Raises DataError where the rows are no series."""
    found = plain.aggregate(
        rows=plain.count(),
        known=plain.usage.count(),
        timeless=plain.day.isnull().sum(),
        infinite=plain.usage.isinf().sum(),
        categories=plain.category.nunique(),
        first=plain.day.min(),
        last=plain.day.max(),
        currencies=plain.currency.nunique(),
        examples=plain.currency.collect(distinct=True),
        total=(plain.category == TOTAL).sum(),
    )
    row: dict[str, Any] = found.to_pyarrow().to_pylist()[0]
    if not row["rows"]:
        raise DataError("usage has no row. Mend: look at the source, or at --set reading.currency")
    if not row["known"]:
        raise DataError(f"usage: none of {row['rows']:,} rows has a value. Mend: look at the column of numbers")
    if row["timeless"]:
        raise DataError(f"usage: {row['timeless']:,} of {row['rows']:,} rows have no time. Mend: leave them out")
    if row["infinite"]:
        raise DataError(f"usage: {row['infinite']:,} values are infinite. Mend: leave them out, or write null")
    if (row["last"] - row["first"]).days > LONGEST:
        raise DataError(f"usage goes from {row['first']} to {row['last']}. Mend: look for a wrong date")
    if row["currencies"] > 1:
        known = ", ".join(sorted(filter(None, row["examples"]))[:10])
        raise DataError(f"usage is in several currencies: {known}. Mend: --set reading.currency=…")
    several = row["categories"] > 1
    if several and row["total"]:
        raise DataError(f"A category is called {TOTAL!r}, as the sum of all is. Mend: rename it, or leave its rows out")
    return several


def _plain(rows: ibis.Table, reading: Reading, time: str | None, value: str | None) -> ibis.Table:
    """Return category, day, hour, usage and currency of each row."""
    upper = {name.upper(): name for name in rows.columns}
    if set(LAYOUT) <= upper.keys() and time is None and value is None:
        return _snowflake(rows.rename({name: given for name, given in upper.items() if name != given}), reading)
    time, value = _column(rows, "time", time), _column(rows, "value", value)
    names = [_known(rows, name, "reading.categories") for name in reading.categories]
    category = _joined([rows[name].cast("string") for name in names]) if names else ibis.literal(value)
    return _slots(rows, rows[time], rows[value], category, ibis.null("string"))


def _snowflake(rows: ibis.Table, reading: Reading) -> ibis.Table:
    """Return the rows of Snowflake's layout: without adjustments, and with the usage over the capacity as the same."""
    if "IS_ADJUSTMENT" in rows.columns:
        rows = rows.filter(rows.IS_ADJUSTMENT.isnull() | ~rows.IS_ADJUSTMENT.cast("boolean"))
    if reading.currency is not None:
        rows = rows.filter(rows[_known(rows, "CURRENCY", "reading.currency")] == reading.currency)
    if "USAGE_TYPE" in rows.columns:
        kind = rows.USAGE_TYPE
        rows = rows.mutate(USAGE_TYPE=kind.startswith(OVERAGE).ifelse(kind.substr(len(OVERAGE)), kind))
    names = [_known(rows, name.upper(), "reading.categories") for name in reading.categories]
    parts = [rows[name].cast("string") for name in names or PARTS if name in rows.columns]
    category = _joined(parts) if parts else ibis.literal("usage")
    currency = rows.CURRENCY if "CURRENCY" in rows.columns else ibis.null("string")
    return _slots(rows, rows.USAGE_DATE, rows.USAGE_IN_CURRENCY, category, currency)


def _slots(rows: ibis.Table, time: Any, value: Any, category: Any, currency: Any) -> ibis.Table:
    hour = time.hour().cast("int64") if time.type().is_timestamp() else ibis.literal(0, "int64")
    day = time.date() if time.type().is_timestamp() else time
    number = value.cast("float64")
    return rows.select(
        category=category,
        day=day,
        hour=hour,
        usage=number.isnan().ifelse(ibis.null("float64"), number),
        currency=currency,
    )


def _joined(parts: list[Any]) -> Any:
    """Return names joined by a slash; one in a name becomes another sign, so that no two categories meet."""
    whole = parts[0].fill_null("none").replace("/", "∕")
    for part in parts[1:]:
        whole = whole + part.isnull().ifelse("", ibis.literal("/") + part.fill_null("").replace("/", "∕"))
    return whole


def _column(rows: ibis.Table, what: str, given: str | None) -> str:
    """Return the column of the times or of the values: the one that is named, or the only one of its type."""
    kinds = rows.schema()

    def fits(name: str) -> bool:
        kind = kinds[name]
        return kind.is_date() or kind.is_timestamp() if what == "time" else kind.is_numeric()

    has = ", ".join(f"{name} ({kinds[name]})" for name in rows.columns)
    wanted = "dates or times" if what == "time" else "numbers"
    if given is not None:
        name = _known(rows, given, what)
        if not fits(name):
            raise DataError(f"usage: the column {name!r} is {kinds[name]}, not one of {wanted}. It has: {has}")
        found = [name]
    else:
        found = [name for name in rows.columns if fits(name)]
    if not found:
        form = 'DAY = { type = "date", format = "%d.%m.%Y" }' if what == "time" else 'VALUE = "float"'
        raise DataError(
            f"usage has no column of {wanted}. It has: {has}. Mend: mend the file, or say under [usage.columns] in "
            f"catalog.toml how it is written, e.g. {form}"
        )
    if len(found) > 1:
        raise DataError(f"usage has {len(found)} columns of {wanted}. It has: {has}. Mend: --set {what}={found[0]}")
    if what == "time" and getattr(kinds[found[0]], "timezone", None) is not None:
        raise DataError(f"usage: the times of {found[0]!r} have a zone. Mend: local times without a zone")
    return found[0]


def _known(rows: ibis.Table, name: str, what: str) -> str:
    if name not in rows.columns:
        near = get_close_matches(name, rows.columns, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        has = ", ".join(rows.columns)
        raise UsageError(f"{what}: usage has no column {name!r}.{hint} It has: {has}")
    return name
