"""pandas data frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firnflow.errors import DataError
from firnflow.values.tables import parquet

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.values.base import Saved, Storage
    from firnflow.values.ref import Ref


class PandasType(parquet.TableType):
    """`pandas.DataFrame`."""

    name = "pandas"
    types = ("pandas.DataFrame",)

    def save(self, value: Any, path: Path, storage: Storage) -> Saved:  # noqa: ARG002 - the protocol's
        """Write the frame, its index and dtypes included."""
        import pyarrow as pa

        parquet.check_names([str(name) for name in value.columns])
        try:
            table = pa.Table.from_pandas(value)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise DataError(f"The data frame cannot be stored: {error}") from error
        return parquet.write(table.to_batches(), table.schema, path)

    def load(self, path: Path, ref: Ref, annotation: Any, storage: Storage) -> Any:  # noqa: ARG002 - the protocol's
        """Return the frame."""
        return parquet.read(path, ref).to_pandas()
