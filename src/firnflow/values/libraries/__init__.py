"""The formats of machine-learning libraries: an estimator as bytes and plain data, and back, without pickle."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from firnflow.values.base import Trust


@dataclass(frozen=True)
class Packed:
    """An estimator as its library writes it.

    Attributes:
        content: the bytes of the library's own format.
        suffix: the format's suffix: `ubj`, `txt`, `skops`, `onnx`.
        info: what else is needed to build the estimator again: plain JSON.
    """

    content: bytes
    suffix: str
    info: dict[str, Any] = field(default_factory=dict)


class Library(Protocol):
    """One library: how its estimators are packed and unpacked."""

    name: ClassVar[str]
    types: ClassVar[tuple[str, ...]]

    def pack(self, estimator: Any, trust: Trust) -> Packed:
        """Return the estimator as bytes, the same in every process. Raises DataError, UnsafeFormatError."""

    def unpack(self, packed: Packed, trust: Trust) -> Any:
        """Return the estimator. Raises UnsafeFormatError; whatever else it raises means a damaged file."""

    def version(self) -> str:
        """Return the version of the installed library."""
