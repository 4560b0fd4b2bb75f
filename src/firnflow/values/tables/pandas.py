"""pandas data frames: columns, index and dtypes, or an error that names what cannot be kept."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar

from firnflow.errors import DataError
from firnflow.values import digest
from firnflow.values.tables import dtypes, parquet
from firnflow.values.tables import schema as schemas

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

    from firnflow.values.base import Saved, Storage
    from firnflow.values.ref import Ref


class PandasType(parquet.TableType):
    """`pandas.DataFrame`."""

    name = "pandas"
    types: ClassVar = {"pandas.DataFrame": ("pandas", "pyarrow")}

    def save(self, value: Any, path: Path, storage: Storage) -> Saved:  # noqa: ARG002 - the protocol's
        """Write the frame."""
        table = _to_arrow(value)
        special = dtypes.special(value, table)
        _check(value, table, special)
        notes: dict[str, Any] = {"dtypes": {str(i): kind for i, kind in special.items()}} if special else {}
        if value.index.dtype.kind in "mM" and value.index.freq is not None:
            notes["freq"] = value.index.freqstr
        return parquet.write_table(table, path, {"pandas": notes} if notes else None)

    def load(self, path: Path, ref: Ref, annotation: Any, storage: Storage) -> Any:  # noqa: ARG002 - the protocol's
        """Return the frame; of another table type, nullable dtypes where integers or booleans have nulls."""
        table, notes = parquet.read(path, ref)
        try:
            own = notes.get("pandas", {})
            special = {int(i): str(kind) for i, kind in own.get("dtypes", {}).items()}
            frame: Any = dtypes.to_frame(table, special if ref.type == self.name else dtypes.nullable(table))
            if "freq" in own:
                frame.index.freq = own["freq"]
        except Exception as error:  # whatever a damaged file makes of it
            raise digest.damaged(ref, error) from error
        return frame


def _to_arrow(frame: pd.DataFrame) -> pa.Table:
    import pyarrow as pa

    if frame.columns.nlevels == 1:
        schemas.check_names([str(name) for name in frame.columns])
    keep_index = True if not len(frame.columns) and len(frame.index) else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it warns of is refused by _check
            return pa.Table.from_pandas(_with_close_cells(frame), preserve_index=keep_index)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        reason = error.args[0] if error.args else error
        where = f" ({error.args[1]})" if len(error.args) > 1 else ""
        raise DataError(
            f"The data frame cannot be stored: {reason}{where}. Mend: give the column one plain type "
            "(`astype`; `.sparse.to_dense()` for a sparse one), or drop it"
        ) from error


def _with_close_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the cells of each column together: Arrow is slow to gather those of a 2-D array."""
    import numpy as np

    for i, dtype in enumerate(frame.dtypes):
        if isinstance(dtype, np.dtype) and not frame.iloc[:, i].to_numpy().flags.c_contiguous:
            return frame.copy()
    return frame


def _check(frame: Any, table: pa.Table, special: dict[int, str]) -> None:
    """Raise DataError where names, dtypes or index would not come back: an empty table shows it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            back = dtypes.to_frame(table.slice(0, 0), special)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise DataError(f"The data frame's names or dtypes cannot be stored: {error}") from error
    if not (back.columns.equals(frame.columns) and list(back.columns.names) == list(frame.columns.names)):
        raise DataError(
            f"The names of the columns would come back as {list(back.columns)[:5]!r}. Mend: use texts as column names"
        )
    for name, wanted, found in zip(frame.columns, frame.dtypes, back.dtypes, strict=True):
        if not dtypes.same(wanted, found):
            raise DataError(
                f"The column {name!r} has the dtype {wanted}, which would come back as {found}. "
                "Mend: convert it by `astype` to a dtype that Arrow has"
            )
    if not _same_index(frame.index, back.index):
        raise DataError(
            f"The index ({frame.index.dtype}, named {list(frame.index.names)!r}) would not come back. "
            "Mend: frame.reset_index()"
        )
    if back.attrs != frame.attrs:
        raise DataError("The data frame's attrs are no JSON. Mend: frame.attrs.clear(), or use plain values")


def _same_index(index: pd.Index[Any], back: pd.Index[Any]) -> bool:
    import pandas as pd

    if isinstance(index, pd.RangeIndex):  # stands in the metadata
        return index.name is None or isinstance(index.name, str)
    if list(index.names) != list(back.names):
        return False
    pairs = zip(index.to_frame().dtypes, back.to_frame().dtypes, strict=True)
    return all(hasattr(wanted, "tz") or dtypes.same(wanted, found) for wanted, found in pairs)
