"""`clean` and `join`: row-level repairs of raw tables. Nothing is learnt here, so they may run before the split."""

from __future__ import annotations

from typing import Any

import ibis

from firnflow.context import log_metric
from firnflow.graph.task import task
from firnflow.models.preprocessing.capping import clipped
from firnflow.models.preprocessing.columns import require
from firnflow.steps._tables import log, one_row, require_numbers, texts
from firnflow.steps.config import Cleaning, Joining


@task
def clean(table: ibis.Table, key: str, cleaning: Cleaning) -> ibis.Table:
    """Return the table with text trimmed, blanks and NaN as null, impossible values clamped, one row per key.

    Rows without a key are dropped.

    Raises:
        DataError: a column that a setting names is not there, or holds no numbers.
    """
    require(table, [key], "columns.key")
    require(table, cleaning.numeric, "cleaning.numeric")
    table = table.mutate(**{name: _tidy(table[name], cleaning, keep=name == key) for name in texts(table, ())})
    readable = [name for name in cleaning.numeric if table[name].type().is_string()]
    table = table.mutate(**{name: table[name].try_cast("float64") for name in readable})
    table = table.mutate(**{name: _finite(table[name]) for name, t in table.schema().items() if t.is_floating()})
    require_numbers(table, cleaning.clamp, "cleaning.clamp")
    table = table.mutate(**{name: clipped(table[name], *bounds) for name, bounds in cleaning.clamp.items()})
    table = table.filter(table[key].notnull())
    return _first_per_key(table, key) if cleaning.deduplicate else table


def _tidy(text: Any, cleaning: Cleaning, *, keep: bool) -> Any:
    text = text.strip()
    if cleaning.case != "keep" and not keep:
        text = text.lower() if cleaning.case == "lower" else text.upper()
    return text.nullif("")


def _finite(value: Any) -> Any:
    return ibis.cases((value.isnan() | value.isinf(), ibis.null(value.type())), else_=value)


def _first_per_key(table: ibis.Table, key: str) -> ibis.Table:
    order = [table[name].asc(nulls_first=False) for name in table.columns if name != key]
    place = ibis.row_number().over(group_by=key, order_by=order or [table[key]])
    return table.mutate(place_=place).filter(ibis._.place_ == 0).drop("place_")


@task
def join(left: ibis.Table, right: ibis.Table, key: str, joining: Joining) -> ibis.Table:
    """Return the columns of both tables, matched by `key`; the share of matched keys is measured and logged.

    Metric: `join_rate`, the share of the left table's keys that the right one has.

    Raises:
        DataError: a table lacks the key.
    """
    require(left, [key], "columns.key, left table")
    require(right, [key], "columns.key, right table")
    keys = left.select(key).distinct()
    counts = one_row(keys, {"keys": keys.count(), "matched": keys[key].isin(right[key]).sum()})
    rate = (counts["matched"] or 0) / counts["keys"] if counts["keys"] else 0.0
    log_metric("join_rate", rate)
    words = "%.2f %% of %s keys of the left table are in the right one"
    if rate < joining.min_rate:
        log.warning(words + ", less than joining.min_rate = %s", 100 * rate, f"{counts['keys']:,}", joining.min_rate)
    else:
        log.info(words, 100 * rate, f"{counts['keys']:,}")
    return left.left_join(right, key).drop(f"{key}_right") if joining.how == "left" else left.inner_join(right, key)
