"""The value that carries everything learnt about columns: plain data, kept with the model, applied to any table."""

from __future__ import annotations

from typing import Annotated, Any

import ibis
from pydantic import Field

from firnflow._text import listing
from firnflow.errors import DataError
from firnflow.models.preprocessing.capping import FittedCap
from firnflow.models.preprocessing.columns import require
from firnflow.models.preprocessing.deriving import FittedDerive
from firnflow.models.preprocessing.encoding import FittedEncode
from firnflow.models.preprocessing.imputing import FittedImpute
from firnflow.models.section import Columns, Section

FittedStep = Annotated[FittedImpute | FittedCap | FittedDerive | FittedEncode, Field(discriminator="step")]


class Input(Section):
    """A raw column that a model reads.

    Attributes:
        type: as Ibis writes it: `int64`, `float64`, `string`, `boolean`, `timestamp('UTC')`, …
        nullable: whether a value may be missing.
    """

    type: str
    nullable: bool = True


class Preprocessing(Section):
    """Fitted steps in their order.

    `model_dump(mode="json")` is what `ff.Model.preprocessing` holds, and `Preprocessing.model_validate` reads it back.

    Attributes:
        columns: which column is what.
        inputs: the feature columns that `apply` reads, as they were in the training part.
        steps: what happens to them.
    """

    columns: Columns
    inputs: dict[str, Input]
    steps: tuple[FittedStep, ...] = ()

    def and_then(self, step: FittedStep) -> Preprocessing:
        """Return a copy with one more step."""
        return self.model_copy(update={"steps": (*self.steps, step)})

    def features(self, table: ibis.Table) -> list[str]:
        """Return the columns of a table that are features."""
        return [name for name in table.columns if name not in self.columns.no_features]

    def partly(self, table: ibis.Table) -> ibis.Table:
        """Return key, label and time (where it has them) and the features after all steps, in the types they have then.

        Raises:
            DataError: the table lacks a column.
        """
        require(table, [self.columns.key], "the fitted preprocessing")
        return self._stepped(table, [name for name in self.columns.no_features if name in table.columns])

    def apply(self, table: ibis.Table) -> ibis.Table:
        """Return key, label and time (where it has them) and the features, as int8 (0/1) or float32, as XGBoost reads.

        Raises:
            DataError: the table lacks a column, or a feature is no number.
        """
        table = self.partly(table)
        return table.mutate(**{name: _number(table, name) for name in self.features(table)})

    def only_features(self, table: ibis.Table) -> ibis.Table:
        """Return what `apply` returns without key, label and time, which the table need not have."""
        table = self._stepped(table, [])
        return table.mutate(**{name: _number(table, name) for name in table.columns})

    def _stepped(self, table: ibis.Table, kept: list[str]) -> ibis.Table:
        require(table, [*kept, *self.inputs], "the fitted preprocessing")
        table = table.select(*kept, *self.inputs)
        for step in self.steps:
            table = step.apply(table)
        return table


def _number(table: ibis.Table, name: str) -> Any:
    kind = table[name].type()
    if kind.is_boolean() or kind == ibis.dtype("int8"):
        return table[name].cast("int8")
    if kind.is_numeric():
        return table[name].cast("float32")
    texts = [other for other, t in table.schema().items() if t.is_string()]
    hint = f"encode it (text columns: {listing(texts)})" if kind.is_string() else "turn it into a number in a task"
    raise DataError(f"Feature {name!r} is {kind}, not a number. Mend: {hint}, or add it to columns.ignore.")
