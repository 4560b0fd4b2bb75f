"""Expands a mapped task into its elements, once its lists are known."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow.engine.binding import Bound, Value
from firnflow.errors import TaskFailedError
from firnflow.values.ref import Ref

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.graph.model import Mapping

_LABEL = 60


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a map: what people call it, and what it is called with."""

    label: str
    arguments: dict[str, Bound]


def expand(task: str, mapping: Mapping, arguments: dict[str, Bound], read_json: Callable[[Ref], Any]) -> list[Element]:
    """Return the elements in their order.

    Raises:
        TaskFailedError: an argument is no list, or lists that are zipped differ in length.
    """
    lists = {name: _items(task, name, arguments[name], read_json) for name in mapping.arguments}
    if mapping.how == "zip" and len({len(items) for items in lists.values()}) > 1:
        lengths = ", ".join(f"{name} {len(items)}" for name, items in lists.items())
        raise TaskFailedError(
            f"task {task!r} maps over lists of different lengths: {lengths}. "
            "Give lists of one length, or take every combination with .cross_map(…)"
        )
    pairs = zip(*lists.values(), strict=True) if mapping.how == "zip" else itertools.product(*lists.values())
    return [
        Element(
            _label(dict(zip(lists, combination, strict=True)), index),
            {**arguments, **dict(zip(lists, combination, strict=True))},
        )
        for index, combination in enumerate(pairs)
    ]


def _items(task: str, name: str, bound: Bound, read_json: Callable[[Ref], Any]) -> list[Bound]:
    if isinstance(bound, list):
        return bound
    if isinstance(bound, Ref) and isinstance(bound.items, list):
        return list(bound.items)
    value = read_json(bound) if isinstance(bound, Ref) and bound.kind == "json" else getattr(bound, "json", None)
    if not isinstance(value, list):
        raise TaskFailedError(f"task {task!r} maps over {name!r}, which is no list but {type(value).__name__}")
    return [Value(item) for item in value]


def _label(values: dict[str, Bound], index: int) -> str:
    """Return e.g. `max_depth=6`; the index where the elements are stored values."""
    shown = [
        f"{name}={json.dumps(bound.json, ensure_ascii=False).strip(chr(34))}"
        for name, bound in values.items()
        if isinstance(bound, Value)
    ]
    label = ", ".join(shown) or str(index)
    return label if len(label) <= _LABEL else f"{label[: _LABEL - 1]}…"
