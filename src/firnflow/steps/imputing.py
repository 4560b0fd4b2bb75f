"""Missing values: what stands in for them is learnt from the training part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

from firnflow.errors import DataError
from firnflow.models.preprocessing import FittedImpute
from firnflow.steps._tables import numbers, one_row, quantiles, rounded, texts

if TYPE_CHECKING:
    from firnflow.steps.config import Imputing


def fit_impute(table: ibis.Table, features: list[str], imputing: Imputing) -> FittedImpute:
    """Return medians, means and most frequent values of the feature columns.

    Raises:
        DataError: a column has no value at all.
    """
    without = [name for name in table.columns if name not in features]
    numeric, text = numbers(table, without), texts(table, without)
    known = one_row(table, {name: table[name].count() for name in (*numeric, *text)} | {"": table.count()})
    rows = known.pop("")
    for name, count in known.items():
        if count == 0:
            raise DataError(f"Column {name!r} of the training part is all null. Mend: add it to columns.ignore.")
    fill: dict[str, float | str] = dict(_numeric(table, numeric, imputing))
    fill |= {name: "missing" if imputing.text == "missing" else most_frequent(table, name) for name in text}
    indicators = [name for name, count in known.items() if count < rows] if imputing.indicators else []
    return FittedImpute(fill=fill, indicators=tuple(indicators))


def _numeric(table: ibis.Table, names: list[str], imputing: Imputing) -> dict[str, float]:
    if imputing.numeric == "none":
        return {}
    if imputing.numeric == "zero":
        return dict.fromkeys(names, 0.0)
    # A boolean has no median of its own.
    table = table.mutate(**{name: table[name].cast("float64") for name in names})
    if imputing.numeric == "median":
        return {name: found[0] for name, found in quantiles(table, {name: [0.5] for name in names}).items()}
    means = one_row(table, {name: table[name].mean() for name in names})
    return {name: rounded(value) or 0.0 for name, value in means.items()}


def most_frequent(table: ibis.Table, name: str) -> str:
    """Return the most frequent text of a column; of equally frequent ones the first in alphabetical order."""
    present = table.filter(table[name].notnull())
    counts = present.group_by(value=present[name]).aggregate(rows=present.count())
    return str(counts.order_by(ibis.desc("rows"), "value").limit(1).to_pyarrow()["value"][0].as_py())
