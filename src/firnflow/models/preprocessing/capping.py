"""Outliers are moved to bounds."""

from __future__ import annotations

from typing import Any, Literal

import ibis

from firnflow.models.section import Section


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


def clipped(value: Any, low: float, high: float) -> Any:
    """Return a column moved into [low, high]; null stays null, whatever the warehouse's `greatest` makes of it."""
    kind = value.type()
    bounds = [ibis.literal(int(b) if kind.is_integer() and b == int(b) else b) for b in (low, high)]
    return ibis.cases((value < low, bounds[0]), (value > high, bounds[1]), else_=value)
