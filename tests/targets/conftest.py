"""The smallest target there can be: a folder with a file for each resource."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from firnflow.errors import DeployConflictError
from firnflow.stores.state import State
from firnflow.stores.state.deployments import Address, Deployments
from firnflow.targets.base import Found, Resource

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

MARK = "ours\n"


@dataclass
class Shelf:
    """A target that keeps its order of making in `made`, for the tests to look at."""

    folder: Path
    texts: dict[str, str]
    name: str = "shelf"
    warnings: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)

    @property
    def place(self) -> str:
        return str(self.folder)

    def wanted(self) -> list[Resource]:
        return [
            Resource(Address("jar", name), MARK + text, {"size": str(len(text)), "text": text})
            for name, text in self.texts.items()
        ]

    def found(self, addresses: Collection[Address]) -> dict[Address, Found]:
        there = {address: self.folder / address.name for address in addresses}
        texts = {address: path.read_text() for address, path in there.items() if path.exists()}
        return {
            address: Found(Resource(address, text), text.startswith(MARK), str(there[address]))
            for address, text in texts.items()
        }

    def put(self, resource: Resource, before: Found | None) -> None:
        path = self.folder / resource.address.name
        if (path.read_text() if path.exists() else None) not in {
            before and before.resource.text,
            resource.text,
        }:
            raise DeployConflictError(f"{path} was changed meanwhile")
        path.write_text(resource.text)
        self.made.append(f"+{path.name}")

    def drop(self, before: Found) -> None:
        (self.folder / before.resource.address.name).unlink(missing_ok=True)
        self.made.append(f"-{before.resource.address.name}")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/state.db"


@pytest.fixture
def deployments(url: str) -> Iterator[Deployments]:
    state = State(url)
    yield Deployments(state, "shop", "prod", "shelf")
    state.close()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    (tmp_path / "shelf").mkdir()
    return Shelf(tmp_path / "shelf", {"salt": "a", "tea": "b", "rice": "c"})
