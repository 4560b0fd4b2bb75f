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

    Floats = npt.NDArray[np.float32]

BATCH = 100_000


@dataclass(frozen=True)
class Examples:
    """Rows for training or scoring.

    Attributes:
        keys: a pyarrow array of n keys.
        labels: n labels, 0.0 or 1.0.
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


def feature_names(table: ibis.Table, key: str, label: str) -> tuple[str, ...]:
    """Return the feature columns of a table. Raises DataError where one is no number, or none is left."""
    require(table, [key, label], "the feature table")
    names = tuple(name for name in table.columns if name not in (key, label))
    wrong = [n for n in names if not (table[n].type().is_numeric() or table[n].type().is_boolean())]
    if wrong:
        raise DataError(f"Features that are no numbers: {listing(wrong)}. Mend: run `transform`, or encode them.")
    if not names:
        raise DataError("The feature table has no feature beside key and label.")
    return names


def examples(table: ibis.Table, key: str, label: str, names: tuple[str, ...]) -> Examples:
    """Return all rows of a feature table, by key."""
    return _examples(_select(table, key, label, names).order_by(key).to_pyarrow(), names)


def training_examples(table: ibis.Table, key: str, label: str) -> Examples:
    """Return all rows of a feature table, by key, fit to learn from.

    Raises:
        DataError: a feature is no number or has no value at all, or the label is not 0 and 1, both of them.
    """
    import numpy as np

    found = examples(table, key, label, feature_names(table, key, label))
    if not np.isin(found.labels, (0.0, 1.0)).all() or len(np.unique(found.labels)) != 2:
        seen = listing(f"{value:g}" for value in np.unique(found.labels)[:5])
        raise DataError(f"The label {label!r} must be 0 and 1, both of them; it is {seen}. Mend: take `split`'s parts.")
    empty = [name for name, column in zip(found.names, found.features.T, strict=True) if np.isnan(column).all()]
    if empty:
        raise DataError(f"Features without a single value: {listing(empty)}. Mend: add them to columns.ignore.")
    return found


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
