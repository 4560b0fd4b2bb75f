"""Which values fit which annotation, and what an annotation says of how its values are stored."""

from __future__ import annotations

import sys
import typing
from typing import Any

from firnflow.errors import DataError
from firnflow.graph.annotations import class_name, members, plain, readable
from firnflow.graph.kinds import UMBRELLAS
from firnflow.values import containers
from firnflow.values.registry import value_types

if typing.TYPE_CHECKING:
    from collections.abc import Iterable

    from firnflow.values.base import ValueType
    from firnflow.values.ref import Ref


def fits(value: Any, annotation: Any, kind: str | None = None) -> bool:
    """Whether a value, stored as `kind` if that is said, is of one of the classes that the annotation names."""
    for member in members(annotation):
        cls = _class_of(member)
        if cls in (Any, object) or (isinstance(cls, type) and isinstance(value, cls)):
            return True
        if kind is not None and isinstance(cls, type) and UMBRELLAS.get(class_name(cls)) == kind:
            return True
    return False


def misfit(value: Any, annotation: Any) -> DataError:
    """Return the error for a value that does not fit."""
    return DataError(
        f"The value is of type {class_name(type(value))}, but the annotation says {readable(annotation)}. "
        "Mend: change the annotation, or convert the value before it is returned"
    )


def is_stored(annotation: Any, within: tuple[Any, ...] = ()) -> bool:
    """Whether values of the annotation, part of the records `within`, are files or containers of files."""
    if _type_of(annotation) is not None:
        return True
    cls = _class_of(annotation)
    if not containers.is_record(cls):
        return any(is_stored(arg, within) for arg in typing.get_args(plain(annotation)) if arg is not ...)
    return cls not in within and any(is_stored(hint, (*within, cls)) for hint in containers.hints_of(cls).values())


def libraries(annotation: Any, within: tuple[Any, ...] = ()) -> frozenset[str]:
    """Return the libraries that say what stored values of the annotation are: see `ValueType.types`."""
    found = frozenset[str]()
    for member in members(annotation):
        cls = _class_of(member)
        inner: Iterable[Any] = typing.get_args(member)
        if isinstance(cls, type) and cls.__module__.partition(".")[0] not in sys.stdlib_module_names:
            found |= value_types().libraries(cls)
            if containers.is_record(cls) and cls not in within and value_types().for_class(cls) is None:
                inner = containers.hints_of(cls).values()
        found = found.union(*(libraries(each, (*within, cls)) for each in inner))
    return found


def holds_stored(value: Any) -> bool:
    """Whether a value is a file, or a container with one in it."""
    if value_types().for_class(type(value)) is not None:
        return True
    return containers.is_container(value) and any(map(holds_stored, containers.items(value)))


def container(value: Any, annotation: Any) -> Any:
    """Return the member of the annotation as which a container is stored item by item; None: it is stored as JSON.

    Raises:
        DataError: it holds files, and no member fits.
    """
    if not containers.is_container(value):
        return None
    options = [member for member in members(annotation) if is_stored(member)]
    if not options and not holds_stored(value):
        return None
    wanted = next((option for option in (*options, *members(annotation)) if fits(value, option)), None)
    if wanted is None:
        raise misfit(value, annotation)
    return wanted


def as_json(annotation: Any, otherwise: DataError) -> Any:
    """Return the members of the annotation that JSON can be; raise `otherwise` where none can."""
    options = tuple(member for member in members(annotation) if not is_stored(member))
    if not options:
        raise otherwise
    return annotation if len(options) == len(members(annotation)) else typing.Union[options]  # noqa: UP007


def loader(ref: Ref, annotation: Any) -> tuple[ValueType, Any]:
    """Return the type that loads the ref for a consumer, and the member of its annotation that is to come out.

    That is a member of the ref's kind, the writer's own class before others; else, but for tables, any class, of which
    the value may be an instance (`ff.Html` is a `str`).

    Raises:
        DataError: no member can come out.
    """
    writer = value_types().named(ref.type)
    options = members(annotation)
    if any(option in (Any, object) for option in options):
        return writer, Any
    able = [(found, option) for option in options if (found := _type_of(option)) and found.kind == ref.kind]
    own = [(found, option) for found, option in able if found is writer]
    if able:
        found, option = (own or able)[0]
        return (found if ref.kind == "table" else writer), option
    others = [cls for cls in map(_class_of, options) if isinstance(cls, type) and cls is not type(None)]
    if ref.kind == "table" or not others:
        raise not_loadable(ref, annotation)
    return writer, others[0]


def not_loadable(ref: Ref, annotation: Any) -> DataError:
    """Return the error for a ref that cannot be loaded as the annotation."""
    what = ref.kind if ref.kind in ("json", "list", "dict") else value_types().named(ref.type).describe(ref)
    return DataError(
        f"A stored {what} cannot be loaded as {readable(annotation)}. Mend: annotate what the task returns"
    )


def _class_of(annotation: Any) -> Any:
    return typing.get_origin(plain(annotation)) or plain(annotation)


def _type_of(annotation: Any) -> ValueType | None:
    cls = _class_of(annotation)
    return value_types().for_class(cls) if isinstance(cls, type) else None
