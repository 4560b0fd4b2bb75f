"""The value that carries everything learnt about columns: plain data, kept with the model, applied to any table."""

from __future__ import annotations

from typing import Annotated, Any

import ibis
from pydantic import Field

from firnflow._text import listing
from firnflow.errors import DataError
from firnflow.steps._tables import require
from firnflow.steps.capping import FittedCap
from firnflow.steps.config import Columns, Section
from firnflow.steps.deriving import FittedDerive
from firnflow.steps.encoding import FittedEncode
from firnflow.steps.imputing import FittedImpute

FittedStep = Annotated[FittedImpute | FittedCap | FittedDerive | FittedEncode, Field(discriminator="step")]


class Preprocessing(Section):
    """Fitted steps in their order.

    `model_dump(mode="json")` is what `ff.Model.preprocessing` holds, and `Preprocessing.model_validate` reads it back.

    Attributes:
        columns: which column is what.
        inputs: the feature columns that `apply` reads.
        steps: what happens to them.
    """

    columns: Columns
    inputs: tuple[str, ...]
    steps: tuple[FittedStep, ...] = ()

    @classmethod
    def start(cls, table: ibis.Table, columns: Columns) -> Preprocessing:
        """Return one that does nothing yet, for tables like this one."""
        require(table, [columns.key], "columns.key")
        without = {columns.key, columns.label, *columns.ignore}
        inputs = tuple(name for name in table.columns if name not in without)
        if not inputs:
            raise DataError("The table has no feature columns beside key, label and columns.ignore.")
        return cls(columns=columns, inputs=inputs)

    def and_then(self, step: FittedStep) -> Preprocessing:
        """Return a copy with one more step."""
        return self.model_copy(update={"steps": (*self.steps, step)})

    def features(self, table: ibis.Table) -> list[str]:
        """Return the columns of a table that are features."""
        return [name for name in table.columns if name not in (self.columns.key, self.columns.label)]

    def partly(self, table: ibis.Table) -> ibis.Table:
        """Return key, label (where the table has one) and the features after all steps, in the types they have then.

        Raises:
            DataError: the table lacks a column.
        """
        require(table, [self.columns.key, *self.inputs], "the fitted preprocessing")
        label = [self.columns.label] if self.columns.label in table.columns else []
        table = table.select(self.columns.key, *label, *self.inputs)
        for step in self.steps:
            table = step.apply(table)
        return table

    def apply(self, table: ibis.Table) -> ibis.Table:
        """Return key, label (where the table has one) and the features, as int8 (0/1) or float32, as XGBoost reads.

        Raises:
            DataError: the table lacks a column, or a feature is no number.
        """
        table = self.partly(table)
        return table.mutate(**{name: _number(table, name) for name in self.features(table)})


def _number(table: ibis.Table, name: str) -> Any:
    kind = table[name].type()
    if kind.is_boolean() or kind == ibis.dtype("int8"):
        return table[name].cast("int8")
    if kind.is_numeric():
        return table[name].cast("float32")
    texts = [other for other, t in table.schema().items() if t.is_string()]
    hint = f"encode it (text columns: {listing(texts)})" if kind.is_string() else "turn it into a number in a task"
    raise DataError(f"Feature {name!r} is {kind}, not a number. Mend: {hint}, or add it to columns.ignore.")
