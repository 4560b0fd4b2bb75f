"""pyarrow tables, and readers of record batches, which are written and read in constant memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.values import digest
from firnflow.values.tables import parquet

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.values.base import Saved, Storage
    from firnflow.values.ref import Ref


class ArrowType(parquet.TableType):
    """`pyarrow.Table`."""

    name = "arrow"
    types = ("pyarrow.Table",)

    def save(self, value: Any, path: Path, storage: Storage) -> Saved:  # noqa: ARG002 - the protocol's
        """Write the table."""
        return parquet.write(value.to_batches(), value.schema, path)

    def load(self, path: Path, ref: Ref, annotation: Any, storage: Storage) -> Any:  # noqa: ARG002 - the protocol's
        """Return the table."""
        return parquet.read(path, ref)


class ArrowReaderType(parquet.TableType):
    """`pyarrow.RecordBatchReader`: it can be read once."""

    name = "arrow_reader"
    types = ("pyarrow.RecordBatchReader",)

    def save(self, value: Any, path: Path, storage: Storage) -> Saved:  # noqa: ARG002 - the protocol's
        """Write the batches as they come."""
        return parquet.write(value, value.schema, path)

    def load(self, path: Path, ref: Ref, annotation: Any, storage: Storage) -> Any:  # noqa: ARG002 - the protocol's
        """Return a reader of the file."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            file = pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise digest.damaged(ref, error) from error
        return pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches())
