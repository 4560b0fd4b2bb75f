"""Values: what flows along an edge, as a file or JSON, and back. A type annotation decides how.

`save` makes a ref of a value, `load` a value of a ref.
"""

from __future__ import annotations

import typing
from typing import Any

from firnflow.errors import DataError, StoreError
from firnflow.graph.annotations import class_name, members, plain, readable
from firnflow.graph.kinds import UMBRELLAS
from firnflow.values import containers, json
from firnflow.values.base import Saved, Storage, ValueType
from firnflow.values.containers import element_of, gather
from firnflow.values.digest import verify_bytes
from firnflow.values.pickles import is_allowed
from firnflow.values.ref import Ref
from firnflow.values.registry import value_types

__all__ = [
    "Ref",
    "Saved",
    "Storage",
    "ValueType",
    "describe",
    "element_of",
    "from_plain",
    "gather",
    "load",
    "save",
    "verify",
]


def save(value: Any, annotation: Any, storage: Storage) -> Ref:
    """Store a value that fits its annotation, durably, and return its ref.

    Raises:
        DataError: the value does not fit the annotation, or cannot be stored without loss.
        UnsafeFormatError: it could only be pickled.
        StoreError: the store cannot take it.
    """
    try:
        return _save(value, annotation, storage)
    except RecursionError as error:
        raise DataError(f"A {class_name(type(value))} is nested too deeply to be stored") from error


def _save(value: Any, annotation: Any, storage: Storage) -> Ref:
    found = value_types().for_class(type(value))
    if found is None and is_allowed(value, storage):
        found = value_types().named("pickle")
    if found is not None:
        _check_fits(value, found, annotation)
        return _save_file(value, found, storage)
    options = [member for member in members(annotation) if _is_stored(member)]
    if containers.is_container(value) and (options or _holds_stored(value)):
        wanted = next((option for option in (*options, *members(annotation)) if _container_fits(value, option)), None)
        if wanted is None:
            raise _misfit(value, annotation)
        return containers.save(value, wanted, lambda item, hint: _save(item, hint, storage))
    return json.save(value, _json_part(annotation, value), storage)


def load(ref: Ref, annotation: Any, storage: Storage) -> Any:
    """Return the value of a ref as the annotation of its consumer wants it: any table as any table type.

    Raises:
        DamagedArtifactError: the stored file is missing, or is not what was committed.
        UnsafeFormatError: loading could run code.
        DataError: the value cannot be had as the annotation wants it.
    """
    if ref.kind == "json":
        return json.load(ref, _json_part(annotation, None), storage)
    if ref.kind in ("list", "dict"):
        return _load_container(ref, annotation, storage)
    loader, wanted = _loader(ref, annotation)
    if ref.where is None:
        raise StoreError(f"The ref of a {ref.kind} says no place: it is damaged")
    path = storage.local(ref.where)
    value_types().named(ref.type).verify(path, ref)
    return loader.load(path, ref, wanted, storage)


def from_plain(data: Any, annotation: Any) -> Any:
    """Return plain JSON data (a constant, a parameter) as the annotation wants it. Raises DataError as `load`."""
    return json.loads(json.text_of(data), _json_part(annotation, data))


def verify(ref: Ref, storage: Storage) -> None:
    """Raise DamagedArtifactError where the stored file of a ref is missing, or is not what was committed."""
    for item in containers.items_of(ref):
        verify(item, storage)
    if ref.where is not None:
        path = storage.local(ref.where)
        if ref.kind == "json":
            verify_bytes(path, ref)
        else:
            value_types().named(ref.type).verify(path, ref)


def describe(ref: Ref) -> str:
    """Return one line for people: `table 100,000 rows × 12 columns`."""
    if ref.inline is not None:
        return ref.inline if len(ref.inline) <= 80 else f"{ref.inline[:79]}…"
    if ref.items is not None:
        return f"{ref.kind} of {len(ref.items)}"
    if ref.kind == "json":
        return f"json {ref.size:,} bytes"
    return value_types().named(ref.type).describe(ref)


def _save_file(value: Any, found: ValueType, storage: Storage) -> Ref:
    from firnflow.values import digest

    path = storage.scratch(found.suffix)
    try:
        saved = found.save(value, path, storage)
        content = saved.digest or digest.of_file(path)
        size = path.stat().st_size
        where = storage.put(path, saved.name or content, saved.suffix or found.suffix)
    finally:
        path.unlink(missing_ok=True)
    return Ref(found.kind, found.name, content, where=where, size=size, meta=saved.meta)


def _loader(ref: Ref, annotation: Any) -> tuple[ValueType, Any]:
    """Return the type that loads the ref for a consumer, and the member of its annotation."""
    writer = value_types().named(ref.type)
    options = members(annotation)
    for option in options:
        if option in (Any, object) or (ref.kind == "pickle" and option is not type(None)):
            return writer, option
    able = [(found, option) for option in options if (found := _type_of(option)) and found.kind == ref.kind]
    if not able:
        raise DataError(f"A stored {describe(ref)} cannot be loaded as {readable(annotation)}")
    loader, option = next(((found, option) for found, option in able if found is writer), able[0])
    return (loader, option) if ref.kind == "table" else (writer, option)


def _type_of(annotation: Any) -> ValueType | None:
    cls = typing.get_origin(plain(annotation)) or plain(annotation)
    return value_types().for_class(cls) if isinstance(cls, type) else None


def _check_fits(value: Any, found: ValueType, annotation: Any) -> None:
    for member in members(annotation):
        cls = typing.get_origin(member) or member
        if cls in (Any, object) or (isinstance(cls, type) and isinstance(value, cls)):
            return
        if isinstance(cls, type) and UMBRELLAS.get(class_name(cls)) == found.kind:
            return
    raise _misfit(value, annotation)


def _misfit(value: Any, annotation: Any) -> DataError:
    return DataError(
        f"The value is a {class_name(type(value))}, but the annotation says {readable(annotation)}. "
        "Mend: change the annotation, or convert the value before it is returned"
    )


def _is_stored(annotation: Any, within: tuple[Any, ...] = ()) -> bool:
    """Whether values of the annotation, part of the records `within`, are files or containers of files."""
    annotation = plain(annotation)
    if _type_of(annotation) is not None:
        return True
    cls = typing.get_origin(annotation) or annotation
    if not containers.is_record(cls):
        return any(_is_stored(arg, within) for arg in typing.get_args(annotation) if arg is not ...)
    return cls not in within and any(_is_stored(hint, (*within, cls)) for hint in containers.hints_of(cls).values())


def _holds_stored(value: Any) -> bool:
    if value_types().for_class(type(value)) is not None:
        return True
    return containers.is_container(value) and any(map(_holds_stored, containers.items(value)))


def _container_fits(value: Any, annotation: Any) -> bool:
    cls = typing.get_origin(plain(annotation)) or plain(annotation)
    return cls is Any or (isinstance(cls, type) and isinstance(value, cls))


def _json_part(annotation: Any, value: Any) -> Any:
    """Return the members of the annotation that JSON can be."""
    options = tuple(member for member in members(annotation) if not _is_stored(member))
    if not options:
        raise _misfit(value, annotation)
    return annotation if len(options) == len(members(annotation)) else typing.Union[options]  # noqa: UP007


def _load_container(ref: Ref, annotation: Any, storage: Storage) -> Any:
    wanted = next((option for option in members(annotation) if containers.is_loadable(ref, option)), None)
    if wanted is None:
        raise DataError(f"A stored {ref.kind} cannot be loaded as {readable(annotation)}")
    return containers.load(ref, wanted, lambda item, hint: load(item, hint, storage))
