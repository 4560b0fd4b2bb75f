"""Lists, dicts, tuples, NamedTuples and dataclasses of values that are no JSON: each item is stored by itself."""

from __future__ import annotations

import dataclasses
import json
import typing
from typing import TYPE_CHECKING, Any

from firnflow._text import counted
from firnflow.errors import DataError
from firnflow.graph.annotations import class_name, members, plain, readable
from firnflow.values import digest
from firnflow.values.ref import Ref

if TYPE_CHECKING:
    from collections.abc import Callable


def gather(refs: list[Ref] | dict[str, Ref]) -> Ref:
    """Return the ref of a list or of a dict of stored values."""
    if isinstance(refs, dict):
        return Ref("dict", "dict", _digest(["dict", {key: ref.digest for key, ref in refs.items()}]), items=refs)
    return Ref("list", "list", _digest(["list", [ref.digest for ref in refs]]), items=refs)


def is_container(value: Any) -> bool:
    """Whether the value has items that can be stored one by one."""
    return isinstance(value, list | tuple | dict) or is_record(type(value))


def is_record(cls: Any) -> bool:
    """Whether the class is a NamedTuple or a dataclass."""
    return isinstance(cls, type) and (
        dataclasses.is_dataclass(cls) or (issubclass(cls, tuple) and hasattr(cls, "_fields"))
    )


def hints_of(cls: Any) -> dict[str, Any]:
    """Return the annotations of a NamedTuple or a dataclass. Raises DataError where a name in them is unknown."""
    try:
        return typing.get_type_hints(cls)
    except NameError as error:
        raise DataError(f"The annotations of {class_name(cls)}: {error}. Mend: define it in a module") from error


def items(value: Any) -> list[Any]:
    """Return the items of a container."""
    if isinstance(value, dict):
        return list(value.values())
    return [getattr(value, name) for name in _fields(type(value))] if is_record(type(value)) else list(value)


def save(value: Any, annotation: Any, save_item: Callable[[Any, Any], Ref]) -> Ref:
    """Store each item.

    Raises:
        DataError: the value does not fit the annotation, or a key is no text.
    """
    cls = type(value)
    if annotation in (Any, object) and cls not in (list, dict):
        raise DataError(
            f"A {class_name(cls)} would come back from {readable(annotation)} as another type. Mend: annotate it"
        )
    if is_record(cls):
        hints = hints_of(cls)
        return gather({name: save_item(getattr(value, name), hints.get(name, Any)) for name in _fields(cls)})
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise DataError("A dict of tables, models or files needs texts as keys")
        inner = _inner(annotation, 1, Any)
        return gather({key: save_item(item, inner) for key, item in value.items()})
    return gather([save_item(item, hint) for item, hint in zip(value, _hints(annotation, len(value)), strict=True)])


def is_loadable(ref: Ref, annotation: Any) -> bool:
    """Whether a container's ref can be loaded as the annotation."""
    cls = typing.get_origin(plain(annotation)) or plain(annotation)
    if cls in (Any, object):
        return True
    if isinstance(ref.items, dict) and is_record(cls):
        return set(ref.items) <= set(hints_of(cls))
    return isinstance(cls, type) and (
        issubclass(dict if isinstance(ref.items, dict) else list, cls) or is_tuple(ref, cls)
    )


def is_tuple(ref: Ref, cls: type) -> bool:
    """Whether a list's ref is wanted as a tuple."""
    return cls is tuple and not isinstance(ref.items, dict)


def load(ref: Ref, annotation: Any, load_item: Callable[[Ref, Any], Any]) -> Any:
    """Return the container as the annotation, of which `is_loadable` is true, wants it."""
    cls: Any = typing.get_origin(plain(annotation)) or plain(annotation)
    if isinstance(ref.items, dict):
        if is_record(cls):
            hints = hints_of(cls)
            return cls(**{key: load_item(item, hints[key]) for key, item in ref.items.items()})
        inner = _inner(annotation, 1, Any)
        return {key: load_item(item, inner) for key, item in ref.items.items()}
    stored = ref.items or []
    loaded = [load_item(item, hint) for item, hint in zip(stored, _hints(annotation, len(stored)), strict=True)]
    return tuple(loaded) if is_tuple(ref, cls) else loaded


def element_of(annotation: Any) -> Any:
    """Return the annotation of a list's items: `T` of `list[T]`, `tuple[T, ...]`, `list[T] | None`; else Any."""
    return next((args[0] for member in members(annotation) if (args := typing.get_args(member))), Any)


def _fields(cls: Any) -> list[str]:
    return [f.name for f in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else list(cls._fields)


def _inner(annotation: Any, index: int, default: Any) -> Any:
    args = typing.get_args(plain(annotation))
    return args[index] if len(args) > index else default


def _hints(annotation: Any, count: int) -> list[Any]:
    """Return the annotation of each item of a list or tuple."""
    args = typing.get_args(plain(annotation))
    if typing.get_origin(plain(annotation)) is not tuple or (len(args) == 2 and args[1] is ...):
        return [args[0] if args else Any] * count
    if len(args) != count:
        raise DataError(
            f"{counted(count, 'item')} {'does' if count == 1 else 'do'} not fit the annotation {readable(annotation)}"
        )
    return list(args)


def _digest(data: object) -> str:
    return digest.of_bytes(json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())
