"""Parquet files as all table types write and read them.

Eager tables are written by pyarrow, canonically: row groups of one size whatever the chunks were, so that equal tables
give equal bytes. The Arrow schema stands in the file; what Parquet itself would lose comes back from it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from firnflow.errors import DamagedArtifactError, DataError
from firnflow.values import digest
from firnflow.values.base import Saved, ValueType

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pyarrow as pa

    from firnflow.values.ref import Ref

ROW_GROUP = 1 << 20


class TableType(ValueType):
    """What all table types have in common."""

    kind = "table"
    suffix = "parquet"

    def verify(self, path: Path, ref: Ref) -> None:
        """Check the bytes; of a file that the warehouse wrote, the footer, which fixes sizes, places and statistics."""
        committed = (ref.meta or {}).get("footer")
        if committed is None:
            return super().verify(path, ref)
        if footer_digest(path, ref) != committed:
            raise DamagedArtifactError(f"{ref.where} is not what was committed: its footer differs. {digest.MEND}")
        return None

    def describe(self, ref: Ref) -> str:
        """Return e.g. `table 100,000 rows × 12 columns`."""
        meta = ref.meta or {}
        return f"table {meta.get('rows', 0):,} rows × {len(meta.get('columns', {}))} columns"


def meta_of(schema: pa.Schema, rows: int) -> dict[str, Any]:
    """Return the `meta` of a table's ref."""
    return {"rows": rows, "columns": {field.name: str(field.type) for field in schema}}


def write(batches: Iterable[pa.RecordBatch], schema: pa.Schema, path: Path) -> Saved:
    """Write batches of one schema; at most one row group of `ROW_GROUP` rows is held.

    Raises:
        DataError: a column name stands twice, or a column has a type that Parquet cannot hold.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_names(schema.names)
    rows = 0
    try:
        with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=_dictionaries(schema)) as writer:
            for group in _groups(batches, schema):
                writer.write_table(group, row_group_size=ROW_GROUP)
                rows += group.num_rows
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise DataError(f"The table cannot be stored as Parquet: {error}") from error
    return Saved(meta_of(schema, rows))


def read(path: Path, ref: Ref) -> pa.Table:
    """Return the whole file as an Arrow table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise digest.damaged(ref, error) from error


def check_names(names: list[str]) -> None:
    """Raise DataError where a column name stands twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"The column name {twice[0]!r} stands twice in the table. Mend: rename one of the columns")


def footer_digest(path: Path, ref: Ref | None = None) -> str:
    """Return the SHA-256 of a Parquet file's footer and size. Raises DamagedArtifactError where there is none."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 8))
        tail = file.read(8)
        length = int.from_bytes(tail[:4], "little")
        if size < 12 or tail[4:] != b"PAR1" or length > size - 12:
            raise DamagedArtifactError(f"{ref.where if ref else path} is no whole Parquet file. {digest.MEND}")
        file.seek(size - 8 - length)
        return hashlib.sha256(file.read(length) + size.to_bytes(8, "little")).hexdigest()


def _groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterable[pa.Table]:
    """Yield the rows in tables of ROW_GROUP rows and one chunk each; the last may be shorter."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        while rows >= ROW_GROUP:
            table = pa.Table.from_batches(held, schema)
            yield table.slice(0, ROW_GROUP).combine_chunks()
            held = table.slice(ROW_GROUP).to_batches()
            rows -= ROW_GROUP
    if rows or schema.names == []:
        yield pa.Table.from_batches(held, schema).combine_chunks()


def _dictionaries(schema: pa.Schema) -> Any:
    """Return the columns to encode with a dictionary: floats rarely repeat, and trying costs a third of the time."""
    import pyarrow as pa

    rest = [field.name for field in schema if not pa.types.is_floating(field.type)]
    return rest if len(rest) < len(schema) else True
