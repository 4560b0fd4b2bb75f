"""Values: what flows along an edge, as a file or JSON, and back. A type annotation decides how.

`save` makes a ref of a value, `load` a value of a ref.
"""

from __future__ import annotations

from typing import Any

from firnflow._disk import writing
from firnflow.errors import DataError, StoreError
from firnflow.graph.annotations import class_name, members
from firnflow.values import containers, fit, json
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
        if not fit.fits(value, annotation, found.kind):
            raise fit.misfit(value, annotation)
        kept = storage.warehouse.keep(value) if found.name == "ibis" else None
        return kept if kept is not None else _save_file(value, found, storage)
    wanted = fit.container(value, annotation)
    if wanted is not None:
        return containers.save(value, wanted, lambda item, hint: _save(item, hint, storage))
    return json.save(value, fit.as_json(annotation, fit.misfit(value, annotation)), storage)


def load(ref: Ref, annotation: Any, storage: Storage) -> Any:
    """Return the value of a ref as the annotation of its consumer wants it: any table as any table type.

    Raises:
        DamagedArtifactError: the stored file is missing, or is not what was committed.
        UnsafeFormatError: loading could run code.
        DataError: the value cannot be had as the annotation wants it.
    """
    if ref.kind == "json":
        return json.load(ref, fit.as_json(annotation, fit.not_loadable(ref, annotation)), storage)
    if ref.kind in ("list", "dict"):
        return _load_container(ref, annotation, storage)
    loader, wanted = fit.loader(ref, annotation)
    if ref.items is not None or ref.is_kept:
        return _load_table(ref, loader, wanted, storage)
    if ref.where is None:
        raise StoreError(f"The ref of a {ref.kind} says no place: it is damaged")
    path = storage.local(ref.where)
    value_types().named(ref.type).verify(path, ref)
    value = loader.load(path, ref, wanted, storage)
    if not fit.fits(value, annotation):
        raise fit.not_loadable(ref, annotation)
    return value


def from_plain(data: Any, annotation: Any) -> Any:
    """Return plain JSON data (a constant, a parameter) as the annotation wants it. Raises DataError as `load`."""
    return json.loads(json.text_of(data), fit.as_json(annotation, fit.misfit(data, annotation)))


def verify(ref: Ref, storage: Storage) -> None:
    """Raise DamagedArtifactError where the stored file of a ref is missing, or is not what was committed."""
    for _, part in ref.walk():
        if part.where is None:
            continue
        if part.is_kept:
            storage.warehouse.verify(part)
            continue
        path = storage.local(part.where)
        if part.kind == "json":
            verify_bytes(path, part)
        else:
            value_types().named(part.type).verify(path, part)


def describe(ref: Ref) -> str:
    """Return one line for people: `table 100,000 rows × 12 columns`."""
    if ref.inline is not None:
        return ref.inline if len(ref.inline) <= 80 else f"{ref.inline[:79]}…"
    if ref.is_container:
        return f"{ref.kind} of {len(ref.items or ())}"
    if ref.kind == "json":
        return f"json {ref.size:,} bytes"
    return value_types().named(ref.type).describe(ref)


def _save_file(value: Any, found: ValueType, storage: Storage) -> Ref:
    from firnflow.values import digest

    path = storage.scratch(found.suffix)
    try:
        with writing(path):
            saved = found.save(value, path, storage)
        content = saved.digest or digest.of_file(path)
        size = path.stat().st_size
        where = storage.put(path, saved.name or content, saved.suffix or found.suffix)
    finally:
        path.unlink(missing_ok=True)
    return Ref(found.kind, found.name, content, where=where, size=size, meta=saved.meta)


def _load_table(ref: Ref, loader: ValueType, wanted: Any, storage: Storage) -> Any:
    """Return a table that is no file: one in the warehouse, or in several files, a version of a named table."""
    from firnflow.values.tables import parts

    if ref.is_kept:
        table = storage.warehouse.kept(ref)
    else:
        verify(ref, storage)
        table = parts.load(ref, storage)
    if loader.name == "ibis":
        return table
    path = parts.joined(table, storage)
    return loader.load(path, ref, wanted, storage)


def _load_container(ref: Ref, annotation: Any, storage: Storage) -> Any:
    wanted = next((option for option in members(annotation) if containers.is_loadable(ref, option)), None)
    if wanted is None:
        raise fit.not_loadable(ref, annotation)
    return containers.load(ref, wanted, lambda item, hint: load(item, hint, storage))
