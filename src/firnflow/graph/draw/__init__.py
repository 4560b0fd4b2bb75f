"""Pictures of a graph: `text` for the terminal, `svg` for pages and READMEs, `mermaid` for Markdown."""

from __future__ import annotations

from firnflow.graph.draw.as_mermaid import mermaid
from firnflow.graph.draw.as_svg import svg
from firnflow.graph.draw.as_text import text

__all__ = ["mermaid", "svg", "text"]
