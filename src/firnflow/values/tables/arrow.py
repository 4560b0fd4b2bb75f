"""pyarrow tables, and readers of record batches, which are written and read in constant memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from firnflow.values import digest
from firnflow.values.tables import parquet, schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from firnflow.values.base import Saved, Storage
    from firnflow.values.ref import Ref


class ArrowType(parquet.TableType):
    """`pyarrow.Table`."""

    name = "arrow"
    types: ClassVar = {"pyarrow.Table": ("pyarrow",)}

    def save(self, value: Any, path: Path, storage: Storage) -> Saved:  # noqa: ARG002 - the protocol's
        """Write the table."""
        return parquet.write_table(value, path)

    def load(self, path: Path, ref: Ref, annotation: Any, storage: Storage) -> Any:  # noqa: ARG002 - the protocol's
        """Return the table."""
        return parquet.read_plain(path, ref)


class ArrowReaderType(parquet.TableType):
    """`pyarrow.RecordBatchReader`: it can be read once."""

    name = "arrow_reader"
    types: ClassVar = {"pyarrow.RecordBatchReader": ("pyarrow",)}

    def save(self, value: Any, path: Path, storage: Storage) -> Saved:  # noqa: ARG002 - the protocol's
        """Write the batches as they come."""
        return parquet.write(value, value.schema, path, {})

    def load(self, path: Path, ref: Ref, annotation: Any, storage: Storage) -> Any:  # noqa: ARG002 - the protocol's
        """Return a reader of the file, which stays open until the reader is read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            file = pq.ParquetFile(path)
            hidden = parquet.hidden_columns(ref)
            first = _visible(schema.restore(file.schema_arrow.empty_table())[0], hidden)
        except Exception as error:  # whatever a damaged file makes of it
            raise digest.damaged(ref, error) from error
        return pa.RecordBatchReader.from_batches(first.schema, _batches(file, hidden))


def _batches(file: Any, hidden: list[str]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    with file:
        for batch in file.iter_batches():
            yield from _visible(schema.restore(pa.Table.from_batches([batch]))[0], hidden).to_batches()


def _visible(table: pa.Table, hidden: list[str]) -> pa.Table:
    return table.drop_columns(hidden).replace_schema_metadata(None) if hidden else table
