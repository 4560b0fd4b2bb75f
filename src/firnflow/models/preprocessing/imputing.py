"""Missing values get a value that stands in for them."""

from __future__ import annotations

from typing import Any, Literal

import ibis

from firnflow.models.section import Section


class FittedImpute(Section):
    """What stands in for a missing value, by column, and which columns get a 0/1 column that says so."""

    step: Literal["impute"] = "impute"
    fill: dict[str, float | str]
    indicators: tuple[str, ...]

    def apply(self, table: ibis.Table) -> ibis.Table:
        """Return the table with every column of `fill` complete."""
        new: dict[str, Any] = {f"{name}_missing": table[name].isnull().cast("int8") for name in self.indicators}
        for name, value in self.fill.items():
            column = table[name] if isinstance(value, str) else table[name].cast("float64")
            new[name] = ibis.coalesce(column, ibis.literal(value))
        return table.mutate(**new)
