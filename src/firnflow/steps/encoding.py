"""Text as numbers: one 0/1 column per value that is frequent in the training part."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import ibis

from firnflow.errors import DataError
from firnflow.models.preprocessing import FittedEncode, OneHot
from firnflow.models.preprocessing.columns import require
from firnflow.steps._tables import log, texts

if TYPE_CHECKING:
    from firnflow.steps.config import Encoding


def fit_encode(table: ibis.Table, features: list[str], encoding: Encoding) -> FittedEncode:
    """Return the frequent values of the text columns, and names for their 0/1 columns.

    Raises:
        DataError: `encoding.columns` names a column that is not there, or a column is all null.
    """
    names = texts(table, [name for name in table.columns if name not in features])
    if encoding.columns is not None:
        require(table, encoding.columns, "encoding.columns")
        names = [name for name in encoding.columns if name in features]
    taken = set(table.columns)
    return FittedEncode(columns={name: _one_hot(table, name, encoding.max_values, taken) for name in names})


def _one_hot(table: ibis.Table, column: str, most: int, taken: set[str]) -> OneHot:
    present = table.filter(table[column].notnull())
    counts = present.group_by(value=present[column].cast("string")).aggregate(rows=present.count())
    rows = counts.order_by(ibis.desc("rows"), "value").limit(most + 1).to_pyarrow().to_pylist()
    if not rows:
        raise DataError(f"Column {column!r} of the training part is all null. Mend: add it to columns.ignore.")
    values = sorted(row["value"] for row in rows[:most])
    names = {value: _free(f"{column}_{_slug(value)}", taken) for value in values}
    other = None
    if len(rows) > most:
        other = _free(f"{column}_other", taken)
        log.info("%s: the %s most frequent values get a column of their own; all others share %s", column, most, other)
    return OneHot(names=names, other=other)


def _slug(text: str) -> str:
    """Return a value as a part of a column's name: lower-case letters, digits and `_`."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", ascii_text.lower()).strip("_") or "value"


def _free(name: str, taken: set[str]) -> str:
    free, number = name, 2
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    taken.add(free)
    return free
