"""What to do instead of a pickle: the error for values that no safe format holds."""

from __future__ import annotations

from firnflow.errors import UnsafeFormatError
from firnflow.graph.annotations import class_name

HINTS = {
    "pandas.Series": "return a table: `series.to_frame()`",
    "pandas.Index": "return a table: `index.to_frame(index=False)`",
    "polars.Series": "return a table: `series.to_frame()`",
    "pyarrow.Array": "return a table: `pyarrow.table({'name': array})`",
    "pyarrow.ChunkedArray": "return a table: `pyarrow.table({'name': array})`",
    "pyarrow.RecordBatch": "return a table: `pyarrow.Table.from_batches([batch])`",
    "ibis.Column": "return a table: `column.as_table()`",
    "ibis.Scalar": "return a table: `scalar.as_table()`, or a number: `scalar.execute()`",
    "duckdb.DuckDBPyRelation": "return a table: `relation.to_arrow_table()`",
    "_duckdb.DuckDBPyRelation": "return a table: `relation.to_arrow_table()`",
    "matplotlib.Artist": "return the figure: `axes.figure`",
    "xgboost.DMatrix": "return the table that it is made of",
    "onnxruntime.InferenceSession": "return the `onnx.ModelProto`",
    "torch.Module": "export it to ONNX and return the `onnx.ModelProto`",
    "keras.Model": "export it to ONNX and return the `onnx.ModelProto`",
    "pandas.NAType": "return None, and annotate the type `| None`",
    "range": "return a list",
    "bytearray": "return bytes",
    "generator": "return a list",
    "function": "return the data that it needs; a function is code, and belongs in a module",
}
"""Class → what a task returns instead."""


def full_name(cls: type) -> str:
    """Return module and qualified name: what `[models] pickle` in firnflow.toml lists."""
    return f"{cls.__module__}.{cls.__qualname__}"


def refusal(cls: type) -> UnsafeFormatError:
    """Return the error for a value of a class that could only be pickled."""
    hints = (HINTS[name] for name in map(class_name, cls.__mro__) if name in HINTS)
    advice = next(hints, "return a pydantic model, a dataclass, a table, `ff.Model` or a `Path`")
    return UnsafeFormatError(
        f"A {full_name(cls)} could only be pickled, and whoever loads a pickle runs what is in it. "
        f'Mend: {advice}; or allow it in firnflow.toml: [models] pickle = ["{full_name(cls)}"]'
    )


def not_allowed(name: str) -> UnsafeFormatError:
    """Return the error for a stored pickle of a class that the project does not allow."""
    return UnsafeFormatError(
        f"The stored value is a pickle of {name}, and loading it could run code. Mend: run its task anew, or, if you "
        f'trust whoever wrote it, allow it in firnflow.toml: [models] pickle = ["{name}"]'
    )
