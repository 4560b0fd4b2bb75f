"""Which value fits where: assignability along an edge, JSON-like types, interchangeable tables.

Types of libraries are known by name (top package and qualified name, over the MRO), so that no library is imported.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime as dt
import decimal
import enum
import typing
import uuid
from functools import lru_cache
from typing import Any, Literal

from pydantic import JsonValue, TypeAdapter

from firnflow.graph.annotations import class_name, is_union, members, plain, readable
from firnflow.graph.kinds import KINDS, UMBRELLAS

SourceTable = type("Table", (), {"__module__": "ibis", "__doc__": "What `ff.source` gives: a table of no library."})

_SCALARS = (
    bool,
    int,
    float,
    str,
    type(None),
    dt.date,
    dt.time,
    dt.timedelta,
    decimal.Decimal,
    uuid.UUID,
    enum.Enum,
)
_CONTAINERS = (list, tuple, set, frozenset, dict, collections.abc.Sequence, collections.abc.Mapping)


def is_table(annotation: Any) -> bool:
    """Whether the annotation is one of the interchangeable table types."""
    return _is_any_of(plain(annotation), KINDS["table"])


def _is_any_of(annotation: Any, names: frozenset[str]) -> bool:
    cls = typing.get_origin(annotation) or annotation
    return isinstance(cls, type) and any(class_name(base) in names for base in cls.__mro__)


def is_json_like(annotation: Any, seen: tuple[Any, ...] = ()) -> bool:
    """Whether values are stored as JSON: scalars, containers of JSON-like values, pydantic models, dataclasses."""
    if annotation in seen:
        return True  # a class that refers to itself
    seen, annotation = (*seen, annotation), plain(annotation)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any or annotation is JsonValue or origin is Literal:
        return True
    if is_union(annotation) or origin in _CONTAINERS:
        return all(is_json_like(arg, seen) for arg in args if arg is not ...)
    cls = origin or annotation
    if not isinstance(cls, type):
        return False
    if dataclasses.is_dataclass(cls) or typing.is_typeddict(cls) or hasattr(cls, "_fields"):
        return all(is_json_like(hint, seen) for hint in typing.get_type_hints(cls).values())
    return issubclass(cls, _SCALARS) or cls in _CONTAINERS or hasattr(cls, "__get_pydantic_core_schema__")


def assignable(given: Any, wanted: Any) -> bool:
    """Whether a value of the annotation `given` may be handed to an argument annotated `wanted`."""
    given, wanted = plain(given), plain(wanted)
    if given == wanted or _is_open(given) or _is_open(wanted) or wanted is object:
        return True
    if wanted is JsonValue:
        return is_json_like(given)
    if is_union(given):
        return all(assignable(member, wanted) for member in typing.get_args(given))
    if typing.get_origin(given) is Literal:
        return all(_literal_fits(value, wanted) for value in typing.get_args(given))
    if is_union(wanted):
        return any(assignable(given, member) for member in typing.get_args(wanted))
    return _interchangeable(given, wanted) or _class_fits(given, wanted)


def _is_open(annotation: Any) -> bool:
    return annotation is Any or isinstance(annotation, typing.TypeVar)


def _interchangeable(given: Any, wanted: Any) -> bool:
    if is_table(given) and is_table(wanted):
        return True
    kind = UMBRELLAS.get(readable(wanted))
    return kind is not None and _is_any_of(given, KINDS[kind])


def _literal_fits(value: Any, wanted: Any) -> bool:
    return any(
        (type(value), value) in [(type(v), v) for v in typing.get_args(member)]
        if typing.get_origin(member) is Literal
        else assignable(type(value), member)
        for member in members(wanted)
    )


def _class_fits(given: Any, wanted: Any) -> bool:
    given_class, wanted_class = typing.get_origin(given) or given, typing.get_origin(wanted) or wanted
    if not isinstance(given_class, type) or not isinstance(wanted_class, type):
        return False
    if typing.is_typeddict(given_class) or typing.is_typeddict(wanted_class):
        return False  # equal ones have been accepted
    if wanted_class is float and given_class in (int, bool):
        return True
    if not issubclass(given_class, wanted_class):
        return False
    return _arguments_fit(given, wanted)


def _arguments_fit(given: Any, wanted: Any) -> bool:
    given_args, wanted_args = typing.get_args(given), typing.get_args(wanted)
    if not given_args or not wanted_args:
        return True
    if typing.get_origin(given) is tuple and (typing.get_origin(wanted) is not tuple or wanted_args[-1] is ...):
        return all(assignable(arg, wanted_args[0]) for arg in given_args if arg is not ...)
    return len(given_args) == len(wanted_args) and all(map(assignable, given_args, wanted_args))


def adapter(annotation: Any) -> TypeAdapter[Any]:
    """Return the pydantic adapter of a JSON-like annotation."""
    try:
        return _adapter(annotation)
    except TypeError:  # `Annotated` with something that has no hash
        return TypeAdapter(annotation)


@lru_cache(maxsize=4096)
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)
