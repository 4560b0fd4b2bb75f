"""Annotations: taken apart, and as one reads them."""

from __future__ import annotations

import collections.abc
import json
import types
import typing
from typing import Any, Literal, Union

from pydantic import JsonValue


def plain(annotation: Any) -> Any:
    """Return the annotation without `Annotated`, `NewType` and type aliases."""
    while True:
        if typing.get_origin(annotation) is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif _is_alias(annotation) and annotation is not JsonValue:
            annotation = annotation.__value__
        elif _is_alias(typing.get_origin(annotation)):  # `NDArray[float64]` of NumPy 2.5
            annotation = typing.get_origin(annotation).__value__[typing.get_args(annotation)]
        else:
            return type(None) if annotation is None else annotation


def _is_alias(annotation: Any) -> bool:
    """Whether the annotation is `type X = …` of Python 3.12, or the like, which may refer to itself."""
    return type(annotation).__name__ == "TypeAliasType"


def class_name(cls: type) -> str:
    """Return top package and qualified name: `pandas.DataFrame`, `int`, `churn.Report`."""
    name = cls.__qualname__.rpartition("<locals>.")[2]
    top = cls.__module__.partition(".")[0]
    return name if top in ("builtins", "typing") else f"{top}.{name}"


def readable(annotation: Any) -> str:
    """Return the annotation as one reads it: `ibis.Table`, `list[int]`, `Literal["promote", "alert"]`, `int | None`."""
    if _is_alias(annotation):
        return str(annotation.__name__)
    annotation = plain(annotation)
    if annotation in (type(None), ...):
        return "None" if annotation is type(None) else "..."
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return f"Literal[{', '.join(_literal(value) for value in args)}]"
    if is_union(annotation):
        return " | ".join(readable(member) for member in args)
    if origin is not None:
        return f"{readable(origin)}[{', '.join(readable(a) for a in args)}]" if args else readable(origin)
    return class_name(annotation) if isinstance(annotation, type) else str(annotation).removeprefix("typing.")


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def shortened(value: Any) -> str:
    """Return a value for a message: as Python writes it where that is short, else its type."""
    text = repr(value)
    return text if len(text) <= 60 else f"a {readable(type(value))}"


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
