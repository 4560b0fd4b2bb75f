"""Where something was written: the file and line that an error names and a graph records."""

from __future__ import annotations

import inspect
import sys
from functools import lru_cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, cast

from firnflow.errors import GraphError
from firnflow.graph.model import Location

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType


class Place(NamedTuple):
    """A line of a file; `str()` of it is what an error shows: relative to the working folder where it is inside it."""

    filename: str
    module: str
    line: int

    def __str__(self) -> str:
        path = Path(self.filename)
        shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        return f"{shown}:{self.line}"

    def location(self) -> Location:
        """Return the place as data, the same on every machine."""
        return Location(file=_importable(self.filename, self.module), line=self.line)


def here() -> Place:
    """Return the line of the user's code that is being run: the innermost frame outside this package."""
    frame = sys._getframe(1)  # noqa: SLF001 - the public way, inspect.stack(), reads source files of every frame
    while frame.f_globals.get("__name__", "").startswith("firnflow.graph.") and frame.f_back is not None:
        frame = frame.f_back
    return Place(frame.f_code.co_filename, frame.f_globals.get("__name__", ""), frame.f_lineno)


def definition(function: Callable[..., Any]) -> Place:
    """Return the line at which a function is defined, under whatever decorates it."""
    function = cast("FunctionType", inspect.unwrap(function))
    return Place(function.__code__.co_filename, function.__module__, function.__code__.co_firstlineno)


def fail(message: str, place: Place, remedy: str = "") -> NoReturn:
    """Raise a GraphError: what is wrong, where, and what mends it."""
    raise GraphError(f"{message} ({place})." + (f" {remedy.strip()}" if remedy else ""))


def quoted(task: str, argument: Any = None) -> str:
    """Return "task 'train', argument 'max_depth'" for the start of a message."""
    return f"task {task!r}" + (f", argument {argument!r}" if argument is not None else "")


@lru_cache(maxsize=1024)
def _importable(filename: str, module: str) -> str:
    """Return the file's path from the folder it is imported from: `churn/pipelines.py` for `churn.pipelines`."""
    path = PurePath(filename)
    parts = tuple(module.split("."))
    stem = path.parent if path.stem == "__init__" else path.with_suffix("")
    if stem.parts[-len(parts) :] != parts:
        return path.name
    return PurePath(*path.parts[len(stem.parts) - len(parts) :]).as_posix()
