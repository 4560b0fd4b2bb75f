"""`source`: a table or file of the catalog, as the first node of a pipeline."""

from __future__ import annotations

import re
from typing import Any, Final

from firnflow.graph.builder import current
from firnflow.graph.names import NAME
from firnflow.graph.where import fail, here

SOURCE_KEY: Final = "firnflow:source"
"""The key of a node that reads the catalog source named by its constant input `name`."""


def source(name: str) -> Any:
    """Return a source of `catalog.toml` as an input for tasks that take a table.

    Raises:
        GraphError: not in a pipeline, or no name for a source.
    """
    builder = current()
    if builder is None:
        fail(f"source {name!r}: belongs in a pipeline", here(), "In a test, call the task with a table of your own.")
    if not re.fullmatch(NAME, name):
        fail(f"source {name!r}: a name is letters, digits and `_`, a letter first", here())
    return builder.source(name, SOURCE_KEY)
