"""Outliers: the bounds are learnt from the training part."""

from __future__ import annotations

from typing import Any, Literal

import ibis

from firnflow.steps._tables import numbers, quantiles, require_numbers, rounded
from firnflow.steps.cleaning import clipped
from firnflow.steps.config import Capping, Section


class FittedCap(Section):
    """Column → lowest and highest value that is let through."""

    step: Literal["cap"] = "cap"
    bounds: dict[str, tuple[float, float]]
    flags: bool

    def apply(self, table: ibis.Table) -> ibis.Table:
        """Return the table with every column of `bounds` within them."""
        new: dict[str, Any] = {}
        for name, (low, high) in self.bounds.items():
            value = table[name].cast("float64")
            new[name] = clipped(value, low, high)
            if self.flags:
                beyond = (value < low) | (value > high)
                new[f"{name}_capped"] = ibis.coalesce(beyond, ibis.literal(value=False)).cast("int8")
        return table.mutate(**new)


def fit_cap(table: ibis.Table, features: list[str], capping: Capping) -> FittedCap:
    """Return Tukey's fences of the numeric feature columns.

    Raises:
        DataError: `capping.columns` names what is no number.
    """
    names = numbers(table, [name for name in table.columns if name not in features])
    if capping.columns is not None:
        require_numbers(table, capping.columns, "capping.columns")
        names = [name for name in names if name in capping.columns]
    flags = (ibis.dtype("boolean"), ibis.dtype("int8"))  # a 0/1 column has no outliers
    names = [name for name in names if table[name].type() not in flags]
    bounds = {}
    for name, found in quantiles(table, {name: [0.25, 0.75] for name in names}).items():
        if found and found[0] < found[1]:
            width = capping.factor * (found[1] - found[0])
            bounds[name] = (rounded(found[0] - width) or 0.0, rounded(found[1] + width) or 0.0)
    return FittedCap(bounds=bounds, flags=capping.flags)
