"""Figures: matplotlib as PNG (bounded in size, no code in it), plotly and altair as the JSON that they are.

The bytes hold no dates, ids or versions, so that equal figures have equal digests.
"""

from __future__ import annotations

import json
import shutil
import sys
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from firnflow.errors import DataError
from firnflow.values import digest
from firnflow.values.base import Saved, ValueType
from firnflow.values.figure import Figure

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.values.base import Storage
    from firnflow.values.ref import Ref

DPI = 144
SUFFIXES = {
    "image/png": "png",
    "application/vnd.plotly+json": "json",
    "application/vnd.vegalite+json": "json",
    "text/html": "html",
}


class _FigureType(ValueType):
    """What figures have in common: as `ff.Figure` a consumer gets the stored file."""

    kind = "figure"
    media_type: ClassVar[str]

    def save(self, value: Any, path: Path, storage: Storage) -> Saved:  # noqa: ARG002 - the protocol's
        """Write the figure."""
        self._write(value, path)
        return Saved({"media_type": self.media_type})

    def load(self, path: Path, ref: Ref, annotation: Any, storage: Storage) -> Any:  # noqa: ARG002 - the protocol's
        """Return the figure, or its file as `ff.Figure`."""
        if annotation is Figure:
            return Figure(path, self.media_type)
        return self._read(path, ref, annotation)

    def describe(self, ref: Ref) -> str:
        """Return e.g. `figure matplotlib 35,000 bytes`."""
        return f"figure {self.name} {ref.size:,} bytes"

    @abstractmethod
    def _write(self, value: Any, path: Path) -> None: ...

    @abstractmethod
    def _read(self, path: Path, ref: Ref, annotation: Any) -> Any: ...


class MatplotlibType(_FigureType):
    """`matplotlib.figure.Figure`: a later task receives the picture, as `ff.Figure`."""

    name = "matplotlib"
    suffix = "png"
    types: ClassVar = {"matplotlib.Figure": ("matplotlib",)}
    media_type = "image/png"

    def _write(self, value: Any, path: Path) -> None:
        value.savefig(path, format="png", dpi=DPI, metadata={"Software": None})
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is not None:
            pyplot.close(value)  # a warm process would collect the figures of all its tasks

    def _read(self, path: Path, ref: Ref, annotation: Any) -> Any:  # noqa: ARG002 - a picture is not parsed
        if annotation not in (Any, object):
            raise DataError("A figure of matplotlib is kept as a picture. Mend: annotate the argument `ff.Figure`")
        return Figure(path, self.media_type)


class PlotlyType(_FigureType):
    """plotly's `Figure`."""

    name = "plotly"
    suffix = "json"
    types: ClassVar = {"plotly.BaseFigure": ("plotly",)}
    media_type = "application/vnd.plotly+json"

    def _write(self, value: Any, path: Path) -> None:
        path.write_bytes(_canonical(value.to_json()))

    def _read(self, path: Path, ref: Ref, annotation: Any) -> Any:  # noqa: ARG002 - the JSON says which it is
        import plotly.io

        try:
            return plotly.io.from_json(path.read_text("utf-8"), output_type="Figure")
        except Exception as error:  # of plotly's own tree
            raise digest.damaged(ref, error) from error


class AltairType(_FigureType):
    """altair's charts of all kinds."""

    name = "altair"
    suffix = "json"
    types: ClassVar = {"altair.TopLevelMixin": ("altair",)}
    media_type = "application/vnd.vegalite+json"

    def _write(self, value: Any, path: Path) -> None:
        try:
            path.write_bytes(_canonical(value.to_json()))
        except Exception as error:  # MaxRowsError, and what the schema says
            raise DataError(f"The chart cannot be stored: {error}") from error

    def _read(self, path: Path, ref: Ref, annotation: Any) -> Any:  # noqa: ARG002 - the JSON says which it is
        import altair as alt

        try:
            return alt.Chart.from_json(path.read_text("utf-8"))
        except Exception as error:  # of altair's own tree
            raise digest.damaged(ref, error) from error


class StoredFigureType(ValueType):
    """`ff.Figure`: the stored picture of another task, handed on."""

    kind = "figure"
    name = "figure"
    suffix = "png"
    types: ClassVar = {"firnflow.Figure": ()}

    def save(self, value: Any, path: Path, storage: Storage) -> Saved:  # noqa: ARG002 - the protocol's
        """Copy the file."""
        if value.media_type not in SUFFIXES or not value.path.is_file():
            raise DataError(f"{value} is no stored figure. Mend: return a figure of matplotlib, plotly or altair")
        shutil.copyfile(value.path, path)
        return Saved({"media_type": value.media_type}, suffix=SUFFIXES[value.media_type])

    def load(self, path: Path, ref: Ref, annotation: Any, storage: Storage) -> Any:  # noqa: ARG002 - the protocol's
        """Return the figure."""
        return Figure(path, str((ref.meta or {}).get("media_type")))


def _canonical(text: str) -> bytes:
    return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
