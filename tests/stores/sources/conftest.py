"""Reading one source of a project in a temporary folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from firnflow import context
from firnflow.project.catalog import Source
from firnflow.stores import Stores
from firnflow.stores.artifacts import ArtifactStore
from firnflow.stores.sources import read_source
from firnflow.stores.warehouse import DuckDBWarehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import ibis


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    opened = Stores(
        ArtifactStore(str(tmp_path / "store")), DuckDBWarehouse(500_000_000, 2, tmp_path / "spill"), frozenset()
    )
    token = context.enter(context.TaskContext("run", "task", 1, tmp_path / "scratch"))
    yield opened
    context.leave(token)
    opened.close()


@pytest.fixture
def data_folder() -> Path:
    """The folder of public data beside the repository."""
    folder = Path(__file__).parents[4] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the public data is not beside the repository")
    return folder


@pytest.fixture
def table(tmp_path: Path, stores: Stores) -> Callable[..., ibis.Table]:
    """Write files and read them as a source: `table({"a.csv": b"…"}, path="a.csv", columns={…})`."""

    def read(files: dict[str, bytes] | bytes = b"", override: str | None = None, **spec: Any) -> ibis.Table:
        if isinstance(files, bytes):
            files = {"data.csv": files}
        for name, content in files.items():
            path = tmp_path / "project" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if not {"path", "url", "query"} & spec.keys():
            spec["path"] = next(iter(files))
        return read_source(Source.model_validate({"name": "data", **spec}), stores, tmp_path / "project", override)

    return read


@pytest.fixture
def rows(table: Callable[..., ibis.Table]) -> Callable[..., list[tuple[Any, ...]]]:
    """Like `table`, with the rows as tuples."""

    def read(*args: Any, **spec: Any) -> list[tuple[Any, ...]]:
        found = table(*args, **spec).to_pyarrow()
        return list(zip(*(column.to_pylist() for column in found.columns), strict=True))

    return read
