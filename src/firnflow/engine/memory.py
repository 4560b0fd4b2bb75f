"""What a process has just saved or loaded, so that the next task on it need not read it from disk."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firnflow.values.ref import Ref


@dataclass(frozen=True, slots=True)
class _Kept:
    value: Any
    size: int


class Memory:
    """The latest frames and arrays of this process, by digest; the oldest go when the budget is used up.

    Only Arrow tables and polars frames, whose data nobody can change. A pandas frame would have to be copied twice,
    which costs as much as to read it from its file.

    Args:
        budget: bytes.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    def keep(self, ref: Ref, value: Any) -> None:
        """Remember a value under its ref, if it is of a type that can be handed out."""
        name = _name(type(value))
        size = _size(name, value)
        if size is None or size > self._budget:
            return
        self._kept[ref.digest, name] = _Kept(_shared(name, value), size)
        self._kept.move_to_end((ref.digest, name))
        while sum(kept.size for kept in self._kept.values()) > self._budget:
            self._kept.popitem(last=False)

    def find(self, ref: Ref, annotation: Any) -> Any | None:
        """Return the value of a ref as the annotated type, or None where it is not kept so."""
        name = _name(annotation) if isinstance(annotation, type) else ""
        kept = self._kept.get((ref.digest, name))
        if kept is None:
            return None
        self._kept.move_to_end((ref.digest, name))
        return _shared(name, kept.value)

    def digests(self) -> list[str]:
        """Return the digests of what is kept."""
        return [digest for digest, _ in self._kept]


def _name(cls: type) -> str:
    return f"{cls.__module__.partition('.')[0]}.{cls.__qualname__}"


def _size(name: str, value: Any) -> int | None:
    if name == "pyarrow.Table":
        return int(value.nbytes)
    return int(value.estimated_size()) if name == "polars.DataFrame" else None


def _shared(name: str, value: Any) -> Any:
    """Return what a task may change without another seeing it: of a polars frame a clone, which copies no data."""
    return value.clone() if name == "polars.DataFrame" else value
