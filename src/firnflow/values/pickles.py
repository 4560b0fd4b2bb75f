"""Pickles, for the classes that a project names in `[models] pickle`, and for no other. The ref says that it is one."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, ClassVar

from firnflow.errors import DataError
from firnflow.values import digest
from firnflow.values.base import Saved, ValueType
from firnflow.values.refusal import full_name, not_allowed

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.values.base import Storage, Trust
    from firnflow.values.ref import Ref

PROTOCOL = 5


class PickleType(ValueType):
    """Objects of the classes that the project allows; found by `is_allowed`, never by class."""

    kind = "pickle"
    name = "pickle"
    suffix = "pkl"
    types: ClassVar = {}

    def save(self, value: Any, path: Path, storage: Storage) -> Saved:
        """Pickle the value."""
        path.write_bytes(dumps(value, storage))
        return Saved({"pickle": full_name(type(value))})

    def load(self, path: Path, ref: Ref, annotation: Any, storage: Storage) -> Any:
        """Return the value. Raises UnsafeFormatError where the project does not allow its class."""
        try:
            value = loads(path.read_bytes(), str((ref.meta or {}).get("pickle")), storage)
        except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError) as error:
            raise digest.damaged(ref, error) from error
        if annotation is not Any and isinstance(annotation, type) and not isinstance(value, annotation):
            raise DataError(f"A pickled {full_name(type(value))} cannot be loaded as {full_name(annotation)}")
        return value

    def describe(self, ref: Ref) -> str:
        """Return e.g. `pickle of churn.Thing`."""
        return f"pickle of {(ref.meta or {}).get('pickle')}"


def is_allowed(value: Any, trust: Trust) -> bool:
    """Whether the project allows the value's class to be pickled."""
    return full_name(type(value)) in trust.pickle_allowed


def dumps(value: Any, trust: Trust) -> bytes:
    """Return the pickle of a value of an allowed class."""
    if not is_allowed(value, trust):
        raise not_allowed(full_name(type(value)))
    return pickle.dumps(value, protocol=PROTOCOL)


def loads(content: bytes, name: str, trust: Trust) -> Any:
    """Return the object of a pickle that says that it is of class `name`. Raises UnsafeFormatError if not allowed."""
    if name not in trust.pickle_allowed:
        raise not_allowed(name)
    return pickle.loads(content)  # noqa: S301 - the project allows this class by name
