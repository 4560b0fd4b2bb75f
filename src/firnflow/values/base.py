"""What a type of value is, and what it needs from the stores.

A plugin adds a type by a subclass of `ValueType` under the entry point group `firnflow.value_types`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from firnflow.values.digest import verify_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import ibis

    from firnflow.values.ref import Ref


class Embedded(Protocol):
    """The DuckDB of a process, which every warehouse has: it reads and writes the files of the artifact store."""

    @property
    def connection(self) -> Any:
        """The Ibis backend."""

    def write_parquet(self, table: ibis.Table, path: Path, *options: str) -> None:
        """Compute the table and write its rows to `path`, in their order."""


class WarehouseLike(Protocol):
    """The part of a warehouse that tables need."""

    @property
    def connection(self) -> Any:
        """The Ibis backend."""

    @property
    def embedded(self) -> Embedded:
        """The DuckDB of this process: the warehouse itself, or what stands beside it."""

    def keep(self, table: ibis.Table) -> Ref | None:
        """Compute a table that is to stay in the warehouse, and return its ref; None: it is to be a file."""

    def kept(self, ref: Ref) -> ibis.Table:
        """Return a table that was kept. Raises DamagedArtifactError where it is not what it was."""

    def verify(self, ref: Ref) -> None:
        """Raise DamagedArtifactError where a table that was kept is not what it was."""

    def read_parquet(self, path: Path) -> ibis.Table:
        """Return a Parquet file as a table; its rows are read when the table is used."""

    def read_parts(self, paths: Sequence[Path], columns: Mapping[str, str]) -> ibis.Table:
        """Return the rows of several Parquet files with these columns, by name, of these types as SQL."""

    def write_parquet(self, table: ibis.Table, path: Path, *options: str) -> None:
        """Compute the table and write its rows to `path`, in their order."""


class Trust(Protocol):
    """What may be loaded although it could run code."""

    @property
    def pickle_allowed(self) -> frozenset[str]:
        """Type names that the project lets be pickled."""

    @property
    def skops_trusted(self) -> frozenset[str]:
        """Types, besides scikit-learn's own, that a skops file may hold."""


class Storage(Trust, Protocol):
    """Where values are kept: implemented by `firnflow.stores.Stores`."""

    @property
    def warehouse(self) -> WarehouseLike:
        """The warehouse that computes tables."""

    def scratch(self, suffix: str) -> Path:
        """Return a fresh path on the file system of the objects."""

    def put(self, path: Path, digest: str, suffix: str) -> str:
        """Move a file from `scratch` to its place, durably, and return that place."""

    def local(self, where: str) -> Path:
        """Return a readable path. Raises DamagedArtifactError where there is no such object."""


@dataclass(frozen=True)
class Saved:
    """What `ValueType.save` wrote.

    Attributes:
        meta: what loading needs and what people read: plain JSON.
        digest: hex SHA-256 that stands for the content; None: the SHA-256 of the file's bytes.
        name: hex name under which the file is stored; None: the digest. For bytes that the digest does not fix.
        suffix: suffix of the file; None: that of the type.
    """

    meta: dict[str, Any] = field(default_factory=dict)
    digest: str | None = None
    name: str | None = None
    suffix: str | None = None


class ValueType(ABC):
    """How the values of some classes become a file and come back.

    Attributes:
        kind: `table`, `model`, `figure`, `file`, `array`, or a kind of the plugin's own.
        name: the name that stands in refs; unique.
        suffix: suffix of the files, without a dot: small letters and digits.
        types: the classes, as top package and qualified name: `pandas.DataFrame` (whatever module defines it).
            Matched over a value's MRO, the nearest class first, so that no library is imported to look. Each with
            the modules of the libraries that say what its values are when they are stored and when they come back.
            The cache key of a task counts the release series (`2.3`) of those of its annotations: a series may
            change what a file means or what a table computes. A patch release mends and keeps both; it must not cost
            everybody every result. Who wants what it mends in old results, runs with `--no-cache`.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    suffix: ClassVar[str]
    types: ClassVar[Mapping[str, tuple[str, ...]]]

    @abstractmethod
    def save(self, value: Any, path: Path, storage: Storage) -> Saved:
        """Write the value to `path`, the same bytes for the same value in every process."""

    @abstractmethod
    def load(self, path: Path, ref: Ref, annotation: Any, storage: Storage) -> Any:
        """Return the value of a verified file, as `annotation` (no union) wants it."""

    def verify(self, path: Path, ref: Ref) -> None:
        """Raise DamagedArtifactError where the file is not what was committed."""
        verify_bytes(path, ref)

    def describe(self, ref: Ref) -> str:  # noqa: ARG002 - for those that say more
        """Return one line for people."""
        return f"{self.kind} ({self.name})"
