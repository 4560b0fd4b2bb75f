"""New columns from columns: a row's new columns depend on that row and on what was fitted, on nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import ibis

from firnflow.models.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterator


class FittedFlag(Section):
    """`name` is 1 where `column` is beyond `bound`."""

    name: str
    column: str
    how: Literal[">", "<", ">=", "<="]
    bound: float

    def expression(self, value: Any) -> Any:
        """Return the 0/1 column; null where the value is."""
        comparisons = {">": value > self.bound, "<": value < self.bound, ">=": value >= self.bound}
        return comparisons.get(self.how, value <= self.bound).cast("int8")


class GroupMeans(Section):
    """Mean of `column` by the values of `by`; `overall` stands in for a group that training did not see."""

    by: str
    column: str
    means: dict[str, float]
    overall: float

    def expression(self, table: ibis.Table) -> Any:
        """Return the distance of a row to the mean of its group."""
        group = table[self.by].cast("string")
        mean = ibis.cases(*((group == name, value) for name, value in self.means.items()), else_=self.overall)
        return as_float(table, self.column) - mean


class FittedDerive(Section):
    """Everything that the new columns need."""

    step: Literal["derive"] = "derive"
    logs: tuple[str, ...]
    ratios: tuple[tuple[str, str], ...]
    products: tuple[tuple[str, str], ...]
    flags: tuple[FittedFlag, ...]
    bands: dict[str, tuple[float, ...]]
    groups: tuple[GroupMeans, ...]
    scores: dict[str, tuple[float, float]]

    def apply(self, table: ibis.Table) -> ibis.Table:
        """Return the table with the new columns."""
        return table.mutate(**dict(self.columns(table)))

    def columns(self, table: ibis.Table) -> Iterator[tuple[str, Any]]:
        """Yield name and expression of each new column."""
        for name in self.logs:
            value = as_float(table, name)
            yield f"log_{name}", (ibis.cases((value < 0, 0.0), else_=value) + 1).ln()
        for over, under in self.ratios:
            yield f"{over}_over_{under}", as_float(table, over) / as_float(table, under).nullif(0)
        for first, second in self.products:
            yield f"{first}_times_{second}", as_float(table, first) * as_float(table, second)
        for flag in self.flags:
            yield flag.name, flag.expression(as_float(table, flag.column))
        for name, breaks in self.bands.items():
            yield f"{name}_band", _band(as_float(table, name), breaks)
        for group in self.groups:
            yield f"{group.column}_vs_{group.by}", group.expression(table)
        for name, (mean, deviation) in self.scores.items():
            yield f"{name}_score", (as_float(table, name) - mean) / deviation


def as_float(table: ibis.Table, name: str) -> Any:
    """Return a column as float64."""
    return table[name].cast("float64")


def _band(value: Any, breaks: tuple[float, ...]) -> Any:
    """Return how many breaks are not above the value."""
    # Of a type of its own: ibis drops a cast of small literals, which the warehouse has as larger integers.
    numbers = [ibis.literal(number, type="int64") for number in range(len(breaks) + 1)]
    steps = [(value < bound, number) for bound, number in zip(breaks, numbers, strict=False)]
    return ibis.cases((value.isnull(), ibis.null("int64")), *steps, else_=numbers[-1]).cast("int8")
