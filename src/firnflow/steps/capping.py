"""Outliers: the bounds are learnt from the training part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

from firnflow.models.preprocessing import FittedCap
from firnflow.steps._tables import numbers, quantiles, require_numbers, rounded

if TYPE_CHECKING:
    from firnflow.steps.config import Capping


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
