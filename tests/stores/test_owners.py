from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from firnflow.stores import owners
from firnflow.stores.artifacts import ArtifactStore

if TYPE_CHECKING:
    from pathlib import Path

ID, OTHER = "a" * 32, "b" * 32


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.server)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    if request.param == "folder":
        return ArtifactStore(str(tmp_path / "store"))
    return ArtifactStore(f"{request.getfixturevalue('s3_url')}/prefix", tmp_path / "cache")


def test_marks_are_left_once_found_and_removed(store: ArtifactStore) -> None:
    assert owners.find(store) == []
    owners.register(store, ID, lambda: {"project": "one", "user": None})
    owners.register(store, ID, lambda: {"project": "two"})
    owners.register(store, OTHER, dict)
    assert owners.find(store) == [owners.Owner(ID, {"project": "one", "user": None}), owners.Owner(OTHER, {})]
    assert list(store.objects()) == []
    assert not list((store.folder / "tmp").iterdir())
    owners.forget(store, ID)
    owners.forget(store, ID)
    assert [owner.id for owner in owners.find(store)] == [OTHER]


def test_a_damaged_mark_is_still_one(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    for content in (b"", b"[1]", b"\xff"):
        (tmp_path / "owners").mkdir(exist_ok=True)
        (tmp_path / "owners" / f"{ID}.json").write_bytes(content)
        assert owners.find(store) == [owners.Owner(ID, {})]
