"""Aggregates over what was before each row: nothing here looks ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.errors import FeatureError
from firnflow.features import moments
from firnflow.features.entity import as_names
from firnflow.features.rows import check_time, require

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis


def window(
    aggregate: ibis.Scalar,
    *,
    time: str,
    by: str | Sequence[str] = (),
    over: moments.Length | None = None,
    at: bool = False,
) -> ibis.Column:
    """Return an aggregate over the earlier rows of the same table, for each row, as a column.

    `window(t.income.mean(), time="ts", by="county", over="30d")` is the mean income of the county's rows with a `ts`
    in the 30 days before the row's own: from exactly 30 days before, up to but not at it. The row itself, others of the
    same moment and all later ones are left out; where there was none, the aggregate is that of no rows: null, or a
    count of 0. A row whose time or group is null gets null, and counts for no other row.

    Args:
        aggregate: of columns of one table, such as `t.income.mean()` or `t.count()`.
        time: the column that says when a row could be known.
        by: the columns whose values are those of the row; none: all rows.
        over: how far back, such as "30d"; None: everything before.
        at: count rows of the same moment too, the row itself among them; those from exactly `over` before are then out.

    Raises:
        FeatureError: the aggregate is none, a column is not there, or `over` is no length of time.
    """
    import ibis

    table = _table(aggregate)
    as_names("window: time", time)
    require(table, time, "window: time")
    check_time(table[time], "window: time")
    groups = as_names("window: by", by)
    for name in groups:
        require(table, name, "window: by")
    length = None if over is None else moments.microseconds(over, "window: over") - at
    start = None if length is None else ibis.interval(microseconds=length)
    # DuckDB 1.5 misses some rows of the same moment if the end is "0 preceding"; "0 following" is the same place
    end = {"following": ibis.interval(microseconds=0), "preceding": start}
    before = {"preceding": (start, ibis.interval(microseconds=1))}
    near = ibis.range_window(
        **(end if at else before),
        group_by=[table[name] for name in groups],
        order_by=moments.instant(table[time]),
    )
    named = table[time].notnull()
    for name in groups:
        named &= table[name].notnull()
    found = aggregate.over(near)
    column: ibis.Column = named.ifelse(found, ibis.null(found.type()))
    return column


def _table(aggregate: Any) -> ibis.Table:
    import ibis

    relations = aggregate.op().relations if isinstance(aggregate, ibis.Scalar) else ()
    if len(relations) != 1:
        raise FeatureError(
            "window: it takes an aggregate of one table, such as `table.income.mean()`, "
            f"not {type(aggregate).__name__ if not isinstance(aggregate, ibis.Scalar) else 'a value of none'}"
        )
    table: ibis.Table = next(iter(relations)).to_expr()
    return table
