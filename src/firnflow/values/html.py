"""`ff.Html`: a page that stands for itself, such as a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from firnflow.values import digest
from firnflow.values.base import Saved, ValueType
from firnflow.values.figure import Figure

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.values.base import Storage
    from firnflow.values.ref import Ref


class Html(str):
    """A whole HTML document as a text: `return ff.Html("<!doctype html>…")`. Stored as an .html file."""

    __slots__ = ()


class HtmlType(ValueType):
    """`ff.Html`."""

    kind = "figure"
    name = "html"
    suffix = "html"
    types: ClassVar = {"firnflow.Html": ()}

    def save(self, value: Any, path: Path, storage: Storage) -> Saved:  # noqa: ARG002 - the protocol's
        """Write the document."""
        path.write_bytes(value.encode())
        return Saved({"media_type": "text/html"})

    def load(self, path: Path, ref: Ref, annotation: Any, storage: Storage) -> Any:  # noqa: ARG002 - the protocol's
        """Return the document, or its file as `ff.Figure`."""
        if annotation is Figure:
            return Figure(path, "text/html")
        try:
            return Html(path.read_bytes().decode())
        except UnicodeDecodeError as error:
            raise digest.damaged(ref, error) from error

    def describe(self, ref: Ref) -> str:
        """Return e.g. `html 12,000 bytes`."""
        return f"html {ref.size:,} bytes"
