"""A small storage over a folder and a DuckDB of its own: what the values layer needs of the stores."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from firnflow.errors import DamagedArtifactError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class FolderWarehouse:
    @cached_property
    def connection(self) -> Any:
        import ibis

        return ibis.duckdb.connect()

    @property
    def embedded(self) -> FolderWarehouse:
        return self

    def keep(self, table: Any) -> None:
        """Files are all that is kept."""

    def read_parquet(self, path: Path) -> Any:
        return self.connection.read_parquet(path)

    def write_parquet(self, table: Any, path: Path) -> None:
        backends, _ = table._find_backends()
        backend = backends[0] if backends else self.connection
        backend.to_parquet(table, path, compression="zstd")


@dataclass
class FolderStorage:
    root: Path
    warehouse: FolderWarehouse
    pickle_allowed: frozenset[str] = frozenset()
    skops_trusted: frozenset[str] = frozenset()

    def scratch(self, suffix: str) -> Path:
        (self.root / "tmp").mkdir(parents=True, exist_ok=True)
        return self.root / "tmp" / f"{uuid.uuid4().hex}.{suffix}"

    def put(self, path: Path, digest: str, suffix: str) -> str:
        where = f"objects/{digest[:2]}/{digest}.{suffix}"
        (self.root / where).parent.mkdir(parents=True, exist_ok=True)
        path.chmod(0o444)
        path.replace(self.root / where)
        return where

    def local(self, where: str) -> Path:
        path = self.root / where
        if not path.is_file():
            raise DamagedArtifactError(f"{where} is not there")
        return path


@pytest.fixture(scope="session")
def warehouse() -> FolderWarehouse:
    return FolderWarehouse()


@pytest.fixture
def storage(tmp_path: Path, warehouse: FolderWarehouse) -> FolderStorage:
    return FolderStorage(tmp_path / "store", warehouse)
