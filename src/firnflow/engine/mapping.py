"""Expands a mapped task into its elements, once its lists are known."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firnflow.engine.binding import Bound, Value
from firnflow.errors import TaskFailedError
from firnflow.graph.model import FromConstant, FromList
from firnflow.values.ref import Ref

if TYPE_CHECKING:
    from collections.abc import Callable

    from firnflow.graph.model import Mapping, TaskNode

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
    chosen = [dict(zip(lists, combination, strict=True)) for combination in pairs]
    labels = _labels(chosen)
    return [Element(label, {**arguments, **values}) for label, values in zip(labels, chosen, strict=True)]


def written(task: str, node: TaskNode) -> list[Element] | None:
    """Return the elements of a map over lists that are written in the pipeline, or None where a run has to find out.

    Raises as `expand`.
    """
    lists: dict[str, Bound] = {}
    for name in node.mapping.arguments if node.mapping is not None else ():
        wanted = node.inputs[name]
        if isinstance(wanted, FromConstant):
            lists[name] = Value(wanted.value)
        elif isinstance(wanted, FromList) and all(isinstance(item, FromConstant) for item in wanted.items):
            lists[name] = Value([item.value for item in wanted.items if isinstance(item, FromConstant)])
        else:
            return None
    return expand(task, node.mapping, lists, lambda _: None) if node.mapping is not None else None


def _items(task: str, name: str, bound: Bound, read_json: Callable[[Ref], Any]) -> list[Bound]:
    if isinstance(bound, list):
        return bound
    if isinstance(bound, Ref) and isinstance(bound.items, list):
        return list(bound.items)
    value = read_json(bound) if isinstance(bound, Ref) and bound.kind == "json" else getattr(bound, "json", None)
    if not isinstance(value, list):
        raise TaskFailedError(f"task {task!r} maps over {name!r}, which is no list but {type(value).__name__}")
    return [Value(item) for item in value]


def _labels(elements: list[dict[str, Bound]]) -> list[str]:
    """Return how people call the elements: `max_depth=6`, or their index where they are stored values.

    Of sections (dicts) only the entries that differ between elements are named.
    """
    shown = [_flat({name: b.json for name, b in values.items() if isinstance(b, Value)}) for values in elements]
    same = {name for name in set().union(*shown) if len({values.get(name) for values in shown}) == 1}
    labels = []
    for index, values in enumerate(shown):
        names = [name for name in values if name not in same or len(elements) == 1]
        label = ", ".join(f"{name.rpartition('.')[2]}={values[name]}" for name in names) or str(index)
        labels.append(label if len(label) <= _LABEL else f"{label[: _LABEL - 1]}…")
    return labels


def _flat(data: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Return the leaves of nested dicts by dotted name, as text."""
    leaves: dict[str, str] = {}
    for name, value in data.items():
        if isinstance(value, dict) and value:
            leaves |= _flat(value, f"{prefix}{name}.")
        else:
            leaves[prefix + name] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return leaves
