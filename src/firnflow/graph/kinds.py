"""The families of types that stand for each other along an edge, by name, so that no library is imported.

`firnflow.values` has a value type for each; a test holds the two together.
"""

from __future__ import annotations

from typing import Final

KINDS: Final[dict[str, frozenset[str]]] = {
    "table": frozenset(
        {
            "ibis.Table",
            "pandas.DataFrame",
            "polars.DataFrame",
            "polars.LazyFrame",
            "pyarrow.RecordBatchReader",
            "pyarrow.Table",
        }
    ),
    "model": frozenset(
        {
            "lightgbm.Booster",
            "onnx.ModelProto",
            "sklearn.BaseEstimator",
            "xgboost.Booster",
            "xgboost.XGBModel",
        }
    ),
    "figure": frozenset({"altair.TopLevelMixin", "firnflow.Html", "matplotlib.Figure", "plotly.BaseFigure"}),
}
"""Kind → top package and qualified name of its classes; a subclass is one of them too."""

UMBRELLAS: Final[dict[str, str]] = {"firnflow.Model": "model", "firnflow.Figure": "figure"}
"""Annotations that any value of a kind fits. Tables need none: each of their types stands for every other."""
