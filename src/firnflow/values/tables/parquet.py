"""Parquet files as all table types write and read them.

Eager tables are written by pyarrow, canonically: row groups of one size whatever the chunks were, so that equal tables
give equal bytes. Types that Parquet would change are noted in the file (`tables.schema`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from firnflow._text import counted
from firnflow.errors import DataError
from firnflow.values import digest
from firnflow.values.base import Saved, ValueType
from firnflow.values.tables import schema as schemas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from firnflow.values.ref import Ref

ROW_GROUP = 1 << 20
SAMPLE = 8192
UNNAMED_INDEX = re.compile(r"__index_level_\d+__")
"""What Arrow calls the unnamed levels of a pandas index; they are no columns to anything but pandas."""


class TableType(ValueType):
    """What all table types have in common."""

    kind = "table"
    suffix = "parquet"

    def describe(self, ref: Ref) -> str:
        """Return e.g. `table 100,000 rows × 12 columns`."""
        meta = ref.meta or {}
        return f"table {counted(meta.get('rows', 0), 'row')} × {counted(len(meta.get('columns', {})), 'column')}"


def meta_of(schema: pa.Schema, rows: int) -> dict[str, Any]:
    """Return the `meta` of a table's ref."""
    return {"rows": rows, "columns": {field.name: str(field.type) for field in schema}}


def write_table(table: pa.Table, path: Path, notes: dict[str, Any] | None = None) -> Saved:
    """Write an Arrow table. Raises DataError as `write`."""
    schemas.check_names(table.schema.names)
    if table.num_rows and not table.num_columns:
        raise DataError("The table has rows but no columns: Parquet cannot hold it. Mend: add a column")
    table = table.unify_dictionaries()
    return write(table.to_batches(), table.schema, path, {"dictionaries": schemas.dictionaries(table), **(notes or {})})


def write(batches: Iterable[pa.RecordBatch], schema: pa.Schema, path: Path, notes: dict[str, Any]) -> Saved:
    """Write batches of one schema; at most one row group of `ROW_GROUP` rows is held.

    Raises:
        DataError: a column name stands twice, or a column has a type that Parquet cannot hold.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    stored = schemas.storable(schema, notes)
    rows = 0
    groups = _groups(batches, schema, stored)
    try:
        first = next(groups)
        path.touch()
        with digest.while_written(path) as hashed, pq.ParquetWriter(path, stored, **_encodings(first)) as writer:
            for group in _chained(first, groups):
                writer.write_table(group, row_group_size=ROW_GROUP)
                rows += group.num_rows
    except pa.ArrowException as error:
        raise DataError(f"The table cannot be stored as Parquet: {error}") from error
    return Saved(meta_of(schema, rows), digest=hashed())


def read(path: Path, ref: Ref) -> tuple[pa.Table, dict[str, Any]]:
    """Return the file as an Arrow table with the schema that it had, and the notes of who wrote it.

    Raises:
        DamagedArtifactError: it is no Parquet file, or not one that `write` or the warehouse wrote.
    """
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            return schemas.restore(file.read())
    except Exception as error:  # whatever a damaged file makes of it
        raise digest.damaged(ref, error) from error


def read_plain(path: Path, ref: Ref) -> pa.Table:
    """Return the file as an Arrow table for anything but pandas: without the unnamed levels of an index."""
    table, _ = read(path, ref)
    hidden = hidden_columns(ref)
    return table.drop_columns(hidden).replace_schema_metadata(None) if hidden else table


def hidden_columns(ref: Ref) -> list[str]:
    """Return the columns that only hold a pandas index without a name."""
    columns = (ref.meta or {}).get("columns", {})
    return [name for name in columns if ref.type == "pandas" and UNNAMED_INDEX.fullmatch(name)]


def _groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema, stored: pa.Schema) -> Iterator[pa.Table]:
    """Yield the rows in tables of ROW_GROUP rows and one chunk each; the last, or an only one, may be shorter."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        while rows >= ROW_GROUP:
            table = pa.Table.from_batches(held, schema)
            yield _as_stored(table.slice(0, ROW_GROUP), stored)
            held = table.slice(ROW_GROUP).to_batches()
            rows -= ROW_GROUP
    if held:
        yield _as_stored(pa.Table.from_batches(held, schema), stored)
    yield _as_stored(schema.empty_table(), stored)


def _as_stored(table: pa.Table, stored: pa.Schema) -> pa.Table:
    import pyarrow as pa

    columns = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(table.columns, stored, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=stored).combine_chunks()  # which copies no column of one chunk


def _chained(first: pa.Table, rest: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Yield the groups without the empty one that ends them, but for an empty table."""
    yield first
    yield from (group for group in rest if group.num_rows)


def _encodings(group: pa.Table) -> dict[str, Any]:
    """Return the writer's settings: a dictionary only for columns whose values repeat.

    Floats that do not repeat hardly compress: a lower level saves a third of the time.
    """
    import pyarrow as pa

    repeating = [name for name in group.column_names if _repeats(group.column(name))]
    fast = {
        field.name: -1 for field in group.schema if pa.types.is_floating(field.type) and field.name not in repeating
    }
    return {"compression": "zstd", "use_dictionary": repeating or False, "compression_level": fast or None}


def _repeats(column: pa.ChunkedArray[Any]) -> bool:
    """Whether values repeat in a sample of SAMPLE rows: fewer than some 100,000 distinct ones, if they are mixed."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        return True
    if not any(is_kind(column.type) for is_kind in _plain_kinds()):
        return False
    step = max(1, len(column) // SAMPLE)
    sample = column.take(np.arange(0, len(column), step))
    return bool(pc.count_distinct(sample, mode="all").as_py() < 0.97 * len(sample))


def _plain_kinds() -> list[Callable[[Any], bool]]:
    import pyarrow.types as kinds

    numbers: list[Callable[[Any], bool]] = [kinds.is_integer, kinds.is_floating, kinds.is_decimal, kinds.is_boolean]
    texts: list[Callable[[Any], bool]] = [kinds.is_string, kinds.is_large_string, kinds.is_binary]
    return [*numbers, *texts, kinds.is_large_binary, kinds.is_temporal]
