"""Where values, tables and state are kept: the stores of one environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from firnflow.project.settings import Settings
    from firnflow.stores.artifacts import ArtifactStore
    from firnflow.stores.warehouse import DuckDBWarehouse


@dataclass(frozen=True)
class Stores:
    """The artifact store and the warehouse of one process: what `firnflow.values` saves to and loads from.

    Attributes:
        pickle_allowed: the type names that the project lets be pickled.
        skops_trusted: the types, besides scikit-learn's own, that a skops file may hold.
    """

    artifacts: ArtifactStore
    warehouse: DuckDBWarehouse
    pickle_allowed: frozenset[str] = frozenset()
    skops_trusted: frozenset[str] = frozenset()

    @classmethod
    def open(cls, settings: Settings, root: Path) -> Stores:
        """Return the stores of an environment. Nothing is connected or made on disk before it is used."""
        from firnflow.stores.artifacts import ArtifactStore  # not for those who only read the state
        from firnflow.stores.warehouse import DuckDBWarehouse

        own = root / ".firnflow"
        url = settings.artifacts
        artifacts = ArtifactStore(url if "://" in url else str(root / url), own / "cache")
        return cls(
            artifacts=artifacts,
            warehouse=DuckDBWarehouse(settings.memory, settings.threads, artifacts.folder / "tmp"),
            pickle_allowed=frozenset(settings.models.pickle),
            skops_trusted=frozenset(settings.models.skops_trusted),
        )

    def scratch(self, suffix: str) -> Path:
        """Return a fresh path on the file system of the objects."""
        return self.artifacts.scratch(suffix)

    def put(self, path: Path, digest: str, suffix: str) -> str:
        """Move a file from `scratch` to its place, durably, and return that place."""
        return self.artifacts.put(path, digest, suffix)

    def local(self, where: str) -> Path:
        """Return a readable path of a stored object."""
        return self.artifacts.local(where)

    def close(self) -> None:
        """Disconnect from the warehouse."""
        self.warehouse.close()
