"""Annotations: how one reads as text, and which value fits where.

Types of libraries are known by name (top package and qualified name, over the MRO), so that no library is imported.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import json
import types
import typing
import uuid
from functools import lru_cache
from typing import Any, Literal, Union

from pydantic import TypeAdapter

TABLES = frozenset(
    {
        "ibis.Table",
        "pandas.DataFrame",
        "polars.DataFrame",
        "polars.LazyFrame",
        "pyarrow.Table",
        "pyarrow.RecordBatchReader",
    }
)
"""Table types; a value of one is handed over as any other."""

MODELS = frozenset(
    {
        "catboost.CatBoost",
        "lightgbm.Booster",
        "lightgbm.LGBMModel",
        "onnx.ModelProto",
        "sklearn.BaseEstimator",
        "xgboost.Booster",
    }
)
"""Model types, which an argument annotated `ff.Model` accepts."""

SourceTable = type("Table", (), {"__module__": "ibis", "__doc__": "What `ff.source` gives: a table of no library."})

_SCALARS = (
    bool,
    int,
    float,
    str,
    type(None),
    datetime.date,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
    uuid.UUID,
)
_LISTS = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Collection, collections.abc.Iterable)


def plain(annotation: Any) -> Any:
    """Return the annotation without `Annotated`, `NewType` and type aliases."""
    while True:
        if typing.get_origin(annotation) is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":  # Python 3.12
            annotation = annotation.__value__
        else:
            return type(None) if annotation is None else annotation


def class_name(cls: type) -> str:
    """Return top package and qualified name: `pandas.DataFrame`, `int`, `churn.Report`."""
    name = cls.__qualname__.rpartition("<locals>.")[2]
    top = cls.__module__.partition(".")[0]
    return name if top in ("builtins", "typing") else f"{top}.{name}"


def readable(annotation: Any) -> str:
    """Return the annotation as one reads it: `ibis.Table`, `list[int]`, `Literal["promote", "alert"]`, `int | None`."""
    annotation = plain(annotation)
    if annotation is type(None):
        return "None"
    if annotation is ...:
        return "..."
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return f"Literal[{', '.join(_literal(value) for value in args)}]"
    if is_union(annotation):
        return " | ".join(readable(member) for member in args)
    if origin is not None:
        return f"{readable(origin)}[{', '.join(readable(a) for a in args)}]" if args else readable(origin)
    if isinstance(annotation, type):
        return class_name(annotation)
    return str(annotation).removeprefix("typing.")


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def is_union(annotation: Any) -> bool:
    """Whether the annotation is `A | B` or `Optional[A]`."""
    return typing.get_origin(annotation) in (Union, types.UnionType)


def members(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the annotation alone."""
    annotation = plain(annotation)
    if is_union(annotation):
        return tuple(inner for member in typing.get_args(annotation) for inner in members(member))
    return (annotation,)


def accepts_none(annotation: Any) -> bool:
    """Whether None fits."""
    return any(member in (type(None), Any, object) for member in members(annotation))


def literals(annotation: Any) -> tuple[str | bool | int, ...]:
    """Return the cases of a Literal or bool annotation, Optional or not; empty for another."""
    cases: list[str | bool | int] = []
    for member in members(annotation):
        if typing.get_origin(member) is Literal:
            cases += [value for value in typing.get_args(member) if isinstance(value, str | bool | int)]
        elif member is bool:
            cases += [True, False]
        elif member is not type(None):
            return ()
    return tuple(cases)


def element(annotation: Any) -> Any:
    """Return `T` of `list[T]`, `tuple[T, ...]` or `Sequence[T]`; Any of `list` and Any; None where it is no list."""
    annotation = plain(annotation)
    if annotation is Any:
        return Any
    origin, args = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if origin is tuple:
        return args[0] if len(args) == 2 and args[1] is ... else (Any if not args else None)
    if origin in (list, collections.abc.Sequence):
        return args[0] if args else Any
    return None


def is_table(annotation: Any) -> bool:
    """Whether the annotation is one of the interchangeable table types."""
    return _is_any_of(plain(annotation), TABLES)


def _is_any_of(annotation: Any, names: frozenset[str]) -> bool:
    cls = typing.get_origin(annotation) or annotation
    return isinstance(cls, type) and any(class_name(base) in names for base in cls.__mro__)


@lru_cache(maxsize=4096)
def is_json_like(annotation: Any) -> bool:
    """Whether values of the annotation are stored as JSON: scalars, containers of them, pydantic models, dataclasses."""
    annotation = plain(annotation)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any or origin is Literal:
        return True
    if is_union(annotation) or origin in (*_LISTS, dict, collections.abc.Mapping):
        return all(is_json_like(arg) for arg in args if arg is not ...)
    if typing.is_typeddict(annotation):
        return all(is_json_like(hint) for hint in typing.get_type_hints(annotation).values())
    cls = origin or annotation
    if not isinstance(cls, type):
        return False
    if dataclasses.is_dataclass(cls) or (issubclass(cls, tuple) and hasattr(cls, "_fields")):
        return all(is_json_like(hint) for hint in typing.get_type_hints(cls).values())
    if issubclass(cls, (*_SCALARS, enum.Enum)) or cls in (*_LISTS, dict, collections.abc.Mapping):
        return True
    return hasattr(cls, "__get_pydantic_core_schema__")


@lru_cache(maxsize=4096)
def adapter(annotation: Any) -> TypeAdapter[Any]:
    """Return the pydantic adapter of a JSON-like annotation."""
    return TypeAdapter(annotation)


def from_json(annotation: Any, value: Any) -> Any:
    """Return a constant of the graph as the annotation wants it: a list as a tuple, a text as a date, a dict as a model.

    Raises pydantic.ValidationError where it does not fit.
    """
    return adapter(annotation).validate_json(json.dumps(value))


def assignable(given: Any, wanted: Any) -> bool:
    """Whether a value of the annotation `given` may be handed to an argument annotated `wanted`."""
    given, wanted = plain(given), plain(wanted)
    if given == wanted or Any in (given, wanted) or wanted is object:
        return True
    if isinstance(given, typing.TypeVar) or isinstance(wanted, typing.TypeVar):
        return True
    if is_union(given):
        return all(assignable(member, wanted) for member in typing.get_args(given))
    if typing.get_origin(given) is Literal:
        return all(_literal_fits(value, wanted) for value in typing.get_args(given))
    if is_union(wanted):
        return any(assignable(given, member) for member in typing.get_args(wanted))
    if is_table(given) and is_table(wanted):
        return True
    if readable(wanted) == "firnflow.Model" and _is_any_of(given, MODELS):
        return True
    return _class_fits(given, wanted)


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
