"""polars data frames and lazy frames; a lazy frame is computed, written and read in batches."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, ClassVar

from firnflow.errors import DataError, FirnflowError
from firnflow.values import digest
from firnflow.values.tables import parquet, schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import polars as pl
    import pyarrow as pa

    from firnflow.values.base import Saved, Storage
    from firnflow.values.ref import Ref


class PolarsType(parquet.TableType):
    """`polars.DataFrame`."""

    name = "polars"
    types: ClassVar = {"polars.DataFrame": ("polars", "pyarrow")}

    def save(self, value: Any, path: Path, storage: Storage) -> Saved:  # noqa: ARG002 - the protocol's
        """Write the frame."""
        _check(value.schema)
        return parquet.write_table(value.to_arrow(), path)

    def load(self, path: Path, ref: Ref, annotation: Any, storage: Storage) -> Any:  # noqa: ARG002 - the protocol's
        """Return the frame."""
        return _from_arrow(parquet.read_plain(path, ref), ref)


class PolarsLazyType(parquet.TableType):
    """`polars.LazyFrame`."""

    name = "polars_lazy"
    types: ClassVar = {"polars.LazyFrame": ("polars", "pyarrow")}

    def save(self, value: Any, path: Path, storage: Storage) -> Saved:  # noqa: ARG002 - the protocol's
        """Compute the frame and write its batches as they come."""
        _check(value.collect_schema())
        arrow_schema = value.limit(0).collect().to_arrow().schema
        return parquet.write(_batches(value), arrow_schema, path, {})

    def load(self, path: Path, ref: Ref, annotation: Any, storage: Storage) -> Any:  # noqa: ARG002 - the protocol's
        """Return a scan of the file, with the dtypes that it had."""
        import polars as pl
        import pyarrow.parquet as pq

        with _naming(lambda error: digest.damaged(ref, error)):
            wanted = _from_arrow(schema.restore(pq.read_schema(path).empty_table())[0], ref).schema
            lazy = pl.scan_parquet(path, glob=False, hive_partitioning=False)
            found = lazy.collect_schema()
        casts = {name: dtype for name, dtype in wanted.items() if found[name] != dtype}
        hidden = parquet.hidden_columns(ref)
        return lazy.drop(hidden).cast({name: dtype for name, dtype in casts.items() if name not in hidden})


def _batches(lazy: pl.LazyFrame) -> Iterator[pa.RecordBatch]:
    for frame in lazy.collect_batches(maintain_order=True):
        yield from frame.to_arrow().to_batches()


def _check(dtypes: pl.Schema) -> None:
    """Raise DataError for dtypes that Arrow has not: of Python objects it would keep addresses."""
    for name, dtype in dtypes.items():
        for wide in ("Object", "Int128", "UInt128"):
            if wide in str(dtype).replace("(", " ").replace(")", " ").replace(",", " ").split():
                raise DataError(f"The column {name!r} is {dtype}, which cannot be stored. Mend: cast it, or drop it")


def _from_arrow(table: pa.Table, ref: Ref) -> pl.DataFrame:
    import polars as pl

    says = f"The {ref.kind} of {ref.type} has a column that polars cannot hold"
    with _naming(lambda error: DataError(f"{says}: {error}")):
        frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a Series is what an array gives
    frame.columns = table.column_names  # polars renames a column without a name
    return frame


@contextlib.contextmanager
def _naming(make: Callable[[BaseException], FirnflowError]) -> Iterator[None]:
    """Turn what polars raises into one of our errors: its panics too, which are no Exceptions."""
    try:
        yield
    except FirnflowError:
        raise
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise make(error) from error
        raise
