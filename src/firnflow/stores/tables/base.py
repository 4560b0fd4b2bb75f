"""What named tables are, wherever they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

from firnflow._text import listing, nearest
from firnflow.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Collection

    from firnflow.stores import Stores
    from firnflow.stores.state import State
    from firnflow.stores.tables.publish import Publication, Wish
    from firnflow.stores.tables.versions import Version
    from firnflow.values.ref import Ref

NO_TABLES = "There is no named table yet. A pipeline makes one: engineer(…).publish('orders')"


class TableLike(Protocol):
    """A named table as it is at one moment."""

    @property
    def title(self) -> str:
        """Its name."""

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that no two rows may have in common."""

    @property
    def partition(self) -> tuple[str, ...]:
        """The columns of its partitions."""

    @property
    def columns(self) -> dict[str, str]:
        """Column → type, as SQL of DuckDB."""

    @property
    def is_scattered(self) -> bool:
        """Whether its newest version is in many small files, which can be joined."""

    def versions(self) -> list[Version]:
        """Return the versions that are kept, the oldest first."""

    def ref_of(self, version: Version) -> Ref:
        """Return the ref of a version."""

    def restore(self, old: Version, version: Version) -> bool:
        """Make the rows of an older version the newest one, which says `version` of itself; False: too late."""


class TablesLike(ABC):
    """The named tables of one environment.

    Attributes:
        state: whose runs publish them.
        stores: where data is.
    """

    state: State
    stores: Stores

    @property
    @abstractmethod
    def exists(self) -> bool:
        """Whether there are any. Looking makes none."""

    @abstractmethod
    def make(self) -> None:
        """Make what is needed for a first one. Raises MissingExtraError where a library is not installed."""

    @abstractmethod
    def names(self) -> list[str]:
        """Return the names of all tables."""

    @abstractmethod
    def find(self, name: str) -> Any:
        """Return a table as it is now, a `TableLike`, or None."""

    def get(self, name: str) -> Any:
        """Return a table as it is now, a `TableLike`. Raises NotFoundError."""
        found = self.find(name)
        if found is None:
            names = self.names()
            known = f"{nearest(name, names)} Known: {listing(names)}" if names else f" {NO_TABLES}"
            raise NotFoundError(f"There is no table {name!r}.{known}")
        return found

    @abstractmethod
    def publication(self, load: Ref, wish: Wish) -> Publication:
        """Return what publishes a stored table."""

    @abstractmethod
    def places(self, without: Collection[Version] = ()) -> Collection[str]:
        """Return the places in the artifact store of what versions are made of, but for versions about to go."""

    @abstractmethod
    def expire(self, old: Collection[Version]) -> list[Version]:
        """Forget versions, and return those that were forgotten."""

    @abstractmethod
    def compact(self, names: Collection[str]) -> list[str]:
        """Join the small files of the newest version of tables, and return the tables of which that was done."""

    @abstractmethod
    def sweep(self, older_than: float) -> int:
        """Remove what dead writers have left more than so many seconds ago, and return how much that was."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect."""
