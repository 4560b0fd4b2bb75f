"""pandas dtypes that Arrow's own conversion would change: columns of them are converted one by one.

A special column is marked with how to convert it: `object`: Python objects; `missing:nan`, `missing:NA`, `missing:NaT`:
objects, of which the missing are not None; `arrow`: an ArrowDtype; `nullable`: Int64 or boolean, for nulls;
`string:python:nan` and the like: a StringDtype; `zone:zoneinfo`, `zone:datetime`: a time zone that is not of pytz,
which Arrow's conversion takes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from firnflow.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def special(frame: pd.DataFrame, table: pa.Table) -> dict[int, str]:
    """Return position → mark of the special columns of a frame that `table` was made of.

    Raises:
        DataError: the cells of a column are containers that would come back changed.
    """
    import numpy as np

    marks: dict[int, str] = {}
    for i, (name, dtype) in enumerate(zip(frame.columns, frame.dtypes, strict=True)):
        column = table.column(i)
        is_object = isinstance(dtype, np.dtype) and dtype.kind == "O"
        mark = _object_mark(name, frame.iloc[:, i], column) if is_object else _mark(name, dtype, column.type)
        if mark:
            marks[i] = mark
    return marks


def nullable(table: pa.Table) -> dict[int, str]:
    """Return the columns of any table for which pandas needs a nullable dtype: floats would change large integers."""
    import pyarrow.types as kinds

    return {
        i: "nullable"
        for i, column in enumerate(table.columns)
        if column.null_count and (kinds.is_integer(column.type) or kinds.is_boolean(column.type))
    }


def to_frame(table: pa.Table, marks: dict[int, str]) -> pd.DataFrame:
    """Return the table as a data frame, the marked columns converted as they say."""
    if not marks:
        plain: pd.DataFrame = table.to_pandas()
        return plain
    frame: pd.DataFrame = _without(table, marks).to_pandas()
    for i, mark in marks.items():
        frame.isetitem(i, _converted(table.column(i), mark, frame.index))
    return frame


def same(wanted: Any, found: Any) -> bool:
    """Whether two dtypes are equal."""
    return type(wanted) is type(found) and bool(wanted == found)


def _mark(name: Any, dtype: Any, kind: pa.DataType) -> str | None:
    import pandas as pd

    if isinstance(dtype, pd.ArrowDtype):
        return "arrow"
    if isinstance(dtype, pd.StringDtype):
        return f"string:{dtype.storage}:{'NA' if dtype.na_value is pd.NA else 'nan'}"
    if isinstance(dtype, pd.DatetimeTZDtype):
        return f"zone:{type(dtype.tz).__module__}" if type(dtype.tz).__module__ in ("zoneinfo", "datetime") else None
    if isinstance(dtype, pd.CategoricalDtype) and hasattr(getattr(kind, "value_type", None), "storage_type"):
        raise DataError(
            f"The column {name!r} has categories of the dtype {dtype.categories.dtype}, which cannot be stored. "
            "Mend: convert it by `.astype(str)`"
        )
    return None


def _object_mark(name: Any, cells: pd.Series[Any], column: pa.ChunkedArray[Any]) -> str | None:
    """Return the mark of a column of Python objects, by what Arrow made of them."""
    import pandas as pd
    import pyarrow.types as kinds

    kind = column.type
    if kinds.is_nested(kind):
        _check_cells(name, cells, column)
        return None
    texts = kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_binary(kind)
    if not (texts or kinds.is_decimal(kind) or kinds.is_date(kind) or kinds.is_time(kind) or kinds.is_null(kind)):
        return "object"
    if not column.null_count:
        return None
    missing = {type(cell) for cell in cells[cells.isna()]}
    marks = {float: "missing:nan", type(pd.NA): "missing:NA", type(pd.NaT): "missing:NaT"}
    return marks.get(missing.pop()) if len(missing) == 1 else None


def _without(table: pa.Table, marks: dict[int, str]) -> pa.Table:
    """Return the table with nulls for the marked columns, and nothing said of their dtypes."""
    import pyarrow as pa

    metadata = dict(table.schema.metadata or {})
    if b"pandas" in metadata:
        about = json.loads(metadata[b"pandas"])
        for i in marks:
            about["columns"][i].update({"pandas_type": "empty", "numpy_type": "object", "metadata": None})
        metadata[b"pandas"] = json.dumps(about).encode()
    for i in marks:
        table = table.set_column(i, table.field(i).name, pa.nulls(table.num_rows))
    return table.replace_schema_metadata(metadata or None)


def _converted(column: pa.ChunkedArray[Any], mark: str, index: pd.Index) -> Any:
    import numpy as np
    import pandas as pd

    if mark == "object":
        cells = np.empty(len(column), dtype=object)
        cells[:] = column.to_pylist()
        return pd.Series(cells, index=index, dtype=object)
    if mark.startswith("missing:"):
        values = column.to_pandas().to_numpy(copy=True)
        values[column.is_null().to_numpy()] = {"nan": np.nan, "NA": pd.NA, "NaT": pd.NaT}[mark[8:]]
        return pd.Series(values, index=index, dtype=object)
    if mark.startswith("zone:"):
        return _in_zone(column, mark, index)
    if mark == "arrow":
        dtype: Any = pd.ArrowDtype(column.type)
    elif mark == "nullable":
        dtype = pd.api.types.pandas_dtype(_NULLABLE[str(column.type)])
    else:
        _, storage, missing = mark.split(":")
        dtype = pd.StringDtype(storage, na_value=pd.NA if missing == "NA" else np.nan)
    return pd.Series(dtype.__from_arrow__(column), index=index)


_NULLABLE = {f"{sign}int{bits}": f"{sign.upper()}Int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
_NULLABLE["bool"] = "boolean"


def _in_zone(column: pa.ChunkedArray[Any], mark: str, index: pd.Index) -> Any:
    import datetime as dt
    import zoneinfo

    series = column.to_pandas().set_axis(index)
    if mark == "zone:zoneinfo":
        return series.dt.tz_convert(zoneinfo.ZoneInfo(column.type.tz))
    return series.dt.tz_convert(dt.timezone(series.dt.tz.utcoffset(None)))


def _check_cells(name: Any, cells: pd.Series[Any], column: pa.ChunkedArray[Any]) -> None:
    for row, (cell, back) in enumerate(zip(cells, column.to_pylist(), strict=True)):
        if not _same_cell(cell, back):
            raise DataError(
                f"The column {name!r} holds {cell!r} in row {row}, which would come back as {back!r}. "
                "Mend: give all cells the same keys and types, or store them as JSON text"
            )


def _same_cell(cell: Any, back: Any) -> bool:
    if hasattr(cell, "tolist") and getattr(cell, "ndim", 0) == 1:
        cell = list(cell)
    if isinstance(cell, dict):
        if isinstance(back, list):  # a map
            back = dict(back)
        return list(cell) == list(back or ()) and all(_same_cell(cell[key], back[key]) for key in cell)
    if isinstance(cell, list):
        return isinstance(back, list) and len(cell) == len(back) and all(map(_same_cell, cell, back))
    if isinstance(cell, tuple | set | frozenset):
        return False
    return cell == back or (back is None and cell != cell) or (back is None and cell is None)  # noqa: PLR0124
