from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from firnflow.stores import owners
from firnflow.stores.artifacts import ArtifactStore

if TYPE_CHECKING:
    from pathlib import Path

ID, OTHER = "a" * 32, "b" * 32


@pytest.fixture(
    params=[
        "folder",
        pytest.param("s3", marks=pytest.mark.server),
        pytest.param("snowflake", marks=[pytest.mark.server, pytest.mark.slow]),
    ]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    if request.param == "folder":
        return ArtifactStore(str(tmp_path / "store"))
    if request.param == "s3":
        return ArtifactStore(f"{request.getfixturevalue('s3_url')}/prefix", tmp_path / "cache")
    return ArtifactStore(f"{request.getfixturevalue('snowflake_url')}/FIRNFLOW/prefix", tmp_path / "cache")


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


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The file of a state database in a project, which has left its mark in a store elsewhere, and in its own."""
    file = tmp_path / "project" / "state.db"
    file.parent.mkdir()
    file.write_text("state")
    for store in (tmp_path / "shared", tmp_path / "project" / "store"):
        found = ArtifactStore(str(store))
        owners.register(found, ID, lambda found=found: owners.places(found, file))  # type: ignore[misc]
    return file


def is_copy(store: Path, state: Path) -> bool:
    found = ArtifactStore(str(store))
    mark = owners.read(found, ID)
    assert mark is not None
    return owners.is_copy(mark, found, state)


def test_a_copied_state_is_one_where_the_store_was_not_copied_along(tmp_path: Path, state: Path) -> None:
    shutil.copytree(tmp_path / "project", tmp_path / "copy")
    copied = tmp_path / "copy" / "state.db"
    assert is_copy(tmp_path / "shared", copied)
    assert not is_copy(tmp_path / "copy" / "store", copied)
    assert not is_copy(tmp_path / "shared", state)
    assert is_copy(tmp_path / "project" / "store", copied), "a copy that uses the first one's store"


def test_a_state_that_was_moved_or_put_back_is_the_same(tmp_path: Path, state: Path) -> None:
    (tmp_path / "project").rename(tmp_path / "moved")
    moved = tmp_path / "moved" / "state.db"
    assert not is_copy(tmp_path / "shared", moved)
    assert not is_copy(tmp_path / "moved" / "store", moved)
    (tmp_path / "moved").rename(tmp_path / "project")
    state.rename(tmp_path / "saved")
    shutil.copy(tmp_path / "saved", state)
    assert not is_copy(tmp_path / "shared", state)


def test_a_server_and_a_mark_that_says_nothing_are_no_copies(tmp_path: Path, state: Path) -> None:
    store = ArtifactStore(str(tmp_path / "shared"))
    assert not owners.is_copy(owners.Owner(ID, {"folder": "elsewhere"}), store, state)
    assert not owners.is_copy(owners.Owner(ID, owners.places(store, state)), store, None)
