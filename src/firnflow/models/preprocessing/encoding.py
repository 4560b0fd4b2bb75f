"""Text becomes 0/1 columns."""

from __future__ import annotations

from typing import Any, Literal

import ibis

from firnflow.models.section import Section


class OneHot(Section):
    """The values of a column that have a 0/1 column, value → its name; `other` names the one of all other values."""

    names: dict[str, str]
    other: str | None


class FittedEncode(Section):
    """Text column → its 0/1 columns, which take its place."""

    step: Literal["encode"] = "encode"
    columns: dict[str, OneHot]

    def apply(self, table: ibis.Table) -> ibis.Table:
        """Return the table with 0/1 columns in place of the text columns; a new value is in none, or in `other`."""
        new: dict[str, Any] = {}
        for column, one_hot in self.columns.items():
            text = table[column].cast("string")
            for value, name in one_hot.names.items():
                new[name] = ibis.coalesce(text == value, ibis.literal(value=False)).cast("int8")
            if one_hot.other is not None:
                other = text.notin(list(one_hot.names)) & text.notnull()
                new[one_hot.other] = other.cast("int8")
        return table.mutate(**new).drop(*self.columns)
