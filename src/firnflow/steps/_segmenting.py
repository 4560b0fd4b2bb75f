"""A metric in each segment of the test part: `evaluating.segments`."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from firnflow.errors import DataError, UsageError
from firnflow.models.evaluation.catalog import metric
from firnflow.models.evaluation.intervals import intervals
from firnflow.models.evaluation.segments import MISSING, groups_of
from firnflow.models.preprocessing.columns import require
from firnflow.steps._explain import short
from firnflow.steps._html import amount
from firnflow.steps._tables import log
from firnflow.steps.evaluation import Bounds, Segment, Segmentation

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

    from firnflow.models.evaluation.base import Array, Kind, Metric, Scored
    from firnflow.steps.config import Evaluating

_MOST = 40
"""Segments of a column that are shown."""
_VALUES = 12
"""Numbers with more values than these are divided into bands …"""
_BANDS = 5
"""… so many, of about equally many rows."""


class Cut(NamedTuple):
    """What is divided: the keys of the test part and, in their order, what the model says; by which metric."""

    keys: pa.Array[Any]
    scored: Scored
    kind: Kind
    metric: str


def segmentations(cut: Cut, key: str, evaluating: Evaluating, rows: ibis.Table) -> tuple[Segmentation, ...]:
    """Return the metric by segment for each column that `evaluating.segments` names.

    Raises:
        DataError: a column is not there, or not every row of the test part is, once.
        UsageError: the metric is none of the model's kind.
    """
    if not evaluating.segments:
        return ()
    judge = metric(cut.kind, cut.metric)
    values = _values(rows, key, evaluating.segments, cut.keys)
    return tuple(_segmentation(cut, judge, name, values[name], evaluating) for name in evaluating.segments)


def source(rows: ibis.Table | None, features: ibis.Table, evaluating: Evaluating) -> ibis.Table:
    """Return the table that has the columns. Raises UsageError where raw rows are needed and not given."""
    missing = [name for name in evaluating.segments if name not in features.columns]
    if rows is None and missing:
        raise UsageError(
            f"evaluating.segments names {', '.join(missing)}, which the features do not have."
            " Mend: pass the test part as `split` returned it: steps.evaluate(…, rows=test_set)"
        )
    return features if rows is None else rows


def _values(table: ibis.Table, key: str, names: tuple[str, ...], keys: pa.Array[Any]) -> pa.Table:
    """Return the columns of the rows with these keys, in their order."""
    import pyarrow.compute as pc

    require(table, [key, *names], "evaluating.segments")
    found: pa.Table = table.select(*dict.fromkeys([key, *names])).to_pyarrow()
    known = found[key].combine_chunks().cast(keys.type)
    place = pc.index_in(keys, value_set=known)
    if place.null_count:
        raise DataError(
            f"evaluate: {place.null_count:,} of {len(keys):,} keys of the test part are not among the `rows` that were"
            " passed. Mend: pass the test part as `split` returned it."
        )
    if pc.count_distinct(known).as_py() < len(known):
        raise DataError(f"evaluate: the `rows` that were passed have more than one row for some {key!r}.")
    return found.take(place)


def _segmentation(cut: Cut, judge: Metric, column: str, values: Any, evaluating: Evaluating) -> Segmentation:
    import numpy as np

    names, codes, ordered = _groups(values)
    counts = np.bincount(codes, minlength=len(names))
    large = np.flatnonzero(counts >= evaluating.segment_rows)
    by_rows = large[np.argsort(-counts[large], kind="stable")]
    kept, beyond = by_rows[:_MOST], by_rows[_MOST:]
    small = counts[(counts > 0) & (counts < evaluating.segment_rows)]
    left_out = int(small.sum() + counts[beyond].sum())
    if left_out:
        log.info("segments of %s: %s rows are in segments that are left out", column, f"{left_out:,}")
    return Segmentation(
        column=column,
        metric=judge.name,
        better=judge.better,
        whole=_known(judge.value(cut.scored)),
        segments=tuple(
            _segment(cut, judge, names[code], np.flatnonzero(codes == code), evaluating)
            for code in (sorted(kept) if ordered else kept)
        ),
        small=len(small),
        small_rows=int(small.sum()),
        beyond=len(beyond),
        beyond_rows=int(counts[beyond].sum()),
        min_rows=evaluating.segment_rows,
    )


def _groups(values: Any) -> tuple[list[str], Array, bool]:
    """Return names, the number of each row's, and whether they have an order: bands of numbers have."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return *groups_of(values.to_numpy()), False
    numbers = values.cast(pa.float64()).to_numpy()
    if pc.count_distinct(values).as_py() <= _VALUES:
        text = values.cast(pa.string()).to_numpy()
        return *groups_of(np.where(np.isnan(numbers), None, text)), False
    known = ~np.isnan(numbers)
    edges = np.unique(np.quantile(numbers[known], np.linspace(0, 1, _BANDS + 1)))
    codes = np.searchsorted(edges[1:-1], numbers, side="right")
    names = [f"{amount(low)} to {amount(high)}" for low, high in itertools.pairwise(edges)]
    return [*names, MISSING], np.where(known, codes, len(names)), True


def _segment(cut: Cut, judge: Metric, name: str, rows: Array, evaluating: Evaluating) -> Segment:
    import numpy as np

    part = cut.scored.take(rows)
    found = intervals(
        cut.kind,
        [judge],
        part,
        confidence=evaluating.confidence,
        resamples=evaluating.resamples,
        seed=evaluating.seed,
    )[judge.name]
    return Segment(
        name=name,
        rows=len(rows),
        observed=short(part.labels.mean(dtype=np.float64)),
        predicted=short(part.scores.mean(dtype=np.float64)),
        value=_known(found.value),
        bounds=bounds(found),
    )


def bounds(found: Any) -> Bounds | None:
    """Return the ends of an interval, None where they are not known."""
    return None if math.isnan(found.low) else Bounds(low=short(found.low), high=short(found.high))


def _known(value: float) -> float | None:
    return None if math.isnan(value) else short(value)
