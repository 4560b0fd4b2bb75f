"""Plain data: what JSON values are made of, how two are compared, and the refusal of anything else."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import uuid
from typing import Any

from firnflow.errors import DataError
from firnflow.graph.annotations import class_name
from firnflow.values.refusal import refusal
from firnflow.values.registry import value_types

SCALARS = (
    type(None),
    int,
    float,
    complex,
    str,
    bytes,
    decimal.Decimal,
    dt.date,
    dt.time,
    dt.timedelta,
    uuid.UUID,
    enum.Enum,
)
"""Classes of which a value is plain data, besides the containers, dataclasses and pydantic's."""


def plain(value: Any) -> Any:
    """Return the value with NumPy's scalars as Python's, in lists, tuples, sets, dicts and dataclasses."""
    if type(value).__module__ == "numpy" and hasattr(value, "dtype") and getattr(value, "shape", None) == ():
        return value.item()
    if isinstance(value, dict):
        items = {plain(key): plain(item) for key, item in value.items()}
        return items if type(value) is dict else value
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(map(plain, value))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(plain, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain_dataclass(value)
    return value


def _plain_dataclass(value: Any) -> Any:
    old = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
    new = {name: plain(item) for name, item in old.items()}
    changed = {name: item for name, item in new.items() if type(item) is not type(old[name]) or item != old[name]}
    return dataclasses.replace(value, **changed) if changed else value


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, their types and the order of dicts included; NaN equals NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return one == other or (one != one and other != other)  # noqa: PLR0124 - NaN differs from itself
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            same(a, b) and same(one[a], other[b]) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if hasattr(one, "__dict__") and not isinstance(one, set | frozenset):
        return one == other or same(vars(one), vars(other))
    return bool(one == other)


def refuse_objects(value: Any) -> None:
    """Raise UnsafeFormatError where the value holds an object that is no data, DataError where it is no plain data."""
    if isinstance(value, dict | list | tuple | set | frozenset):
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            refuse_objects(item)
    elif hasattr(value, "__get_pydantic_core_schema__") or dataclasses.is_dataclass(value):
        for item in vars(value).values():
            refuse_objects(item)
    elif value_types().for_class(type(value)):
        raise DataError(
            f"A {class_name(type(value))} inside of a pydantic model cannot be stored. "
            "Mend: return a dataclass or a NamedTuple, whose fields are stored one by one"
        )
    elif not isinstance(value, SCALARS):
        raise refusal(type(value))
