"""Tables of any type as Arrow's, in parts of a fixed number of rows, so that any number of rows fits in memory."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow.errors import DataError, UsageError
from firnflow.graph.annotations import class_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import ibis
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Floats = npt.NDArray[np.float32]
    Doubles = npt.NDArray[np.float64]

ROWS = 65_536
"""Rows of a part; always as many, since the last bit of a matrix product may depend on it."""


@dataclass(frozen=True)
class Opened:
    """A table that can be read once: its schema, and what it is read from."""

    schema: pa.Schema
    source: Any


def opened(table: Any) -> Opened:
    """Return a table of any type, ready to be read.

    Args:
        table: of Ibis, pandas, Polars or Arrow; a reader or a batch of Arrow; a dict: one row; a list of dicts: rows.

    Raises:
        UsageError: it is none of these.
        DataError: its columns hold values of several types.
    """
    import pyarrow as pa

    try:
        source = _source(table)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"The rows are no table: {error}") from error
    if source is None:
        raise UsageError(
            f"A {class_name(type(table))} is no table. Mend: pass a table of ibis, pandas, polars or pyarrow, or dicts"
        )
    schema = source.schema if isinstance(source, pa.Table | pa.RecordBatchReader) else source.schema().to_pyarrow()
    return Opened(schema, source)


def _source(table: Any) -> Any:
    """Return Arrow's table or reader, or Ibis's table; None for what is no table."""
    import pyarrow as pa

    names = {class_name(cls) for cls in type(table).__mro__}
    if isinstance(table, pa.Table | pa.RecordBatchReader) or "ibis.Table" in names:
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    if isinstance(table, dict | list):
        return _rows([table] if isinstance(table, dict) else table)
    if "pandas.DataFrame" in names:
        return pa.Table.from_pandas(table, preserve_index=False)
    if "polars.LazyFrame" in names:
        table = table.collect()
    return table.to_arrow() if names & {"polars.DataFrame", "polars.LazyFrame"} else None


def _rows(rows: list[dict[str, Any]]) -> pa.Table:
    import pyarrow as pa

    names = list(rows[0]) if rows and isinstance(rows[0], dict) else []
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise UsageError(f"Row {number} is a {class_name(type(row))}. Mend: pass a list of dicts")
        if set(row) != set(names):
            raise DataError(f"Row {number} has other columns than row 0: {sorted(set(row) ^ set(names))}")
    return pa.table({name: [row[name] for row in rows] for name in names})


def batches(table: Opened, names: Iterable[str]) -> Iterator[pa.Table]:
    """Yield columns of a table in parts of `ROWS` rows, the last one of fewer; an empty table yields nothing."""
    import pyarrow as pa

    wanted = list(dict.fromkeys(names))
    if isinstance(table.source, pa.Table):
        whole = table.source.select(wanted)
        yield from (whole.slice(start, ROWS) for start in range(0, whole.num_rows, ROWS))
        return
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in _streamed(table.source, wanted):
        held.append(batch)
        count += batch.num_rows
        while count >= ROWS:
            joined = pa.Table.from_batches(held)
            yield joined.slice(0, ROWS)
            held, count = joined.slice(ROWS).to_batches(), count - ROWS
    if count:
        yield pa.Table.from_batches(held)


def _streamed(source: Any, names: list[str]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    if isinstance(source, pa.RecordBatchReader):
        yield from (batch.select(names) for batch in source)
    else:
        yield from streamed(source.select(*names), ROWS)


def streamed(table: ibis.Table, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a table of the warehouse as it computes them."""
    reader = iter(table.to_pyarrow_batches(chunk_size=rows))
    with warnings.catch_warnings():
        # ibis 12 calls DuckDB by a name that is on its way out.
        warnings.filterwarnings("ignore", "fetch_record_batch", DeprecationWarning)
        first = next(reader, None)
    if first is not None:
        yield first
    yield from reader


def matrix(table: pa.Table, names: tuple[str, ...]) -> Floats:
    """Return n × m float32 of columns of numbers, NaN where a value is missing."""
    import numpy as np

    features = np.empty((table.num_rows, len(names)), dtype=np.float32)
    for place, name in enumerate(names):
        features[:, place] = floats(table[name])
    return features


def doubles(table: pa.Table, names: tuple[str, ...]) -> Doubles:
    """Return n × m float64 of columns of numbers, NaN where a value is missing."""
    import numpy as np
    import pyarrow as pa

    columns = [table[name].cast(pa.int8()) if pa.types.is_boolean(table[name].type) else table[name] for name in names]
    return np.column_stack([column.cast(pa.float64()).to_numpy() for column in columns])


def floats(column: pa.ChunkedArray[Any]) -> Floats:
    """Return a column of numbers as float32, NaN where a value is missing."""
    import pyarrow as pa

    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    # A null becomes NaN.
    result: Floats = column.cast(pa.float32()).to_numpy()
    return result
