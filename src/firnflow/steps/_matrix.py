"""A table of features as arrays, in the order of the key, so that a model does not depend on the order of the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow._text import listing
from firnflow.errors import DataError, MissingExtraError
from firnflow.models.arrow import floats, matrix, streamed
from firnflow.models.preprocessing.columns import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    import ibis
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from firnflow.models.section import Columns
    from firnflow.steps.config import Objective

    Floats = npt.NDArray[np.float32]

BATCH = 100_000


@dataclass(frozen=True)
class Examples:
    """Rows for training or scoring.

    Attributes:
        keys: a pyarrow array of n keys.
        labels: n labels: 0.0 or 1.0, or numbers.
        features: n × m, NaN where a value is missing.
        names: of the m features.
    """

    keys: Any
    labels: Floats
    features: Floats
    names: tuple[str, ...]


def xgboost() -> Any:
    """Return the xgboost module. Raises MissingExtraError where it is not installed."""
    try:
        import xgboost as library
    except ImportError as error:
        raise MissingExtraError("xgboost", "train") from error
    return library


def feature_names(table: ibis.Table, columns: Columns) -> tuple[str, ...]:
    """Return the feature columns of a table. Raises DataError where one is no number, or none is left."""
    require(table, [columns.key, columns.label], "the feature table")
    names = tuple(name for name in table.columns if name not in columns.no_features)
    wrong = [n for n in names if not (table[n].type().is_numeric() or table[n].type().is_boolean())]
    if wrong:
        raise DataError(f"Features that are no numbers: {listing(wrong)}. Mend: run `transform`, or encode them.")
    if not names:
        raise DataError("The feature table has no feature beside key and label.")
    return names


class Learnable:
    """Whether rows are fit to learn from, found out in parts.

    Attributes:
        rows: how many were added.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        import numpy as np

        self.rows = 0
        self._names = names
        self._labels: Floats = np.empty(0, np.float32)
        self._empty = [True] * len(names)

    def add(self, labels: Floats, features: Floats) -> None:
        """Look at n labels and n × m features."""
        import numpy as np

        self.rows += len(labels)
        values = np.unique(np.concatenate([self._labels, labels]))
        self._labels = values if len(values) <= 6 else values[[0, 1, 2, 3, 4, -1]]  # what is not finite is at an end
        self._empty = [empty and bool(np.isnan(x).all()) for empty, x in zip(self._empty, features.T, strict=True)]

    def check(self, columns: Columns, objective: Objective) -> None:
        """Raise DataError where a feature has no value at all, or the label is not what the objective wants."""
        import numpy as np

        values = self._labels
        if objective == "binary" and values.tolist() != [0.0, 1.0]:
            seen = listing(f"{value:g}" for value in values[:5])
            raise DataError(
                f"The label {columns.label!r} must be 0 and 1, both of them; it is {seen}. Mend: take `split`'s parts, "
                'or, if it is a number, set training.objective = "regression".'
            )
        if objective == "regression" and (len(values) < 2 or not np.isfinite(values).all()):
            raise DataError(f"The label {columns.label!r} must be numbers that differ, none of them missing.")
        empty = [name for name, empty in zip(self._names, self._empty, strict=True) if empty]
        if empty:
            raise DataError(f"Features without a single value: {listing(empty)}. Mend: add them to columns.ignore.")


def examples(table: ibis.Table, key: str, label: str, names: tuple[str, ...]) -> Examples:
    """Return all rows of a feature table, by key."""
    return _examples(_select(table, key, label, names).order_by(key).to_pyarrow(), names)


def training_examples(table: ibis.Table, columns: Columns, objective: Objective) -> Examples:
    """Return all rows of a feature table, by key, fit to learn from.

    Raises:
        DataError: a feature is no number or has no value at all, or the label is not what the objective wants: 0 and 1,
            both of them, or numbers that differ.
    """
    found = examples(table, columns.key, columns.label, feature_names(table, columns))
    seen = Learnable(found.names)
    seen.add(found.labels, found.features)
    seen.check(columns, objective)
    return found


def times(table: ibis.Table, columns: Columns) -> Any:
    """Return when each row was known, by key: n integers that rise with time.

    Raises:
        DataError: `columns.time` is not said or not there, or is no time and no whole number, or has gaps.
    """
    import pyarrow as pa

    if columns.time is None:
        raise DataError('training.validation = "time" needs to know the order: set columns.time.')
    require(table, [columns.time], "columns.time")
    kind = table[columns.time].type()
    if not (kind.is_timestamp() or kind.is_date() or kind.is_integer()):
        raise DataError(f"columns.time: {columns.time!r} is {kind}, neither a time nor a whole number.")
    found = table.select(columns.key, columns.time).order_by(columns.key).to_pyarrow()[columns.time]
    if found.null_count:
        raise DataError(f"columns.time: {columns.time!r} is missing in {found.null_count:,} rows.")
    if not kind.is_integer():
        found = found.cast(pa.timestamp("us", found.type.tz if kind.is_timestamp() else None))
    return found.cast(pa.int64()).to_numpy()


def batches(table: ibis.Table, key: str, label: str, names: tuple[str, ...]) -> Iterator[Examples]:
    """Yield a feature table in parts, in no order, so that any number of rows fits in memory."""
    import pyarrow as pa

    for batch in streamed(_select(table, key, label, names), BATCH):
        if batch.num_rows:
            yield _examples(pa.Table.from_batches([batch]), names)


def _select(table: ibis.Table, key: str, label: str, names: tuple[str, ...]) -> ibis.Table:
    require(table, [key, label, *names], "the feature table")
    return table.select(key, label, *names)


def _examples(arrow: pa.Table, names: tuple[str, ...]) -> Examples:
    key, label = arrow.column_names[:2]
    return Examples(arrow[key].combine_chunks(), floats(arrow[label]), matrix(arrow, names), names)
