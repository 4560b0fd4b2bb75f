"""What the steps share about tables: kinds of columns, one-row answers, rounded statistics."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.operations as ops

from firnflow.errors import DataError
from firnflow.models.preprocessing.columns import require

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

log = logging.getLogger("firnflow.steps")

DIGITS = 10


def require_numbers(table: ibis.Table, names: Iterable[str], setting: str) -> None:
    """Raise DataError where a column that `setting` names is missing or holds no numbers."""
    wanted = list(names)
    require(table, wanted, setting)
    known = numbers(table, ())
    for name in wanted:
        if name not in known:
            raise DataError(f"{setting}: column {name!r} is {table[name].type()}, not a number.")


def numbers(table: ibis.Table, without: Iterable[str]) -> list[str]:
    """Return the columns that hold numbers or booleans."""
    left_out = set(without)
    return [n for n, t in table.schema().items() if n not in left_out and (t.is_numeric() or t.is_boolean())]


def texts(table: ibis.Table, without: Iterable[str]) -> list[str]:
    """Return the columns that hold text."""
    left_out = set(without)
    return [n for n, t in table.schema().items() if n not in left_out and t.is_string()]


def one_row(table: ibis.Table, aggregates: Mapping[str, Any]) -> dict[str, Any]:
    """Return aggregates of a table by name. Names need not be identifiers."""
    if not aggregates:
        return {}
    numbered = {f"a{i}": value for i, value in enumerate(aggregates.values())}
    values: dict[str, Any] = table.aggregate(**numbered).to_pyarrow().to_pylist()[0]
    return dict(zip(aggregates, values.values(), strict=True))


def rounded(value: Any) -> float | None:
    """Return a statistic to 10 significant digits; null and NaN as None.

    Threads add floats in no fixed order, so the last bits of a mean differ from run to run. Rounded, the statistic is
    the same, and so is every value, digest and cache key below it (but for one case in a million).
    """
    if value is None or not math.isfinite(value):
        return None
    return float(f"{float(value):.{DIGITS}g}")


def quantiles(table: ibis.Table, wanted: Mapping[str, Iterable[float]]) -> dict[str, list[float]]:
    """Return exact quantiles (linear interpolation) by column; all null: an empty list.

    A backend that can finds the quantiles of a column in one pass over one copy of it.
    """
    levels = {name: list(given) for name, given in wanted.items() if given}
    if table.get_backend().has_operation(ops.MultiQuantile):
        found = one_row(table, {name: table[name].quantile(given) for name, given in levels.items()})
    else:
        pairs = {(name, q): table[name].quantile(q) for name, given in levels.items() for q in given}
        single = one_row(table, pairs)  # type: ignore[arg-type]
        found = {name: [single[name, q] for q in given] for name, given in levels.items()}  # type: ignore[index]
    return {name: [r for v in values or () if (r := rounded(v)) is not None] for name, values in found.items()}


def label_counts(table: ibis.Table, label: str) -> dict[Any, int]:
    """Return value → rows of a column, the eleven most frequent values at most; null is a value."""
    counts = table.group_by(value=table[label]).aggregate(rows=table.count())
    rows = counts.order_by(ibis.desc("rows"), "value").limit(11).to_pyarrow().to_pylist()
    return {row["value"]: row["rows"] for row in rows}
