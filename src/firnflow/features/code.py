"""The digest of what a view does with its source: of a function's code, or of a SELECT's words."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firnflow._sql import words
from firnflow.engine.fingerprint import Fingerprinter
from firnflow.errors import NotFoundError
from firnflow.project.settings import find_root

if TYPE_CHECKING:
    from collections.abc import Callable


def digest(transform: Callable[..., Any] | str | None) -> str | None:
    """Return a digest that comments, layout and the versions of libraries do not change."""
    if transform is None:
        return None
    if isinstance(transform, str):
        return "sql:" + hashlib.sha256(words(transform).encode()).hexdigest()
    return "code:" + Fingerprinter((_root(transform),)).code(transform)


def _root(function: Callable[..., Any]) -> Path:
    """Return the folder whose modules count as the view's own code: the project's, or that of the function's file."""
    try:
        folder = Path(inspect.getfile(function)).resolve().parent
    except TypeError:  # typed in, not read from a file
        return Path.cwd()
    try:
        return find_root(folder)
    except NotFoundError:
        return folder
