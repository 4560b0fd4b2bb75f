"""Rows in Arrow as Snowflake's connectors read them.

A moment is a struct of seconds and nanoseconds, a time is nanoseconds, and each column says in its metadata what it is:
`arrow_context.py` and `nanoarrow_cpp` in Snowflake's connector for Python.
"""

from __future__ import annotations

import json
from base64 import b64encode
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

_ZONE_OF_UTC = 1440
"""The protocol counts the minutes of a zone from here."""


def stream(table: pa.Table, rowtype: Sequence[dict[str, Any]]) -> str:
    """Return a table as an Arrow stream in base64; nothing for no rows.

    Args:
        table: the rows.
        rowtype: of each column, what the protocol says of it.
    """
    import pyarrow as pa

    if table.num_rows == 0:
        return ""  # the connector for Python dies of a batch without rows
    columns = [_column(column, described["type"]) for column, described in zip(table.columns, rowtype, strict=True)]
    fields = [
        pa.field(described["name"], column.type, metadata=_metadata(described))
        for column, described in zip(columns, rowtype, strict=True)
    ]
    sink = pa.BufferOutputStream()
    schema = pa.schema(fields)
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    return b64encode(sink.getvalue()).decode()


def _metadata(described: dict[str, Any]) -> dict[str, str]:
    length = described["length"] or 0
    precision, scale = described["precision"], described["scale"]
    exact = {"precision": str(38 if precision is None else precision), "scale": str(scale or 0)}
    return {"logicalType": described["type"].upper(), **exact, "charLength": str(length)}


def _column(column: Any, kind: str) -> Any:
    """Return a column in a type that the protocol has."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    sort = column.type
    if isinstance(sort, pa.ExtensionType):
        column, sort = column.storage, column.storage.type
    if pa.types.is_timestamp(sort):
        return _moments(column, zoned=kind == "timestamp_tz")
    if pa.types.is_time(sort):
        return pc.multiply(column.cast(pa.time64("us")).cast(pa.int64()), 1000)
    if pa.types.is_nested(sort):
        texts = [None if value is None else json.dumps(value, default=_plain) for value in column.to_pylist()]
        return pa.array(texts, pa.string())
    if kind == "fixed":
        return _whole(column) if not pa.types.is_decimal(sort) or sort.scale == 0 else column
    wider = pa.float64() if pa.types.is_floating(sort) else pa.string() if pa.types.is_null(sort) else sort
    return column.cast(wider)


def _plain(value: Any) -> Any:
    """Return a value in an array or object as JSON has it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


def _whole(column: Any) -> Any:
    """Return whole numbers in 64 bits, or as decimals where one needs more, as they come there."""
    import pyarrow as pa

    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return column.cast(pa.decimal128(38, 0))


def _moments(column: Any, *, zoned: bool) -> Any:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    is_fine = column.type.unit == "ns"
    kind = pa.timestamp("ns", column.type.tz) if is_fine else pa.timestamp("us", column.type.tz)
    counts = column.cast(kind, safe=False).cast(pa.int64()).fill_null(0).to_numpy()
    each = 1_000_000_000 if is_fine else 1_000_000
    seconds, rest = np.divmod(counts, each)  # towards the past, as a fraction is never negative
    parts: list[Any] = [pa.array(seconds), pa.array((rest * (1_000_000_000 // each)).astype(np.int32))]
    fields = [pa.field("epoch", pa.int64()), pa.field("fraction", pa.int32())]
    if zoned:
        parts.append(pa.array([_ZONE_OF_UTC] * len(column), pa.int32()))
        fields.append(pa.field("timezone", pa.int32()))
    return pa.StructArray.from_arrays(parts, fields=fields, mask=pc.is_null(column))
