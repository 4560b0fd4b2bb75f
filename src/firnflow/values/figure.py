"""`ff.Figure`: a stored picture, as a later task receives it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - a task that returns a Figure has its annotations resolved


@dataclass(frozen=True)
class Figure:
    """A stored figure of any library: matplotlib's as PNG, plotly's and altair's as JSON, `ff.Html` as HTML.

    Attributes:
        path: the stored file, not to be written to.
        media_type: `image/png`, `application/vnd.plotly+json`, `application/vnd.vegalite+json`, `text/html`.
    """

    path: Path
    media_type: str

    def data_uri(self) -> str:
        """Return the content as a `data:` URI, to embed it in an HTML report."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.path.read_bytes()).decode()}"
