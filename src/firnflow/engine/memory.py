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

    Only values that can be handed out without sharing what a task may change: Arrow tables as they are, frames as
    copies. Everything else is loaded from its file, as in any other process.

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
        self._kept[ref.digest, name] = _Kept(_copy(name, value), size)
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
        return _copy(name, kept.value)

    def digests(self) -> list[str]:
        """Return the digests of what is kept."""
        return [digest for digest, _ in self._kept]


def _name(cls: type) -> str:
    return f"{cls.__module__.partition('.')[0]}.{cls.__qualname__}"


def _size(name: str, value: Any) -> int | None:
    if name == "pandas.DataFrame":
        return int(value.memory_usage(deep=True).sum()) if _is_flat(value) else None
    if name == "pyarrow.Table":
        return int(value.nbytes)
    return int(value.estimated_size()) if name == "polars.DataFrame" else None


def _is_flat(frame: Any) -> bool:
    """Whether a deep copy of a pandas frame shares nothing: the cells of its object columns are texts, if anything."""
    from pandas.api.types import infer_dtype

    columns = (frame.iloc[:, index] for index in range(frame.shape[1]) if frame.dtypes.iloc[index].kind == "O")
    return frame.index.dtype.kind != "O" and all(infer_dtype(c, skipna=True) in {"string", "empty"} for c in columns)


def _copy(name: str, value: Any) -> Any:
    if name == "pandas.DataFrame":
        return value.copy(deep=True)
    return value.clone() if name == "polars.DataFrame" else value
