"""Where values, tables and state are kept: the stores of one environment."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from firnflow.values.ref import WAREHOUSES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from firnflow.project.settings import Settings
    from firnflow.stores.artifacts import ArtifactStore, StoredObject
    from firnflow.stores.snowflake.warehouse import SnowflakeWarehouse
    from firnflow.stores.state import State
    from firnflow.stores.tables.base import TablesLike
    from firnflow.stores.warehouse import DuckDBWarehouse
    from firnflow.values.ref import Ref


@dataclass(frozen=True)
class Stores:
    """The artifact store and the warehouse of one process: what `firnflow.values` saves to and loads from.

    Attributes:
        pickle_allowed: the type names that the project lets be pickled.
        skops_trusted: the types, besides scikit-learn's own, that a skops file may hold.
    """

    artifacts: ArtifactStore
    warehouse: DuckDBWarehouse | SnowflakeWarehouse
    pickle_allowed: frozenset[str] = frozenset()
    skops_trusted: frozenset[str] = frozenset()

    @classmethod
    def open(cls, settings: Settings, root: Path) -> Stores:
        """Return the stores of an environment. Nothing is connected or made on disk before it is used."""
        from firnflow.stores.artifacts import ArtifactStore  # not for those who only read the state

        own = root / ".firnflow"
        url = settings.artifacts
        artifacts = ArtifactStore(url if "://" in url else str(root / url), own / "cache")
        return cls(
            artifacts=artifacts,
            warehouse=_warehouse(settings, root, artifacts.folder / "tmp"),
            pickle_allowed=frozenset(settings.models.pickle),
            skops_trusted=frozenset(settings.models.skops_trusted),
        )

    @property
    def embedded(self) -> Stores:
        """The same stores, in which every table is one of DuckDB's: what another warehouse keeps is fetched."""
        return replace(self, warehouse=self.warehouse.embedded)

    def tables(self, state: State) -> TablesLike:
        """Return the named tables of a state in these stores; they are to be closed."""
        return self.warehouse.tables(state, self)

    def scratch(self, suffix: str) -> Path:
        """Return a fresh path on the file system of the objects."""
        return self.artifacts.scratch(suffix)

    def put(self, path: Path, digest: str, suffix: str) -> str:
        """Move a file from `scratch` to its place, durably, and return that place."""
        return self.artifacts.put(path, digest, suffix)

    def local(self, where: str) -> Path:
        """Return a readable path of a stored object."""
        return self.artifacts.local(where)

    def exists(self, where: str) -> bool:
        """Return whether what stands in a ref is there."""
        return self._holder(where).exists(where)

    def modified(self, where: str) -> float | None:
        """Return when that was made, in seconds since 1970; None: it is not there."""
        return self._holder(where).modified(where)

    def delete(self, where: str) -> None:
        """Remove it; what is not there is no error."""
        self._holder(where).delete(where)

    def drop_copy(self, ref: Ref) -> bool:
        """Remove the local copy of what a ref stands for, to be had again; return whether there was one."""
        return not ref.is_kept and self.artifacts.drop_copy(ref.where or "")

    def objects(self) -> Iterator[StoredObject]:
        """Yield all that is stored, in order of place: files, then tables of the warehouse."""
        yield from self.artifacts.objects()
        yield from self.warehouse.objects()

    def implied(self, used: Collection[str]) -> Iterable[str]:
        """Return what is in use because something else is: what the warehouse has loaded of files in use."""
        return self.warehouse.copies(used)

    def _holder(self, where: str) -> ArtifactStore | DuckDBWarehouse | SnowflakeWarehouse:
        return self.warehouse if where.startswith(WAREHOUSES) else self.artifacts

    def close(self) -> None:
        """Disconnect from the warehouse."""
        self.warehouse.close()


def _warehouse(settings: Settings, root: Path, temp: Path) -> DuckDBWarehouse | SnowflakeWarehouse:
    from firnflow.stores.warehouse import DuckDBWarehouse

    embedded = DuckDBWarehouse(settings.memory, settings.threads, temp)
    if settings.warehouse == "duckdb":
        return embedded
    from firnflow.stores.snowflake.warehouse import SnowflakeWarehouse

    def connect() -> Any:
        from firnflow.stores.snowflake.connection import connect

        return connect(settings, root)[0]

    def owner() -> str:
        from firnflow.stores.state import State

        with contextlib.closing(State(settings.state.reveal())) as state:
            return state.identity()

    return SnowflakeWarehouse(embedded, connect, owner)
